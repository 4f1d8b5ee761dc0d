"""ProxyHandler: Django's ASGI handler for the metered routes, less its thread hops, signals and spooling.

It keeps the URLconf, async middleware (`PROXY_MIDDLEWARE`) and an ordinary async view, and takes over what the stock
handler did: the body is bounded as it is read, disconnects are seen, every stream is closed, exceptions are answered.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.urls import ResolverMatch, get_resolver
from django.utils.module_loading import import_string

from proxy import metrics, request_id
from proxy.exchange import AsgiExchange, ClientGone, Exchange, Receive, Scope, Send
from proxy.http import ProxyRequest, ProxyResponse
from proxy.pouring import Pouring
from proxy.providers import registry
from proxy.providers.base import ErrorBody
from proxy.refusals import Refusal
from proxy.stream import MeteredStream

log = logging.getLogger(__name__)


class ProxyHandler(ASGIHandler):
    """One per process. `serve` is the door of our own server (`proxy.server`), `__call__` that of any other."""

    def __init__(self) -> None:
        self._access_log: bool = settings.ACCESS_LOG
        super().__init__()

    def load_middleware(self, is_async: bool = True) -> None:
        """The view behind the middleware of PROXY_MIDDLEWARE (async callables that take get_response)."""
        handler: Callable[[ProxyRequest], Awaitable[ProxyResponse]] = _call_view
        for name in reversed(getattr(settings, "PROXY_MIDDLEWARE", [])):
            handler = import_string(name)(handler)
        self._respond = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        await self.serve(AsgiExchange(scope, receive, send))

    async def serve(self, exchange: Exchange) -> None:
        started = time.monotonic()
        try:
            request, response = await self._response(exchange)
            try:
                await _send(request, response, exchange)
            finally:
                if self._access_log:
                    _note_access(request, response, time.monotonic() - started)
        except ClientGone:
            return
        finally:
            exchange.close()

    async def _response(self, exchange: Exchange) -> tuple[ProxyRequest, ProxyResponse]:
        """Raises ClientGone where the request never came whole."""
        try:
            request = ProxyRequest(exchange, await exchange.read())
        except Refusal as refusal:  # the body was too large to be read: the connection cannot be used again
            request = ProxyRequest(exchange, b"")
            response = _refused(request, refusal)
            response.raw_headers.append((b"connection", b"close"))
            return request, response
        request_id.current.set(request.request_id)
        try:
            return request, await self._respond(request)
        except Exception:
            # Whatever it is, the client gets an answer in its dialect; `forward` has settled or released what was held.
            log.exception("a request failed")
            body = ErrorBody(
                500, "internal_error", "Something failed on our side; nothing is lost.", type="server_error"
            )
            return request, _refused(request, Refusal(body))


async def _call_view(request: ProxyRequest) -> ProxyResponse:
    match = _resolve(request.path)
    response: ProxyResponse = await match.func(request, *match.args, **match.kwargs)
    return response


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


async def _send(request: ProxyRequest, response: ProxyResponse, exchange: Exchange) -> None:
    request_id = request.request_id.encode()
    headers = response.raw_headers
    headers.append((b"x-request-id", request_id))
    if registry.dialect_for(request.path).name == "anthropic":
        headers.append((b"request-id", request_id))
    body = response.body
    if isinstance(body, bytes):
        await exchange.answer(response.status_code, headers, body)
        return
    request.forget_body()
    try:
        await _send_stream(response.status_code, headers, body, exchange)
    finally:
        await body.aclose()


async def _send_stream(
    status: int, headers: list[tuple[bytes, bytes]], stream: MeteredStream, exchange: Exchange
) -> None:
    """Pass each piece on as it comes. Raises ClientGone when the client has left or takes nothing any more."""
    await exchange.begin(status, headers, stream.abandon)
    sink, reply = exchange.sink(), stream.to_pour()
    if sink is not None and reply is not None:
        await Pouring(stream, reply, sink).run()
        return
    async for piece in stream:
        await exchange.write(piece, last=stream.ended)
        if stream.ended:
            return
    await exchange.write(b"", last=True)
