"""What a fault does to a reply, before any network."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.requests import BODIES, NOW, PATHS, body_of, events_of, json_of, reply_to
from tokonomics.sandbox.instructions import HEADER
from tokonomics.sandbox.reply import Ending
from tokonomics.sandbox.router import answer

DIALECTS = ["openai", "anthropic"]
both_dialects = pytest.mark.parametrize("dialect", DIALECTS)


@both_dialects
@pytest.mark.parametrize(("fault", "ending"), [("cut", Ending.CUT), ("hang", Ending.HANG)])
def test_a_stream_ends_after_that_many_chunks(dialect: str, fault: str, ending: Ending) -> None:
    whole = [chunk.data for chunk in reply_to(dialect, stream=True).chunks]
    reply = reply_to(dialect, f"fault={fault}:4", stream=True)
    assert [chunk.data for chunk in reply.chunks] == whole[:4]
    assert reply.ending is ending


@both_dialects
def test_a_plain_reply_ends_after_that_many_bytes_of_the_length_it_announced(dialect: str) -> None:
    whole = body_of(reply_to(dialect))
    reply = reply_to(dialect, "fault=cut:30")
    assert body_of(reply) == whole[:30]
    assert (reply.content_length, reply.ending) == (len(whole), Ending.CUT)


@both_dialects
def test_garbage_is_no_event_and_ends_the_stream(dialect: str) -> None:
    *whole, last = reply_to(dialect, "fault=garbage:3", stream=True).chunks
    assert len(whole) == 3
    assert not last.data.startswith((b"data:", b"event:")) and b"\n\n" not in last.data


@both_dialects
def test_garbage_in_a_plain_reply_is_no_json_and_has_the_length_it_announces(dialect: str) -> None:
    reply = reply_to(dialect, "fault=garbage:30")
    body = body_of(reply)
    assert reply.content_length == len(body)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(body)


@both_dialects
def test_the_error_event_is_the_dialect_s_own(dialect: str) -> None:
    events = events_of(body_of(reply_to(dialect, "fault=error_event:3", stream=True)))
    assert len(events) == 4
    kinds = {"openai": "server_error", "anthropic": "overloaded_error"}
    assert events[-1]["error"]["type"] == kinds[dialect]


@both_dialects
def test_an_error_event_needs_a_stream(dialect: str) -> None:
    reply = reply_to(dialect, "fault=error_event:3")
    assert reply.status == 400
    assert "'fault=error_event:3' needs a streamed request" in json_of(reply)["error"]["message"]


def usages_in(value: Any) -> list[Any]:
    """Every `usage` that is anywhere in a document."""
    if isinstance(value, list):
        return [usage for item in value for usage in usages_in(item)]
    if not isinstance(value, dict):
        return []
    own = [value["usage"]] if value.get("usage") is not None else []
    return own + [usage for item in value.values() for usage in usages_in(item)]


@both_dialects
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["no_usage", "zero_usage", "absurd_usage"])
def test_a_fault_of_usage_shows_wherever_usage_would(dialect: str, stream: bool, fault: str) -> None:
    options = {"stream_options": {"include_usage": True}} if stream and dialect == "openai" else {}
    document = {"stream": stream, **options}
    healthy, broken = reply_to(dialect, "output=5", **document), reply_to(dialect, f"fault={fault}", **document)
    read = (lambda reply: events_of(body_of(reply))) if stream else json_of
    assert broken.status == 200
    counts = usages_in(read(broken))
    if fault == "no_usage":
        assert counts == []
        return
    assert len(counts) == len(usages_in(read(healthy)))
    numbers = [value for usage in counts for value in usage.values() if isinstance(value, int | float)]
    if fault == "zero_usage":
        assert set(numbers) == {0}
    else:
        assert any(number < 0 for number in numbers)
        assert any(isinstance(number, float) for number in numbers)
        assert any(isinstance(value, str) and value in ("many", "x") for usage in counts for value in usage.values())


@both_dialects
def test_a_false_usage_does_not_change_the_true_bill(dialect: str) -> None:
    true_bill = reply_to(dialect).tokens
    assert true_bill is not None
    for fault in ("no_usage", "zero_usage", "absurd_usage", "gzip", "cut:3"):
        assert reply_to(dialect, f"fault={fault}").tokens == true_bill


@both_dialects
def test_a_compressed_plain_reply_is_the_same_reply(dialect: str) -> None:
    reply = reply_to(dialect, "fault=gzip")
    assert ("content-encoding", "gzip") in reply.headers
    assert reply.content_length == len(body_of(reply))
    assert gzip.decompress(body_of(reply)) == body_of(reply_to(dialect))


@both_dialects
def test_a_compressed_stream_can_be_read_event_by_event(dialect: str) -> None:
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    plain = [chunk.data for chunk in reply_to(dialect, stream=True).chunks]
    events = [decompressor.decompress(chunk.data) for chunk in reply_to(dialect, "fault=gzip", stream=True).chunks]
    assert events == [*plain, b""]
    assert decompressor.eof


@both_dialects
def test_a_bad_instruction_is_refused_in_the_dialect(dialect: str) -> None:
    reply = reply_to(dialect, "output=12; dealy=1")
    error = json_of(reply)["error"]
    assert reply.status == 400
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith("X-Tokonomics-Sandbox: 'dealy=1' is no instruction; known are output, delay")
    if dialect == "openai":
        assert error["code"] == "invalid_sandbox_instruction"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("model", "messages", "max_tokens", "n", "tools", "tool_choice", "stream_options", "system", "service_tier")
PARTS = ("type", "text", "content", "function", "parameters", "input_schema", "properties", "required", "name")
SHAPED = st.recursive(
    JSON | st.sampled_from(["string", "object", "text", "tool_use", "tool", "none", "image"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PARTS), inner, max_size=5),
    max_leaves=12,
)


@both_dialects
@settings(deadline=None)
@given(fields=st.dictionaries(st.sampled_from(FIELDS), SHAPED, max_size=4), stream=st.booleans())
def test_whatever_a_client_sends_gets_a_reply_and_never_an_exception(
    dialect: str, fields: dict[str, Any], stream: bool
) -> None:
    body = orjson.dumps({**BODIES[dialect], **fields, "stream": stream})
    reply = answer("POST", PATHS[dialect], {HEADER: "tool=1; output=3"}, body, now=NOW)
    assert body_of(reply)
    assert reply.status in (200, 400)


@both_dialects
def test_a_body_nested_too_deeply_is_refused(dialect: str) -> None:
    body = orjson.dumps(BODIES[dialect]).replace(b'"Name some plants."', b"[" * 1000 + b"]" * 1000)
    reply = answer("POST", PATHS[dialect], {}, body, now=NOW)
    assert reply.status == 400
    assert "nested too deeply" in json_of(reply)["error"]["message"]
