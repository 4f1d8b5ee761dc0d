"""However a provider fails: its own errors pass and cost nothing; where usage cannot be known, the hold is charged."""

import socket
import time
from typing import Any

import anthropic
import openai
import orjson
import pytest

from tests.stack.conftest import FIRST_BYTE, IDLE, Rough
from tests.support.bills import PRICES
from tests.support.dialects import ANTHROPIC, BOTH, OPENAI, Dialect, Recording
from tests.support.office import Company, Row
from tests.support.provider import GATE, Behaviour, Pause, RecordedRequest
from tests.support.provider.behaviour import After
from tests.support.web import WebProcess
from tests.support.wire import Wire, WireReply

GARBAGE = b"\x00\xff<html>this is neither an event nor JSON</html>\x7f"


@pytest.fixture
def company(rough: Rough) -> Company:
    return rough.office.company()


def ask(base_url: str, company: Company, dialect: Dialect, **fields: Any) -> WireReply:
    with Wire(base_url) as wire:
        wire.send(dialect.request(company.key, **fields))
        return wire.reply()


def assert_at_hold(company: Company, *flags: str, http_status: int | None = 200) -> Row:
    (row,) = company.rows(1)
    assert (row.status, row.cost, row.flags) == ("charged_at_hold", row.held, list(flags))
    assert row.cost > 0 and row.http_status == http_status
    return row


def assert_to_be_tried_again(reply: WireReply, status: int, code: str) -> None:
    assert (reply.status, reply.json()["error"]["code"]) == (status, code)
    assert (reply.headers["retry-after"], reply.headers["x-should-retry"]) == ("1", "true")


def assert_ends_with_an_error_event(body: bytes, passed: bytes, dialect: Dialect, code: str) -> None:
    """What came before it passed; the event is the dialect's own."""
    assert body.startswith(passed)
    name, data = (b"", body[len(passed) :]) if dialect is OPENAI else body[len(passed) :].split(b"\n", 1)
    assert name == (b"" if dialect is OPENAI else b"event: error")
    assert data.startswith(b"data: ") and data.endswith(b"\n\n")
    document = orjson.loads(data[6:])
    assert document["error"]["code"] == code
    assert document.get("type") == (None if dialect is OPENAI else "error")


# --- Its own errors --------------------------------------------------------------------------------------------------


@pytest.mark.fault("provider: answers with an error", promises=("P3", "P6"))
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_complete_error_passes_untouched_and_gives_the_hold_back(
    rough: Rough, company: Company, dialect: Dialect, stream: bool
) -> None:
    statuses = [400, 401, 404, 429, 500, 503, 529]
    for status in statuses:
        body = b'{ "error" :\n {"message": "the provider\'s own words", "type": "x", "n": %d} }\n' % status
        headers = {"content-type": "application/json", "retry-after": "17", "retry-after-ms": "17000"}
        rough.provider.script([Behaviour(status=status, headers=headers, body=(body,))])
        reply = ask(rough.base_url, company, dialect, stream=stream)
        assert (reply.status, reply.body) == (status, body)
        assert {name: reply.headers[name] for name in headers} == headers
        assert "x-should-retry" not in reply.headers
    rows = company.rows(len(statuses))
    assert sorted(row.http_status for row in rows) == statuses  # two of one millisecond come in any order
    assert {(row.status, row.cost, *row.flags) for row in rows} == {("provider_error", 0)}


def test_the_sdks_see_the_provider_s_errors_as_their_own(rough: Rough, company: Company) -> None:
    rough.provider.script(lambda request: Behaviour.of(rough.provider.default_reply(request, "fault=status:401")))
    options: dict[str, Any] = {"api_key": company.key, "max_retries": 0}
    with (
        openai.OpenAI(base_url=f"{rough.base_url}/v1", **options) as client,
        pytest.raises(openai.AuthenticationError, match="Incorrect API key provided"),
    ):
        client.chat.completions.create(**OPENAI.body())
    with (
        anthropic.Anthropic(base_url=rough.base_url, **options) as claude,
        pytest.raises(anthropic.AuthenticationError, match="Incorrect API key provided"),
    ):
        claude.messages.create(**ANTHROPIC.body())
    assert {(row.status, row.cost) for row in company.rows(2)} == {("provider_error", 0)}


@pytest.mark.fault("provider: cuts a reply", promises=("P3",))
def test_an_error_that_breaks_off_is_not_taken_for_one(rough: Rough, company: Company, dialect: Dialect) -> None:
    """Nobody knows what the provider made of it: charged at the hold."""
    rough.provider.script([Behaviour(status=500, body=(b'{"error": ',), content_length=500, after=After.CLOSE)])
    assert_to_be_tried_again(ask(rough.base_url, company, dialect), 502, "provider_unreachable")
    assert_at_hold(company, "no_reply", http_status=None)


# --- Not reached -----------------------------------------------------------------------------------------------------


@pytest.mark.fault("provider: out of reach", promises=("P3", "P6"))
def test_a_provider_that_cannot_be_reached_costs_nothing(rough: Rough, company: Company) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
    environment = {"TOKONOMICS_OPENAI_BASE_URL": f"{nowhere}/v1", "TOKONOMICS_ANTHROPIC_BASE_URL": nowhere}
    with WebProcess(rough.stack, **environment) as worker:
        for dialect in BOTH:
            for stream in (False, True):
                reply = ask(worker.base_url, company, dialect, stream=stream)
                assert_to_be_tried_again(reply, 502, "provider_unreachable")
        rows = company.rows(4)
    assert {(row.status, row.cost, row.http_status) for row in rows} == {("not_sent", 0, None)}
    assert all(row.held > 0 for row in rows)


@pytest.mark.fault("provider: closes idle connections", promises=("P3",))
def test_a_connection_that_the_provider_closed_in_between_is_replaced_unnoticed(
    rough: Rough, company: Company, dialect: Dialect
) -> None:
    """Each reply promises to keep the connection, and breaks the promise."""
    recording = dialect.record("output=5")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(recording.body)
    rough.provider.script(
        lambda _request: Behaviour(raw=head + recording.body, after=After.CLOSE, usage=recording.tokens)
    )
    with Wire(rough.base_url) as wire:
        for _ in range(5):
            wire.send(dialect.request(company.key))
            assert wire.reply().status == 200
            time.sleep(0.05)
    assert rough.provider.count == 5
    assert {(row.status, row.cost) for row in company.rows(5)} == {
        ("settled", PRICES[dialect.model].bill(recording.tokens))
    }


# --- Silence ---------------------------------------------------------------------------------------------------------


@pytest.mark.fault("provider: silent", promises=("P3", "P6"))
@pytest.mark.parametrize(("dialect", "stream"), [(OPENAI, False), (ANTHROPIC, True)], ids=str)
def test_a_provider_that_never_answers(rough: Rough, company: Company, dialect: Dialect, stream: bool) -> None:
    rough.provider.script([Behaviour(never_answer=True)])
    started = time.monotonic()
    assert_to_be_tried_again(ask(rough.base_url, company, dialect, stream=stream), 504, "provider_timeout")
    assert time.monotonic() - started >= FIRST_BYTE
    assert_at_hold(company, "no_reply", http_status=None)
    rough.provider.wait_idle()
    assert rough.provider.requests[0].client_closed_early


@pytest.mark.fault("provider: silent", promises=("P3",))
def test_a_provider_that_falls_silent_in_a_body(rough: Rough, company: Company) -> None:
    dialect = ANTHROPIC
    recording = dialect.record("output=9")
    rough.provider.script(
        [recording.behaviour(recording.body[:-5], content_length=len(recording.body), after=After.HANG)]
    )
    assert_to_be_tried_again(ask(rough.base_url, company, dialect), 504, "provider_timeout")
    assert_at_hold(company, "no_reply", http_status=None)


@pytest.mark.fault("provider: silent", promises=("P3",))
def test_a_provider_that_falls_silent_in_a_stream(rough: Rough, company: Company, dialect: Dialect) -> None:
    recording = dialect.record("output=9", stream=True)
    passed = recording.events[:4]
    rough.provider.script([recording.behaviour(*passed, after=After.HANG)])
    started = time.monotonic()
    reply = ask(rough.base_url, company, dialect, stream=True)
    assert time.monotonic() - started >= IDLE
    sent = b"".join(event.data for event in passed)
    assert_ends_with_an_error_event(reply.body, sent, dialect, "provider_timeout")
    assert_at_hold(company, "cut")


@pytest.mark.fault("provider: slow", promises=("P3",))
def test_a_stream_that_only_crawls_is_not_taken_for_silence(rough: Rough, company: Company) -> None:
    """A heartbeat now and then keeps it alive for longer than IDLE."""
    dialect = OPENAI
    recording = dialect.record("output=2", stream=True)
    first, *rest = recording.events
    beats = [b": beat\n\n"] * 3

    def crawl(request: RecordedRequest) -> Behaviour:
        steps: list[Any] = [first]
        for beat in beats:
            steps += [Pause(IDLE * 0.45), beat]
        return recording.behaviour(*steps, *rest)

    rough.provider.script(crawl)
    reply = ask(rough.base_url, company, dialect, stream=True)
    assert reply.body.count(b": beat\n\n") == len(beats)
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("settled", PRICES[dialect.model].bill(recording.tokens))


# --- Cut and garbled -------------------------------------------------------------------------------------------------


@pytest.mark.fault("provider: cuts a reply", promises=("P3", "P6"))
@pytest.mark.parametrize("after", [After.CLOSE, After.RESET], ids=["closed", "reset"])
@pytest.mark.parametrize("passed", [0, 1, 6], ids=["before its first event", "after one", "after six"])
def test_a_stream_that_is_cut_ends_with_an_error_event(
    rough: Rough, company: Company, dialect: Dialect, passed: int, after: After
) -> None:
    recording = dialect.record("output=20", stream=True)
    events = recording.events[:passed]
    rough.provider.script([recording.behaviour(*events, b": cut\n\n", after=after)])
    reply = ask(rough.base_url, company, dialect, stream=True)
    sent = b"".join(event.data for event in events) + b": cut\n\n"
    assert_ends_with_an_error_event(reply.body, sent, dialect, "provider_unreachable")
    assert_at_hold(company, "cut")


def test_the_sdks_raise_where_a_stream_is_cut(rough: Rough, company: Company) -> None:
    options: dict[str, Any] = {"api_key": company.key, "max_retries": 0}

    def cut(dialect: Dialect) -> None:
        recording = dialect.record("output=20", stream=True)
        rough.provider.script([recording.behaviour(*recording.events[:5], after=After.CLOSE)])

    with openai.OpenAI(base_url=f"{rough.base_url}/v1", **options) as client:
        cut(OPENAI)
        with pytest.raises(openai.APIError, match="broke off"):
            list(client.chat.completions.create(**OPENAI.body(), stream=True))
    with anthropic.Anthropic(base_url=rough.base_url, **options) as claude:
        cut(ANTHROPIC)
        with pytest.raises(anthropic.APIError, match="broke off"):
            list(claude.messages.create(**ANTHROPIC.body(), stream=True))
    assert {row.status for row in company.rows(2)} == {"charged_at_hold"}


@pytest.mark.fault("provider: cuts a reply", promises=("P3", "P6"))
@pytest.mark.parametrize("after", [After.CLOSE, After.RESET], ids=["closed", "reset"])
def test_a_body_that_is_cut(rough: Rough, company: Company, dialect: Dialect, after: After) -> None:
    recording = dialect.record("output=9")
    half = recording.body[: len(recording.body) // 2]
    rough.provider.script([recording.behaviour(half, content_length=len(recording.body), after=after)])
    assert_to_be_tried_again(ask(rough.base_url, company, dialect), 502, "provider_unreachable")
    assert_at_hold(company, "no_reply", http_status=None)


@pytest.mark.fault("provider: sends garbage", promises=("P3",))
@pytest.mark.parametrize(
    "raw",
    [b"", b"HTTP/1.1 200 OK\r\ncontent-", b"this is no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"],
    ids=["nothing", "half a head", "no HTTP", "a length below zero"],
)
def test_a_reply_that_is_none(rough: Rough, company: Company, dialect: Dialect, raw: bytes) -> None:
    rough.provider.script([Behaviour(raw=raw, after=After.CLOSE)])
    assert_to_be_tried_again(ask(rough.base_url, company, dialect), 502, "provider_unreachable")
    assert_at_hold(company, "no_reply", http_status=None)


@pytest.mark.fault("provider: sends garbage", promises=("P3",))
def test_garbage_in_a_stream_passes_and_is_charged_at_the_hold(
    rough: Rough, company: Company, dialect: Dialect
) -> None:
    recording = dialect.record("output=9", stream=True)
    events = recording.events[:3]
    rough.provider.script([recording.behaviour(*events, GARBAGE)])
    reply = ask(rough.base_url, company, dialect, stream=True)
    sent = b"".join(event.data for event in events) + GARBAGE
    assert reply.body.startswith(sent)
    assert b"provider_unreachable" in reply.body[len(sent) :]
    assert_at_hold(company, "cut")


@pytest.mark.fault("provider: sends garbage", promises=("P3",))
def test_a_body_in_a_compression_that_nobody_asked_for(rough: Rough, company: Company, dialect: Dialect) -> None:
    """It cannot be read here, so it passes as it is, says so, and its usage stays unknown."""
    recording = dialect.record("output=9")
    headers = {**recording.headers, "content-encoding": "br"}
    rough.provider.script([Behaviour(headers=headers, body=(b"\x8b\x01\x80whatever\x03",))])
    reply = ask(rough.base_url, company, dialect)
    assert (reply.body, reply.headers["content-encoding"]) == (b"\x8b\x01\x80whatever\x03", "br")
    assert_at_hold(company, "usage_missing")


@pytest.mark.fault("provider: sends garbage", promises=("P3",))
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_body_that_is_not_the_gzip_it_says(rough: Rough, company: Company, dialect: Dialect, stream: bool) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    rough.provider.script([Behaviour(headers=headers, body=(b"no gzip at all",))])
    reply = ask(rough.base_url, company, dialect, stream=stream)
    if stream:
        assert_ends_with_an_error_event(reply.body, b"", dialect, "provider_unreachable")
        assert_at_hold(company, "cut")
    else:
        assert_to_be_tried_again(reply, 502, "provider_unreachable")
        assert_at_hold(company, "no_reply", http_status=None)


# --- Usage that says nothing -----------------------------------------------------------------------------------------

UNKNOWN = {
    "missing": "no_usage",
    "absurd": "absurd_usage",
}


@pytest.mark.fault("provider: usage missing or absurd", promises=("P3",))
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_reply_whose_usage_is_missing_or_absurd(
    rough: Rough, company: Company, dialect: Dialect, fault: str, stream: bool
) -> None:
    recording = dialect.record(f"output=9; fault={fault}", stream=stream)
    rough.provider.script([recording.behaviour()])
    reply = ask(rough.base_url, company, dialect, stream=stream)
    kept = [event.data for event in recording.events if not (stream and dialect.is_usage_chunk(event.data))]
    assert (reply.status, reply.body) == (200, b"".join(kept))
    assert_at_hold(company, "usage_missing")


def absurd(dialect: Dialect, recording: Recording, value: object) -> bytes:
    document = orjson.loads(recording.body)
    document["usage"]["completion_tokens" if dialect is OPENAI else "output_tokens"] = value
    return orjson.dumps(document)


@pytest.mark.fault("provider: usage missing or absurd", promises=("P3",))
def test_counts_that_cannot_be_true_are_not_charged_as_they_are(
    rough: Rough, company: Company, dialect: Dialect
) -> None:
    recording = dialect.record("output=9")
    values = [-1, 1.5, "9", None, True, [], 10**15]
    for value in values:
        rough.provider.script([recording.behaviour(absurd(dialect, recording, value))])
        assert ask(rough.base_url, company, dialect).status == 200
    rows = company.rows(len(values))
    assert {(row.status, *row.flags) for row in rows} == {("charged_at_hold", "usage_missing")}
    assert all(row.cost == row.held for row in rows)


@pytest.mark.fault("provider: bills more than was held", promises=("P3", "P6"))
def test_a_cost_above_the_hold_is_recorded_and_flagged(rough: Rough, company: Company, dialect: Dialect) -> None:
    """Settling never refuses: the provider billed more than it was allowed to."""
    recording = dialect.record("output=9")
    rough.provider.script([recording.behaviour(absurd(dialect, recording, 5_000))])
    assert ask(rough.base_url, company, dialect, output=10).status == 200
    (row,) = company.rows(1)
    assert (row.status, row.flags) == ("settled", ["bound_breach"])
    assert row.cost > 5_000 * 10_000 > row.held


@pytest.mark.fault("provider: error event in a stream", promises=("P3",))
def test_an_error_event_of_the_provider_s_own_is_charged_at_the_hold(
    rough: Rough, company: Company, dialect: Dialect
) -> None:
    recording = dialect.record("output=9; fault=error_event:3", stream=True)
    rough.provider.script([recording.behaviour()])
    reply = ask(rough.base_url, company, dialect, stream=True)
    assert reply.body.startswith(recording.body)
    assert_at_hold(company, "cut")


def test_a_gate_is_no_fault(rough: Rough, company: Company, dialect: Dialect) -> None:
    """The same provider, whole: settled at its usage. What the tests above see is not the mock's doing."""
    recording = dialect.record("output=9", stream=True)
    rough.provider.script([recording.behaviour(*recording.events[:2], GATE, *recording.events[2:])])
    assert ask(rough.base_url, company, dialect, stream=True).status == 200
    (row,) = company.rows(1)
    assert (row.status, row.flags) == ("settled", [])
