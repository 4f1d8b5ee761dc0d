"""A provider's reply while it arrives: what the connection puts in on one side, the caller takes out on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn, Protocol

import httpx


class Source(Protocol):
    """What a reply asks of the connection that it arrives on."""

    loop: asyncio.AbstractEventLoop

    def expect_body(self) -> None: ...
    def buffer_emptied(self) -> None: ...
    def abandon(self, reason: Exception) -> None: ...


class Reply:
    """Status and headers (names in lower case) at once, the body as it arrives and as received: nothing is decoded.

    Read it to its end or `aclose` it. A failure is raised once what arrived before it has been read: ReadTimeout,
    ReadError, WriteError or RemoteProtocolError of httpx; StreamClosed for who reads on after that, or after `aclose`.
    """

    __slots__ = ("_chunks", "_ended", "_failure", "_listener", "_source", "_waiter", "buffered", "headers", "status")

    def __init__(self, source: Source) -> None:
        self.status = 0  # until the head has arrived
        self.headers: list[tuple[bytes, bytes]] = []
        self.buffered = 0  # bytes of body that wait to be read
        self._source: Source | None = source  # None once the exchange is over, well or badly
        self._chunks: list[bytes] = []
        self._ended = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._listener: Callable[[], None] | None = None

    @property
    def complete(self) -> bool:
        """Whether the reply came to its proper end and every byte of it has been read."""
        return self._ended and not self._chunks

    async def next_chunk(self) -> bytes | None:
        """What has arrived since the last call; waits for at least one byte. None at the end."""
        while (data := self.take()) == b"":
            assert self._source is not None
            await self._news(self._source)
        return data

    def take(self) -> bytes | None:
        """The same without waiting: b"" where nothing has arrived yet. From then on the provider's silence counts."""
        if self._chunks:
            return self._take()
        if self._source is not None:
            self._source.expect_body()
            return b""
        if self._failure is not None:
            self._raise(self._failure)
        return None

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Have `listener` called when there is something to take, once for all that comes at a time; for who does not
        wait in `next_chunk`."""
        self._listener = listener

    async def read(self, limit: int) -> bytes:
        """The rest of the body. A body longer than `limit` comes in part, more than `limit`, and is not `complete`."""
        if self._ended:
            return self._take() if self._chunks else b""
        parts: list[bytes] = []
        size = 0
        while size <= limit and (chunk := await self.next_chunk()) is not None:
            parts.append(chunk)
            size += len(chunk)
        return b"".join(parts)

    async def aclose(self) -> None:
        """Give up what has not arrived; that closes the connection. A reply that has arrived whole stays readable."""
        self.give_up()

    def give_up(self) -> None:
        """The same; nothing has to be waited for."""
        if self._source is not None:
            self._source.abandon(httpx.StreamClosed())

    async def wait_for_head(self) -> None:
        """Return once `status` and `headers` are there; raise what kept them from arriving."""
        if self._source is not None:
            await self._news(self._source)
        if not self.status and self._failure is not None:
            self._raise(self._failure)

    def _raise(self, failure: Exception) -> NoReturn:
        """It is given away: with its traceback it holds whoever reads, and who reads holds this reply. Kept here too it
        would be garbage that goes in a circle, connection and all."""
        self._failure = httpx.StreamClosed()
        try:
            raise failure
        finally:
            del failure

    async def _news(self, source: Source) -> None:
        self._waiter = source.loop.create_future()
        try:
            await self._waiter
        except BaseException:  # cancelled: nobody may be left to close it
            await self.aclose()
            raise
        finally:
            self._waiter = None

    def _take(self) -> bytes:
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.buffered = 0
        if self._source is not None:
            self._source.buffer_emptied()
        return data

    # The connection's side.

    def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.headers = headers
        self._wake()

    def feed(self, data: bytes) -> None:
        self._chunks.append(data)
        self.buffered += len(data)
        self._wake()

    def call_listener(self) -> None:
        if self._listener is not None:
            self._listener()

    def end(self, failure: Exception | None = None) -> None:
        """The last word: the reply has arrived whole, or `failure` is why it will not."""
        self._source = None
        self._failure = failure
        self._ended = failure is None
        del failure
        self._wake()
        self.call_listener()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
