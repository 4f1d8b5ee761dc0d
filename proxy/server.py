"""The server's side of HTTP/1.1: uvicorn's protocol with bounds on what a client may send and take its time over, and a
short way for the metered routes, whose requests go to the handler whole and whose answers are written in one piece.

Everything else (pages, websockets) goes through uvicorn as it is. What could be read in two ways ends the connection.
"""

import asyncio
import logging
from functools import partial
from http import HTTPStatus
from math import inf
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from proxy.asgi import ProxyHandler
from proxy.exchange import STALLED_SECONDS
from proxy.refusals import Refusal
from proxy.wire_exchange import WireExchange

log = logging.getLogger(__name__)

MOST_HEAD_BYTES = 64 * 1024
MOST_HEADERS = 128
HEAD_SECONDS = 30.0  # from the first byte of a head to its last
BODY_PAUSE_SECONDS = 30.0  # between two pieces of a body
BODY_SECONDS = 600.0
LINGER_SECONDS = 2.0  # for the client to read why its body was not

_METERED = (b"/v1/", b"/v1beta/", b"/openai/")


class Rejected(Exception):
    """The bytes are not a request that we take; raised in the parser's callbacks."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class MeteredProtocol(HttpToolsProtocol):
    """One connection. Whatever it waits for has a deadline, which `look` (called every second) holds it to."""

    cycle: Any  # the newest request: uvicorn's RequestResponseCycle, or an exchange of ours
    _usual: tuple[Any, bytes] = (None, b"")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        handler: ProxyHandler,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._handler = handler
        self._running: Any = None  # the request that is being answered; the newest may wait behind it
        self._deadline = self.loop.time() + HEAD_SECONDS
        self._body_until = inf
        self._stalled_since = 0.0
        self._head_bytes = 0  # that have come since the last head was complete, 0 between two requests
        self._reading_head = True
        self._deaf = False  # whatever comes now is of no interest

    # --- what the client sends ---------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._reading_head:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self._deadline = inf
                self.handle_websocket_upgrade()
            else:
                self._unsupported_upgrade_warning()
        except httptools.HttpParserError as error:
            self._reject(error.__context__)
        else:
            if self._reading_head and self._head_bytes > MOST_HEAD_BYTES:
                self._reject(Rejected(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._reading_head = True
        self._deadline = self.loop.time() + HEAD_SECONDS

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._reading_head:  # a trailer, which nobody has asked for
            self._head_bytes += len(name) + len(value)
            if self._head_bytes > MOST_HEAD_BYTES:
                raise Rejected(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))
        if len(self.headers) > MOST_HEADERS:
            raise Rejected(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        if self._head_bytes > MOST_HEAD_BYTES:
            size = sum(len(name) + len(value) + 4 for name, value in self.headers) + len(self.url)
            if size > MOST_HEAD_BYTES:
                raise Rejected(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        self._reading_head = False
        self._head_bytes = 0
        now = self.loop.time()
        self._body_until = now + BODY_SECONDS
        url = self.url
        if url.startswith(_METERED) and b"%" not in url and b"#" not in url and not self.parser.should_upgrade():
            self._deadline = now + BODY_PAUSE_SECONDS
            self._begin_exchange(url)
        else:
            self._deadline = self._body_until
            self._begin_cycle()

    def _begin_exchange(self, url: bytes) -> None:
        path, _, query = url.decode("latin-1").partition("?")
        method = self.parser.get_method().decode("ascii")
        chunked = self.parser.get_http_version() != "1.0"
        keep_alive = chunked and self.parser.should_keep_alive()
        self.cycle = exchange = WireExchange(
            self, method, path, query, self.headers, keep_alive=keep_alive, chunked=chunked
        )
        if self._running is not None:
            self.flow.pause_reading()
            self.pipeline.appendleft((cast(Any, exchange), cast(Any, self._handler)))
            return
        self._running = exchange
        if self.expect_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _begin_cycle(self) -> None:
        """uvicorn's own way, from a head that we have kept."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()
        if self._running is None:
            self._running = self.cycle

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if not isinstance(cycle, WireExchange):
            super().on_body(body)
        elif not cycle.whole:
            self._deadline = min(self.loop.time() + BODY_PAUSE_SECONDS, self._body_until)
            try:
                cycle.feed(body)
            except Refusal:
                self._deaf = True
                self._come(cycle)

    def on_message_complete(self) -> None:
        cycle = self.cycle
        self._deadline = inf
        self._reading_head = True
        self._head_bytes = 0
        if not isinstance(cycle, WireExchange):
            super().on_message_complete()
        elif not cycle.whole:
            self._come(cycle)

    def _come(self, exchange: WireExchange) -> None:
        """Its body is there: it is answered now, or when those before it have been."""
        exchange.whole = True
        if exchange is self._running:
            self._start_asgi_task(cast(Any, exchange), cast(Any, self._handler))

    # --- how it goes on, and how it ends -----------------------------------------------------------------------------

    def answered(self, exchange: WireExchange) -> None:
        if self._deaf and not exchange.keep_alive:
            # Closing on bytes that wait to be read would take the answer back from the client.
            self.transport.write_eof()
            self._deadline = self.loop.time() + LINGER_SECONDS
            self._running = None
            return
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._running = None
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if not self.pipeline:
            if not self._head_bytes:
                self._deadline = self.loop.time() + self.timeout_keep_alive
            return
        cycle, app = self.pipeline.pop()
        self._running = cycle
        if not isinstance(cycle, WireExchange) or cycle.whole:
            self._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        waiting = [cycle for cycle, _ in self.pipeline]
        self.pipeline.clear()
        for cycle in (self._running, *waiting):
            if isinstance(cycle, WireExchange):
                cycle.lost()
                if not cycle.whole or cycle is not self._running:
                    cycle.close()  # no handler has it
            elif cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()
        self.cycle = None
        super().connection_lost(exc)
        self._running = None
        self._deadline = inf

    def pause_writing(self) -> None:
        self._stalled_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled_since = 0.0
        super().resume_writing()
        if isinstance(self._running, WireExchange):
            self._running.room()

    def look(self, now: float) -> None:
        """Hold the client to its time."""
        if self._stalled_since and now - self._stalled_since > STALLED_SECONDS:
            log.warning("a client took nothing for %d s", STALLED_SECONDS)
            self.transport.abort()
        elif now > self._deadline:
            idle = not self._head_bytes and (self.cycle is None or self.cycle.response_complete)
            if idle or self._deaf:
                self.transport.close()
            else:
                self._reject(Rejected(HTTPStatus.REQUEST_TIMEOUT))

    def _reject(self, why: BaseException | None) -> None:
        """What cannot be a request is answered if nothing else is being answered, and nothing after it is read."""
        status = why.status if isinstance(why, Rejected) else HTTPStatus.BAD_REQUEST
        self._deaf = True
        running = self._running
        if running is not None and _is_being_answered(running):
            running.keep_alive = False
            self._deadline = inf
            return
        words = f"{status.phrase}\n".encode()
        head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(
            words
        )
        self.transport.write(STATUS_LINE[status] + self.usual_headers() + head + words)
        self.transport.close()

    @property
    def usual_count(self) -> int:
        return len(self.server_state.default_headers)

    def usual_headers(self) -> bytes:
        """The date and what else uvicorn's configuration adds; the list is a new one every second."""
        usual, known = self.server_state.default_headers, MeteredProtocol._usual
        if known[0] is not usual:
            known = MeteredProtocol._usual = (usual, b"".join(b"%b: %b\r\n" % header for header in usual))
        return known[1]


def _is_being_answered(cycle: Any) -> bool:
    if isinstance(cycle, WireExchange):
        return cycle.whole
    return bool(cycle.response_started or not cycle.more_body)


def protocol_for(handler: ProxyHandler) -> Any:
    """For `uvicorn.Config(http=...)`."""
    return partial(MeteredProtocol, handler=handler)
