"""One HTTP/1.1 connection to a provider, an asyncio Protocol. Knows nothing of pools or URLs.

It carries one exchange at a time and goes home (`Home.release`) only after a clean one: the request written to its last
byte, the reply complete, not a byte read since. In every other case it is closed.
"""

from __future__ import annotations

import asyncio
import select
from dataclasses import dataclass
from math import inf
from typing import Protocol, cast

import httpx

from proxy.framing import Malformed, ReplyDecoder
from proxy.reply import Reply

HIGH_WATER = 64 * 1024  # body bytes that wait for the consumer before reading pauses
LARGE_REQUEST = 64 * 1024  # bytes of a body that a provider may well refuse without reading it
WRITE_SLICE = 256 * 1024  # a longer body is handed over piece by piece, as the provider takes it
TIMER_SLACK = 0.001  # event loops keep time in milliseconds


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, None for no limit. `total` runs from `send` to the last byte of the reply and caps all the others."""

    connect: float | None = 5.0  # name look-up, TCP and TLS
    pool: float | None = 5.0  # until a connection is free, where the origin is at its limit
    write: float | None = 30.0  # until the provider has taken the next piece of the request
    first_byte: float | None = 600.0  # until the whole head has arrived, once the request is written
    idle: float | None = 120.0  # until the next piece of body, while somebody waits for it
    total: float | None = 3600.0


class Home(Protocol):
    """Where a connection belongs."""

    def release(self, connection: Connection) -> None:
        """The connection is free for another exchange."""

    def forget(self, connection: Connection) -> None:
        """The connection will carry no more exchanges. Said once."""

    def lost(self, connection: Connection) -> None:
        """The connection's socket is gone."""


class Connection(asyncio.Protocol):
    """One timer serves all deadlines. It is rarely set: where it finds that the deadline has moved on, it follows."""

    def __init__(self, loop: asyncio.AbstractEventLoop, home: Home) -> None:
        self.loop = loop
        self.closed = False
        self.gone: asyncio.Future[None] = loop.create_future()  # done when the socket is closed
        self._home = home
        self._transport: asyncio.Transport
        self._poll = select.poll()
        self._decoder = ReplyDecoder()
        self._reply: Reply | None = None  # of the exchange under way
        self._unsent: memoryview | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._deadline = inf
        self._total_at = inf

    @property
    def expiry(self) -> float:
        """Seconds of silence after which the provider has said that it closes the connection."""
        return self._decoder.expiry

    # Exchanges

    @property
    def open(self) -> bool:
        return not self.closed and not self._transport.is_closing()

    def usable(self) -> bool:
        """Whether another exchange may begin: still open, and nothing (an end of file included) waits to be read."""
        return self.open and not self._poll.poll(0)

    def begin(self, head: bytes, body: bytes, timeouts: Timeouts, total_at: float) -> Reply:
        """Write a request and answer with its reply, still without a head. `total_at` is in the loop's time."""
        self._reply = reply = Reply(self)
        self._decoder.begin(reply, bodyless=head.startswith(b"HEAD "))
        self._timeouts = timeouts
        self._total_at = total_at
        self._early = False  # whether the reply began before the request was written
        self._large = len(body) > LARGE_REQUEST
        if len(body) <= WRITE_SLICE:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._unsent = memoryview(body)
            self._write_on()
        self._expect(timeouts.write if self._writing else timeouts.first_byte)
        return reply

    def abandon(self, reason: Exception) -> None:
        """Close, whatever is under way; the reply's reader gets `reason`."""
        reply, self._reply = self._reply, None
        self.close()
        try:
            if reply is not None:
                reply.end(reason)
        finally:
            del reason  # who listens may raise it at once, and then it holds this frame

    def rest(self, seconds: float) -> None:
        """Be idle: close after so many seconds, unless an exchange begins."""
        self._expect(seconds)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._unsent = None
            self._decoder.let_go()
            if self._timer is not None:
                self._timer.cancel()
            self._transport.abort()
            self._home.forget(self)

    def _finish(self, reply: Reply) -> None:
        """The reply is complete."""
        self._reply = None
        self._deadline = self._total_at = inf
        refused_unread = self._large and reply.status >= 400  # what is left of it must not precede another request
        written = not self._writing and not self._transport.get_write_buffer_size()
        if self._decoder.keep_alive and written and not self._early and not refused_unread:
            self.buffer_emptied()  # while reading is paused, the provider's closing would go unnoticed
            self._home.release(self)
        else:
            self.close()
        reply.end()

    # Deadlines

    def _expect(self, seconds: float | None) -> None:
        deadline = self._total_at
        if seconds is not None:
            deadline = min(deadline, self.loop.time() + seconds)
        self._deadline = deadline
        if deadline < self._timer_at:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._deadline
        self._timer = self.loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = inf
        if self._deadline == inf:
            return
        if self._deadline - self.loop.time() > TIMER_SLACK:
            self._set_timer()
        else:
            self.abandon(self._lateness())

    def _lateness(self) -> httpx.TimeoutException:
        if self._deadline >= self._total_at:
            return httpx.ReadTimeout("The exchange with the provider took too long")
        if self._reply is not None and self._reply.status:
            return httpx.ReadTimeout("The provider fell silent in the middle of its reply")
        if self._writing:
            return httpx.WriteTimeout("The provider did not take the request in time")
        return httpx.ReadTimeout("The provider did not begin its reply in time")

    # Writing

    @property
    def _writing(self) -> bool:
        """Whether part of the request is still to be taken by the provider."""
        return self._unsent is not None or self._writing_paused

    def _write_on(self) -> None:
        while self._unsent is not None and not self._writing_paused and not self._transport.is_closing():
            piece, rest = self._unsent[:WRITE_SLICE], self._unsent[WRITE_SLICE:]
            self._unsent = rest if len(rest) else None
            self._transport.write(piece)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._write_on()
        if self._reply is not None and not self._reply.status:
            self._expect(self._timeouts.write if self._writing else self._timeouts.first_byte)

    # Reading

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:
            self.close()  # nobody asked; it must not become the answer to the next request
            return
        had_head = reply.status
        try:
            self._decoder.feed(data)
        except Malformed as exc:
            self.abandon(httpx.RemoteProtocolError(f"The provider's reply is not HTTP/1.1 as it should be: {exc}"))
            return
        if self._decoder.ended:
            self._finish(reply)
        elif reply.status:
            self._reply_goes_on(reply, began=not had_head)
            reply.call_listener()

    def _reply_goes_on(self, reply: Reply, *, began: bool) -> None:
        if began or not self._decoder.quiet:
            self._deadline = self._total_at  # until the consumer waits again, silence does not count
        if began and self._writing:
            self._early = True
            if reply.status >= 300:
                self._unsent = None  # it has decided without the rest
        if reply.buffered > HIGH_WATER and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def expect_body(self) -> None:
        """The consumer waits: from now on silence counts."""
        self._expect(self._timeouts.idle)

    def buffer_emptied(self) -> None:
        """The consumer has caught up."""
        if self._reading_paused and not self.closed:
            self._reading_paused = False
            self._transport.resume_reading()

    def eof_received(self) -> None:
        if self._reply is not None and self._decoder.ends_with_connection:
            self._finish(self._reply)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self.abandon(httpx.RemoteProtocolError("The provider closed the connection before its reply was complete"))
        else:
            kind = httpx.WriteError if self._writing else httpx.ReadError
            self.abandon(kind(f"The connection to the provider broke: {exc}"))
        self._home.lost(self)
        self.gone.set_result(None)
