"""Enlarges the hold of one stream while it runs, always under the caps that hold at that moment."""

import asyncio
from collections.abc import Callable

from django.db import DatabaseError

from budgets.claims import Reservation
from budgets.ledger import Ledger
from budgets.ledger_errors import LedgerCold, LedgerUnavailable, PolicyFenced, PolicyStale
from budgets.windows import windows_at
from proxy.admission import Admission
from proxy.key_policy import KeyPolicy
from tenants.store import StoreUnavailable

ATTEMPTS = 3


class Extender:
    """`caller`: the policy that the hold was granted under; `end_user`: whom its counters are of, by hash."""

    def __init__(
        self, ledger: Ledger, admission: Admission, secret: str, caller: KeyPolicy, end_user: str, hold: Reservation
    ) -> None:
        self._ledger, self._admission = ledger, admission
        self._secret, self._version, self._end_user, self._hold = secret, caller.version, end_user, hold
        self._one_at_a_time = asyncio.Lock()

    async def by(self, amounts: Callable[[], tuple[int, int]]) -> int:
        """The whole hold now, nanodollars. `amounts` says by how much, least and most, once it is this call's turn.

        Raises CapExceeded, HoldGone, LedgerUnavailable; Refusal where the key may send nothing any more.
        """
        async with self._one_at_a_time:
            for _ in range(ATTEMPTS):
                least, most = amounts()
                try:
                    return await self._ledger.extend(self._hold, least=least, most=most, version=self._version)
                except PolicyStale as stale:
                    await self._renew(stale.version)
                except PolicyFenced as fenced:
                    raise LedgerUnavailable("the policy is being changed") from fenced
                except LedgerCold:
                    await self._admission.recover(self._hold.tenant_id)
        raise LedgerUnavailable("the policy did not come to rest")

    async def _renew(self, version: int) -> None:
        """Take the caps as they are now for the counters that the hold is on; its windows stay."""
        try:
            caller = await self._admission.renewed(self._secret, version)
        except (DatabaseError, StoreUnavailable) as error:
            raise LedgerUnavailable(str(error)) from error
        windows = windows_at(self._hold.at_ms / 1000)
        now = {counter.key: counter for counter in caller.counters(windows, self._end_user)}
        self._hold.counters = tuple(now.get(counter.key, counter) for counter in self._hold.counters)
        self._version = caller.version
