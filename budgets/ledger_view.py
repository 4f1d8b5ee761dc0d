"""What every counter of a tenant ought to say by the database, at one moment that holds still while it is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction
from django.db.models import QuerySet, Sum

from budgets import keyspace
from budgets.models import DailySpend, JournalCursor, UsageRecord
from budgets.windows import Window, windows_at, windows_of
from tenants import store
from tenants.models import ApiKey, KeyMode, Tenant


@dataclass(frozen=True, slots=True)
class Place:
    """One counter: `scope` is `tenant`, `tenant:test`, `key:<id>` or `user:<hash>:<key id>`."""

    scope: str
    window: Window
    key: str


@dataclass(frozen=True, slots=True)
class LedgerView:
    """The database's side at one moment: sums of every counter, and the cursor that they belong to."""

    version: int
    cursor: str
    spent: dict[Place, int]
    """Of all counters but the end users': those come in batches (budgets.user_counters)."""
    now: float
    """By the clock of Redis, epoch seconds."""


@contextmanager
def ledger_view(tenant_id: str, rows: QuerySet[DailySpend] | QuerySet[UsageRecord]) -> Iterator[LedgerView]:
    """Sums and cursor in one look, true until the block ends: its locks keep out a drain (cursor) and a change of
    policy (tenant), so that what a script is told of the database cannot have gone stale on the way."""
    now = store.now(keyspace.policy(tenant_id))
    with transaction.atomic():
        tenant = Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)
        JournalCursor.objects.get_or_create(tenant_id=tenant_id)
        cursor = JournalCursor.objects.select_for_update().get(tenant_id=tenant_id)
        spent = dict.fromkeys(_current_places(tenant_id, now), 0)
        first_day = min(place.window.first_day for place in spent)
        sums = rows.filter(tenant_id=tenant_id, day__gte=first_day).values("api_key_id", "mode", "day")
        for row in sums.annotate(total=Sum("cost")).order_by():
            for place in _places_of(tenant_id, row["api_key_id"], row["mode"], row["day"]):
                if place.window.expires_at > now:
                    spent[place] = spent.get(place, 0) + row["total"]
        yield LedgerView(tenant.policy_version, cursor.last_id, spent, now)


def _current_places(tenant_id: str, now: float) -> Iterator[Place]:
    """Every counter that may be in use now, and those of the windows that requests in flight may still settle in."""
    today = windows_at(now).day.first_day
    keys = list(ApiKey.objects.filter(tenant_id=tenant_id).values_list("id", "mode"))
    for day in dict.fromkeys((today - timedelta(days=1), today, today.replace(day=1) - timedelta(days=1))):
        for mode in KeyMode.values:
            month = windows_of(day).month
            yield _tenant_place(tenant_id, mode, month)
        for key_id, mode in keys:
            yield from _places_of(tenant_id, key_id, mode, day)


def _places_of(tenant_id: str, key_id: str, mode: str, day: date) -> Iterator[Place]:
    windows = windows_of(day)
    yield _tenant_place(tenant_id, mode, windows.month)
    for window in (windows.month, windows.day):
        yield Place(f"key:{key_id}", window, keyspace.key_counter(tenant_id, key_id, window.suffix))


def _tenant_place(tenant_id: str, mode: str, month: Window) -> Place:
    scope = "tenant" if mode == KeyMode.LIVE else f"tenant:{mode}"
    return Place(scope, month, keyspace.tenant_counter(tenant_id, mode, month.suffix))
