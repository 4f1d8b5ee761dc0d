"""One client's connection to the mock: parses requests, plays behaviours, notices when the client leaves."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import Protocol, cast

import httptools

from tests.support.provider.behaviour import After, Behaviour, Framing, Gate, Pause, data_of
from tests.support.provider.record import Record, RecordedRequest
from tokonomics.sandbox.reply import Chunk

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER for no time at all
FLUSH_BEFORE_RESET = 0.05  # seconds for the client to take what was sent; a reset discards the rest


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
                self._write(request, answer)
                self.owner.record.ended(request)
                if not keep_alive:
                    self.transport.close()
            else:
                self.task = asyncio.get_running_loop().create_task(self._answer(request, answer, keep_alive))
                self.task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self.task = None
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self.owner.failures.append(failure)
            self.transport.abort()
        elif not self._lost:
            self._next()

    async def _answer(self, request: RecordedRequest, behaviour: Behaviour, keep_alive: bool) -> None:
        request.status = behaviour.status
        complete = False
        try:
            await self._play(request, behaviour)
            complete = True
            if behaviour.after is After.KEEP and not keep_alive:
                self.transport.close()
        finally:
            request.client_closed_early = self._lost and not complete and not self._ended_by_us
            request.usage = behaviour.usage
            streamed = behaviour.framing is not Framing.LENGTH
            if behaviour.usage is not None and streamed and (behaviour.by_chunk or not complete):
                request.usage = behaviour.usage.produced(request.output_tokens_sent)
            self.owner.record.ended(request)

    async def _play(self, request: RecordedRequest, behaviour: Behaviour) -> None:
        """Send it all. Cancelled when the client leaves."""
        await asyncio.sleep(behaviour.delay)
        if behaviour.gated:
            await self.owner.wait_for_gate()
        if behaviour.never_answer:
            await asyncio.Event().wait()
        if behaviour.raw is not None:
            await self._send(request, behaviour.raw)
            await self._finish(request, behaviour)
            return
        behaviour = behaviour.prepared()
        await self._send(request, behaviour.head())
        left = behaviour.cut_after
        for step in behaviour.body:
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Gate):
                await self.owner.wait_for_gate()
            else:
                data = data_of(step)[:left]
                request.output_tokens_sent += step.output_tokens if isinstance(step, Chunk) else 0
                await self._send(request, _framed(data, behaviour.framing))
                if left is not None:
                    left -= len(data)
            if left == 0:
                break
        await self._finish(request, behaviour)

    async def _finish(self, request: RecordedRequest, behaviour: Behaviour) -> None:
        after = behaviour.after
        if after is After.KEEP and behaviour.cut_after is not None:
            after = After.CLOSE
        match after:
            case After.KEEP if behaviour.framing is Framing.CHUNKED and behaviour.raw is None:
                await self._send(request, b"0\r\n\r\n")
            case After.KEEP if behaviour.framing is Framing.CLOSE:
                self.transport.close()
            case After.CLOSE:
                self.transport.close()
            case After.RESET:
                await asyncio.sleep(FLUSH_BEFORE_RESET)
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                self.transport.abort()
            case After.HANG:
                await asyncio.Event().wait()

    async def _send(self, request: RecordedRequest, data: bytes) -> None:
        if data:
            self._write(request, data)
        if not self._drained.is_set():
            await self._drained.wait()
        await asyncio.sleep(0)  # lets the loop see that the client has left

    def _write(self, request: RecordedRequest, data: bytes) -> None:
        self.transport.write(data)
        request.bytes_sent += len(data)


def _framed(data: bytes, framing: Framing) -> bytes:
    if framing is not Framing.CHUNKED or not data:
        return data  # an empty chunk would end the body
    return b"%x\r\n" % len(data) + data + b"\r\n"
