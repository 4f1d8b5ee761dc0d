"""The tests' own provider: exact in what it sends, what it saw and what it billed."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import anthropic
import httpx
import openai
import pytest

from tests.sandbox.requests import BODIES, OPENAI_CHAT, OPENAI_PROMPT_TOKENS, PATHS, body_of, reply_to
from tests.support.provider import GATE, Behaviour, Chunk, Framing, Pause, ProviderMock, RecordedRequest, Tokens
from tests.support.provider.behaviour import After

DIALECTS = ["openai", "anthropic"]
IMPATIENT = httpx.Timeout(5, read=0.2)
TEN = Tokens(prompt=10, output=100)


@pytest.fixture
def http(mock: ProviderMock) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=mock.base_url_anthropic, timeout=5, trust_env=False) as client:
        yield client


def told(instructions: str) -> dict[str, str]:
    return {"X-Tokonomics-Sandbox": instructions}


@contextmanager
def raw_connection(mock: ProviderMock) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", mock.port), timeout=5) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    received = bytearray()
    while data := connection.recv(65536):
        received += data
    return bytes(received)


GET = b"GET /x HTTP/1.1\r\nhost: mock\r\n\r\n"
GET_AND_CLOSE = b"GET /x HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n\r\n"

# -- what it saw


def test_every_request_is_recorded_as_it_came(mock: ProviderMock, http: httpx.Client) -> None:
    before = time.monotonic()
    http.post("/v1/chat/completions?trace=1", content=b'{"model":"gpt-4o"}', headers={"Authorization": "Bearer sk-1"})
    (request,) = mock.requests
    assert (request.method, request.path, request.query) == ("POST", "/v1/chat/completions", "trace=1")
    assert request.headers["authorization"] == "Bearer sk-1"
    assert (b"Authorization", b"Bearer sk-1") in request.raw_headers
    assert request.body == b'{"model":"gpt-4o"}'
    assert request.json() == {"model": "gpt-4o"}
    assert before <= request.received_at <= time.monotonic()
    assert request.done.is_set() and not request.client_closed_early
    assert mock.count == 1


def test_connections_are_told_apart(mock: ProviderMock, http: httpx.Client) -> None:
    for _ in range(3):
        http.post("/v1/chat/completions", json=OPENAI_CHAT)
    httpx.post(f"{mock.base_url_openai}/chat/completions", json=OPENAI_CHAT, trust_env=False)
    assert [request.connection for request in mock.requests] == [1, 1, 1, 2]


def test_requests_from_many_threads_are_all_recorded_and_billed(mock: ProviderMock) -> None:
    def send(user: int) -> int:
        body = {**OPENAI_CHAT, "user": str(user % 7)}
        return httpx.post(f"{mock.base_url_openai}/chat/completions", json=body, trust_env=False).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(80))) == {200}
    assert mock.count == 80
    assert [request.number for request in mock.requests] == list(range(80))
    assert len(mock.usage_total()) == 80


def test_pipelined_requests_are_answered_in_order(mock: ProviderMock) -> None:
    mock.script([Behaviour(body=(Pause(0.1), b"one")), Behaviour(body=(b"two",)), Behaviour(body=(b"three",))])
    with raw_connection(mock) as connection:
        connection.sendall(GET + GET + GET_AND_CLOSE)
        received = read_all(connection)
    assert received.index(b"one") < received.index(b"two") < received.index(b"three")


def test_bytes_sent_is_what_the_client_received(mock: ProviderMock) -> None:
    mock.script([Behaviour.sse(b"data: 1\n\n", Pause(0.01), b"data: 2\n\n")])
    with raw_connection(mock) as connection:
        connection.sendall(GET_AND_CLOSE)
        received = read_all(connection)
    mock.wait_idle()
    assert mock.requests[0].bytes_sent == len(received)


def test_a_client_that_leaves_before_the_answer_is_noticed(mock: ProviderMock) -> None:
    mock.script([Behaviour(never_answer=True)])
    with raw_connection(mock) as connection:
        connection.sendall(GET)
        (request,) = mock.wait_for(1)
        assert not request.done.is_set()
    assert request.done.wait(5)
    assert request.client_closed_early
    assert request.bytes_sent == 0


def test_a_request_that_the_mock_itself_ends_was_not_left_by_its_client() -> None:
    with ExitStack() as client:
        with ProviderMock() as mock:
            mock.script([Behaviour(never_answer=True)])
            client.enter_context(raw_connection(mock)).sendall(GET)
            (request,) = mock.wait_for(1)
        assert request.done.is_set()
        assert not request.client_closed_early


# -- the default answers


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_by_default_it_answers_like_the_sandbox(
    mock: ProviderMock, http: httpx.Client, dialect: str, stream: bool
) -> None:
    mock.script(lambda request: None)  # a script may leave it to the default
    expected = reply_to(dialect, "output=30", stream=stream)
    for _ in range(2):  # serialised anew, and from memory
        response = http.post(PATHS[dialect], json={**BODIES[dialect], "stream": stream}, headers=told("output=30"))
        assert response.status_code == 200
        assert {**dict(expected.headers), **response.headers} == dict(response.headers)
        assert _timeless(response.content) == _timeless(body_of(reply_to(dialect, "output=30", stream=stream)))
    assert mock.usage_total() == [expected.tokens, expected.tokens]


def _timeless(body: bytes) -> list[bytes]:
    return [part.partition(b",")[2] if i else part for i, part in enumerate(body.split(b'"created":'))]


def test_the_sdks_understand_it(mock: ProviderMock) -> None:
    with openai.OpenAI(base_url=mock.base_url_openai, api_key="any", max_retries=0) as client:
        completion = client.chat.completions.create(**OPENAI_CHAT)
        assert completion.usage is not None
    with anthropic.Anthropic(base_url=mock.base_url_anthropic, api_key="any", max_retries=0) as anthropic_client:
        message = anthropic_client.messages.create(**BODIES["anthropic"])
    assert [usage.output for usage in mock.usage_total()] == [
        completion.usage.completion_tokens,
        message.usage.output_tokens,
    ]


def test_the_sandbox_s_faults_work_here_too(mock: ProviderMock, http: httpx.Client) -> None:
    body = {**OPENAI_CHAT, "stream": True}
    with (
        pytest.raises(httpx.RemoteProtocolError),
        http.stream("POST", PATHS["openai"], json=body, headers=told("fault=cut:5")) as response,
    ):
        response.read()
    assert http.post(PATHS["openai"], json=OPENAI_CHAT, headers=told("fault=status:503")).status_code == 503
    mock.wait_idle()
    assert not any(request.client_closed_early for request in mock.requests)
    assert mock.usage_total() == [Tokens(prompt=OPENAI_PROMPT_TOKENS, output=4)]  # the first event carries no token


def test_a_delay_comes_before_the_first_byte(mock: ProviderMock, http: httpx.Client) -> None:
    start = time.monotonic()
    http.post(PATHS["openai"], json=OPENAI_CHAT, headers=told("delay=0.3"))
    assert time.monotonic() - start >= 0.3


# -- what it billed


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_its_client_leaves_is_billed_for_the_tokens_made_until_then(
    mock: ProviderMock, http: httpx.Client, dialect: str
) -> None:
    body = {**BODIES[dialect], "stream": True}
    orders = told("output=500; chunk_delay=0.02; reasoning=3")
    with http.stream("POST", PATHS[dialect], json=body, headers=orders) as response:
        lines = response.iter_lines()
        seen = sum("content" in next(lines) for _ in range(40))
    assert seen > 5
    mock.wait_idle()
    (request,) = mock.requests
    (billed,) = mock.usage_total()
    assert request.client_closed_early
    assert request.usage == billed
    assert 5 <= billed.output < 100
    assert billed.reasoning == 3
    assert billed.output == request.output_tokens_sent


def test_a_plain_reply_is_billed_in_full_even_if_its_client_leaves(mock: ProviderMock, http: httpx.Client) -> None:
    with pytest.raises(httpx.ReadTimeout):
        http.post(PATHS["openai"], json=OPENAI_CHAT, headers=told("delay=30; output=50"), timeout=IMPATIENT)
    mock.wait_for(1)
    mock.wait_idle()
    assert mock.requests[0].client_closed_early
    assert mock.usage_total() == [Tokens(prompt=OPENAI_PROMPT_TOKENS, output=50)]


def test_a_refused_request_is_not_billed(mock: ProviderMock, http: httpx.Client) -> None:
    http.post(PATHS["openai"], json=OPENAI_CHAT, headers=told("fault=status:429"))
    assert mock.requests[0].usage is None
    assert mock.usage_total() == []


def test_a_scripted_stream_is_billed_as_scripted_unless_it_is_left(mock: ProviderMock, http: httpx.Client) -> None:
    chunks = [Chunk(b"data: %d\n\n" % number, output_tokens=10) for number in range(10)]
    mock.script([Behaviour.sse(*chunks, usage=TEN), Behaviour.sse(*chunks[:3], GATE, *chunks[3:], usage=TEN)])
    http.get("/whole")
    with http.stream("GET", "/left") as response:
        next(response.iter_raw())
        mock.wait_for(2)
    mock.wait_idle()
    assert mock.usage_total() == [TEN, Tokens(prompt=10, output=30)]


# -- the script


def test_a_list_is_used_up_in_order_and_then_the_default_answers(mock: ProviderMock, http: httpx.Client) -> None:
    mock.script([Behaviour(status=500), Behaviour(status=204, framing=Framing.LENGTH)])
    assert [http.post(PATHS["openai"], json=OPENAI_CHAT).status_code for _ in range(3)] == [500, 204, 200]


def test_a_callable_decides_by_the_request(mock: ProviderMock, http: httpx.Client) -> None:
    def script(request: RecordedRequest) -> Behaviour:
        return Behaviour.json({"path": request.path}, status=201)

    mock.script(script)
    response = http.get("/hello")
    assert (response.status_code, response.json()) == (201, {"path": "/hello"})
    mock.script(None)
    assert http.post(PATHS["openai"], json=OPENAI_CHAT).status_code == 200


def test_a_script_that_fails_fails_the_test() -> None:
    def script(request: RecordedRequest) -> Behaviour:
        raise KeyError("wrong")

    with pytest.raises(KeyError, match="wrong"), ProviderMock() as mock:
        mock.script(script)
        assert httpx.get(mock.base_url_anthropic, trust_env=False).status_code == 500


def test_the_bytes_on_the_wire_are_exactly_the_scripted_ones(mock: ProviderMock) -> None:
    mock.script([Behaviour(status=299, headers={"X-One": "1"}, body=(b"ab", Pause(0.05), b"c"))])
    with raw_connection(mock) as connection:
        connection.sendall(GET_AND_CLOSE)
        assert read_all(connection) == b"HTTP/1.1 299 \r\nX-One: 1\r\ncontent-length: 3\r\n\r\nabc"


@pytest.mark.parametrize(
    ("framing", "body"),
    [(Framing.CHUNKED, b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), (Framing.CLOSE, b"abc"), (Framing.LENGTH, b"abc")],
)
def test_each_framing_is_written_as_it_should_be(mock: ProviderMock, framing: Framing, body: bytes) -> None:
    mock.script([Behaviour(body=(b"ab", b"c"), framing=framing)])
    with raw_connection(mock) as connection:
        connection.sendall(GET_AND_CLOSE)
        assert read_all(connection).partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize(("cut_after", "received"), [(0, b""), (1, b"a"), (3, b"abc"), (4, b"abcd")])
def test_a_reply_is_cut_after_exactly_that_many_bytes(mock: ProviderMock, cut_after: int, received: bytes) -> None:
    mock.script([Behaviour(body=(b"ab", b"cd"), content_length=9, cut_after=cut_after)])
    with raw_connection(mock) as connection:
        connection.sendall(GET)
        assert read_all(connection).partition(b"\r\n\r\n")[2] == received
    mock.wait_idle()
    assert not mock.requests[0].client_closed_early


def test_a_cut_can_be_a_reset(mock: ProviderMock) -> None:
    mock.script([Behaviour.sse(b"data: 1\n\n", after=After.RESET)])
    with raw_connection(mock) as connection:
        connection.sendall(GET)
        with pytest.raises(ConnectionResetError):
            read_all(connection)


def test_a_connection_can_be_dropped_without_a_byte(mock: ProviderMock) -> None:
    mock.script([Behaviour(raw=b"", after=After.CLOSE), Behaviour(raw=b"HTTP/1.1 20", after=After.CLOSE)])
    for expected in (b"", b"HTTP/1.1 20"):
        with raw_connection(mock) as connection:
            connection.sendall(GET)
            assert read_all(connection) == expected


def test_a_hang_keeps_the_connection_open(mock: ProviderMock) -> None:
    mock.script([Behaviour.sse(b"data: 1\n\n", after=After.HANG)])
    with raw_connection(mock) as connection:
        connection.sendall(GET)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            read_all(connection)
        mock.wait_for(1)
    mock.wait_idle()
    assert mock.requests[0].client_closed_early


def test_a_compressed_reply_can_be_read(mock: ProviderMock, http: httpx.Client) -> None:
    mock.script([Behaviour.json({"a": 1}, gzip=True), Behaviour.sse(b"data: 1\n\n", b"data: 2\n\n", gzip=True)])
    for expected in (b'{"a":1}', b"data: 1\n\ndata: 2\n\n"):
        response = http.get("/")
        assert response.headers["content-encoding"] == "gzip"
        assert response.content == expected


def test_the_gate_holds_a_stream_until_it_is_set(mock: ProviderMock, http: httpx.Client) -> None:
    mock.script([Behaviour.sse(b"data: 1\n\n", GATE, b"data: 2\n\n")])
    with http.stream("GET", "/") as response:
        arriving = response.iter_raw()
        assert next(arriving) == b"data: 1\n\n"
        opened = time.monotonic() + 0.2
        threading.Timer(0.2, mock.gate.set).start()
        assert next(arriving) == b"data: 2\n\n"
        assert time.monotonic() >= opened


def test_the_gate_can_be_used_again(mock: ProviderMock, http: httpx.Client) -> None:
    mock.script(lambda request: Behaviour(body=(b"ok",), gated=True))
    mock.gate.set()
    assert http.get("/").content == b"ok"
    mock.gate.clear()
    with pytest.raises(httpx.ReadTimeout):
        http.get("/", timeout=IMPATIENT)
    mock.gate.set()
    assert http.get("/").content == b"ok"


def test_a_sandbox_s_stream_can_be_held_in_its_middle(mock: ProviderMock, http: httpx.Client) -> None:
    def script(request: RecordedRequest) -> Behaviour:
        return Behaviour.of(mock.default_reply(request, "output=20"), gate_before=5)

    mock.script(script)
    with http.stream("POST", PATHS["openai"], json={**OPENAI_CHAT, "stream": True}) as response:
        lines = (line for line in response.iter_lines() if line)
        held = [next(lines) for _ in range(5)]
        assert not mock.requests[0].done.is_set()
        assert mock.requests[0].output_tokens_sent == 4
        mock.gate.set()
        assert len(held) + len(list(lines)) == 1 + 20 + 1 + 1


async def test_async_tests_can_wait_for_requests_and_for_silence(mock: ProviderMock) -> None:
    mock.script([Behaviour(body=(b"ok",), gated=True)])
    async with httpx.AsyncClient(base_url=mock.base_url_anthropic, timeout=5, trust_env=False) as client:
        running = asyncio.ensure_future(client.get("/"))
        (request,) = await mock.arrived(1)
        assert not request.done.is_set()
        mock.gate.set()
        assert (await running).content == b"ok"
    await mock.idle()


def test_waiting_for_a_request_that_never_comes_says_so(mock: ProviderMock) -> None:
    with pytest.raises(TimeoutError, match="for 1 requests: 0 arrived"):
        mock.wait_for(1, timeout=0.05)


def test_a_slow_reader_holds_the_mock_back(mock: ProviderMock) -> None:
    block = b"x" * 100_000
    mock.script([Behaviour.sse(*([Chunk(block, output_tokens=1)] * 400), usage=Tokens(prompt=1, output=400))])
    with raw_connection(mock) as connection:
        connection.sendall(GET)
        time.sleep(0.5)  # reading nothing, 40 MB do not fit into the kernel's buffers
        assert mock.requests[0].output_tokens_sent < 200
    mock.wait_idle()
    (billed,) = mock.usage_total()
    assert billed.output < 200


# -- alone


def test_it_runs_alone_and_tells_its_counts() -> None:
    command = [sys.executable, "-m", "tests.support.provider", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        with httpx.Client(base_url=url, timeout=5, trust_env=False) as client:
            for stream in (False, True):
                body = {**OPENAI_CHAT, "stream": stream}
                assert client.post(PATHS["openai"], json=body, headers=told("output=9")).status_code == 200
            stats = client.get("/__stats__").json()
            assert client.post("/__reset__").json()["requests"] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    billed = stats["billed"]["gpt-4o-mini"]
    assert (stats["requests"], stats["in_flight"], stats["client_closed_early"]) == (2, 0, 0)
    assert stats["by_path"] == {"/v1/chat/completions": 2}
    assert (billed["requests"], billed["output"]) == (2, 18)
    assert billed["prompt"] == 2 * OPENAI_PROMPT_TOKENS


def test_a_taken_port_is_an_error_in_the_test_s_own_thread(mock: ProviderMock) -> None:
    with pytest.raises(OSError, match="in use"), ProviderMock(port=mock.port):
        pass
