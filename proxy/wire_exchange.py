"""One metered request and its answer on a connection of ours: its body as it comes, its answer as bytes on the wire."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from proxy.exchange import ClientGone, Exchange, RawHeaders, intake
from proxy.refusals import Refusal

log = logging.getLogger(__name__)


class Wire(Protocol):
    """What an exchange asks of the connection that carries it."""

    transport: asyncio.Transport
    flow: FlowControl

    @property
    def usual_count(self) -> int: ...
    def usual_headers(self) -> bytes: ...
    def answered(self, exchange: "WireExchange") -> None: ...


class Handler(Protocol):
    """Who answers."""

    async def serve(self, exchange: Exchange) -> None: ...


class WireExchange:
    """A metered request and its answer. For uvicorn's protocol it is a cycle like its own."""

    __slots__ = (
        "_chunked", "_on_gone", "_on_room", "_parts", "_refusal", "_size", "_wire", "disconnected", "headers",
        "keep_alive", "method", "path", "query", "response_complete", "whole",
    )  # fmt: skip

    def __init__(
        self,
        wire: Wire,
        method: str,
        path: str,
        query: str,
        headers: RawHeaders,
        *,
        keep_alive: bool,
        chunked: bool,
    ) -> None:
        self.method, self.path, self.query, self.headers = method, path, query, headers
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False
        self.whole = False  # whether the body has come, or will not
        self._wire = wire
        self._parts: list[bytes] = []
        self._size = 0
        self._refusal: Refusal | None = None
        self._chunked = chunked  # HTTP/1.0 knows the end of a stream by that of the connection
        self._on_gone: Callable[[], None] | None = None
        self._on_room: Callable[[], None] | None = None

    # --- the handler's side ------------------------------------------------------------------------------------------

    async def read(self) -> bytes:
        if self._refusal is not None:
            raise self._refusal
        if self.disconnected:
            raise ClientGone
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def answer(self, status: int, headers: RawHeaders, body: bytes) -> None:
        if not self.disconnected:
            headers.append((b"content-length", b"%d" % len(body)))
            self._wire.transport.write(self._head(status, headers) + (b"" if self.method == "HEAD" else body))
            self._complete()

    async def begin(self, status: int, headers: RawHeaders, on_gone: Callable[[], None]) -> None:
        self._on_gone = on_gone
        if self.disconnected:
            raise ClientGone
        if self._chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        self._wire.transport.write(self._head(status, headers))

    async def write(self, piece: bytes, *, last: bool) -> None:
        flow = self._wire.flow
        if flow.write_paused:
            await flow.drain()
        if self.disconnected:
            raise ClientGone
        self.push(piece, last=last)

    def sink(self) -> "WireExchange":
        return self

    @property
    def gone(self) -> bool:
        return self.disconnected

    def listen(self, on_room: Callable[[], None] | None) -> None:
        self._on_room = on_room

    def push(self, piece: bytes, *, last: bool) -> bool:
        if self.disconnected:
            return False
        wire = self._wire
        if not self._chunked:
            wire.transport.write(piece)
        elif not last:
            wire.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            wire.transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(piece), piece) if piece else b"0\r\n\r\n")
        if last:
            self._complete()
        return not wire.flow.write_paused

    def close(self) -> None:
        intake.give_back(self._size)
        self._size = 0
        self._on_gone = None
        if not self.response_complete and not self.disconnected:
            self._wire.transport.abort()  # cut off in the middle: the client must not take it for the whole

    def _head(self, status: int, headers: RawHeaders) -> bytes:
        if not self.keep_alive and (b"connection", b"close") not in headers:
            headers.append((b"connection", b"close"))
        lines = [STATUS_LINE[status], self._wire.usual_headers()]
        lines += [b"%b: %b\r\n" % header for header in headers]
        lines.append(b"\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(headers) + self._wire.usual_count + 2 or b"\0" in head:
            raise ValueError("a header of the answer holds a line end")
        return head

    def _complete(self) -> None:
        self.response_complete = True
        self._on_gone = None
        self._wire.answered(self)

    # --- the wire's side ---------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Raises Refusal where the body grows beyond what is taken; the handler then hears of that instead."""
        try:
            self._size = intake.take(self._size, len(data))
        except Refusal as refusal:
            self.refuse(refusal)
            raise
        self._parts.append(data)

    def refuse(self, refusal: Refusal) -> None:
        self._refusal, self._parts, self.keep_alive = refusal, [], False

    def lost(self) -> None:
        self.disconnected = True
        if self._on_gone is not None:
            on_gone, self._on_gone = self._on_gone, None
            on_gone()
        self.room()

    def room(self) -> None:
        if self._on_room is not None:
            self._on_room()

    async def run_asgi(self, handler: Handler) -> None:
        """The name that uvicorn's protocol knows it by."""
        try:
            await handler.serve(self)
        except Exception:
            # A fault of ours in writing the answer; `close` has cut the connection. Nobody asks uvicorn's tasks.
            log.exception("an exchange failed")
