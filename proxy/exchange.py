"""One request and its answer, as the handler sees them, whichever server carries the bytes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from django.conf import settings

from proxy import refusals

log = logging.getLogger(__name__)

RawHeaders = list[tuple[bytes, bytes]]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

STALLED_SECONDS = 60.0
MOST_BYTES_IN_FLIGHT = 512 * 1024 * 1024


class ClientGone(Exception):
    """The client has left, or takes nothing any more: there is nobody to answer."""


class Sink(Protocol):
    """The client's side of a stream that has begun, for who does not wait."""

    @property
    def gone(self) -> bool: ...
    def push(self, piece: bytes, *, last: bool) -> bool:
        """Write a piece; False where nothing more should be written before `on_room` is called."""
        ...

    def listen(self, on_room: Callable[[], None] | None) -> None:
        """Have `on_room` called when there is room again, and when the client is `gone`."""
        ...


class Exchange(Protocol):
    """`headers` by lower-case name, `query` undecoded and without its question mark."""

    method: str
    path: str
    query: str
    headers: RawHeaders

    async def read(self) -> bytes:
        """The whole body. Raises Refusal (413, 503: the connection cannot be used again) or ClientGone."""
        ...

    async def answer(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """All of the answer; its length is added."""
        ...

    async def begin(self, status: int, headers: RawHeaders, on_gone: Callable[[], None]) -> None:
        """A stream; `on_gone` is called, once at most, when the client leaves before its end."""
        ...

    async def write(self, piece: bytes, *, last: bool) -> None:
        """Return when more may be written. Raises ClientGone."""
        ...

    def sink(self) -> Sink | None:
        """Where the pieces can be pushed; None where they must be awaited."""
        ...

    def close(self) -> None:
        """The exchange is over, well or badly, and with it what was kept for it."""
        ...


class Intake:
    """The bodies that this process has in memory: bounded each by itself, and all together."""

    def __init__(self) -> None:
        self.bytes = 0

    def take(self, size: int, more: int) -> int:
        """The size of a body of `size` bytes after `more` have come. Raises Refusal."""
        total = size + more
        if total > settings.MAX_BODY_BYTES:
            limit = settings.MAX_BODY_BYTES
            raise refusals.bad_request("request_too_large", f"The body is over {limit:,} bytes.", status=413)
        if self.bytes + more > MOST_BYTES_IN_FLIGHT:
            raise refusals.unavailable("overloaded", "Too much is in flight here. Try again in a moment.", 503)
        self.bytes += more
        return total

    def give_back(self, size: int) -> None:
        self.bytes -= size


intake = Intake()


class AsgiExchange:
    """On any ASGI server."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method, self.path = scope["method"], scope["path"]
        self.query = scope.get("query_string", b"").decode("latin-1")
        self.headers: RawHeaders = scope["headers"]
        self._receive, self._send = receive, send
        self._size = 0
        self._watch: asyncio.Task[None] | None = None
        self._stall: _StallWatch | None = None

    async def read(self) -> bytes:
        parts: list[bytes] = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            if part := message.get("body"):
                self._size = intake.take(self._size, len(part))
                parts.append(part)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def answer(self, status: int, headers: RawHeaders, body: bytes) -> None:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, status: int, headers: RawHeaders, on_gone: Callable[[], None]) -> None:
        sender = asyncio.current_task()
        assert sender is not None
        self._watch = asyncio.create_task(self._until_gone())
        self._watch.add_done_callback(lambda task: None if task.cancelled() else on_gone())
        self._stall = _StallWatch(sender)
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, piece: bytes, *, last: bool) -> None:
        assert self._watch is not None and self._stall is not None
        if self._watch.done():
            raise ClientGone
        self._stall.sending()
        try:
            await self._send({"type": "http.response.body", "body": piece, "more_body": not last})
        except asyncio.CancelledError:
            if not self._stall.stalled:
                raise
            self._stall.forgive()
            raise ClientGone from None
        self._stall.sent()

    def sink(self) -> None:
        return None

    def close(self) -> None:
        intake.give_back(self._size)
        self._size = 0
        if self._watch is not None and self._stall is not None:
            self._stall.stop()
            self._watch.cancel()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


class _StallWatch:
    """Ends a send that a client has blocked for too long; ASGI servers have no write timeout of their own."""

    def __init__(self, task: "asyncio.Task[Any]") -> None:
        self._task, self._since, self.stalled = task, 0.0, False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(STALLED_SECONDS / 4, self._look)

    def sending(self) -> None:
        self._since = self._loop.time()

    def sent(self) -> None:
        self._since = 0.0

    def forgive(self) -> None:
        self._task.uncancel()
        log.warning("a client took nothing for %d s", STALLED_SECONDS)

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if self._since and self._loop.time() - self._since > STALLED_SECONDS:
            self.stalled = True
            self._task.cancel()
            return
        self._timer = self._loop.call_later(STALLED_SECONDS / 4, self._look)
