"""Providers scripted byte by byte on 127.0.0.1, and the small change of talking to them."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from proxy.transport import KeepAliveTransport, Origin, PoolStats, Reply, request_head

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Request:
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


@dataclass
class Peer:
    """The provider's end of one connection. `number` counts connections from 0."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: "Server"

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def request(self) -> Request:
        """The next request, whole. Raises IncompleteReadError once the client has closed."""
        request = Request(await self.head(), b"")
        request.body = await self.reader.readexactly(int(request.header("content-length") or 0))
        self.server.requests.append(request)
        return request

    async def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Each piece in a packet of its own."""
        for piece in pieces:
            if self.writer.is_closing():
                raise ConnectionResetError  # uvloop would raise RuntimeError
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(pause)

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def closed_by_client(self) -> None:
        """Wait until the client closes, whatever else it still sends."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            return


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    port: int = 0
    scheme: str = "http"
    connections: int = 0
    open: int = 0
    requests: list[Request] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    @property
    def origin(self) -> Origin:
        return Origin(self.scheme, "127.0.0.1", self.port)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(script: Script, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Run `script` for each connection. It ends quietly when the client leaves; its other failures fail the test."""
    server = Server(scheme="https" if context else "http")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer = Peer(server.connections, reader, writer, server)
        server.connections += 1
        server.open += 1
        try:
            await script(peer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        except Exception as exc:
            server.failures.append(exc)
        finally:
            server.open -= 1
            tasks.discard(task)
            writer.transport.abort()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks)
        await asyncio.sleep(0.01)  # aborted sockets are closed by the loop
    if server.failures:
        raise ExceptionGroup("the scripted server failed", server.failures)


def answering(*replies: bytes) -> Script:
    """Answer the first request of the whole server with the first of `replies`, and so on; the last one repeats."""
    left = list(replies)

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(left.pop(0) if len(left) > 1 else left[0])

    return script


def head_of(body: bytes = b"", method: bytes = b"POST", target: bytes = b"/v1/chat/completions") -> bytes:
    return request_head(method, target, [(b"Host", b"provider"), (b"Content-Length", b"%d" % len(body))])


async def post(transport: KeepAliveTransport, server: Server, body: bytes = b"{}") -> Reply:
    return await transport.send(server.origin, head_of(body), body)


async def whole(reply: Reply) -> bytes:
    body = await reply.read(1 << 30)
    assert reply.complete
    return body


async def exchange(transport: KeepAliveTransport, server: Server, body: bytes = b"{}") -> bytes:
    return await whole(await post(transport, server, body))


def counts(transport: KeepAliveTransport, server: Server) -> PoolStats:
    return transport.stats()[server.origin]


async def until(condition: Callable[[], bool], seconds: float = 3.0) -> None:
    """Wait for what another task, or the kernel, is about to bring about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (no event tells what the kernel has done)
            await asyncio.sleep(0.005)
