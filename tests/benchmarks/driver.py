"""Requests to our protocol in this process, as a socket brings them; only the client's socket is not there."""

import asyncio
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from benchmarks.measuring import request_body
from proxy.asgi import ProxyHandler
from proxy.server import MeteredProtocol

AT_ONCE = 32


class Client(asyncio.Transport):
    """The other end of a connection, as far as the protocol sees it: takes one answer after the other, whole, unless it
    is to leave after so many writes. `status` None: any."""

    def __init__(self, status: int | None, leave_after: int | None) -> None:
        super().__init__()
        self._status = b"HTTP/1.1 %d " % status if status else b"HTTP/1.1 "
        self._leave_after, self._writes = leave_after, 0
        self._streaming = self.gone = False
        self._loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[None] = self._loop.create_future()

    def write(self, data: Any) -> None:
        self._writes += 1
        if self._writes == self._leave_after:
            self._end(gone=True)
            return
        if not self._streaming:
            assert data.startswith(self._status), data
            self._streaming = b"transfer-encoding: chunked" in data
        if not self._streaming or data.endswith(b"0\r\n\r\n"):
            self._streaming = False
            self._end(gone=False)

    def _end(self, *, gone: bool) -> None:
        self.gone = self.gone or gone
        if not self.answered.done():
            self.answered.set_result(None)

    def is_closing(self) -> bool:
        return self.gone

    def close(self) -> None:
        self._end(gone=True)

    def abort(self) -> None:
        self._end(gone=True)


class Driver:
    """So many connections at once; each that the client leaves, or that is closed, is followed by another."""

    def __init__(self, key: str, *, stream: bool, expect: int | None, leave_after: int | None = None) -> None:
        self._handler, self._expect, self._leave_after = ProxyHandler(), expect, leave_after
        body = request_body(stream=stream).encode()
        lines = [
            "POST /v1/chat/completions HTTP/1.1",
            "host: caps.example.com",
            "content-type: application/json",
            f"authorization: Bearer {key}",
            "user-agent: OpenAI/Python 2.8.0",
            "accept: application/json",
            f"content-length: {len(body)}",
        ]
        self._request = "\r\n".join([*lines, "", ""]).encode() + body
        self._config = uvicorn.Config(self._handler, log_config=None, lifespan="off")  # type: ignore[arg-type]
        self._config.load()

    async def run(self, requests: int) -> None:
        left = iter(range(requests))
        await asyncio.gather(*[self._client(left) for _ in range(AT_ONCE)])

    async def _client(self, left: Iterator[int]) -> None:
        protocol, client = self._connect()
        for _ in left:
            if client.gone:
                protocol, client = self._connect()
            protocol.data_received(self._request)
            await client.answered
            if client.gone:
                protocol.connection_lost(None)
            client.answered = asyncio.get_running_loop().create_future()
        if not client.gone:
            protocol.connection_lost(None)

    def _connect(self) -> tuple[MeteredProtocol, Client]:
        loop, client = asyncio.get_running_loop(), Client(self._expect, self._leave_after)
        protocol = MeteredProtocol(self._config, ServerState(), {}, loop, handler=self._handler)
        protocol.connection_made(client)
        return protocol, client
