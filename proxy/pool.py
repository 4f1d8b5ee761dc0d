"""The open connections to one origin: taken last in, first out, bounded, expired, handed to who has waited longest."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from math import inf
from typing import NamedTuple, TypeAlias

import httpx

from proxy import guard
from proxy.connection import Connection, Timeouts
from proxy.origin import DEFAULT_PORTS, Origin

__all__ = ["DEFAULT_PORTS", "Limits", "Origin", "Pool", "PoolStats", "Waiter"]

Waiter: TypeAlias = "asyncio.Future[Connection | None]"  # is given a connection, or (None) a slot to open one in


@dataclass(frozen=True, slots=True)
class Limits:
    per_origin: int = 2000  # open connections to one origin; a further request waits
    idle_per_origin: int = 200
    idle_expiry: float = 30.0  # seconds; less where the provider announces less


class PoolStats(NamedTuple):
    """Connections to one origin: `open` counts those being opened too. `waiting` counts requests."""

    open: int
    idle: int
    in_use: int
    connecting: int
    waiting: int


class Pool:
    """The connections to one origin. Last in, first out, so that the ones not needed fall idle long enough to expire.

    `_open` counts slots: one is taken before connecting and given back when the connection is forgotten, to the first
    who waits if anybody does. Nobody overtakes: where somebody waits, there is no idle connection and no free slot.
    """

    def __init__(self, origin: Origin, limits: Limits, context: ssl.SSLContext | None) -> None:
        self._origin = origin
        self._limits = limits
        self._context = context
        self.loop = asyncio.get_running_loop()
        self._closed = False
        self._open = 0
        self._connecting = 0
        self._idle: list[Connection] = []
        self._sockets: set[Connection] = set()
        self._waiters: dict[Waiter, None] = {}  # in the order of their coming

    def take(self) -> Connection | None:
        """The idle connection used last, or None. Those that the provider has closed meanwhile are dropped."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable():
                return connection
            connection.close()
        return None

    async def acquire(self, timeouts: Timeouts, total_at: float) -> Connection:
        """A connection where `take` found none. An exchange can begin on it at once, before the next await."""
        pool_at = _sooner(self.loop, timeouts.pool, total_at)
        while True:
            if self._open < self._limits.per_origin:
                self._open += 1
                connection = None
            else:
                connection = await self._wait(pool_at)
            if connection is None:
                return await self._connect(_sooner(self.loop, timeouts.connect, total_at))
            if connection.usable():
                return connection
            connection.close()

    async def _wait(self, deadline: float) -> Connection | None:
        waiter: Waiter = self.loop.create_future()
        self._waiters[waiter] = None
        timer = self.loop.call_at(deadline, _give_up, waiter) if deadline < inf else None
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and not waiter.exception():
                self._pass_on(waiter.result())  # it came a moment too late for us
            raise
        finally:
            self._waiters.pop(waiter, None)
            if timer is not None:
                timer.cancel()

    async def _connect(self, deadline: float) -> Connection:
        """Fill the slot that the caller has taken, or give it back."""
        self._connecting += 1
        try:
            connection = await self._open_connection(deadline)
            if not connection.open or self._closed:
                connection.close()
                raise httpx.ConnectError("The connection was closed before the request could be written")
        except BaseException:
            self._free_slot()
            raise
        finally:
            self._connecting -= 1
        self._sockets.add(connection)
        return connection

    async def _open_connection(self, deadline: float) -> Connection:
        origin = self._origin
        try:
            async with asyncio.timeout_at(deadline if deadline < inf else None):
                if not origin.guarded:
                    return await self._connect_to(origin.host)
                *others, last = await guard.addresses(origin)
                for address in others:
                    try:
                        return await self._connect_to(address)
                    except OSError:
                        continue
                return await self._connect_to(last)
        except TimeoutError as exc:
            raise httpx.ConnectTimeout(f"No connection to {origin.host}:{origin.port} in time") from exc
        except (OSError, UnicodeError) as exc:  # UnicodeError: a host that no name server could be asked for
            raise httpx.ConnectError(f"No connection to {origin.host}:{origin.port}: {exc}") from exc

    async def _connect_to(self, host: str) -> Connection:
        """TLS and certificates go by the origin's name, whichever of its addresses this is."""
        _, connection = await self.loop.create_connection(
            lambda: Connection(self.loop, self),
            host,
            self._origin.port,
            ssl=self._context,
            server_hostname=self._origin.host if self._context else None,
        )
        return connection

    def _next_waiter(self) -> Waiter | None:
        while self._waiters:
            waiter = next(iter(self._waiters))
            del self._waiters[waiter]
            if not waiter.done():
                return waiter
        return None

    def _pass_on(self, connection: Connection | None) -> None:
        if connection is None:
            self._free_slot()
        else:
            self.release(connection)

    def _free_slot(self) -> None:
        if waiter := self._next_waiter():
            waiter.set_result(None)
        else:
            self._open -= 1

    # What a connection says of itself (`Home`)

    def release(self, connection: Connection) -> None:
        # The provider's announced time counts from its last byte, ours from when we have read it: stay a second below.
        seconds = min(self._limits.idle_expiry, connection.expiry - 1)
        if connection.closed or self._closed or seconds <= 0:
            connection.close()
        elif waiter := self._next_waiter():
            waiter.set_result(connection)
        elif len(self._idle) < self._limits.idle_per_origin:
            self._idle.append(connection)
            connection.rest(seconds)
        else:
            connection.close()

    def forget(self, connection: Connection) -> None:
        if connection in self._sockets:  # else its slot is still the business of `_connect`
            if connection in self._idle:
                self._idle.remove(connection)
            self._free_slot()

    def lost(self, connection: Connection) -> None:
        self._sockets.discard(connection)

    # The whole pool

    @property
    def empty(self) -> bool:
        return not self._open and not self._sockets

    def stats(self) -> PoolStats:
        idle = len(self._idle)
        in_use = self._open - idle - self._connecting
        return PoolStats(self._open, idle, in_use, self._connecting, len(self._waiters))

    async def aclose(self) -> None:
        """Close every connection, those in use too, and return when their sockets are gone."""
        self._closed = True
        while waiter := self._next_waiter():
            waiter.set_exception(httpx.ConnectError("The transport was closed"))
        sockets = list(self._sockets)
        for connection in sockets:
            connection.abandon(httpx.ReadError("The transport was closed"))
        await asyncio.gather(*[connection.gone for connection in sockets])


def _sooner(loop: asyncio.AbstractEventLoop, seconds: float | None, total_at: float) -> float:
    return total_at if seconds is None else min(loop.time() + seconds, total_at)


def _give_up(waiter: Waiter) -> None:
    if not waiter.done():
        waiter.set_exception(httpx.PoolTimeout("No connection to the provider became free in time"))
