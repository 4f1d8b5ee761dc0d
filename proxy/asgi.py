"""ProxyHandler: Django's ASGI handler for the metered routes, less its thread hops, signals and spooling.

It keeps the URLconf, async middleware (`PROXY_MIDDLEWARE`) and an ordinary async view, and takes over what the stock
handler did: the body is bounded as it is read, disconnects are seen, every stream is closed, exceptions are answered.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.urls import ResolverMatch, get_resolver
from django.utils.module_loading import import_string

from proxy import metrics, refusals, request_id
from proxy.http import ProxyRequest, ProxyResponse
from proxy.providers import registry
from proxy.providers.base import ErrorBody
from proxy.refusals import Refusal
from proxy.stream import MeteredStream

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

STALLED_SECONDS = 60.0
MOST_BYTES_IN_FLIGHT = 512 * 1024 * 1024


class ClientGone(Exception):
    """The client left before its request was whole: there is nobody to answer."""


class ProxyHandler(ASGIHandler):
    """One per process."""

    def __init__(self) -> None:
        self._bytes_in_flight = 0
        self._access_log: bool = settings.ACCESS_LOG
        super().__init__()

    def load_middleware(self, is_async: bool = True) -> None:
        """The view behind the middleware of PROXY_MIDDLEWARE (async callables that take get_response)."""
        handler: Callable[[ProxyRequest], Awaitable[ProxyResponse]] = self._call_view
        for name in reversed(getattr(settings, "PROXY_MIDDLEWARE", [])):
            handler = import_string(name)(handler)
        self._respond = handler

    async def _call_view(self, request: ProxyRequest) -> ProxyResponse:
        match = _resolve(request.path)
        response: ProxyResponse = await match.func(request, *match.args, **match.kwargs)
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        size, started = 0, time.monotonic()
        try:
            body = await self._read_body(scope, receive)
            size = len(body)
            self._bytes_in_flight += size
            request = ProxyRequest(scope, body)
            request_id.current.set(request.request_id)
            response = await self._answer(request)
        except ClientGone:
            return
        except Refusal as refusal:  # the body was too large to be read: the connection cannot be used again
            request = ProxyRequest(scope, b"")
            response = _refused(request, refusal)
            response.raw_headers.append((b"connection", b"close"))
        finally:
            self._bytes_in_flight -= size
        try:
            await _send(request, response, receive, send)
        finally:
            if self._access_log:
                _note_access(request, response, time.monotonic() - started)

    async def _answer(self, request: ProxyRequest) -> ProxyResponse:
        try:
            return await self._respond(request)
        except Exception:
            log.exception("a request failed")
            body = ErrorBody(
                500, "internal_error", "Something failed on our side; nothing is lost.", type="server_error"
            )
            return _refused(request, Refusal(body))

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes:
        """Raises Refusal (413, 503) or ClientGone."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            if part := message.get("body"):
                parts.append(part)
                size += len(part)
                if size > settings.MAX_BODY_BYTES:
                    limit = settings.MAX_BODY_BYTES
                    raise refusals.bad_request("request_too_large", f"The body is over {limit:,} bytes.", status=413)
                if size + self._bytes_in_flight > MOST_BYTES_IN_FLIGHT:
                    raise refusals.unavailable("overloaded", "Too much is in flight here. Try again in a moment.", 503)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)


@lru_cache(maxsize=1024)
def _resolve(path: str) -> ResolverMatch:
    return get_resolver("proxy.urls").resolve(path)


def _note_access(request: ProxyRequest, response: ProxyResponse, seconds: float) -> None:
    told = {"request_id": request.request_id, "method": request.method, "path": request.path[:200]}
    log.info("request", extra={**told, "status": response.status_code, "ms": int(seconds * 1000)})


def _refused(request: ProxyRequest, refusal: Refusal) -> ProxyResponse:
    metrics.numbers.requests["", "", refusal.body.status // 100] += 1
    metrics.numbers.refusals[refusal.body.code] += 1
    content = registry.dialect_for(request.path).error(refusal.body, request.request_id)
    headers = [(b"content-type", b"application/json"), *refusal.headers]
    return ProxyResponse(refusal.body.status, headers, content)


async def _send(request: ProxyRequest, response: ProxyResponse, receive: Receive, send: Send) -> None:
    request_id = request.request_id.encode()
    headers = [*response.raw_headers, (b"x-request-id", request_id)]
    if registry.dialect_for(request.path).name == "anthropic":
        headers.append((b"request-id", request_id))
    if isinstance(response.body, MeteredStream):
        try:
            await _send_stream(response.status_code, headers, response.body, receive, send)
        finally:
            await response.body.aclose()
        return
    headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _send_stream(
    status: int, headers: list[tuple[bytes, bytes]], stream: MeteredStream, receive: Receive, send: Send
) -> None:
    """Pass each piece on as it comes; return early when the client has left or takes nothing any more."""
    sender = asyncio.current_task()
    assert sender is not None
    gone = asyncio.create_task(_watch(receive))
    gone.add_done_callback(lambda task: None if task.cancelled() else stream.abandon())
    watch = _StallWatch(sender)
    try:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        async for piece in stream:
            if gone.done():
                return
            watch.sending()
            await send({"type": "http.response.body", "body": piece, "more_body": not stream.ended})
            watch.sent()
            if stream.ended:
                return
        await send({"type": "http.response.body", "body": b""})
    except asyncio.CancelledError:
        if not watch.stalled:
            raise
        sender.uncancel()
        log.warning("a client took nothing for %d s", STALLED_SECONDS)
    finally:
        watch.stop()
        gone.cancel()


async def _watch(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _StallWatch:
    """Ends a send that a client has blocked for too long; uvicorn has no write timeout of its own."""

    def __init__(self, task: "asyncio.Task[Any]") -> None:
        self._task, self._since, self.stalled = task, 0.0, False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(STALLED_SECONDS / 4, self._look)

    def sending(self) -> None:
        self._since = self._loop.time()

    def sent(self) -> None:
        self._since = 0.0

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if self._since and self._loop.time() - self._since > STALLED_SECONDS:
            self.stalled = True
            self._task.cancel()
            return
        self._timer = self._loop.call_later(STALLED_SECONDS / 4, self._look)
