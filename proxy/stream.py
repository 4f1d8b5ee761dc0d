"""A provider's stream on its way to the client: passed on at once, metered, settled exactly once.

An object, not a generator: a generator's `finally` does not run if the client leaves before the first chunk, and runs
un-awaited if it leaves while a send is blocked. The handler always awaits `aclose`.
"""

import asyncio
import logging

import httpx

from proxy import upstream
from proxy.providers.base import Dialect, ErrorBody, Meter
from proxy.reply import Reply as PooledReply
from proxy.settlement import Settlement
from proxy.upstream import Decoder, Reply, UnreadableReply, UpstreamFailed

log = logging.getLogger(__name__)


class MeteredStream:
    """Iterate for the bytes to send; then `aclose`, also after an error or when the client is gone."""

    def __init__(
        self,
        reply: Reply,
        meter: Meter,
        decoder: Decoder,
        settlement: Settlement,
        dialect: Dialect,
        request_id: str,
        *,
        drain_seconds: float,
        drain_bytes: int,
    ) -> None:
        self._reply, self._decoder, self._settlement = reply, decoder, settlement
        self._meter: Meter = meter
        self._dialect, self._request_id = dialect, request_id
        self._drain_seconds, self._drain_bytes = drain_seconds, drain_bytes
        self._ended = False
        self._abandoned = False
        self._patience: asyncio.TimerHandle | None = None
        self._closing: asyncio.Future[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether the piece that came last is the last of all."""
        return self._ended

    def to_pour(self) -> PooledReply | None:
        """The reply, where its pieces may be passed on from where they arrive (`proxy.pouring`)."""
        return self._reply if isinstance(self._reply, PooledReply) else None

    def __aiter__(self) -> "MeteredStream":
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            piece = await self._next()
            if piece:
                return piece
        raise StopAsyncIteration

    async def _next(self) -> bytes:
        """The next bytes for the client, b"" where a piece was all ours."""
        try:
            piece = self.digest(await self._reply.next_chunk())
        except (httpx.TransportError, httpx.StreamError) as error:
            return self.break_off(upstream.failed(error))
        except (UnreadableReply, ValueError) as error:
            await self._reply.aclose()
            return self.break_off(unreadable(error))
        if self.settle_in_time():
            await asyncio.sleep(0)
        return piece + self.tail()

    # One step of it, without waiting: `proxy.pouring` takes them itself.

    def digest(self, data: bytes | None) -> bytes:
        """What the client gets of this piece of the reply; None: the reply is at its end."""
        if data is None:
            return self._end()
        decoded = self._decoder.decode(data) if self._decoder.active else data
        return self._meter.feed(decoded) if self._decoder.readable else decoded

    def settle_in_time(self) -> bool:
        """Whether its last event has come just now: then it is on its way to the ledger as soon as the loop turns, and
        the client must not see the end before that."""
        if not self._meter.complete or self._settlement.done:
            return False
        self._settle()
        return True

    def tail(self) -> bytes:
        """What follows the last piece of the reply, if that was it."""
        return self._end() if self._reply.complete and not self._ended else b""

    def _settle(self) -> None:
        flags = ("client_gone",) if self._abandoned else ()
        self._settlement.at_usage(self._meter, self._reply.status, flags)

    def _end(self) -> bytes:
        self._ended = True
        piece = self._meter.finish() if self._decoder.readable else b""
        if self._meter.complete:
            self._settle()
            return piece
        # It ended without its last event. What it reported until then need not be all.
        self._settlement.at_hold(self._reply.status, ("cut",))
        return piece + self._error(
            UpstreamFailed("provider_unreachable", "The provider's stream broke off.", sent=True)
        )

    def break_off(self, failure: UpstreamFailed) -> bytes:
        self._ended = True
        if self._meter.complete:
            self._settle()
            return b""
        self._settlement.at_hold(self._reply.status, ("client_gone", "cut") if self._abandoned else ("cut",))
        return self._error(failure)

    def _error(self, failure: UpstreamFailed) -> bytes:
        body = ErrorBody(502, failure.code, failure.message, type="server_error")
        return self._dialect.stream_error(body, self._request_id)

    def abandon(self) -> None:
        """The client has gone. From here on the provider is only listened to, for a while, to learn the real usage."""
        if not self._abandoned and not self._ended:
            self._abandoned = True
            self._patience = asyncio.get_running_loop().call_later(self._drain_seconds, self._cut)

    def _cut(self) -> None:
        log.info("gave up on the abandoned stream %s", self._settlement.reservation.id)
        self._closing = asyncio.ensure_future(self._reply.aclose())

    async def aclose(self) -> None:
        """Bring it to its end: where the client has gone, learn the real usage within a bound of time and bytes."""
        try:
            self.abandon()
            left = self._drain_bytes
            while not self._ended and left > 0:
                left -= len(await self._next()) or 1
        finally:
            await self._finally()

    async def _finally(self) -> None:
        """Whatever has happened: settled, and the provider's connection not left open."""
        if self._patience is not None:
            self._patience.cancel()
        self._ended = True
        self._settlement.at_hold(self._reply.status, ("client_gone",))
        await self._reply.aclose()


def unreadable(error: Exception) -> UpstreamFailed:
    return UpstreamFailed("provider_unreachable", f"The reply is unreadable: {error}", sent=True)
