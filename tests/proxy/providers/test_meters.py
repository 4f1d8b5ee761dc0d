"""Meters read the usage off recorded replies and change not a byte that the client should see."""

import orjson
import pytest

from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.providers.openai_chat import OPENAI_CHAT
from tests.proxy.providers.support import anthropic, fixture, meter_for, openai, run

PLAIN = {
    "openai_plain.json": Usage(input_tokens=19, output_tokens=10, service_tier="default"),
    "openai_plain_cached_reasoning.json": Usage(
        input_tokens=86, cache_read_tokens=1920, output_tokens=300, reasoning_tokens=256, service_tier="default"
    ),
    "openai_plain_cache_write.json": Usage(
        input_tokens=100, cache_read_tokens=1024, cache_write_5m_tokens=2176, output_tokens=4, service_tier="default"
    ),
    "openai_plain_tools.json": Usage(input_tokens=82, output_tokens=17, service_tier="default"),
    "openai_plain_audio_input.json": Usage(
        input_tokens=30, audio_input_tokens=120, output_tokens=6, service_tier="default"
    ),
    "anthropic_plain.json": Usage(input_tokens=2095, output_tokens=503, service_tier="standard"),
    "anthropic_plain_cache.json": Usage(
        input_tokens=21, output_tokens=393, cache_read_tokens=188086, cache_write_5m_tokens=456,
        cache_write_1h_tokens=100, service_tier="standard", region="not_available",
    ),
    "anthropic_plain_search.json": Usage(
        input_tokens=105, output_tokens=6039, cache_read_tokens=7123, cache_write_5m_tokens=7345, web_searches=2,
        service_tier="standard",
    ),
    "anthropic_plain_compaction.json": Usage(
        input_tokens=203000, output_tokens=4500, service_tier="standard"
    ),
    "responses_plain.json": Usage(input_tokens=36, output_tokens=87, service_tier="default"),
    "responses_plain_cached_reasoning.json": Usage(
        input_tokens=86, cache_read_tokens=1408, cache_write_5m_tokens=412, cache_write_1h_tokens=100,
        output_tokens=1250, reasoning_tokens=1024, service_tier="priority",
    ),
    "responses_plain_search.json": Usage(
        input_tokens=9165, cache_read_tokens=9088, output_tokens=642, reasoning_tokens=384, web_searches=2,
        service_tier="default",
    ),
    "responses_plain_search_uncounted.json": Usage(
        input_tokens=18253, output_tokens=642, web_searches=2, service_tier="default"
    ),
    "responses_plain_tools.json": Usage(input_tokens=291, output_tokens=23, service_tier="default"),
    "responses_plain_incomplete.json": Usage(
        input_tokens=81, output_tokens=1035, reasoning_tokens=1024, service_tier="default"
    ),
    "completion_plain.json": Usage(input_tokens=5, output_tokens=7),
    "embedding_plain.json": Usage(input_tokens=8),
    "gemini_plain.json": Usage(input_tokens=8, output_tokens=1255, reasoning_tokens=1201, service_tier="standard"),
    "gemini_plain_cached.json": Usage(
        input_tokens=1007, cache_read_tokens=4026, output_tokens=20, service_tier="standard"
    ),
    "gemini_plain_audio.json": Usage(
        input_tokens=60, cache_read_tokens=100, audio_input_tokens=2100, audio_cache_read_tokens=900, output_tokens=30,
        service_tier="standard",
    ),
    "gemini_plain_thoughts_only.json": Usage(
        input_tokens=12, output_tokens=98, reasoning_tokens=98, service_tier="standard"
    ),
    "gemini_plain_untold.json": Usage(input_tokens=10, output_tokens=120, service_tier="standard"),
    "gemini_plain_blocked.json": Usage(input_tokens=14, service_tier="standard"),
    "gemini_plain_tools.json": Usage(input_tokens=61, output_tokens=58, reasoning_tokens=40, service_tier="standard"),
    "gemini_embed.json": Usage(input_tokens=9),
    "openai_plain_image.json": Usage(input_tokens=1677, output_tokens=46, service_tier="default"),
    "anthropic_plain_image.json": Usage(input_tokens=1551, output_tokens=116, service_tier="standard"),
    "gemini_plain_image.json": Usage(input_tokens=1039, output_tokens=41, service_tier="standard"),
    "gemini_plain_sound.json": Usage(
        input_tokens=7, audio_input_tokens=384, output_tokens=22, service_tier="standard"
    ),
    "images_plain.json": Usage(input_tokens=22, image_output_tokens=1756),
    "images_plain_edit.json": Usage(input_tokens=228, image_input_tokens=1450, image_output_tokens=13342),
    "transcription_plain.json": Usage(milliseconds=8000),
    "transcription_plain_tokens.json": Usage(input_tokens=4, audio_input_tokens=80, output_tokens=45),
    "transcription_plain_verbose.json": Usage(milliseconds=8471),
}  # fmt: skip
STREAMS = {
    "openai_stream.sse": Usage(input_tokens=19, output_tokens=10, service_tier="default"),
    "openai_stream_tools.sse": Usage(input_tokens=88, output_tokens=20, service_tier="default"),
    "openai_stream_loose.sse": Usage(input_tokens=7, output_tokens=3, service_tier="default"),
    "anthropic_stream.sse": Usage(input_tokens=25, output_tokens=15, service_tier="standard"),
    "anthropic_stream_tools.sse": Usage(
        input_tokens=472, output_tokens=89, cache_read_tokens=100, cache_write_1h_tokens=900, reasoning_tokens=30,
        service_tier="standard",
    ),
    "anthropic_stream_search.sse": Usage(
        input_tokens=10682, output_tokens=510, web_searches=1, service_tier="standard"
    ),
    "responses_stream.sse": Usage(input_tokens=37, output_tokens=11, service_tier="default"),
    "responses_stream_tools.sse": Usage(
        input_tokens=163, cache_read_tokens=128, output_tokens=23, service_tier="default"
    ),
    "responses_stream_incomplete.sse": Usage(input_tokens=37, output_tokens=16, service_tier="default"),
    "completion_stream.sse": Usage(input_tokens=5, output_tokens=2),
    "gemini_stream.sse": Usage(input_tokens=5, output_tokens=314, reasoning_tokens=300, service_tier="standard"),
    "gemini_stream.json": Usage(input_tokens=5, output_tokens=314, reasoning_tokens=300, service_tier="standard"),
    "gemini_stream_two.sse": Usage(input_tokens=5, output_tokens=7, service_tier="standard"),
    "gemini_stream_early_reason.sse": Usage(
        input_tokens=5, output_tokens=7, reasoning_tokens=3, service_tier="standard"
    ),
}  # fmt: skip
STREAMS |= {
    "images_stream.sse": Usage(input_tokens=20, image_output_tokens=7024),
    "images_stream_edit.sse": Usage(input_tokens=28, image_input_tokens=997, image_output_tokens=7124),
    "transcription_stream.sse": Usage(audio_input_tokens=14, output_tokens=45),
}
HIDES_USAGE = [name for name in STREAMS if name.startswith(("openai", "completion"))]
UNFINISHED = [
    "openai_stream_error.sse", "openai_stream_cut.sse", "anthropic_stream_error.sse", "responses_stream_error.sse",
    "images_stream_cut.sse", "images_stream_error.sse", "transcription_stream_cut.sse",
    "responses_stream_cut.sse", "gemini_stream_cut.sse", "gemini_stream_cut.json", "gemini_stream_error.sse",
]  # fmt: skip


def without_usage_chunk(stream):
    """The stream as the client would have got it, had nobody asked for usage."""
    events = stream.split(b"\r\n\r\n" if b"\r\n" in stream else b"\n\n")
    end = b"\r\n\r\n" if b"\r\n" in stream else b"\n\n"
    return end.join(event for event in events if b'"choices":[],' not in event and b'"choices": [],' not in event)


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_reply_is_metered_as_it_says(name):
    meter = meter_for(name)
    meter.feed_body(fixture(name))
    assert meter.usage() == PLAIN[name]
    assert meter.complete


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_passes_byte_for_byte_wherever_it_is_cut_and_is_metered_the_same(name):
    stream = fixture(name)
    for cut in range(len(stream) + 1):
        meter = meter_for(name)
        assert run(meter, stream[:cut], stream[cut:]) == stream
        assert meter.usage() == STREAMS[name]
        assert meter.complete


@pytest.mark.parametrize("name", HIDES_USAGE)
def test_only_the_usage_chunk_that_we_asked_for_is_taken_out_wherever_the_stream_is_cut(name):
    stream = fixture(name)
    expected = without_usage_chunk(stream)
    assert len(expected) < len(stream)
    for cut in range(len(stream) + 1):
        meter = meter_for(name, wanted=False)
        assert run(meter, stream[:cut], stream[cut:]) == expected
        assert meter.usage() == STREAMS[name]
        assert meter.complete


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("name", STREAMS)
def test_one_byte_at_a_time_changes_nothing(name, wanted):
    stream = fixture(name)
    meter = meter_for(name, wanted=wanted)
    out = run(meter, *(bytes([byte]) for byte in stream))
    assert out == (without_usage_chunk(stream) if name in HIDES_USAGE and not wanted else stream)
    assert meter.usage() == STREAMS[name]


ODD = [
    b": keep-alive\n\n", b"event: ping\ndata: {\"type\": \"ping\"}\n\n", b"\n", b"data:\n\n", b"id: 7\nretry: 100\n\n",
    b'event: shiny.new.event\ndata: {"type":"shiny.new.event","usage":null}\n\n',
    b"data: not json\n\n", b"data: [1]\n\n",
]  # fmt: skip


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("name", [name for name in STREAMS if name.endswith(".sse") and "loose" not in name])
def test_events_that_nobody_has_heard_of_pass_and_change_no_usage(name, line_end):
    events = [event + b"\n\n" for event in fixture(name).replace(b"\r\n", b"\n").split(b"\n\n")[:-1]]
    stream = b"".join(event + ODD[number % len(ODD)] for number, event in enumerate(events))
    stream = (ODD[0] + ODD[5] + stream).replace(b"\n", line_end)
    for cut in range(0, len(stream), 7):
        meter = meter_for(name)
        assert run(meter, stream[:cut], stream[cut:]) == stream
        assert (meter.complete, meter.usage()) == (True, STREAMS[name])


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("name", UNFINISHED)
def test_a_stream_that_breaks_off_passes_whole_and_its_usage_is_unknown(name, wanted):
    stream = fixture(name)
    for cut in range(len(stream) + 1):
        meter = meter_for(name, wanted=wanted)
        assert run(meter, stream[:cut], stream[cut:]) == stream
        assert not meter.complete
        with pytest.raises(UsageUnknown):
            meter.usage()


@pytest.mark.parametrize("name", ["openai_stream.sse", "anthropic_stream.sse"])
@pytest.mark.parametrize("wanted", [True, False])
def test_pieces_that_end_with_an_event_pass_as_the_same_object(name, wanted):
    meter = meter_for(name, wanted=wanted)
    pieces = [event + b"\n\n" for event in fixture(name).split(b"\n\n")[:-1]]
    passed = [meter.feed(piece) is piece for piece in pieces]
    usage_chunk = len(pieces) - 2 if name.startswith("openai") and not wanted else None
    assert [index for index, same in enumerate(passed) if not same] == ([usage_chunk] if usage_chunk else [])


def test_a_piece_is_passed_at_once_unless_it_may_be_the_usage_chunk():
    meter = meter_for("openai", wanted=False)
    head = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a long'
    assert meter.feed(head) is head
    assert meter.feed(b' text"}}],"usage":null}\n') == b' text"}}],"usage":null}\n'
    assert meter.feed(b"\n") == b"\n"
    assert meter.feed(b'data: {"id":"c","choices":[]') == b""
    assert meter.feed(b',"usage":null}\n\n') == b'data: {"id":"c","choices":[],"usage":null}\n\n'


def test_an_empty_first_chunk_without_usage_passes():
    """Azure begins with one: `choices` is empty and the content filter's findings follow."""
    meter = meter_for("openai", wanted=False)
    first = b'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}\n\n'
    assert run(meter, first) == first


def test_a_usage_chunk_that_no_blank_line_ended_is_read_and_taken_out():
    stream = fixture("openai_stream.sse").removesuffix(b"\n\ndata: [DONE]\n\n")
    meter = meter_for("openai", wanted=False)
    assert run(meter, stream) == without_usage_chunk(stream + b"\n\n")
    assert meter.usage().input_tokens == 19
    assert not meter.complete


def test_usage_that_is_counted_along_is_unknown_until_the_last():
    """A cut after an earlier count would charge too little."""
    head = fixture("openai_stream_loose.sse").split(b'"choices": []')[0]
    meter = meter_for("openai")
    run(meter, head)
    with pytest.raises(UsageUnknown):
        meter.usage()
    head = fixture("anthropic_stream_search.sse").split(b"event: content_block_stop")[1]
    meter = meter_for("anthropic")
    run(meter, fixture("anthropic_stream_search.sse").partition(head)[0] + head)
    with pytest.raises(UsageUnknown):
        meter.usage()


def test_message_delta_replaces_and_does_not_add():
    stream = fixture("anthropic_stream_search.sse")
    assert stream.count(b"message_delta") == 4  # two events of that name and type
    meter = meter_for("anthropic")
    run(meter, stream)
    assert meter.usage().output_tokens == 510


def test_an_event_of_any_length_passes_and_is_charged_at_the_hold():
    for name in ("openai", "anthropic"):
        meter = meter_for(name, wanted=False)
        pieces = [b'data: {"choices":[{"x":"', *[b"y" * (1 << 20)] * 17, b'"}]}\n\n', b"data: [DONE]\n\n"]
        assert run(meter, *pieces) == b"".join(pieces)
        with pytest.raises(UsageUnknown):
            meter.usage()


BAD_COUNTS = [None, -1, 1.5, True, "12", 10**30, [], {}]


@pytest.mark.parametrize("bad", BAD_COUNTS)
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
def test_absurd_openai_usage_is_unknown(field, bad):
    meter = meter_for("openai")
    usage = {"prompt_tokens": 5, "completion_tokens": 5, field: bad}
    meter.feed_body(orjson.dumps({"choices": [], "usage": usage}) if bad != 10**30 else _huge(field))
    with pytest.raises(UsageUnknown):
        meter.usage()


def _huge(field):
    return b'{"usage":{"prompt_tokens":5,"completion_tokens":5,"input_tokens":5,"output_tokens":5,"%s":1%s}}' % (
        field.encode(),
        b"0" * 30,
    )


@pytest.mark.parametrize("bad", BAD_COUNTS)
@pytest.mark.parametrize("field", ["input_tokens", "output_tokens"])
def test_absurd_anthropic_usage_is_unknown(field, bad):
    meter = meter_for("anthropic")
    usage = {"input_tokens": 5, "output_tokens": 5, field: bad}
    meter.feed_body(orjson.dumps({"usage": usage}) if bad != 10**30 else _huge(field))
    with pytest.raises(UsageUnknown):
        meter.usage()


@pytest.mark.parametrize(
    "usage",
    [
        b'{"prompt_tokens":5,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":-1}}',
        b'{"prompt_tokens":5,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":6}}',
        b'{"prompt_tokens":5,"completion_tokens":5,"prompt_tokens_details":7}',
        b'{"prompt_tokens":5,"completion_tokens":5,"completion_tokens_details":{"audio_tokens":9}}',
        b"{}",
        b"[]",
        b"null",
    ],
)
def test_openai_usage_with_impossible_parts_is_unknown(usage):
    meter = meter_for("openai")
    meter.feed_body(b'{"usage":' + usage + b"}")
    with pytest.raises(UsageUnknown):
        meter.usage()


@pytest.mark.parametrize(
    "usage",
    [
        b'{"input_tokens":5,"output_tokens":5,"cache_creation_input_tokens":-5}',
        b'{"input_tokens":5,"output_tokens":5,"cache_creation":{"ephemeral_1h_input_tokens":true}}',
        b'{"input_tokens":5,"output_tokens":5,"server_tool_use":{"web_search_requests":0.5}}',
        b'{"input_tokens":5,"output_tokens":5,"iterations":{"a":1}}',
        b'{"input_tokens":5,"output_tokens":5,"iterations":[{"type":"message","input_tokens":5}]}',
        b'{"input_tokens":5,"output_tokens":5,"iterations":[{"type":"fallback_message","input_tokens":1,'
        b'"output_tokens":1}]}',
    ],
)
def test_anthropic_usage_with_impossible_parts_is_unknown(usage):
    meter = meter_for("anthropic")
    meter.feed_body(b'{"usage":' + usage + b"}")
    with pytest.raises(UsageUnknown):
        meter.usage()


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"{}", b'{"usage":null}', b'"usage"'])
@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_reply_without_usage_is_unknown_not_free(name, body):
    meter = meter_for(name)
    meter.feed_body(body)
    with pytest.raises(UsageUnknown):
        meter.usage()


def test_a_reported_zero_is_settled_at_zero():
    meter = meter_for("openai")
    meter.feed_body(b'{"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}')
    assert meter.usage() == Usage(service_tier="default")
    meter = meter_for("anthropic")
    meter.feed_body(b'{"usage":{"input_tokens":0,"output_tokens":0}}')
    assert meter.usage() == Usage(service_tier="standard_only")


def test_where_kinds_of_input_overlap_the_dearer_one_counts():
    meter = meter_for("openai")
    meter.feed_body(
        b'{"usage":{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":'
        b'{"cached_tokens":8,"audio_tokens":3,"cache_write_tokens":6}}}'
    )
    usage = meter.usage()
    assert (usage.audio_input_tokens, usage.cache_write_5m_tokens, usage.cache_read_tokens) == (3, 6, 1)
    assert usage.total_input_tokens == 10


@pytest.mark.parametrize(
    ("request_fields", "reply", "tier"),
    [
        ({}, b"{}", "default"),
        ({"service_tier": "priority"}, b"{}", "priority"),
        ({"service_tier": "fast"}, b"{}", "priority"),
        ({"service_tier": "auto"}, b"{}", "auto"),
        ({"service_tier": "priority"}, b'{"service_tier":"default"}', "default"),
        ({"service_tier": "flex"}, b'{"service_tier":null}', "flex"),
    ],
)
def test_the_tier_is_the_replys_else_the_one_that_was_asked_for(request_fields, reply, tier):
    meter = OPENAI_CHAT.meter(openai(**request_fields))
    meter.feed_body(
        reply[:-1] + (b"," if len(reply) > 2 else b"") + b'"usage":{"prompt_tokens":1,"completion_tokens":1}}'
    )
    assert meter.usage().service_tier == tier


@pytest.mark.parametrize(
    ("request_fields", "reply", "tier"),
    [
        ({}, b"", "standard_only"),
        ({}, b',"service_tier":"standard"', "standard"),
        ({"service_tier": "auto"}, b',"service_tier":"priority"', "priority"),
        ({"speed": "fast"}, b',"service_tier":"standard"', "fast"),
        ({"speed": "fast"}, b',"service_tier":"standard","speed":"standard"', "standard"),
        ({"speed": "fast"}, b',"speed":"standard"', "standard"),
        ({}, b',"service_tier":"standard","speed":"fast"', "fast"),
    ],
)
def test_fast_speed_is_a_tier_of_its_own(request_fields, reply, tier):
    meter = ANTHROPIC_MESSAGES.meter(anthropic(**request_fields))
    meter.feed_body(b'{"usage":{"input_tokens":1,"output_tokens":1' + reply + b"}}")
    assert meter.usage().service_tier == tier


def test_cache_writes_without_a_split_are_of_the_longest_kind_that_was_asked_for():
    reply = b'{"usage":{"input_tokens":1,"output_tokens":1,"cache_creation_input_tokens":9}}'
    marked = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    meter = ANTHROPIC_MESSAGES.meter(anthropic(system=[marked]))
    meter.feed_body(reply)
    assert (meter.usage().cache_write_5m_tokens, meter.usage().cache_write_1h_tokens) == (0, 9)
    meter = ANTHROPIC_MESSAGES.meter(anthropic())
    meter.feed_body(reply)
    assert (meter.usage().cache_write_5m_tokens, meter.usage().cache_write_1h_tokens) == (9, 0)
