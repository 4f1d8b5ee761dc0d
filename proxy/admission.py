"""Who may send what: finds the caller behind a key, and obtains the hold that lets a request out.

Policies are cached by key and correct by version, not by time: a reserve carries the version that the decision was made
on, and Redis answers STALE where it is not the one that holds. A refusal that was decided on a cached policy alone is
confirmed against that version before it is given.
"""

import asyncio
import logging
import time

from budgets import claims, keyspace, ledger_errors
from budgets.claims import Request, Reservation
from budgets.inflight import InFlight
from budgets.lanes import ScriptError
from budgets.ledger import Ledger
from budgets.values import value
from proxy import metrics, refusals
from proxy.key_policy import KeyPolicy, refuse_unusable
from proxy.policies import Policies
from proxy.waiting import WaitingRoom
from tenants import policy
from tenants.database import in_thread
from tenants.errors import PolicyUnavailable
from tenants.store import StoreUnavailable

log = logging.getLogger(__name__)

ATTEMPTS = 6
OPENING_SECONDS = 3.0  # how long is waited for a ledger that is being rebuilt


@value
class Ask:
    """How much is to be held, nanodollars: the least that does, the most, and whether anything between does too."""

    least: int
    most: int
    between: bool = True


class PolicyChanged(Exception):
    """The policy that a decision was made on does not hold any more: decide again."""


class Admission:
    """Decides for one event loop, on the ledger of that loop."""

    def __init__(self, the_ledger: Ledger, inflight: InFlight, held_wait: float, waiters: int = 256) -> None:
        """`held_wait`: how many seconds a request may wait for what others hold, and how many of a tenant's at once."""
        self.policies = Policies()
        self.room = WaitingRoom(held_wait, waiters)
        self._ledger, self._inflight = the_ledger, inflight

    async def caller(self, secret: str) -> KeyPolicy:
        """The policy behind a key. Raises Refusal; one that a newer policy might not give is confirmed by `confirm`."""
        found = await self.policies.find(secret)
        if found is None:
            raise refusals.invalid_api_key()
        refuse_unusable(found, self._ledger.lane.now())
        return found

    async def confirm(self, secret: str) -> None:
        """Return if the cached policy of this key is the one that holds. Raises PolicyChanged or LedgerUnavailable."""
        known = await self.policies.find(secret)
        if known is None:
            return
        lane = self._ledger.lane
        try:
            run_id, version, fence = await lane.command(
                "HMGET", keyspace.policy(known.tenant_id), "run_id", "version", "fence"
            )
        except (StoreUnavailable, ScriptError) as error:
            raise ledger_errors.LedgerUnavailable(str(error)) from error
        if fence:
            await self._heal(known, str(fence, "ascii").split())
        elif run_id is None or str(run_id, "ascii") != lane.run_id_at(keyspace.policy(known.tenant_id)):
            await self.recover(known.tenant_id)
        elif int(version or 0) == known.version:
            return
        else:
            await self._reload(secret, int(version or 0))
            raise PolicyChanged
        self.policies.forget(secret)
        raise PolicyChanged

    async def admit(
        self, secret: str, caller: KeyPolicy, request: Request, ask: Ask, *, waited: bool = False
    ) -> Reservation:
        """The hold for a request; where it would fit but for what others hold, after waiting in line for a while.

        `waited`: it has done that already. Raises CapExceeded, PolicyChanged, LedgerUnavailable.
        """
        if self._inflight.full(caller.tenant_id):
            raise ledger_errors.LedgerUnavailable("too much waits to be written to the database")
        self._inflight.admitting(caller.tenant_id)
        if waited:
            return await self._hold(secret, caller, request, ask)
        if self.room.busy(caller.tenant_id):
            counters = caller.counters(self._ledger.windows(), request.end_user)
            if wall := self.room.wall_before(caller.tenant_id, (counter.key for counter in counters)):
                return await self._queue(wall, None, secret, caller, request, ask)
        try:
            return await self._hold(secret, caller, request, ask)
        except ledger_errors.CapExceeded as error:
            if not error.held_only:
                raise
            refused = error
        try:
            return await self._queue(refused.counter.key, refused, secret, caller, request, ask)
        finally:
            del refused  # raised again, it holds this frame

    async def _queue(
        self,
        wall: str,
        refused: ledger_errors.CapExceeded | None,
        secret: str,
        caller: KeyPolicy,
        request: Request,
        ask: Ask,
    ) -> Reservation:
        """Wait in line before a wall; `refused` None: not tried yet, as others stood there already."""
        try:
            with self.room.place(caller.tenant_id, wall) as place:
                while place is not None and await place.turn():
                    try:
                        return await self._hold(secret, caller, request, ask)
                    except ledger_errors.CapExceeded as error:
                        if not error.held_only:
                            raise
                        refused = error
            if refused is not None:
                raise refused
        finally:
            del refused  # raised, it holds this frame
        return await self._hold(secret, caller, request, ask)  # nobody is refused unasked

    async def _hold(self, secret: str, caller: KeyPolicy, request: Request, ask: Ask) -> Reservation:
        """The hold, at once or not at all. Raises as `admit` does."""
        hold = claims.hold_id()
        patience = asyncio.get_running_loop().time() + OPENING_SECONDS
        for _ in range(ATTEMPTS):
            windows = self._ledger.windows()
            asked = time.monotonic()
            try:
                reservation = await self._ledger.hold(
                    caller.claim(self._ledger, windows, request),
                    least=ask.least,
                    most=ask.most,
                    between=ask.between,
                    hold=hold,
                    building=self._inflight.building(caller.tenant_id),
                )
            except ledger_errors.PolicyStale as stale:
                await self._reload(secret, stale.version)
                raise PolicyChanged from None
            except ledger_errors.PolicyFenced as error:
                await self._heal(caller, error.tokens)
                self.policies.forget(secret)
                raise PolicyChanged from None
            except ledger_errors.WindowMoved:
                pass
            except ledger_errors.LedgerOpening as error:
                if asyncio.get_running_loop().time() + error.wait > patience:
                    raise
                await asyncio.sleep(error.wait)
            except ledger_errors.LedgerCold:
                await self.recover(caller.tenant_id)
            except ledger_errors.HoldGone as error:
                raise ledger_errors.LedgerUnavailable(f"the hold has ended: {error}") from error
            except ledger_errors.LedgerUnavailable:
                self._inflight.disown(caller.tenant_id, hold, b"")
                raise
            except asyncio.CancelledError:
                self._inflight.disown(caller.tenant_id, hold, b"")
                raise
            else:
                metrics.numbers.reserve.observe(time.monotonic() - asked)
                self._inflight.opened(reservation)
                return reservation
        raise ledger_errors.LedgerUnavailable("the ledger did not come to rest")

    async def renewed(self, secret: str, published: int) -> KeyPolicy:
        """The policy of a key after another version of it was published. Raises Refusal, LedgerUnavailable."""
        await self._reload(secret, published)
        return await self.caller(secret)

    async def _reload(self, secret: str, published: int) -> None:
        """Load a policy again. Where the database says another version than Redis and no fence stands (a database put
        back from a backup, a published version lost), both are brought together first."""
        self.policies.forget(secret)
        fresh = await self.policies.find(secret)
        if fresh is not None and fresh.version != published:
            await self._heal(fresh, [])
            self.policies.forget(secret)

    async def _heal(self, caller: KeyPolicy, tokens: list[str]) -> None:
        try:
            await in_thread(policy.heal, caller.tenant_id, tokens)
        except PolicyUnavailable as error:
            raise ledger_errors.LedgerUnavailable(str(error)) from error

    async def recover(self, tenant_id: str) -> None:
        """Build a tenant's counters again, and show what is in flight here. Raises LedgerUnavailable."""
        try:
            await self._inflight.recover(tenant_id)
        except ledger_errors.LedgerUnavailable:
            raise
        except (StoreUnavailable, ScriptError, ledger_errors.LedgerError) as error:
            raise ledger_errors.LedgerUnavailable(str(error)) from error
