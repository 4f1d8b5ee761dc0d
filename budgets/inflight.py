"""What one worker has in flight: its open holds, the settles that Redis has not confirmed, and those not drained yet.

It renews the leases, sends unconfirmed endings again, and when Redis comes back as another server (restarted, flushed,
failed over) shows it everything that it may have forgotten before this worker admits anything more (DESIGN section 4).
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError

from budgets import keyspace, recovery
from budgets.claims import Reservation
from budgets.lanes import ScriptError
from budgets.ledger import Ledger, entry_of
from budgets.ledger_errors import HoldGone, LedgerCold, LedgerError
from budgets.models import UsageRecord, UsageStatus
from tenants.database import beside, in_thread
from tenants.store import StoreUnavailable

log = logging.getLogger(__name__)

PULSE_SECONDS = 1.0
WATCH_SECONDS = 0.1
NUDGE_SECONDS = 0.25
DRAINED_SECONDS = 5.0  # how often is asked whether what is confirmed has been drained
AT_ONCE = 128
SEEN_AGAIN_SECONDS = 30.0


@dataclass(slots=True)
class Ending:
    """How a hold ended. `cost` None: nobody knows whether there was one, and if so it is given back."""

    reservation: Reservation
    cost: int | None
    usage: bytes
    entry: str = ""
    """Its journal entry, once Redis has confirmed it."""
    since: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class _Tenant:
    """One tenant's share of what is in flight here."""

    open: dict[str, Reservation] = field(default_factory=dict)
    unconfirmed: dict[str, Ending] = field(default_factory=dict)
    undrained: OrderedDict[str, Ending] = field(default_factory=OrderedDict)
    building: str = ""
    """The building of the counters that all of this is known to; '' before the first hold."""
    seen: float = -SEEN_AGAIN_SECONDS
    looked: float = 0.0
    recovering: "asyncio.Task[None] | None" = None

    @property
    def restless(self) -> bool:
        """Whether something may go wrong with it any moment; what is undrained only waits to be forgotten."""
        return bool(self.open or self.unconfirmed)

    @property
    def idle(self) -> bool:
        return not (self.open or self.unconfirmed or self.undrained)


@dataclass(frozen=True, slots=True)
class Standing:
    """How much is in flight here. `journal_lag`: seconds since the oldest end that the database does not have yet."""

    open: int
    unconfirmed: int
    undrained: int
    journal_lag: float


class InFlight:
    """Started and stopped with its event loop. `nudge` tells the drain, off the loop, whose journal has new entries;
    `confirmed` is told how many seconds Redis took to confirm an end."""

    def __init__(
        self,
        ledger: Ledger,
        nudge: Callable[[list[str]], None],
        confirmed: Callable[[float], None] = lambda seconds: None,
        most_undrained: int = 100_000,
    ) -> None:
        self._ledger = ledger
        self._nudge = nudge
        self._tell_confirmed = confirmed
        self._tenants: dict[str, _Tenant] = {}
        self._dirty: set[str] = set()
        self._undrained, self._most_undrained = 0, most_undrained
        self._run_id = ""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        renew = self._ledger.lease_ms / 3000
        clockwork = (
            (self._pulse, PULSE_SECONDS),
            (self._watch, WATCH_SECONDS),
            (self._tell_drain, NUDGE_SECONDS),
            (self._renew, renew),
        )
        for step, seconds in clockwork:
            self._tasks.append(asyncio.create_task(_every(seconds, step)))

    async def stop(self) -> None:
        """Confirm what can be confirmed, then leave the rest to the leases."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pulse()
        await self._tell_drain()

    # --- what the proxy tells ----------------------------------------------------------------------------------------

    def admitting(self, tenant_id: str) -> None:
        """A request of this tenant is about to be reserved: the sweeps must know the tenant before a hold exists."""
        tenant = self._tenant(tenant_id)
        now = time.monotonic()
        if now - tenant.seen >= SEEN_AGAIN_SECONDS:
            tenant.seen = now
            self._tell_sweeps(tenant_id)

    def _tell_sweeps(self, tenant_id: str) -> "asyncio.Future[Any]":
        return self._ledger.lane.command("ZADD", keyspace.ACTIVE, int(self._ledger.lane.now()), tenant_id)

    def opened(self, reservation: Reservation) -> None:
        tenant = self._tenants.setdefault(reservation.tenant_id, _Tenant())
        tenant.open[reservation.id] = reservation
        # Of another building than the holds before it: left as it is, so that the next call finds out and shows all.
        tenant.building = tenant.building or reservation.building

    def building(self, tenant_id: str) -> str:
        """Which building of the counters knows what is in flight here; '' where nothing has been."""
        tenant = self._tenants.get(tenant_id)
        return tenant.building if tenant is not None else ""

    def _tenant(self, tenant_id: str) -> _Tenant:
        found = self._tenants.get(tenant_id)
        if found is None:
            found = self._tenants[tenant_id] = _Tenant()
        return found

    def settle(self, reservation: Reservation, cost: int, usage: bytes) -> None:
        """End a hold at its cost. On its way when this returns; kept until Redis confirms it."""
        self._end(Ending(reservation, cost, usage))

    def release(self, reservation: Reservation, usage: bytes) -> None:
        """Give a hold back. On its way when this returns; kept until Redis confirms it.

        It is settled at nothing: a store that has forgotten the hold must still make a row of it.
        """
        self._end(Ending(reservation, 0, usage))

    def _end(self, ending: Ending) -> None:
        hold, tenant_id = ending.reservation.id, ending.reservation.tenant_id
        tenant = self._tenant(tenant_id)
        tenant.open.pop(hold, None)
        tenant.unconfirmed[hold] = ending
        self._send(ending).add_done_callback(lambda reply: self._confirmed(tenant, ending, reply))

    def _send(self, ending: Ending, *, adopt: bool = False) -> "asyncio.Future[Any]":
        reservation = ending.reservation
        if ending.cost is None:
            return self._ledger.release_soon(reservation.tenant_id, reservation.id, ending.usage)
        return self._ledger.settle_soon(reservation, ending.cost, ending.usage, adopt=adopt)

    async def _send_again(self, ending: Ending, *, adopt: bool = False) -> str:
        """Raises HoldGone, LedgerCold, StoreUnavailable, ScriptError."""
        return entry_of(await self._send(ending, adopt=adopt))

    def _confirmed(self, tenant: _Tenant, ending: Ending, reply: "asyncio.Future[Any]") -> None:
        if reply.cancelled() or reply.exception() is not None or reply.result()[0] not in (b"OK", b"DONE"):
            return  # stays unconfirmed: the pulse sends it again, and finds out what is wrong
        self._tell_confirmed(time.monotonic() - ending.since)
        self._keep_until_drained(tenant, ending, entry_of(reply.result()))

    def _keep_until_drained(self, tenant: _Tenant, ending: Ending, entry: str) -> None:
        if tenant.unconfirmed.pop(ending.reservation.id, None) is None:
            return
        self._dirty.add(ending.reservation.tenant_id)
        if entry:
            ending.entry = entry
            tenant.undrained[ending.reservation.id] = ending
            self._undrained += 1

    def full(self, tenant_id: str) -> bool:
        """Whether so much waits for the drain that nothing more of this tenant may be admitted: the database is down,
        or this tenant's journal is stuck, which may take no more than half of the room."""
        if self._undrained >= self._most_undrained:
            return True
        tenant = self._tenants.get(tenant_id)
        return tenant is not None and len(tenant.undrained) * 2 >= self._most_undrained

    def standing(self) -> Standing:
        """One look at every tenant: for a clock, not for every request."""
        running = unconfirmed = 0
        oldest = ""
        for tenant in self._tenants.values():
            running += len(tenant.open)
            unconfirmed += len(tenant.unconfirmed)
            if tenant.undrained:
                entry = next(iter(tenant.undrained.values())).entry
                oldest = min(oldest, entry) if oldest else entry  # their milliseconds have thirteen digits until 2286
        lag = self._ledger.lane.now() - keyspace.stream_id(oldest)[0] / 1000 if oldest else 0.0
        return Standing(running, unconfirmed, self._undrained, journal_lag=max(0.0, lag))

    def disown(self, tenant_id: str, hold: str, usage: bytes) -> None:
        """A reserve got no answer and its request is refused: whatever comes of it is given back, now or later."""
        self._end(Ending(Reservation(hold, tenant_id, (), 0, 0, None, b""), None, usage))

    def journaled(self, tenant_ids: Iterable[str]) -> None:
        """There may be something in these journals besides endings: the drain shall look."""
        self._dirty.update(tenant_ids)

    # --- recovery ----------------------------------------------------------------------------------------------------

    async def recover(self, tenant_id: str) -> None:
        """Bring a cold tenant back: rebuild, then show what is in flight here. One at a time a tenant.

        Raises StoreUnavailable, LedgerError.
        """
        tenant = self._tenant(tenant_id)
        if tenant.recovering is None or tenant.recovering.done():
            tenant.recovering = asyncio.create_task(self._recover(tenant_id, tenant))
        await asyncio.shield(tenant.recovering)

    async def _recover(self, tenant_id: str, tenant: _Tenant) -> None:
        await in_thread(recovery.rebuild, tenant_id)
        await self._tell_sweeps(tenant_id)  # a store that lost the counters may have lost whom the sweeps look after
        built = await self._ledger.lane.command("HGET", keyspace.policy(tenant_id), "built")
        statuses = await self._rows([*tenant.open, *tenant.undrained])
        for reservation in list(tenant.open.values()):
            await self._ledger.present(reservation, state="ended" if reservation.id in statuses else "open")
        for hold, ending in list(tenant.undrained.items()):
            if hold not in statuses:
                ending.entry = await self._send_again(ending, adopt=True) or ending.entry
        await self._resend(tenant)
        tenant.building = str(built or b"", "ascii")

    async def _rows(self, holds: list[str]) -> dict[str, str]:
        """Which of these holds the database has a row of, and its status."""

        def look() -> dict[str, str]:
            return dict(UsageRecord.objects.filter(pk__in=holds).values_list("pk", "status"))

        return await in_thread(look) if holds else {}

    async def _resend(self, tenant: _Tenant) -> None:
        """Send again what Redis has not confirmed; a hold that it never heard of is adopted, unless a row exists."""
        for ending in list(tenant.unconfirmed.values()):
            try:
                entry = await self._send_again(ending)
            except HoldGone:
                entry = await self._adopt(ending)
            self._keep_until_drained(tenant, ending, entry)

    async def _adopt(self, ending: Ending) -> str:
        status = (await self._rows([ending.reservation.id])).get(ending.reservation.id)
        if status == UsageStatus.LEASE_ENDED:
            await self._ledger.present(ending.reservation, state="ended")
        elif status is not None:
            return ""
        return await self._send_again(ending, adopt=True)

    # --- the clockwork -----------------------------------------------------------------------------------------------

    async def _pulse(self) -> None:
        """Notice a new server within a second, send unconfirmed endings again, forget what is drained."""
        now, run_id = time.monotonic(), self._ledger.lane.run_id
        restless: list[tuple[str, _Tenant, list[str]]] = []
        waiting: list[tuple[str, _Tenant]] = []
        for tenant_id, tenant in list(self._tenants.items()):
            if tenant.idle:
                if now - tenant.seen > 2 * SEEN_AGAIN_SECONDS:
                    del self._tenants[tenant_id]
            elif tenant.restless or run_id != self._run_id:
                tenant.looked = now
                restless.append((tenant_id, tenant, []))
            elif now - tenant.looked >= DRAINED_SECONDS:
                tenant.looked = now
                waiting.append((tenant_id, tenant))
        self._run_id = run_id
        await self._look_after(restless)
        for start in range(0, len(waiting), AT_ONCE):
            await self._look_for_drained(waiting[start : start + AT_ONCE])

    async def _watch(self) -> None:
        """Find a server that has come back, or another in its place, as soon as it is there: what is in flight here has
        to be shown to it within the grace (LEDGER_GRACE_SECONDS), and a pulse may be waiting for the old one yet."""
        lane = self._ledger.lane
        if lane.connected and lane.run_id == self._run_id:
            return
        try:
            await lane.command("PING")
        except (StoreUnavailable, ScriptError):
            return
        if lane.run_id != self._run_id:
            await self._pulse()

    async def _renew(self) -> None:
        tenants = list(self._tenants.items())
        await self._look_after([(tenant_id, tenant, list(tenant.open)) for tenant_id, tenant in tenants if tenant.open])

    async def _look_after(self, due: list[tuple[str, _Tenant, list[str]]]) -> None:
        """Many at once, so that thousands of tenants cost some dozens of round trips."""
        for start in range(0, len(due), AT_ONCE):
            await asyncio.gather(*[self._with_recovery(*each) for each in due[start : start + AT_ONCE]])

    async def _look_for_drained(self, waiting: list[tuple[str, _Tenant]]) -> None:
        """Of tenants with nothing in flight, one plain command each: thousands may wait for their rows."""
        lane = self._ledger.lane
        keys = [keyspace.policy(tenant_id) for tenant_id, _ in waiting]
        asked = [lane.command("HMGET", key, "run_id", "built", "drained_upto") for key in keys]
        replies = await asyncio.gather(*asked, return_exceptions=True)
        for key, (tenant_id, tenant), reply in zip(keys, waiting, replies, strict=True):
            if isinstance(reply, BaseException):
                log.warning("the ledger of %s cannot be reached: %s", tenant_id, reply)
                continue
            run_id, built, drained_upto = (str(part or b"", "ascii") for part in reply)
            if run_id == lane.run_id_at(key) and built == tenant.building:
                self._forget_drained(tenant, drained_upto)
            else:
                await self._with_recovery(tenant_id, tenant, [])

    async def _with_recovery(self, tenant_id: str, tenant: _Tenant, holds: list[str]) -> None:
        """Never raises what may be wrong with one tenant: the others of this turn are looked after nevertheless."""
        try:
            try:
                await self._renewed(tenant_id, tenant, holds)
            except LedgerCold:
                await self.recover(tenant_id)
        except (LedgerError, StoreUnavailable, ScriptError, DatabaseError) as error:
            log.warning("the ledger of %s cannot be reached: %s", tenant_id, error)

    async def _renewed(self, tenant_id: str, tenant: _Tenant, holds: list[str]) -> None:
        drained_upto, missing = await self._ledger.renew(tenant_id, holds, tenant.building)
        self._forget_drained(tenant, drained_upto)
        for hold in missing:
            if hold in tenant.open:
                log.warning("the lease of %s ended while its request was in flight", hold)
        await self._resend(tenant)

    def _forget_drained(self, tenant: _Tenant, drained_upto: str) -> None:
        if not drained_upto:
            return
        upto, undrained = keyspace.stream_id(drained_upto), tenant.undrained
        while undrained:
            hold, ending = next(iter(undrained.items()))
            if keyspace.stream_id(ending.entry) > upto:
                return  # the rest came later; should one have come earlier, it is forgotten with this one
            del undrained[hold]
            self._undrained -= 1

    async def _tell_drain(self) -> None:
        if self._dirty:
            tenants, self._dirty = list(self._dirty), set()
            await beside(self._nudge, tenants)


async def _every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await step()
        except Exception:
            # The clockwork must outlive any one failure; whatever was not done is done at the next turn.
            log.exception("%s failed", step.__name__)
