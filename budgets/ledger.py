"""The only caller of the ledger's Lua on the way of a request: reserve, extend, settle, release.

One decision is one atomic step in Redis. A call that gets no answer is unknown, never assumed: whatever raises
`LedgerUnavailable` here refuses the request, and a settle is kept and sent again by `budgets.inflight`.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from budgets import keyspace, scripts
from budgets.claims import Claim, Counter, Request, Reservation, ending_keys, settle_frame
from budgets.frames import DEADLINE
from budgets.lanes import ScriptError
from budgets.ledger_errors import (
    CapExceeded,
    HoldGone,
    LedgerCold,
    LedgerOpening,
    LedgerUnavailable,
    PolicyFenced,
    PolicyStale,
    WindowMoved,
)
from budgets.reach import AnyLane
from budgets.windows import Window, Windows, windows_at
from tenants.store import StoreUnavailable


class Ledger:
    """The ledger as one event loop sees it, through one lane."""

    def __init__(self, lane: AnyLane, owner: str, lease_seconds: int) -> None:
        self.lane, self.owner, self.lease_ms = lane, owner, lease_seconds * 1000

    def windows(self) -> Windows:
        """The windows of now, by Redis's clock as far as known."""
        return windows_at(self.lane.now())

    def claim(self, request: Request, counters: Sequence[Counter], *, day: Window, version: int) -> Claim:
        return Claim(request, counters, day, version, self.owner, self.lease_ms)

    async def reserve(
        self,
        request: Request,
        counters: Sequence[Counter],
        *,
        day: Window,
        version: int,
        least: int,
        most: int,
        hold: str,
        building: str = "",
        between: bool = True,
    ) -> Reservation:
        """`hold` for a claim that nobody keeps."""
        claim = self.claim(request, counters, day=day, version=version)
        return await self.hold(claim, least=least, most=most, hold=hold, building=building, between=between)

    async def hold(
        self, claim: Claim, *, least: int, most: int, hold: str, building: str = "", between: bool = True
    ) -> Reservation:
        """Hold between `least` and `most` on all counters or on none. Repeat with the same `hold` after a lost reply.

        `most` while there is plenty; where money is short a share of what is left, `least` at the least. `between`
        False: either `most` or `least`. `building`: the one that all holds of this worker are known to, '' if it has
        none; another one is LedgerCold. Raises CapExceeded, PolicyStale, PolicyFenced, WindowMoved, HoldGone,
        LedgerCold, LedgerOpening, LedgerUnavailable.
        """
        reply = await self._told(self.lane.send(claim.call(hold, least, most, building, between=between)))
        if reply[0] != b"OK":
            self._refuse(reply, claim.counters)
        remaining = int(reply[3]) if reply[3] else None
        built, granted, at = str(reply[4], "ascii"), int(reply[1]), int(reply[2])
        return Reservation(hold, claim.tenant_id, claim.counters, granted, at, remaining, claim.meta, built)

    async def extend(self, reservation: Reservation, *, least: int, most: int, version: int | None = None) -> int:
        """Enlarge an open hold by between `least` and `most`; the whole hold now. Raises as reserve does.

        `version`: of the policy that the caps of the reservation's counters are of; None does not ask.
        """
        tenant = reservation.tenant_id
        arguments: list[str | int] = []
        for counter in reservation.counters:
            arguments += ("" if counter.cap is None else counter.cap, "1" if counter.hard else "")
        reply = await self._ask(
            scripts.EXTEND,
            [
                keyspace.policy(tenant),
                keyspace.hold(tenant, reservation.id),
                keyspace.holds(tenant),
                *[counter.key for counter in reservation.counters],
            ],
            *(DEADLINE, self.lease_ms, least, most, reservation.id, reservation.held, *arguments),
            *(() if version is None else (version,)),
        )
        if reply[0] != b"OK":
            self._refuse(reply, reservation.counters)
        reservation.held = int(reply[1])
        return reservation.held

    async def settle(self, reservation: Reservation, cost: int, usage: bytes, *, adopt: bool = False) -> str:
        """End a hold at its real cost; the id of its journal entry, '' if it had ended before.

        `adopt`: charge it even if the store has never heard of it (the caller has made sure that no row exists).
        """
        return await self._answered(self.settle_soon(reservation, cost, usage, adopt=adopt))

    def settle_soon(
        self, reservation: Reservation, cost: int, usage: bytes, *, adopt: bool = False
    ) -> "asyncio.Future[Any]":
        """The same, queued: written at the end of this turn of the loop. `entry_of` reads the reply."""
        tenant, hold = reservation.tenant_id, reservation.id
        if not adopt:
            key = keyspace.hold(tenant, hold).encode()
            return self.lane.send(settle_frame(tenant).filled(key, hold.encode(), b"%d" % cost, usage))
        adoption = (reservation.held, reservation.counter_keys, reservation.at_ms, reservation.meta)
        return self.lane.call(scripts.SETTLE, ending_keys(tenant, hold), hold, cost, usage, "adopt", *adoption)

    async def release(self, tenant_id: str, hold: str, usage: bytes) -> str:
        """Give a hold back whole; also one whose reserve got no answer, so that a late one finds a tombstone."""
        return await self._answered(self.release_soon(tenant_id, hold, usage))

    def release_soon(self, tenant_id: str, hold: str, usage: bytes) -> "asyncio.Future[Any]":
        """The same, queued."""
        return self.lane.call(scripts.RELEASE, ending_keys(tenant_id, hold), hold, usage)

    async def _answered(self, reply: "asyncio.Future[Any]") -> str:
        try:
            return entry_of(await reply)
        except (StoreUnavailable, ScriptError) as error:
            raise LedgerUnavailable(str(error)) from error

    async def present(self, reservation: Reservation, *, state: str) -> str:
        """Show an open hold to a store that may not know it; the state that it has there now."""
        reply = await self._ask(
            scripts.PRESENT,
            ending_keys(reservation.tenant_id, reservation.id),
            *(reservation.id, reservation.held, reservation.counter_keys, reservation.at_ms),
            *(self.owner, reservation.meta, self.lease_ms, state),
        )
        if reply[0] == b"COLD":
            raise LedgerCold
        return str(reply[1], "ascii")

    async def renew(self, tenant_id: str, holds: Sequence[str], building: str = "") -> tuple[str, list[str]]:
        """Renew leases; how far the journal is drained, and which of the holds are not open any more."""
        reply = await self._ask(
            scripts.RENEW, [keyspace.policy(tenant_id), keyspace.holds(tenant_id)], self.lease_ms, building, *holds
        )
        if reply[0] == b"COLD":
            raise LedgerCold
        return str(reply[1], "ascii"), [str(hold, "ascii") for hold in reply[2:]]

    async def _ask(self, script: Any, keys: list[str], *args: str | int | bytes) -> list[Any]:
        return await self._told(self.lane.call(script, keys, *args))

    async def _told(self, asked: "asyncio.Future[Any]") -> list[Any]:
        try:
            reply: list[Any] = await asked
        except (StoreUnavailable, ScriptError) as error:
            raise LedgerUnavailable(str(error)) from error
        return reply

    def _refuse(self, reply: list[Any], counters: Sequence[Counter]) -> None:
        """The exception that a reply stands for."""
        match reply[0]:
            case b"CAPPED" | b"HELD":
                index, spent, held, cap = (int(part) for part in reply[1:5])
                raise CapExceeded(counters[index - 1], spent=spent, held=held, cap=cap, held_only=reply[0] == b"HELD")
            case b"STALE":
                raise PolicyStale(int(reply[1] or 0))
            case b"FENCED":
                raise PolicyFenced(str(reply[1], "ascii").split())
            case b"COLD":
                raise LedgerCold
            case b"OPENING":
                raise LedgerOpening(int(reply[1]) / 1000)
            case b"GONE":
                raise HoldGone(str(reply[1], "ascii"))
            case b"WRONG_WINDOW":
                self.lane.set_time(int(reply[1]), counters[0].key)
                raise WindowMoved
            case b"LATE":
                self.lane.set_time(int(reply[1]), counters[0].key)
                raise LedgerUnavailable("the ledger answered too late")
        raise LedgerUnavailable(f"unexpected reply {reply[0]!r}")


def entry_of(reply: list[Any]) -> str:
    """The journal entry that a settle or release made, '' if the hold had ended before."""
    match reply[0]:
        case b"OK":
            return str(reply[1], "ascii")
        case b"DONE":
            return ""
        case b"UNKNOWN":
            raise HoldGone("unknown")
        case b"COLD":
            raise LedgerCold
    raise LedgerUnavailable(f"unexpected reply {reply[0]!r}")
