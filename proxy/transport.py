"""The way out to the providers: HTTP/1.1 on pooled keep-alive connections, TLS verified, every timeout explicit.

`KeepAliveTransport.send` is the hot path: bytes out, a slim `Reply` back. `handle_async_request` offers the same to
httpx, whose `AsyncHTTPTransport` can stand in its place. Failures are httpx's exceptions, and `not_sent` tells for
either transport whether the provider cannot have heard of the request. A request is never sent a second time: a pooled
connection that turns out to be closed is replaced before the first byte is written, or not at all.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import lru_cache
from math import inf

import httpx

from proxy.connection import Timeouts
from proxy.pool import Limits, Origin, Pool, PoolStats
from proxy.reply import Reply

__all__ = ["KeepAliveTransport", "Limits", "Origin", "PoolStats", "Reply", "Timeouts", "not_sent", "request_head"]

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
TARGET = re.compile(rb"[!-~]+")
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
MAX_EMPTY_POOLS = 256


def not_sent(error: BaseException) -> bool:
    """Whether no byte of the request was written. False means: the provider may have heard, and may charge."""
    return isinstance(error, NEVER_SENT)


def request_head(method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Request line and headers as sent. LocalProtocolError where a part could break out of its line."""
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target), *[b"%b: %b\r\n" % header for header in headers], b"\r\n"]
    head = b"".join(lines)
    whole = head.count(b"\n") == head.count(b"\r") == len(lines) and b"\0" not in head
    named = all(map(_is_token, [method, *[name for name, _ in headers]]))
    if not whole or not named or not TARGET.fullmatch(target):
        raise httpx.LocalProtocolError("The request's method, target or headers hold characters that may not be sent")
    return head


@lru_cache(maxsize=1024)
def _is_token(name: bytes) -> bool:
    """A method or a header's name; always the same few."""
    return TOKEN.fullmatch(name) is not None


class KeepAliveTransport(httpx.AsyncBaseTransport):
    """One per event loop. `ssl_context` replaces the verified default (system or `SSL_CERT_FILE`, else certifi)."""

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._limits = limits or Limits()
        self._context = ssl_context
        self._pools: dict[Origin, Pool] = {}
        self._closed = False

    async def send(self, origin: Origin, head: bytes, body: bytes = b"", timeouts: Timeouts | None = None) -> Reply:
        """Write `head` (from `request_head`, framing included) and `body`; return when the reply's head has arrived.

        The caller reads the reply to its end or closes it. Cancelling closes the connection.
        """
        timeouts = timeouts or self._timeouts
        pool = self._pools.get(origin) or self._pool(origin)
        total_at = inf if timeouts.total is None else pool.loop.time() + timeouts.total
        connection = pool.take() or await pool.acquire(timeouts, total_at)
        reply = connection.begin(head, body, timeouts, total_at)
        await reply.wait_for_head()
        return reply

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """httpx's door. A streamed request body is collected first; the reply's body is streamed."""
        origin = Origin.of(request.url)
        body = await request.aread()
        framing = (b"transfer-encoding", b"content-length")
        headers = [(name, value) for name, value in request.headers.raw if name.lower() not in framing]
        if body or any(name in request.headers for name in ("transfer-encoding", "content-length")):
            headers.append((b"Content-Length", b"%d" % len(body)))
        head = request_head(request.method.encode(), request.url.raw_path, headers)
        reply = await self.send(origin, head, body, self._timeouts_of(request))
        return httpx.Response(reply.status, headers=reply.headers, stream=ReplyStream(reply))

    def stats(self) -> dict[Origin, PoolStats]:
        return {origin: pool.stats() for origin, pool in self._pools.items()}

    async def aclose(self) -> None:
        self._closed = True
        await asyncio.gather(*[pool.aclose() for pool in self._pools.values()])

    def _pool(self, origin: Origin) -> Pool:
        if self._closed:
            raise httpx.ConnectError("The transport was closed")
        if len(self._pools) > MAX_EMPTY_POOLS:
            self._pools = {origin: pool for origin, pool in self._pools.items() if not pool.empty}
        if origin.scheme == "https" and self._context is None:
            self._context = httpx.create_ssl_context()
            self._context.set_alpn_protocols(["http/1.1"])
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2  # some builds of Python leave it to the system
        pool = self._pools[origin] = Pool(origin, self._limits, self._context if origin.scheme == "https" else None)
        return pool

    def _timeouts_of(self, request: httpx.Request) -> Timeouts:
        """httpx's timeouts where the request carries them; its `read` is both our `first_byte` and our `idle`."""
        given = dict(request.extensions.get("timeout", {}))
        if "read" in given:
            read = given.pop("read")
            given = {"first_byte": read, "idle": read} | given
        return replace(self._timeouts, **given)


class ReplyStream(httpx.AsyncByteStream):
    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._reply.next_chunk()) is not None:
            yield chunk

    async def aclose(self) -> None:
        await self._reply.aclose()
