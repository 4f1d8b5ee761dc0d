"""One client's connection to the mock: parses requests, plays behaviours, notices when the client leaves."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol, cast

import httptools

from tests.support.provider.behaviour import Behaviour
from tests.support.provider.exchange import Exchange
from tests.support.provider.record import Record, RecordedRequest


class Owner(Protocol):
    """What a connection needs from the mock. `begin` answers ready bytes, or a behaviour to be played."""

    record: Record
    connections: set[Connection]
    failures: list[BaseException]  # raised in the test's thread at the end

    def begin(self, request: RecordedRequest) -> bytes | Behaviour: ...

    def control(self, method: str, target: str) -> bytes | None: ...

    async def wait_for_gate(self) -> None: ...


class Connection(asyncio.Protocol):
    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.number = 0
        self.task: asyncio.Task[None] | None = None
        self._lost = False
        self._ended_by_us = False
        self._waiting: deque[tuple[RecordedRequest, bool]] = deque()
        self._target, self._headers, self._body = b"", list[tuple[bytes, bytes]](), bytearray()
        self._parser = httptools.HttpRequestParser(self)
        self._drained = asyncio.Event()
        self._drained.set()

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # Nothing is left in user space: what counts as sent has been taken by the kernel.
        self.transport.set_write_buffer_limits(high=0)
        self.number = self.owner.record.connected()
        self.owner.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self.owner.connections.discard(self)
        if self.task is not None:
            self.task.cancel()
        for request, _ in self._waiting:
            request.client_closed_early = not self._ended_by_us
            self.owner.record.ended(request)

    def end(self) -> None:
        """The mock stops. A request that is still being answered has not been left by its client."""
        self._ended_by_us = True
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    # -- the parser's side

    def on_message_begin(self) -> None:
        self._target, self._headers, self._body = b"", [], bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        if name.lower() == b"expect":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        method, target = self._parser.get_method().decode(), self._target.decode("latin-1")
        control = self.owner.control(method, target)
        if control is not None:
            self.transport.write(control)
            return
        request = self.owner.record.arrived(self.number, method, target, self._headers, bytes(self._body))
        self._waiting.append((request, self._parser.should_keep_alive()))
        self._next()

    # -- answering, one request after the other

    def _next(self) -> None:
        while self._waiting and self.task is None:
            request, keep_alive = self._waiting.popleft()
            answer = self.owner.begin(request)
            if isinstance(answer, bytes):
                request.bytes_sent = len(answer)
                self.owner.record.ended(request)  # before the client can have the reply
                self.transport.write(answer)
                if not keep_alive:
                    self.transport.close()
            else:
                exchange = Exchange(request, answer, self, self.owner.record, keep_alive=keep_alive)
                self.task = asyncio.get_running_loop().create_task(exchange.run())
                self.task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self.task = None
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self.owner.failures.append(failure)
            self.transport.abort()
        elif not self._lost:
            self._next()

    # -- for an exchange

    @property
    def left_by_client(self) -> bool:
        return self._lost and not self._ended_by_us

    async def drain(self) -> None:
        """Until the kernel has taken all that was written."""
        if not self._drained.is_set():
            await self._drained.wait()
        await asyncio.sleep(0)  # lets the loop see that the client has left

    async def wait_for_gate(self) -> None:
        await self.owner.wait_for_gate()
