"""A stream passed on from where it arrives: each piece goes from the provider's socket to the client's in one turn of
the loop, and no task is woken for it. The handler's own task waits for the end.
"""

import asyncio

import httpx

from proxy import upstream
from proxy.exchange import ClientGone, Sink
from proxy.reply import Reply
from proxy.stream import MeteredStream, unreadable
from proxy.upstream import UnreadableReply


class Pouring:
    """One stream on its way into one sink."""

    def __init__(self, stream: MeteredStream, reply: Reply, sink: Sink) -> None:
        self._stream, self._reply, self._sink = stream, reply, sink
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[bool] = self._loop.create_future()  # whether the client got all of it
        self._waiting = False  # for room, or for the turn of the loop that writes the settle

    async def run(self) -> None:
        """To the stream's end. Raises ClientGone."""
        self._reply.listen(self._arrived)
        self._sink.listen(self._room)
        try:
            self._arrived()
            got_all = await self._over
        finally:
            self._reply.listen(None)
            self._sink.listen(None)
        if not got_all:
            raise ClientGone  # made here: one that `_over` kept would hold this frame, and this frame holds `_over`

    def _room(self) -> None:
        if self._sink.gone:
            self._end(got_all=False)
        elif self._waiting:
            self._waiting = False
            self._arrived()

    def _arrived(self) -> None:
        """Called from the provider's connection: whatever goes wrong here is the handler's to hear, not its."""
        try:
            while not self._waiting and not self._over.done() and self._step():
                pass
        except Exception as error:
            if not self._over.done():
                self._over.set_exception(error)

    def _step(self) -> bool:
        """Pass one piece on. Whether there may be another at once."""
        stream, reply = self._stream, self._reply
        try:
            data = reply.take()
            if data == b"":
                return False
            piece = stream.digest(data)
        except (httpx.TransportError, httpx.StreamError) as error:
            return self._pass(stream.break_off(upstream.failed(error)))
        except (UnreadableReply, ValueError) as error:
            reply.listen(None)
            reply.give_up()
            return self._pass(stream.break_off(unreadable(error)))
        if stream.settle_in_time():
            self._waiting = True
            self._loop.call_soon(self._settled, piece)
            return False
        return self._pass(piece)

    def _settled(self, piece: bytes) -> None:
        """The settle has been written: now the client may see the end."""
        if self._over.done():
            return
        self._waiting = False
        self._pass(piece)
        self._arrived()

    def _pass(self, piece: bytes) -> bool:
        stream = self._stream
        piece += stream.tail()
        if (piece or stream.ended) and not self._sink.push(piece, last=stream.ended):
            self._waiting = True
        if stream.ended:
            self._end(got_all=True)
        return not stream.ended

    def _end(self, *, got_all: bool) -> None:
        if not self._over.done():
            self._over.set_result(got_all)
