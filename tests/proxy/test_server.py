"""Our side of HTTP: whatever a client sends, or does not send in time, has a bounded cost and a clear end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from proxy import exchange as exchanges
from proxy import server
from proxy.exchange import ClientGone, Exchange
from proxy.refusals import Refusal
from proxy.server import MeteredProtocol

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
Serve = Callable[[Exchange], Awaitable[None]]


class Handler:
    """Stands for ProxyHandler: `behave` is what it does with each exchange."""

    def __init__(self, behave: Serve) -> None:
        self.behave, self.bodies = behave, list[bytes]()
        self.failures: list[BaseException] = []

    async def serve(self, exchange: Exchange) -> None:
        try:
            await self.behave(exchange)
        except BaseException as failure:
            self.failures.append(failure)
            if not isinstance(failure, ClientGone | Refusal):
                raise
        finally:
            exchange.close()


class Side:
    """A listening server and the connections to it."""

    def __init__(self, port: int, state: ServerState) -> None:
        self.port, self.state = port, state

    async def connect(self, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, **options)

    async def look(self, seconds: float) -> None:
        """As the server's clock would after so many seconds."""
        await asyncio.sleep(0.05)
        now = asyncio.get_running_loop().time() + seconds
        for protocol in list(self.state.connections):
            assert isinstance(protocol, MeteredProtocol)
            protocol.look(now)


async def page(scope: Any, receive: Any, send: Any) -> None:
    """What is not metered."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"page"})


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Side]:
    config, state = uvicorn.Config(page, log_config=None, lifespan="off"), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: MeteredProtocol(config, state, {}, loop, handler=handler),  # type: ignore[arg-type]
        "127.0.0.1",
        0,
    )
    try:
        yield Side(listening.sockets[0].getsockname()[1], state)
    finally:
        listening.close()
        for protocol in list(state.connections):
            protocol.transport.abort()
        await asyncio.sleep(0.02)


async def echo(exchange: Exchange) -> None:
    await exchange.answer(200, [], await exchange.read())


async def answers(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(), 5)


@pytest.fixture(autouse=True)
def nothing_is_kept() -> Any:
    assert exchanges.intake.bytes == 0
    yield
    assert exchanges.intake.bytes == 0


async def test_a_request_in_any_cut_is_the_same_request() -> None:
    handler = Handler(echo)
    asked = HEAD + b"content-length: 5\r\n\r\nhello"
    async with serving(handler) as side:
        reader, writer = await side.connect()
        for cut in range(1, len(asked)):
            writer.write(asked[:cut])
            await asyncio.sleep(0)
            writer.write(asked[cut:])
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert await reader.readexactly(5) == b"hello"
        writer.close()


LATE = {
    "within the request line": (HEAD[:10], 31.0),
    "within the head": (HEAD, 31.0),
    "before the body": (HEAD + b"content-length: 9\r\n\r\n", 31.0),
    "within the body": (HEAD + b"content-length: 9\r\n\r\nhell", 31.0),
    "within the body of a page": (b"POST /login/ HTTP/1.1\r\ncontent-length: 9\r\n\r\nhell", 601.0),
}


@pytest.mark.fault("client: slow", promises=("P6",))
@pytest.mark.parametrize(("sent", "seconds"), LATE.values(), ids=LATE.keys())
async def test_who_does_not_finish_a_request_in_time_is_told_and_hung_up_on(sent: bytes, seconds: float) -> None:
    handler = Handler(echo)
    async with serving(handler) as side:
        reader, writer = await side.connect()
        writer.write(sent)
        await side.look(seconds - 3)
        assert side.state.connections, "it has its time"
        await side.look(seconds)
        assert (await answers(reader)).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        writer.close()
    assert handler.failures == []


@pytest.mark.fault("client: slow", promises=("P6",))
async def test_a_body_that_drips_for_ever_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_SECONDS", 0.3)
    async with serving(Handler(echo)) as side:
        reader, writer = await side.connect()
        writer.write(HEAD + b"content-length: 1000\r\n\r\n")
        for _ in range(8):
            writer.write(b"x")
            await asyncio.sleep(0.05)
        await side.look(0)
        assert (await answers(reader)).startswith(b"HTTP/1.1 408")
        writer.close()


@pytest.mark.parametrize(
    "asked", [b"", HEAD + b"content-length: 2\r\n\r\nhi"], ids=["at first", "between two requests"]
)
async def test_an_idle_connection_is_closed_without_a_word(asked: bytes) -> None:
    async with serving(Handler(echo)) as side:
        reader, writer = await side.connect()
        writer.write(asked)
        if asked:
            assert (await reader.readuntil(b"hi")).startswith(b"HTTP/1.1 200")
        await side.look(80)
        assert await answers(reader) == b""
        writer.close()


LARGE = {
    "one header": HEAD + b"x: " + b"y" * 70_000 + b"\r\n\r\n",
    "the address": b"POST /v1/" + b"y" * 70_000 + b" HTTP/1.1\r\n\r\n",
    "many headers": HEAD + b"".join(b"x-%d: y\r\n" % number for number in range(130)) + b"\r\n",
    "no end": HEAD + b"x: " + b"y" * 400_000,
    "trailers": HEAD
    + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
    + b"x: yyyyyyyyyyyyyyyy\r\n" * 5_000
    + b"\r\n",
}


@pytest.mark.fault("client: sends noise", promises=("P2",))
@pytest.mark.parametrize("sent", LARGE.values(), ids=LARGE.keys())
async def test_a_head_of_any_size_is_431(sent: bytes) -> None:
    handler = Handler(echo)
    async with serving(handler) as side:
        reader, writer = await side.connect()
        writer.write(sent)
        try:
            assert (await answers(reader)).startswith(b"HTTP/1.1 431 ")
        except ConnectionResetError:
            pass  # more was on its way than anybody would read
        writer.close()
    assert handler.failures == []


@pytest.mark.fault("client: smuggles", promises=("P8",))
async def test_noise_behind_a_request_never_gets_into_its_answer() -> None:
    go_on = asyncio.Event()

    async def slowly(exchange: Exchange) -> None:
        await exchange.read()
        await exchange.begin(200, [], lambda: None)
        await exchange.write(b"first", last=False)
        await go_on.wait()
        await exchange.write(b"second", last=True)

    handler = Handler(slowly)
    async with serving(handler) as side:
        reader, writer = await side.connect()
        writer.write(HEAD + b"content-length: 2\r\n\r\nhi" + b"\x00\x01 no request \r\n\r\n")
        await reader.readuntil(b"first\r\n")
        go_on.set()
        assert await answers(reader) == b"6\r\nsecond\r\n0\r\n\r\n"
        writer.close()


async def test_pages_and_metered_routes_on_one_connection_are_answered_in_their_order() -> None:
    async with serving(Handler(echo)) as side:
        reader, writer = await side.connect()
        get = b"GET /login/ HTTP/1.1\r\n\r\n"
        ask = HEAD + b"content-length: 7\r\n\r\nmetered"
        writer.write(get + ask + ask + get + HEAD + b"connection: close\r\ncontent-length: 4\r\n\r\nlast")
        whole = await answers(reader)
        bodies = [part.partition(b"HTTP/1.1")[0] for part in whole.split(b"\r\n\r\n")[1:]]
        assert bodies == [b"page", b"metered", b"metered", b"page", b"last"]
        writer.close()


@pytest.mark.fault("client: takes nothing", promises=("P3", "P6"))
async def test_a_client_that_takes_nothing_is_given_up() -> None:
    async def pour(exchange: Exchange) -> None:
        await exchange.read()
        await exchange.begin(200, [], lambda: None)
        while True:
            await exchange.write(b"x" * 65_536, last=False)

    handler = Handler(pour)
    async with serving(handler) as side:
        _, writer = await side.connect(limit=1024)
        writer.write(HEAD + b"content-length: 0\r\n\r\n")
        await asyncio.sleep(0.3)
        await side.look(50)
        assert handler.failures == []
        await side.look(61)
        await asyncio.sleep(0.05)
        assert [type(failure) for failure in handler.failures] == [ClientGone]
        writer.close()


@pytest.mark.fault("client: leaves", promises=("P3",))
async def test_a_stream_hears_at_once_that_its_client_has_left() -> None:
    gone = asyncio.Event()

    async def wait(exchange: Exchange) -> None:
        await exchange.read()
        await exchange.begin(200, [], gone.set)
        await gone.wait()
        await exchange.write(b"too late", last=False)

    handler = Handler(wait)
    async with serving(handler) as side:
        reader, writer = await side.connect()
        writer.write(HEAD + b"content-length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await asyncio.wait_for(gone.wait(), 5)
        await asyncio.sleep(0.02)
        assert [type(failure) for failure in handler.failures] == [ClientGone]


@pytest.mark.fault("client: many large bodies", promises=("P4", "P6"))
async def test_bodies_under_way_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted as they arrive, not when they are whole."""
    monkeypatch.setattr(exchanges, "MOST_BYTES_IN_FLIGHT", 100_000)

    async def refuse(exchange: Exchange) -> None:
        try:
            body = await exchange.read()
        except Refusal as refusal:
            await exchange.answer(refusal.body.status, [(b"connection", b"close")], b"")
        else:
            await exchange.answer(200, [], body[:2])

    async with serving(Handler(refuse)) as side:
        one_reader, one = await side.connect()
        one.write(HEAD + b"content-length: 80000\r\n\r\n" + b"x" * 79_999)
        await asyncio.sleep(0.05)
        two_reader, two = await side.connect()
        two.write(HEAD + b"content-length: 80000\r\n\r\n" + b"x" * 40_000)
        assert (await answers(two_reader)).startswith(b"HTTP/1.1 503 ")
        one.write(b"x")
        assert (await one_reader.readuntil(b"\r\n\r\nxx")).startswith(b"HTTP/1.1 200 ")
        one.close()
        two.close()


async def test_a_header_that_breaks_out_of_its_line_is_never_written() -> None:
    async def inject(exchange: Exchange) -> None:
        await exchange.answer(200, [(b"x-one", b"1\r\nx-two: 2")], b"")

    handler = Handler(inject)
    async with serving(handler) as side:
        reader, writer = await side.connect()
        writer.write(HEAD + b"content-length: 0\r\n\r\n")
        try:
            assert await answers(reader) == b""
        except ConnectionResetError:
            pass
        writer.close()
    assert [type(failure) for failure in handler.failures] == [ValueError]
