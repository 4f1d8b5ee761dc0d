"""The counters of end users beside the ledger: what each ought to say, put there when a tenant is built again.

There may be a million of them, so that none of this holds more than a batch in memory, or Redis up for longer.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db.models import Sum

from budgets import keyspace, scripts
from budgets.end_users import ANONYMOUS, counting_keys
from budgets.models import DailySpend, UsageRecord
from budgets.windows import GRACE_SECONDS, Window, windows_at, windows_of
from tenants import store
from tenants.errors import PolicyUnavailable

BATCH = 500  # counters a call: some milliseconds of Redis
LOOKED_AT_ONCE = 5_000  # by the audit, each of whose looks brings the journal's tail along


@dataclass(frozen=True, slots=True)
class UserSum:
    """What one end user of a key has spent through it in one window, by the ledger: nanodollars."""

    key_id: str
    end_user: str
    """A hash, or ANONYMOUS."""
    window: Window
    spent: int

    def counter(self, tenant_id: str) -> str:
        return keyspace.user_counter(tenant_id, self.end_user, self.key_id, self.window.suffix)


def build(tenant_id: str, now: float, *, live_too: bool) -> bool:
    """Within a rebuild, the ledger's locks held: whatever is to be done before the other counters are built.

    False if the tenant is live and shall stay so. Raises StoreUnavailable.
    """
    if not counting_keys(tenant_id):
        return True
    if not recount(tenant_id, live_too=live_too):
        return False
    seed(tenant_id, now)
    return True


def recount(tenant_id: str, *, live_too: bool) -> bool:
    """Begin a rebuild; False if the tenant is live and shall stay so. Raises StoreUnavailable."""
    reply = store.run(
        scripts.RECOUNT, keyspace.whole(tenant_id), [keyspace.hold_prefix(tenant_id), "1" if live_too else ""]
    )
    return bool(reply[0] == b"OK")


def have_counted_anew(tenant_id: str) -> None:
    """In a change by which a key begins to count its end users: nothing more is admitted before the counters are built
    from the ledger, with what they spent before. The next request does it, whether the change is made or undone.

    Raises PolicyUnavailable.
    """
    try:
        recount(tenant_id, live_too=True)
    except store.StoreUnavailable as error:
        raise PolicyUnavailable from error


def seed(tenant_id: str, now: float) -> None:
    """The tenant is cold: set every counter to its sum. Raises StoreUnavailable."""
    for batch in batches(by_rollups(tenant_id, now), BATCH):
        arguments: list[str | int] = []
        for each in batch:
            arguments += (each.spent, each.window.expires_at)
        keys = [keyspace.policy(tenant_id), *(each.counter(tenant_id) for each in batch)]
        store.run(scripts.SEED, keys, arguments)


def batches(sums: Iterator[UserSum], size: int) -> Iterator[Sequence[UserSum]]:
    while batch := list(islice(sums, size)):
        yield batch


# --- What the ledger says --------------------------------------------------------------------------------------------


def by_rollups(tenant_id: str, now: float) -> Iterator[UserSum]:
    """Fast: from the daily sums, less the few rows that no counter has."""
    apart = _uncounted(tenant_id)
    for key_id, end_user, window, spent in _sums(tenant_id, now, DailySpend.objects.all()):
        left = sum(cost for day, cost in apart.get((key_id, end_user), ()) if _is_in(window, day))
        yield UserSum(key_id, end_user or ANONYMOUS, window, spent - left)


def by_rows(tenant_id: str, now: float, seen: Iterable[str]) -> Iterator[UserSum]:
    """Row by row, for the audit. `seen`: counters that Redis speaks of; those that no row is of come last, at 0."""
    loose = {name: keyspace.parts_of_user_counter(name) for name in seen if keyspace.is_user_counter(name)}
    for key_id, end_user, window, spent in _sums(tenant_id, now, UsageRecord.objects.filter(user_uncounted=False)):
        found = UserSum(key_id, end_user or ANONYMOUS, window, spent)
        loose.pop(found.counter(tenant_id), None)
        yield found
    keys, windows = counting_keys(tenant_id), {window.suffix: window for window in open_windows(now)}
    for end_user, key_id, suffix in loose.values():
        if key_id in keys and suffix in windows:
            yield UserSum(key_id, end_user, windows[suffix], 0)


def open_windows(now: float) -> list[Window]:
    """Those whose counters have not expired, the months first."""
    today = windows_at(now).day.first_day
    around = [windows_of(today - timedelta(days=back)) for back in range(GRACE_SECONDS // 86_400 + 2)]
    windows = dict.fromkeys([each.month for each in around] + [each.day for each in around])
    return [window for window in windows if window.expires_at > now]


def _sums(tenant_id: str, now: float, rows: Any) -> Iterator[tuple[str, str, Window, int]]:
    keys = counting_keys(tenant_id)
    for window in open_windows(now) if keys else ():
        days = rows.filter(tenant_id=tenant_id, api_key_id__in=keys, day__range=(window.first_day, window.last_day))
        found = days.order_by().values_list("api_key_id", "end_user").annotate(total=Sum("cost"))
        for key_id, end_user, total in found.iterator(chunk_size=LOOKED_AT_ONCE):
            yield key_id, end_user, window, total


def _uncounted(tenant_id: str) -> dict[tuple[str, str], list[tuple[Any, int]]]:
    """(day, cost) of the rows that no counter has, by key and end user."""
    found: defaultdict[tuple[str, str], list[tuple[Any, int]]] = defaultdict(list)
    rows = UsageRecord.objects.filter(tenant_id=tenant_id, user_uncounted=True)
    for key_id, end_user, day, cost in rows.values_list("api_key_id", "end_user", "day", "cost"):
        found[key_id, end_user].append((day, cost))
    return found


def _is_in(window: Window, day: Any) -> bool:
    return bool(window.first_day <= day <= window.last_day)
