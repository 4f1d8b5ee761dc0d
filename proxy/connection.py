"""One HTTP/1.1 connection to a provider: an asyncio Protocol around httptools. Knows nothing of pools or URLs.

A connection carries one exchange at a time and goes home (`Home.release`) only after a clean one: the request written
to its last byte, the reply complete, not a byte read since. In every other case it is closed.
"""

from __future__ import annotations

import asyncio
import re
import select
from dataclasses import dataclass
from math import inf
from typing import Protocol, cast

import httptools
import httpx

from proxy.reply import Reply

HIGH_WATER = 64 * 1024  # body bytes that wait for the consumer before reading pauses
MAX_HEAD = 64 * 1024  # bytes that may arrive without a byte of body: head, interim replies, trailers, chunk extensions
MAX_HEADERS = 256
WRITE_SLICE = 256 * 1024  # a longer request body is handed over piece by piece, as the provider takes it
TIMER_SLACK = 0.001  # event loops keep time in milliseconds

FRAMING = frozenset((b"content-length", b"transfer-encoding", b"keep-alive"))
KEEP_ALIVE_TIMEOUT = re.compile(rb"timeout\s*=\s*(\d{1,6})", re.IGNORECASE)


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
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._poll = select.poll()
        self._reply: Reply | None = None
        self._unsent: memoryview | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._deadline = inf

    # Exchanges

    def usable(self) -> bool:
        """Whether an exchange may begin: still open, and nothing (an end of file included) is waiting to be read."""
        return not self.closed and not self._transport.is_closing() and not self._poll.poll(0)

    def begin(self, head: bytes, body: bytes, timeouts: Timeouts, total_at: float) -> Reply:
        """Write a request and answer with its reply, still without a head. `total_at` is in the loop's time."""
        self._reply = reply = Reply(self)
        self._timeouts = timeouts
        self._total_at = total_at
        self._headers: list[tuple[bytes, bytes]] = []
        self._quiet = 0  # bytes since the last piece of body
        self._interim = False  # inside a 1xx
        self._begun = False
        self._framed = False  # whether the body's end can be told without the connection's
        self._ended = False
        self._keep_alive = False
        self.expiry = inf  # seconds of silence after which the provider says that it closes
        self._bodyless = head.startswith(b"HEAD ")
        self._large_request = len(body) > HIGH_WATER
        if len(body) <= WRITE_SLICE:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._unsent = memoryview(body)
            self._write_on()
        self._expect(timeouts.write if self._writing else timeouts.first_byte)
        return reply

    def expect_body(self) -> None:
        """The consumer waits: from now on silence counts."""
        self._expect(self._timeouts.idle)

    def buffer_emptied(self) -> None:
        if self._reading_paused and not self.closed:
            self._reading_paused = False
            self._transport.resume_reading()

    def abandon(self, reason: Exception) -> None:
        """Close, whatever is under way; the reply's reader gets `reason`."""
        if self._reply is not None:
            self._reply.end(reason)
            self._reply = None
        self.close()

    def rest(self, seconds: float | None) -> None:
        """Idle: close after so many seconds, unless an exchange begins."""
        self._total_at = inf
        self._expect(seconds)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._unsent = None
            if self._timer is not None:
                self._timer.cancel()
            self._transport.abort()
            self._home.forget(self)

    def _finish(self) -> None:
        reply, self._reply = self._reply, None
        self._deadline = inf
        clean = self._keep_alive and not self._writing and not self._transport.get_write_buffer_size()
        if clean:
            self.buffer_emptied()  # a paused connection would not notice that the provider closes it
            self._home.release(self)
        else:
            self.close()
        if reply is not None:
            reply.end()

    # Deadlines

    def _expect(self, seconds: float | None) -> None:
        deadline = self._total_at
        if seconds is not None:
            deadline = min(deadline, self.loop.time() + seconds)
        self._deadline = deadline
        if deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = deadline
            self._timer = self.loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = inf
        if self._deadline - self.loop.time() > TIMER_SLACK:
            if self._deadline < inf:
                self._timer_at = self._deadline
                self._timer = self.loop.call_at(self._deadline, self._on_timer)
        else:
            self.abandon(self._lateness())

    def _lateness(self) -> httpx.TimeoutException:
        if self._deadline >= self._total_at:
            return httpx.ReadTimeout("The exchange with the provider took too long")
        if self._writing:
            return httpx.WriteTimeout("The provider did not take the request in time")
        if self._reply is not None and self._reply.status:
            return httpx.ReadTimeout("The provider fell silent in the middle of its reply")
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

    # Reading: asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._reply is None:
            self.close()  # nobody asked; it must not become the answer to the next request
            return
        self._quiet += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self._keep_alive = False
            if not self._ended:
                self._refuse(str(exc.__context__ or exc))
                return
            # What follows a complete reply costs the connection, not the reply.
        if self._ended:
            self._finish()
        elif self._quiet > MAX_HEAD:
            self._refuse("too many bytes without a body")

    def eof_received(self) -> None:
        if self._reply is not None and self._reply.status and not self._framed:
            self._keep_alive = False  # such a body ends where the connection ends
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self.abandon(httpx.RemoteProtocolError("The provider closed the connection before its reply was complete"))
        else:
            kind = httpx.WriteError if self._writing else httpx.ReadError
            self.abandon(kind(f"The connection to the provider broke: {exc}"))
        self._home.lost(self)
        self.gone.set_result(None)

    def _refuse(self, why: str) -> None:
        self.abandon(httpx.RemoteProtocolError(f"The provider's reply is not HTTP/1.1 as it should be: {why}"))

    # Reading: the parser's callbacks. What they raise stops the parser and comes out of `feed_data`.

    def on_message_begin(self) -> None:
        if self._ended:
            raise ValueError("bytes after the reply")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._begun:
            return  # a trailer; nobody downstream has asked for any
        name = name.lower()
        value = value.rstrip(b" \t")
        self._headers.append((name, value))
        if name in FRAMING:
            self._on_framing_header(name, value)

    def _on_framing_header(self, name: bytes, value: bytes) -> None:
        if name == b"keep-alive":
            if found := KEEP_ALIVE_TIMEOUT.search(value):
                self.expiry = float(found[1])
        elif name == b"transfer-encoding" and (self._framed or value.lower() != b"chunked"):
            raise ValueError("a transfer coding other than chunked")
        else:
            self._framed = True  # the parser refuses a second length, and a length beside chunks

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self._check_head(status)
        if status < 200:
            self._interim = True
            return
        self._begun = True
        self._keep_alive = self._parser.should_keep_alive()
        if self._writing:
            self._keep_alive = False
            if status >= 300:
                self._unsent = None  # it has decided without the rest
        elif status >= 400 and self._large_request:
            self._keep_alive = False  # it may have decided without reading: the rest must not lie before a next request
        if self._bodyless:
            self._keep_alive = False  # the parser cannot be told that no body follows
            self._ended = True
        self._deadline = self._total_at
        assert self._reply is not None
        self._reply.start(status, self._headers)

    def _check_head(self, status: int) -> None:
        headers = self._headers
        if len(headers) > MAX_HEADERS:
            raise ValueError("too many headers")
        if self._quiet > MAX_HEAD and sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEAD:
            raise ValueError("too large a head")
        if status < 200 and (status < 100 or status == 101 or self._framed):
            raise ValueError(f"an unexpected status {status}")

    def on_body(self, data: bytes) -> None:
        if self._ended:
            raise ValueError("a body where none may be")
        self._quiet = 0
        self._deadline = self._total_at
        assert self._reply is not None
        if self._reply.feed(data) > HIGH_WATER and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
            self._headers = []
        else:
            self._ended = True
