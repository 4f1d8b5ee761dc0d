"""What happens by the clock to what is in flight: leases renewed, endings sent again, a new server noticed.

One clockwork for each worker's `InFlight`. It looks after many tenants at a time, and no tenant's trouble keeps it from
the others. It tells the drain, too, whose journals have something new.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from django.db import DatabaseError

from budgets import keyspace
from budgets.flight import SEEN_AGAIN_SECONDS, Share
from budgets.inflight import InFlight
from budgets.lanes import ScriptError
from budgets.ledger import Ledger
from budgets.ledger_errors import LedgerCold, LedgerError
from tenants.database import beside
from tenants.store import StoreUnavailable

log = logging.getLogger(__name__)

PULSE_SECONDS = 1.0
WATCH_SECONDS = 0.1
NUDGE_SECONDS = 0.25
DRAINED_SECONDS = 5.0  # how often is asked whether what is confirmed has been drained
AT_ONCE = 128


class Clockwork:
    """Started and stopped with its event loop. `nudge` tells the drain, off the loop, whose journal has new entries."""

    def __init__(self, ledger: Ledger, inflight: InFlight, nudge: Callable[[list[str]], None]) -> None:
        self._ledger, self._inflight, self._nudge = ledger, inflight, nudge
        self._run_id = ""  # of the server that was there at the last pulse
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        steps = (
            (self.pulse, PULSE_SECONDS),
            (self.watch, WATCH_SECONDS),
            (self.tell_drain, NUDGE_SECONDS),
            (self.renew, self._ledger.lease_ms / 3000),
        )
        for step, seconds in steps:
            self._tasks.append(asyncio.create_task(_every(seconds, step)))

    async def stop(self) -> None:
        """Confirm what can be confirmed, then leave the rest to the leases."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.pulse()
        await self.tell_drain()

    # --- the steps ---------------------------------------------------------------------------------------------------

    async def pulse(self) -> None:
        """Notice a new server within a second, send unconfirmed endings again, forget what is drained."""
        now, run_id, shares = time.monotonic(), self._ledger.lane.run_id, self._inflight.shares
        restless: list[tuple[str, Share, list[str]]] = []
        waiting: list[tuple[str, Share]] = []
        for tenant_id, share in list(shares.items()):
            if share.idle:
                if now - share.seen > 2 * SEEN_AGAIN_SECONDS:
                    del shares[tenant_id]
            elif share.restless or run_id != self._run_id:
                share.looked = now
                restless.append((tenant_id, share, []))
            elif now - share.looked >= DRAINED_SECONDS:
                share.looked = now
                waiting.append((tenant_id, share))
        self._run_id = run_id
        await self._look_after(restless)
        for start in range(0, len(waiting), AT_ONCE):
            await self.look_for_drained(waiting[start : start + AT_ONCE])

    async def watch(self) -> None:
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
            await self.pulse()

    async def renew(self) -> None:
        """Renew the lease of every open hold."""
        shares = list(self._inflight.shares.items())
        await self._look_after([(tenant_id, share, list(share.open)) for tenant_id, share in shares if share.open])

    async def tell_drain(self) -> None:
        """Whose journals have something new, in one message."""
        if tenant_ids := self._inflight.take_dirty():
            await beside(self._nudge, tenant_ids)

    # --- many tenants at a time --------------------------------------------------------------------------------------

    async def _look_after(self, due: list[tuple[str, Share, list[str]]]) -> None:
        """Many at once, so that thousands of tenants cost some dozens of round trips. `due`: tenant id, its share, the
        holds to renew."""
        for start in range(0, len(due), AT_ONCE):
            await asyncio.gather(*[self._with_recovery(*each) for each in due[start : start + AT_ONCE]])

    async def look_for_drained(self, waiting: list[tuple[str, Share]]) -> None:
        """Of tenants with nothing in flight, one plain command each: thousands may wait for their rows."""
        lane = self._ledger.lane
        keys = [keyspace.policy(tenant_id) for tenant_id, _ in waiting]
        asked = [lane.command("HMGET", key, "run_id", "built", "drained_upto") for key in keys]
        replies = await asyncio.gather(*asked, return_exceptions=True)
        for key, (tenant_id, share), reply in zip(keys, waiting, replies, strict=True):
            if isinstance(reply, BaseException):
                log.warning("the ledger of %s cannot be reached: %s", tenant_id, reply)
                continue
            run_id, built, drained_upto = (str(part or b"", "ascii") for part in reply)
            if run_id == lane.run_id_at(key) and built == share.building:
                self._inflight.forget_drained(share, drained_upto)
            else:
                await self._with_recovery(tenant_id, share, [])

    # --- one tenant --------------------------------------------------------------------------------------------------

    async def _with_recovery(self, tenant_id: str, share: Share, holds: list[str]) -> None:
        """Never raises what may be wrong with one tenant: the others of this turn are looked after nevertheless."""
        try:
            try:
                await self._renewed(tenant_id, share, holds)
            except LedgerCold:
                await self._inflight.recover(tenant_id)
        except (LedgerError, StoreUnavailable, ScriptError, DatabaseError) as error:
            log.warning("the ledger of %s cannot be reached: %s", tenant_id, error)

    async def _renewed(self, tenant_id: str, share: Share, holds: list[str]) -> None:
        drained_upto, missing = await self._ledger.renew(tenant_id, holds, share.building)
        self._inflight.forget_drained(share, drained_upto)
        for hold in missing:
            if hold in share.open:
                log.warning("the lease of %s ended while its request was in flight", hold)
        await self._inflight.resend(share)


async def _every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await step()
        except Exception:
            # The clockwork must outlive any one failure; whatever was not done is done at the next turn.
            log.exception("%s failed", step.__name__)
