"""One request and the behaviour that answers it."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Protocol

from tests.support.provider.behaviour import After, Behaviour, Framing, Gate, Pause, Step, data_of
from tests.support.provider.record import Record, RecordedRequest
from tokonomics.sandbox.reply import Chunk

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER for no time at all
FLUSH_BEFORE_RESET = 0.05  # seconds for the client to take what was sent; a reset discards the rest


class Line(Protocol):
    """The connection, as an exchange sees it."""

    transport: asyncio.Transport

    @property
    def left_by_client(self) -> bool: ...

    async def drain(self) -> None: ...

    async def wait_for_gate(self) -> None: ...


class Exchange:
    """Its task is cancelled when the connection is lost."""

    def __init__(
        self, request: RecordedRequest, behaviour: Behaviour, line: Line, record: Record, *, keep_alive: bool
    ) -> None:
        self.request = request
        self.behaviour = behaviour
        self._line = line
        self._record = record
        self._keep_alive = keep_alive
        self._settled = False

    async def run(self) -> None:
        self.request.status = self.behaviour.status
        try:
            await asyncio.sleep(self.behaviour.delay)
            if self.behaviour.gated:
                await self._line.wait_for_gate()
            if self.behaviour.never_answer:
                await _forever()
            if self.behaviour.raw is not None:
                await self._send(self.behaviour.raw)
            else:
                await self._reply(self.behaviour.prepared())
            await self._end()
        finally:
            self._settle(complete=False)

    async def _reply(self, behaviour: Behaviour) -> None:
        """Head and body; of a chunked body also its end, unless it is to be left unfinished."""
        missing = behaviour.content_length if behaviour.framing is Framing.LENGTH else None
        await self._send(behaviour.head(), completes=missing == 0)
        allowed = behaviour.cut_after
        for step in behaviour.body:
            if allowed == 0:
                break
            data = (await self._data_of(step))[:allowed]
            allowed = None if allowed is None else allowed - len(data)
            missing = None if missing is None else missing - len(data)
            await self._send(_framed(data, behaviour.framing), completes=missing is not None and missing <= 0)
        if behaviour.framing is Framing.CHUNKED and self._after is After.KEEP:
            await self._send(b"0\r\n\r\n", completes=True)

    async def _data_of(self, step: Step) -> bytes:
        """What a step puts on the wire, after waiting for what it waits for."""
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Gate):
            await self._line.wait_for_gate()
        elif isinstance(step, Chunk):
            self.request.output_tokens_sent += step.output_tokens
        return data_of(step)

    @property
    def _after(self) -> After:
        unfinished = self.behaviour.cut_after is not None
        return After.CLOSE if unfinished and self.behaviour.after is After.KEEP else self.behaviour.after

    async def _end(self) -> None:
        after = self._after
        if after is After.HANG:
            await _forever()
        self._settle(complete=after is After.KEEP)
        if after is After.RESET:
            await asyncio.sleep(FLUSH_BEFORE_RESET)
            connection = self._line.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._line.transport.abort()
        elif after is After.CLOSE or self.behaviour.framing is Framing.CLOSE or not self._keep_alive:
            self._line.transport.close()

    def _settle(self, *, complete: bool) -> None:
        """Close the books, once; and before the client can know of the end: whoever has the reply finds them closed."""
        if self._settled:
            return
        self._settled = True
        request, usage = self.request, self.behaviour.usage
        request.client_closed_early = not complete and self._line.left_by_client
        partial = self.behaviour.framing is not Framing.LENGTH and (self.behaviour.by_chunk or not complete)
        request.usage = usage.produced(request.output_tokens_sent) if usage is not None and partial else usage
        self._record.ended(request)

    async def _send(self, data: bytes, *, completes: bool = False) -> None:
        self.request.bytes_sent += len(data)
        if completes:
            self._settle(complete=True)
        if data:
            self._line.transport.write(data)
        await self._line.drain()


async def _forever() -> None:
    await asyncio.Event().wait()


def _framed(data: bytes, framing: Framing) -> bytes:
    if framing is not Framing.CHUNKED or not data:
        return data  # an empty chunk would end the body
    return b"%x\r\n" % len(data) + data + b"\r\n"
