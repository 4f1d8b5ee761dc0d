"""Whatever is thrown at an adapter, it refuses or answers: nothing else ever happens."""

from datetime import date

import orjson
from hypothesis import event, given, settings
from hypothesis import strategies as st

from budgets.pricing.catalogue import find
from budgets.pricing.usage import UsageUnknown
from proxy.providers import anthropic_messages, openai_chat
from proxy.providers.anthropic_messages import ANTHROPIC_COUNT_TOKENS, COUNTED
from proxy.providers.base import RequestRefused
from proxy.providers.bounds import quote_of
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.registry import ADAPTERS
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
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
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


@settings(deadline=None)
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


@settings(deadline=None)
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


_fields = st.sampled_from(
    [
        "model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "tools",
        "functions", "response_format", "user", "service_tier", "prediction", "modalities", "system", "thinking",
        "metadata", "speed", "tool_choice", "context_management", "inference_geo", "output_config",
        "prompt_cache_retention", "audio", "role", "content", "type", "text", "source", "image_url", "url", "data",
        "name", "title", "max_uses", "detail", "budget_tokens", "edits", "include_usage", "user_id", "tool_calls",
        "cache_control", "file", "input_audio",
    ]
)  # fmt: skip
_words = st.sampled_from(
    [
        "gpt-4o", "claude-sonnet-4-5", "user", "text", "image", "image_url", "document", "tool_result", "base64",
        "url", "function", "web_search_20250305", "bash_20250124", "input_audio", "enabled", "auto", "", "é",
        "thinking", "file", "data:image/png;base64,iVBORw0KGgo", "clear_tool_uses_20250919", "content", "_",
        "web_search_result",
    ]
)  # fmt: skip
_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_fields | _words, inner, max_size=6),
    max_leaves=20,
)
_blocks = st.dictionaries(_fields, _anything, max_size=3).flatmap(
    lambda rest: _words.map(lambda kind: {"type": kind, **rest})
)
_messages = st.lists(st.fixed_dictionaries({"role": _words, "content": st.lists(_blocks, max_size=3) | _anything}))
_tools = st.lists(
    st.dictionaries(_fields, _anything, max_size=2).flatmap(
        lambda rest: _words.map(lambda kind: {"type": kind, "max_uses": 3, **rest})
    ),
    max_size=2,
)
_sound = {
    "model": _words, "messages": _messages, "tools": _tools, "system": st.lists(_blocks, max_size=2),
    "stream": st.booleans(),
    "max_tokens": st.integers(1, 99), "service_tier": st.sampled_from(["auto", "default", "standard_only", "priority"]),
    "stream_options": st.dictionaries(st.just("include_usage"), st.booleans()), "n": st.integers(1, 3),
    "metadata": st.dictionaries(st.just("user_id"), _words), "thinking": st.dictionaries(_fields, st.integers(1, 9)),
    "prediction": st.dictionaries(_fields, _anything),
}  # fmt: skip


@st.composite
def _requests(draw, adapter):
    """Fields that the adapter knows; most values sound, a few of any shape."""
    names = draw(st.sets(st.sampled_from(sorted(known_fields(adapter))), max_size=5)) | {"model", "messages"}
    odd = draw(st.sets(st.sampled_from(sorted(names)), max_size=1))
    return {name: draw(_anything if name in odd else _sound.get(name, st.none() | _words)) for name in sorted(names)}


def known_fields(adapter):
    return {OPENAI_CHAT: openai_chat.KNOWN, ANTHROPIC_COUNT_TOKENS: COUNTED}.get(adapter, anthropic_messages.KNOWN)


_allowed = st.frozensets(_fields | _words, max_size=3)


@settings(deadline=None)
@given(st.data(), _allowed, st.sampled_from([*ADAPTERS.values()]))
def test_a_body_of_any_shape_is_parsed_or_refused_and_then_renders(data, allowed, adapter):
    payload = data.draw(_requests(adapter) | _anything)
    try:
        parsed = adapter.parse(orjson.dumps(payload), {}, allowed)
    except RequestRefused as refused:
        event(f"refused: {refused.code}")
        assert refused.code in {"invalid_json", "invalid_request", "unbounded_request"}
        assert refused.status == 400
        return
    event("parsed")
    assert parsed.input_tokens >= 0
    assert min(parsed.choices, parsed.model_calls) >= 1
    sent = orjson.loads(adapter.render(parsed, 77))
    for name in payload.keys() - {"max_tokens", "max_completion_tokens", "service_tier", "stream_options"}:
        assert sent[name] == payload[name]
    adapter.meter(parsed)
    if not adapter.free:
        assert [sent.get("max_tokens"), sent.get("max_completion_tokens")].count(77) == 1
        assert sent["service_tier"] is not None
        _check_quote(parsed, find(adapter.provider, parsed.model, date(2026, 11, 24)))


def _check_quote(parsed, model):
    if model is None:
        return
    try:
        assert quote_of(parsed, model, default_limit=100, floor=10).most >= 0
    except RequestRefused as refused:
        assert refused.code == "unbounded_request"


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from([*ADAPTERS.values()]))
def test_bytes_of_any_kind_are_refused(body, adapter):
    try:
        adapter.parse(body, {}, frozenset())
        raise AssertionError("60 random bytes made a request")
    except RequestRefused as refused:
        assert refused.status == 400
