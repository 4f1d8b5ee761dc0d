"""Whatever comes in: a clear answer or a closed connection, the workers live on, nothing stays held."""

import time
from collections.abc import Iterator

import orjson
import pytest

from tests.stack.conftest import MOST_BODY_BYTES, Rough
from tests.support.dialects import ANTHROPIC, OPENAI, Dialect
from tests.support.office import Company
from tests.support.stack import ProductStack
from tests.support.wire import Wire, post

BODY = orjson.dumps(OPENAI.body())


@pytest.fixture(autouse=True)
def workers_live_on(request: pytest.FixtureRequest) -> Iterator[None]:
    if "rough" in request.fixturenames:
        stack = request.getfixturevalue("rough").stack
    else:
        stack = request.getfixturevalue("stack")
    before = stack.worker_pids()
    yield
    assert stack.worker_pids() == before
    for _ in range(4):
        with Wire(stack.base_url) as wire:
            wire.send(post("/healthz", b"", {}, method="GET"))
            assert wire.reply().status == 200


def head(company: Company, *lines: str, version: str = "1.1", path: str = OPENAI.path) -> bytes:
    """A request's head with these lines beside host and key, and no content-length of its own."""
    usual = ["host: localhost", f"authorization: Bearer {company.key}", "content-type: application/json"]
    return "\r\n".join([f"POST {path} HTTP/{version}", *usual, *lines, "", ""]).encode("latin-1")


def length(body: bytes = BODY) -> str:
    return f"content-length: {len(body)}"


# --- Slow and unfinished ---------------------------------------------------------------------------------------------


@pytest.mark.fault("client: slow", promises=("P6",))
def test_a_body_that_comes_byte_by_byte_is_served_and_nothing_is_held_meanwhile(
    stack: ProductStack, company: Company
) -> None:
    with Wire(stack.base_url) as wire:
        for byte in head(company, length()) + BODY[:-1]:
            wire.send(bytes([byte]))
        time.sleep(0.1)
        company.untouched()
        assert stack.provider.count == 0
        wire.send(BODY[-1:])
        assert wire.reply().status == 200
    company.rows(1)


UNFINISHED = {
    "within the request line": lambda company: b"POST /v1/chat/comp",
    "within the head": lambda company: head(company, length())[:-10],
    "before the body": lambda company: head(company, length()),
    "within the body": lambda company: head(company, length()) + BODY[:-1],
    "within a chunk": lambda company: head(company, "transfer-encoding: chunked") + b"%x\r\n" % len(BODY) + BODY[:-1],
    "before the last chunk": lambda company: (
        head(company, "transfer-encoding: chunked") + b"%x\r\n%b\r\n" % (len(BODY), BODY)
    ),
    "waiting to be told to go on": lambda company: head(company, length(), "expect: 100-continue"),
}


@pytest.mark.fault("client: leaves", promises=("P2", "P6"))
@pytest.mark.parametrize("way", ["close", "reset", "half_close"])
@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED.keys())
def test_a_request_that_its_client_never_finishes_is_nobody_s(
    stack: ProductStack, company: Company, sent: object, way: str
) -> None:
    with Wire(stack.base_url) as wire:
        wire.send(sent(company))  # type: ignore[operator]
        time.sleep(0.05)
        getattr(wire, way)()
    time.sleep(0.1)
    assert stack.provider.count == 0
    company.untouched()


# --- Framing ---------------------------------------------------------------------------------------------------------

MALFORMED = {
    "a length that is no number": ["content-length: many"],
    "a negative length": ["content-length: -5"],
    "two lengths": [length(), "content-length: 5"],
    "a length beside chunks": [length(), "transfer-encoding: chunked"],
    "an unknown coding": ["transfer-encoding: gzip"],
    "a header without a name": [length(), ": nameless"],
    "a space before the colon": [length(), "x-strange : 1"],
    "a NUL in a header": [length(), "user-agent: a\x00b"],
    "a folded header": [length(), "x-folded: a\r\n  b"],
}


@pytest.mark.fault("client: smuggles", promises=("P2", "P8"))
@pytest.mark.parametrize("lines", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_request_that_could_be_read_in_two_ways_ends_the_connection(
    stack: ProductStack, company: Company, lines: list[str]
) -> None:
    """400 and closed: what follows on the connection is never taken for another request."""
    with Wire(stack.base_url) as wire:
        wire.send(head(company, *lines) + BODY + OPENAI.request(company.key))
        assert wire.reply().status == 400
        assert wire.ended_by_peer()
    assert stack.provider.count == 0
    company.untouched()


def test_chunked_requests_are_served(stack: ProductStack, company: Company) -> None:
    with Wire(stack.base_url) as wire:
        for size in (1, 7, 1_000):
            chunks = [BODY[start : start + size] for start in range(0, len(BODY), size)]
            framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
            wire.send(head(company, "transfer-encoding: chunked") + framed + b"0\r\n\r\n")
            assert wire.reply().status == 200
    company.rows(3)


@pytest.mark.parametrize("size", [b"zz", b"-1", b"ffffffffffffffffff", b""])
def test_a_malformed_chunk_ends_the_connection(stack: ProductStack, company: Company, size: bytes) -> None:
    with Wire(stack.base_url) as wire:
        wire.send(head(company, "transfer-encoding: chunked") + size + b"\r\n" + BODY + b"\r\n0\r\n\r\n")
        assert wire.reply().status == 400
        assert wire.ended_by_peer()
    assert stack.provider.count == 0
    company.untouched()


# --- Several on one connection ---------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_their_order(stack: ProductStack, company: Company) -> None:
    with Wire(stack.base_url) as wire:
        asked = [OPENAI.request(company.key, output=output, stream=output == 30) for output in (10, 20, 30, 40)]
        wrong = OPENAI.request("tk_live_nobody")
        wire.send(b"".join([*asked[:2], wrong, *asked[2:]]))
        assert [wire.reply().status for _ in range(5)] == [200, 200, 401, 200, 200]
    limits = [request.json()["max_completion_tokens"] for request in stack.provider.requests]
    assert limits == [10, 20, 30, 40]
    company.rows(4)


@pytest.mark.fault("client: leaves", promises=("P3", "P6"))
def test_a_client_that_pipelines_and_leaves_holds_nothing(stack: ProductStack, company: Company) -> None:
    stack.provider.gate.clear()
    recording = OPENAI.record("output=20", stream=True)
    stack.provider.script(lambda _request: recording.behaviour(gated=True))
    with Wire(stack.base_url) as wire:
        wire.send(OPENAI.request(company.key, stream=True) * 3)
        stack.provider.wait_for(1)
    time.sleep(0.2)
    stack.provider.gate.set()
    stack.provider.wait_idle()
    company.rows(stack.provider.count)
    assert stack.provider.count == 1, "nobody waits for the others"


def test_a_refused_request_does_not_spoil_the_next_one_on_its_connection(
    stack: ProductStack, company: Company, dialect: Dialect
) -> None:
    with Wire(stack.base_url) as wire:
        for _ in range(3):
            wire.send(post(dialect.path, b"{", dialect.headers(company.key)))
            assert wire.reply().json()["error"]["code"] == "invalid_json"
            wire.send(dialect.request(company.key))
            assert wire.reply().status == 200
    company.rows(3)


# --- Old, odd and other protocols ------------------------------------------------------------------------------------


def test_expect_100_continue(stack: ProductStack, company: Company) -> None:
    with Wire(stack.base_url) as wire:
        wire.send(head(company, length(), "expect: 100-continue"))
        time.sleep(0.1)
        wire.send(BODY)
        assert wire.reply().status == 200
    company.rows(1)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_http_1_0_is_served_and_the_connection_closed(stack: ProductStack, company: Company, stream: bool) -> None:
    body = orjson.dumps(OPENAI.body(stream=stream))
    with Wire(stack.base_url) as wire:
        wire.send(head(company, length(body), version="1.0") + body)
        reply = wire.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert wire.ended_by_peer()
    company.rows(1)


@pytest.mark.fault("client: sends noise", promises=("P2",))
@pytest.mark.parametrize(
    "noise",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32,
        b"\x00" * 1_000,
        b"GET\r\n\r\n",
        b"POST /v1/chat/completions\r\n\r\n",
        b"POST /v1/chat/completions HTTP/9.9\r\n\r\n",
        b"POST http://[::1 HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["HTTP/2", "TLS", "zeroes", "no target", "no version", "another version", "no URL"],
)
def test_noise_is_refused_or_hung_up_on(stack: ProductStack, noise: bytes) -> None:
    with Wire(stack.base_url) as wire:
        wire.send(noise)
        try:
            assert 400 <= wire.reply().status < 500
        except EOFError:
            pass  # hung up on: an answer too
    assert stack.provider.count == 0


def test_lone_line_feeds_are_refused_or_understood_but_never_half_of_each(
    stack: ProductStack, company: Company
) -> None:
    with Wire(stack.base_url) as wire:
        wire.send(head(company, length()).replace(b"\r\n", b"\n") + BODY)
        assert wire.reply().status in (200, 400)
    company.rows(stack.provider.count)


def test_a_head_of_a_few_kilobytes_is_served(stack: ProductStack, company: Company) -> None:
    with Wire(stack.base_url) as wire:
        wire.send(head(company, length(), "x-large: " + "x" * 16_000) + BODY)
        assert wire.reply().status == 200
    company.rows(1)


def test_a_head_without_end_is_hung_up_on(stack: ProductStack, company: Company) -> None:
    with Wire(stack.base_url) as wire:
        wire.send(head(company, length())[:-2])
        with pytest.raises(ConnectionError):
            for number in range(16):
                wire.send(f"x-more-{number}: ".encode() + b"x" * 1_000_000 + b"\r\n")


# --- Too large -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_a_body_over_the_limit_is_413_in_the_client_s_dialect(rough: Rough, dialect: Dialect, chunked: bool) -> None:
    company = rough.office.company()
    body = orjson.dumps(dialect.body(text="x" * MOST_BODY_BYTES))
    headers = dialect.headers(company.key)
    with Wire(rough.base_url) as wire:
        if chunked:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            top = f"POST {dialect.path} HTTP/1.1\r\nhost: x\r\n{lines}transfer-encoding: chunked\r\n\r\n".encode()
            wire.send(top + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        else:
            wire.send(post(dialect.path, body, headers))
        reply = wire.reply()
        error = reply.json()["error"]
        assert (reply.status, error["code"], reply.headers["x-should-retry"]) == (413, "request_too_large", "false")
        assert reply.headers["connection"] == "close"
        assert ("request-id" in reply.headers) is (dialect is ANTHROPIC)
        assert wire.ended_by_peer()
    assert rough.provider.count == 0
    company.untouched()


def test_a_body_just_within_the_limit_is_served(rough: Rough, dialect: Dialect) -> None:
    company = rough.office.company()
    room = MOST_BODY_BYTES - len(orjson.dumps(dialect.body(text="")))
    with Wire(rough.base_url) as wire:
        wire.send(dialect.request(company.key, text="x" * room))
        reply = wire.reply()
    assert reply.status == 200, reply.body
    company.rows(1)
