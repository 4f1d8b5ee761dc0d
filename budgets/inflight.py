"""What one worker has in flight: its open holds, the settles that Redis has not confirmed, and those not drained yet.

The proxy tells it of every hold. When Redis comes back as another server (restarted, flushed, failed over), it shows
that server everything it may have forgotten before this worker admits anything more (DESIGN section 4). What happens
by the clock meanwhile is in `budgets.clockwork`.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from budgets import keyspace, recovery
from budgets.claims import Reservation
from budgets.flight import SEEN_AGAIN_SECONDS, Ending, Share, Standing
from budgets.ledger import Ledger, entry_of
from budgets.ledger_errors import HoldGone
from budgets.models import UsageRecord, UsageStatus
from tenants.database import in_thread


class InFlight:
    """`confirmed` is told how many seconds Redis took to confirm an end. `shares`: each tenant's part, by tenant id."""

    def __init__(
        self,
        ledger: Ledger,
        confirmed: Callable[[float], None] = lambda seconds: None,
        most_undrained: int = 100_000,
    ) -> None:
        self._ledger = ledger
        self._tell_confirmed = confirmed
        self.shares: dict[str, Share] = {}
        self._dirty: set[str] = set()
        self._undrained, self._most_undrained = 0, most_undrained

    # --- what the proxy tells ----------------------------------------------------------------------------------------

    def admitting(self, tenant_id: str) -> None:
        """A request of this tenant is about to be reserved: the sweeps must know the tenant before a hold exists."""
        share = self._share(tenant_id)
        now = time.monotonic()
        if now - share.seen >= SEEN_AGAIN_SECONDS:
            share.seen = now
            self._tell_sweeps(tenant_id)

    def _tell_sweeps(self, tenant_id: str) -> "asyncio.Future[Any]":
        return self._ledger.lane.command("ZADD", keyspace.ACTIVE, int(self._ledger.lane.now()), tenant_id)

    def opened(self, reservation: Reservation) -> None:
        share = self._share(reservation.tenant_id)
        share.open[reservation.id] = reservation
        # Of another building than the holds before it: left as it is, so that the next call finds out and shows all.
        share.building = share.building or reservation.building

    def building(self, tenant_id: str) -> str:
        """Which building of the counters knows what is in flight here; '' where nothing has been."""
        share = self.shares.get(tenant_id)
        return share.building if share is not None else ""

    def _share(self, tenant_id: str) -> Share:
        found = self.shares.get(tenant_id)
        if found is None:
            found = self.shares[tenant_id] = Share()
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
        share = self._share(tenant_id)
        share.open.pop(hold, None)
        share.unconfirmed[hold] = ending
        self._send(ending).add_done_callback(lambda reply: self._confirmed(share, ending, reply))

    def _send(self, ending: Ending, *, adopt: bool = False) -> "asyncio.Future[Any]":
        reservation = ending.reservation
        if ending.cost is None:
            return self._ledger.release_soon(reservation.tenant_id, reservation.id, ending.usage)
        return self._ledger.settle_soon(reservation, ending.cost, ending.usage, adopt=adopt)

    async def _send_again(self, ending: Ending, *, adopt: bool = False) -> str:
        """Raises HoldGone, LedgerCold, StoreUnavailable, ScriptError."""
        return entry_of(await self._send(ending, adopt=adopt))

    def _confirmed(self, share: Share, ending: Ending, reply: "asyncio.Future[Any]") -> None:
        if reply.cancelled() or reply.exception() is not None or reply.result()[0] not in (b"OK", b"DONE"):
            return  # stays unconfirmed: the pulse sends it again, and finds out what is wrong
        self._tell_confirmed(time.monotonic() - ending.since)
        self._keep_until_drained(share, ending, entry_of(reply.result()))

    def _keep_until_drained(self, share: Share, ending: Ending, entry: str) -> None:
        if share.unconfirmed.pop(ending.reservation.id, None) is None:
            return
        self._dirty.add(ending.reservation.tenant_id)
        if entry:
            ending.entry = entry
            share.undrained[ending.reservation.id] = ending
            self._undrained += 1

    def full(self, tenant_id: str) -> bool:
        """Whether so much waits for the drain that nothing more of this tenant may be admitted: the database is down,
        or this tenant's journal is stuck, which may take no more than half of the room."""
        if self._undrained >= self._most_undrained:
            return True
        share = self.shares.get(tenant_id)
        return share is not None and len(share.undrained) * 2 >= self._most_undrained

    def standing(self) -> Standing:
        """One look at every tenant: for a clock, not for every request."""
        running = unconfirmed = 0
        oldest = ""
        for share in self.shares.values():
            running += len(share.open)
            unconfirmed += len(share.unconfirmed)
            if entry := share.oldest_entry:
                oldest = min(oldest, entry) if oldest else entry  # their milliseconds have thirteen digits until 2286
        lag = self._ledger.lane.now() - keyspace.stream_id(oldest)[0] / 1000 if oldest else 0.0
        return Standing(running, unconfirmed, self._undrained, journal_lag=max(0.0, lag))

    def disown(self, tenant_id: str, hold: str, usage: bytes) -> None:
        """A reserve got no answer and its request is refused: whatever comes of it is given back, now or later."""
        self._end(Ending(Reservation(hold, tenant_id, (), 0, 0, None, b""), None, usage))

    def journaled(self, tenant_ids: Iterable[str]) -> None:
        """There may be something in these journals besides endings: the drain shall look."""
        self._dirty.update(tenant_ids)

    # --- what the clockwork tells and asks ---------------------------------------------------------------------------

    def forget_drained(self, share: Share, drained_upto: str) -> None:
        """The database has what this share's journal held up to that entry: there is room again."""
        self._undrained -= share.forget_drained(drained_upto)

    def take_dirty(self) -> list[str]:
        """The tenants whose journals have entries that the drain has not been told of; it is told of them now."""
        taken, self._dirty = list(self._dirty), set()
        return taken

    # --- recovery ----------------------------------------------------------------------------------------------------

    async def recover(self, tenant_id: str) -> None:
        """Bring a cold tenant back: rebuild, then show what is in flight here. One at a time a tenant.

        Raises StoreUnavailable, LedgerError.
        """
        share = self._share(tenant_id)
        if share.recovering is None or share.recovering.done():
            share.recovering = asyncio.create_task(self._recover(tenant_id, share))
        await asyncio.shield(share.recovering)

    async def _recover(self, tenant_id: str, share: Share) -> None:
        await in_thread(recovery.rebuild, tenant_id)
        await self._tell_sweeps(tenant_id)  # a store that lost the counters may have lost whom the sweeps look after
        built = await self._ledger.lane.command("HGET", keyspace.policy(tenant_id), "built")
        statuses = await self._rows([*share.open, *share.undrained])
        for reservation in list(share.open.values()):
            await self._ledger.present(reservation, state="ended" if reservation.id in statuses else "open")
        for hold, ending in list(share.undrained.items()):
            if hold not in statuses:
                ending.entry = await self._send_again(ending, adopt=True) or ending.entry
        await self.resend(share)
        share.building = str(built or b"", "ascii")

    async def _rows(self, holds: list[str]) -> dict[str, str]:
        """Which of these holds the database has a row of, and its status."""

        def look() -> dict[str, str]:
            return dict(UsageRecord.objects.filter(pk__in=holds).values_list("pk", "status"))

        return await in_thread(look) if holds else {}

    async def resend(self, share: Share) -> None:
        """Send again what Redis has not confirmed; a hold that it never heard of is adopted, unless a row exists."""
        for ending in list(share.unconfirmed.values()):
            try:
                entry = await self._send_again(ending)
            except HoldGone:
                entry = await self._adopt(ending)
            self._keep_until_drained(share, ending, entry)

    async def _adopt(self, ending: Ending) -> str:
        status = (await self._rows([ending.reservation.id])).get(ending.reservation.id)
        if status == UsageStatus.LEASE_ENDED:
            await self._ledger.present(ending.reservation, state="ended")
        elif status is not None:
            return ""
        return await self._send_again(ending, adopt=True)
