"""Sends one request to a provider and opens its reply: the only network I/O toward providers."""

import zlib
from functools import lru_cache
from typing import Any, Protocol

import httpx
from django.conf import settings

from budgets.values import value
from proxy import guard
from proxy.providers.base import Adapter, ParsedRequest
from proxy.transport import KeepAliveTransport, Limits, Origin, Timeouts, not_sent, request_head

RawHeaders = list[tuple[bytes, bytes]]


class UpstreamFailed(Exception):
    """The provider could not be reached, did not answer in time, or broke off.

    `sent`: whether it may have heard of the request, and so may charge for it.
    """

    def __init__(self, code: str, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.code, self.message, self.sent = code, message, sent


class Reply(Protocol):
    """A provider's reply as it arrives; `proxy.reply.Reply`, or httpx's behind `_HttpxReply`."""

    status: int
    headers: RawHeaders

    @property
    def complete(self) -> bool: ...
    async def next_chunk(self) -> bytes | None: ...
    async def aclose(self) -> None: ...


@value
class Route:
    """Where a provider is reached, or one wire format of it: `path` is empty for a bare host."""

    origin: Origin
    host: bytes
    path: bytes

    @classmethod
    def to(cls, base_url: str, *, guarded: bool = False) -> "Route":
        url = httpx.URL(base_url)
        return cls(Origin.of(url, guarded=guarded), url.netloc, url.raw_path.rstrip(b"/"))

    def below(self, target: str) -> "Route":
        return Route(self.origin, self.host, self.path + target.encode())


class Upstream:
    """One per event loop: the pooled transport, and the routes that requests take."""

    def __init__(self) -> None:
        self._timeouts = Timeouts(
            first_byte=settings.UPSTREAM_FIRST_BYTE_TIMEOUT,
            idle=settings.UPSTREAM_IDLE_TIMEOUT,
            total=settings.UPSTREAM_TOTAL_TIMEOUT,
        )
        self._transport = KeepAliveTransport(timeouts=self._timeouts, limits=Limits())
        self._httpx: httpx.AsyncBaseTransport | None = None
        if settings.UPSTREAM_TRANSPORT == "httpx":
            self._httpx = httpx.AsyncHTTPTransport(http2=True, limits=httpx.Limits(max_connections=2000))
        self._bases: dict[tuple[str, bool], Route] = {}

    def route(self, adapter: Adapter, parsed: ParsedRequest, *, sandbox: bool) -> Route:
        if adapter.endpoint is not None and not sandbox:
            return _route_to(adapter.endpoint.base_url).below(adapter.target(parsed))
        place = (adapter.kind or adapter.provider, sandbox)
        if (base := self._bases.get(place)) is None:
            base = self._bases[place] = Route.to(_base_url(place[0], sandbox=sandbox))
        return base.below(adapter.target(parsed) if adapter.endpoint is None else adapter.path)

    async def send(self, route: Route, headers: RawHeaders, body: bytes) -> Reply:
        """The reply once its head is there. Raises UpstreamFailed."""
        headers = [(b"host", route.host), *headers, (b"content-length", b"%d" % len(body))]
        try:
            if self._httpx is not None:
                return await self._send_httpx(route, headers, body)
            return await self._transport.send(route.origin, request_head(b"POST", route.path, headers), body)
        except (httpx.TransportError, httpx.StreamError) as error:
            raise failed(error) from error

    async def _send_httpx(self, route: Route, headers: RawHeaders, body: bytes) -> Reply:
        assert self._httpx is not None
        origin, host = route.origin, route.origin.host
        timeouts = {"connect": 5.0, "pool": 5.0, "write": 30.0, "read": self._timeouts.first_byte}
        extensions: dict[str, Any] = {"timeout": timeouts}
        if origin.guarded:
            host = (await guard.addresses(origin))[0]
            extensions["sni_hostname"] = origin.host
        url = httpx.URL(scheme=origin.scheme, host=host, port=origin.port, raw_path=route.path)
        request = httpx.Request("POST", url, headers=headers, content=body, extensions=extensions)
        response = await self._httpx.handle_async_request(request)
        return _HttpxReply(response)

    async def aclose(self) -> None:
        await self._transport.aclose()
        if self._httpx is not None:
            await self._httpx.aclose()


class _HttpxReply:
    """httpx's response with the few verbs that we use."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._chunks = response.stream.__aiter__()  # type: ignore[union-attr]
        self.status = response.status_code
        self.headers: RawHeaders = [(name.lower(), value) for name, value in response.headers.raw]
        self.complete = False

    async def next_chunk(self) -> bytes | None:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            self.complete = True
            await self.aclose()
            return None

    async def aclose(self) -> None:
        await self._response.stream.aclose()  # type: ignore[union-attr]


def failed(error: Exception, *, sent: bool = False) -> UpstreamFailed:
    """httpx's exceptions in our words. `sent`: that it was is known, whatever the error says."""
    if isinstance(error, httpx.TimeoutException):
        sent = sent or not not_sent(error)
        return UpstreamFailed("provider_timeout", "The provider did not answer in time.", sent=sent)
    if not_sent(error) and not sent:
        return UpstreamFailed("provider_unreachable", "The provider cannot be reached.", sent=False)
    return UpstreamFailed("provider_unreachable", "The provider broke off before its reply was whole.", sent=True)


def _base_url(provider: str, *, sandbox: bool) -> str:
    if not sandbox:
        return str(settings.PROVIDER_BASE_URLS[provider])
    if provider in ("anthropic", "gemini"):
        return str(settings.SANDBOX_URL)
    return f"{settings.SANDBOX_URL}/v1" if provider == "openai" else f"{settings.SANDBOX_URL}/{provider}/v1"


@lru_cache(maxsize=4096)
def _route_to(base_url: str) -> Route:
    """A tenant's own endpoint: each connection to it is judged."""
    return Route.to(base_url, guarded=True)


class UnreadableReply(Exception):
    """The reply is compressed in a way that cannot be undone here; its usage stays unknown."""


class Decoder:
    """Undoes the compression of a reply that came compressed although `identity` was asked for."""

    def __init__(self, headers: RawHeaders) -> None:
        self._inflater: Any = None
        self.readable = True
        encoding = next((value.strip().lower() for name, value in headers if name == b"content-encoding"), b"")
        if encoding in (b"gzip", b"x-gzip", b"deflate"):
            self._inflater = zlib.decompressobj(wbits=47)  # 32 + 15: the gzip or the zlib frame, as it comes
        elif encoding not in (b"", b"identity"):
            self.readable = False

    @property
    def active(self) -> bool:
        return self._inflater is not None

    def decode(self, data: bytes) -> bytes:
        """Raises UnreadableReply on bytes that are not what the header says."""
        if self._inflater is None:
            return data
        try:
            return bytes(self._inflater.decompress(data))
        except zlib.error as error:
            raise UnreadableReply(str(error)) from error
