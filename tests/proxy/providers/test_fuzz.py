"""Whatever is thrown at an adapter, it refuses or answers: nothing else ever happens."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from budgets.pricing.usage import UsageUnknown
from tests.proxy.providers.support import meter_for, run

_names = st.sampled_from(
    [
        "usage", "choices", "type", "message", "delta", "prompt_tokens", "completion_tokens", "prompt_tokens_details",
        "cached_tokens", "audio_tokens", "cache_write_tokens", "completion_tokens_details", "reasoning_tokens",
        "input_tokens", "output_tokens", "cache_creation", "iterations", "ephemeral_5m_input_tokens", "service_tier",
        "cache_creation_input_tokens", "cache_read_input_tokens", "server_tool_use", "web_search_requests", "speed",
        "stop_reason", "output_tokens_details", "thinking_tokens",
    ]
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=5),
    max_leaves=12,
)
_counts = st.integers(0, 50) | json_values
_usages = st.fixed_dictionaries(
    {"prompt_tokens": _counts, "completion_tokens": _counts, "input_tokens": _counts, "output_tokens": _counts},
    optional={
        "prompt_tokens_details": st.dictionaries(_names, _counts), "cache_creation": st.dictionaries(_names, _counts),
        "completion_tokens_details": st.dictionaries(_names, _counts), "server_tool_use": json_values,
        "cache_creation_input_tokens": _counts, "cache_read_input_tokens": _counts,
        "output_tokens_details": json_values,
        "iterations": st.lists(
            st.fixed_dictionaries({"type": st.just("message"), "input_tokens": _counts, "output_tokens": _counts})
        ),
    },
)  # fmt: skip


@given(_usages | json_values, st.sampled_from(["openai", "anthropic"]))
def test_no_usage_of_any_shape_is_negative_or_an_unforeseen_error(usage, name):
    meter = meter_for(name)
    meter.feed_body(orjson.dumps({"usage": usage}))
    try:
        read = meter.usage()
    except UsageUnknown:
        return
    assert all(count > 0 for count in read.counts().values())
    assert read.reasoning_tokens <= read.total_output_tokens


_pieces = st.sampled_from(
    [
        b"data: ", b"\n\n", b"\r\n\r\n", b"\n", b"\r", b'{"choices":[],"usage":', b'{"prompt_tokens":1,',
        b'"usage":null', b'"completion_tokens":2}}', b"[DONE]", b"event: message_stop\n", b"\xff",
        b'data: {"type":"message_stop"}\n\n',
        b'data: {"type":"message_delta","delta":{"stop_reason":"x"},"usage":{"input_tokens":1,"output_tokens":2}}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n', b'{"choices":[{',
        b"data: [DONE]",
    ]
)  # fmt: skip


@given(st.lists(_pieces | st.binary(max_size=8), max_size=12), st.booleans(), st.sampled_from(["openai", "anthropic"]))
def test_any_bytes_pass_a_meter_and_the_cuts_make_no_difference(pieces, wanted, name):
    meter = meter_for(name, wanted=wanted)
    out = run(meter, *pieces)
    if wanted or name == "anthropic":
        assert out == b"".join(pieces)
    whole = meter_for(name, wanted=wanted)
    assert run(whole, b"".join(pieces)) == out
    assert whole.complete == meter.complete
    try:
        assert all(count > 0 for count in meter.usage().counts().values())
    except UsageUnknown:
        pass
