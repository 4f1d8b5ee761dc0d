"""Putting the store right: rebuild counters from the ledger, end leases whose owner died, compare and mend."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Sum

from budgets import journal, keyspace, scripts, user_counters
from budgets.models import DailySpend, JournalCursor, UsageRecord
from budgets.windows import Window, windows_at, windows_of
from tenants import store
from tenants.models import ApiKey, KeyMode, Tenant

log = logging.getLogger(__name__)

SWEEP_BATCH = 200


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


def open_ledger(tenant_id: str) -> None:
    """Make a new tenant's counters live at once: nothing of it can be in flight yet."""
    rebuild(tenant_id, grace_seconds=0)


class DatabaseBehind(store.StoreUnavailable):
    """The ledger lacks entries that were drained: the database was put back from a backup."""


def rebuild(tenant_id: str, *, grace_seconds: float | None = None, force: bool = False) -> bool:
    """Build a cold tenant's counters from the ledger; False if another worker had done it. Raises StoreUnavailable.

    A store that has lost the tenant altogether (FLUSHALL) admits only after a grace, in which every worker shows what
    it has in flight; one that came back with its data (a restart) does so from when it was up that long.
    """
    grace = settings.LEDGER_GRACE_SECONDS if grace_seconds is None else grace_seconds
    grace_end = _server_grace_end_ms(tenant_id, grace)
    with _ledger_view(tenant_id, DailySpend.objects.all()) as view:
        if not user_counters.build(tenant_id, view.now, live_too=force):
            return False
        arguments: list[str | int] = []
        for place, spent in view.spent.items():
            arguments += (spent, place.window.expires_at)
        reply = store.run(
            scripts.REBUILD,
            _keys(tenant_id, view.spent),
            [
                *(view.version, view.cursor, keyspace.hold_prefix(tenant_id), int(grace * 1000), grace_end),
                *("1" if force else "", *arguments),
            ],
        )
    if reply[0] == b"RETRY":
        raise DatabaseBehind("the database lacks entries that were drained: was it put back from a backup?")
    if reply[0] == b"LIVE":
        return False
    log.info("rebuilt the counters of %s: %d entries, %d holds", tenant_id, reply[1], reply[2])
    return True


def _keys(tenant_id: str, places: Iterable[Place]) -> list[str]:
    """KEYS of the scripts that look at a whole tenant."""
    fixed = [keyspace.policy(tenant_id), keyspace.holds(tenant_id), keyspace.journal(tenant_id)]
    return [*fixed, *[place.key for place in places]]


def _server_grace_end_ms(tenant_id: str, grace: float) -> int:
    """Until when a server that came back with its data, or a replica that became the master, waits for what it may
    lack, ms by its clock; 0 when that is past."""
    key = keyspace.policy(tenant_id)
    left = grace - store.age(key)
    return int((store.now(key) + left) * 1000) if left > 0 else 0


@contextmanager
def _ledger_view(tenant_id: str, rows: Any) -> Iterator[LedgerView]:
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


def _places_of(tenant_id: str, key_id: str, mode: str, day: Any) -> Iterator[Place]:
    windows = windows_of(day)
    yield _tenant_place(tenant_id, mode, windows.month)
    for window in (windows.month, windows.day):
        yield Place(f"key:{key_id}", window, keyspace.key_counter(tenant_id, key_id, window.suffix))


def _tenant_place(tenant_id: str, mode: str, month: Window) -> Place:
    scope = "tenant" if mode == KeyMode.LIVE else f"tenant:{mode}"
    return Place(scope, month, keyspace.tenant_counter(tenant_id, mode, month.suffix))


# --- Leases ----------------------------------------------------------------------------------------------------------


def end_leases(tenant_id: str) -> int:
    """Charge the holds whose worker has vanished; how many. A cold tenant is left for its rebuild."""
    ended = 0
    keys = [keyspace.policy(tenant_id), keyspace.holds(tenant_id), keyspace.journal(tenant_id)]
    while True:
        reply = store.run(scripts.LAPSE, keys, [keyspace.hold_prefix(tenant_id), SWEEP_BATCH])
        if reply[0] == b"COLD":
            return ended
        ended += int(reply[1])
        if not reply[2]:
            return ended


def look_after(tenant_ids: Iterable[str]) -> None:
    """End leases that ran out, and drain; each tenant for itself. What is wrong with one (its server is away, an entry
    that no row can be made of) keeps nobody else waiting; the first of it is raised when all have had their turn."""
    first: Exception | None = None
    for tenant_id in tenant_ids:
        try:
            end_leases(tenant_id)
            journal.drain(tenant_id)
        except OperationalError:
            raise  # the database is away, for everyone
        except Exception as error:
            log.exception("%s was not looked after", tenant_id)
            first = first or error
    if first is not None:
        raise first


def active_tenants(since_seconds: int = 2 * 86_400) -> list[str]:
    """The tenants that a worker has seen lately; the sweep of the whole database is `Tenant.objects`."""
    try:
        members: Any = store.client().zrangebyscore(keyspace.ACTIVE, store.now(keyspace.ACTIVE) - since_seconds, "+inf")
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error
    return [member.decode() for member in members]


# --- Audit -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScopeAudit:
    """One counter, as Redis has it and as the ledger has it; nanodollars."""

    tenant_id: str
    place: Place
    redis_spent: int
    ledger_spent: int
    redis_held: int
    expected_held: int

    @property
    def difference(self) -> int:
        return (self.redis_spent - self.ledger_spent) + (self.redis_held - self.expected_held)

    @property
    def ok(self) -> bool:
        return self.redis_spent == self.ledger_spent and self.redis_held == self.expected_held


@dataclass(frozen=True, slots=True)
class OpenHold:
    """A hold in flight: who owns it, since when, until when its lease runs (ms by Redis's clock)."""

    tenant_id: str
    id: str
    amount: int
    at_ms: int
    owner: str
    lease_end_ms: int


@dataclass(frozen=True, slots=True)
class Audit:
    """`scopes`: every counter, of the end users' only those that differ; `end_users`: how many of theirs there are."""

    scopes: list[ScopeAudit]
    open_holds: list[OpenHold]
    journal_lag: int
    end_users: int = 0

    @property
    def ok(self) -> bool:
        return all(scope.ok for scope in self.scopes)


def audit(tenant_id: str) -> Audit:
    """Compare Redis with the ledger, live: one look at Redis against the rows at their cursor and later entries."""
    rebuild(tenant_id)  # a tenant that nobody has asked for since the store restarted; otherwise does nothing
    with _ledger_view(tenant_id, UsageRecord.objects.all()) as view:
        seen = _look(tenant_id, view.spent, view.cursor)
        users, differing = 0, []
        sums = user_counters.by_rows(tenant_id, view.now, seen.moved)
        for batch in user_counters.batches(sums, user_counters.LOOKED_AT_ONCE):
            users += len(batch)
            at_once = _look(tenant_id, {_user_place(tenant_id, each): each.spent for each in batch}, view.cursor)
            differing += [scope for scope in at_once.scopes if not scope.ok]
    holds = [  # the last is the end of its lease in ms, which a sorted set answers as a fraction: a time, not money
        OpenHold(tenant_id, h[0].decode(), int(h[1]), int(h[3]), h[4].decode(), int(float(h[5]))) for h in seen.holds
    ]
    return Audit([*seen.scopes, *differing], holds, seen.lag, users)


def _user_place(tenant_id: str, of: user_counters.UserSum) -> Place:
    return Place(f"user:{of.end_user}:{of.key_id}", of.window, of.counter(tenant_id))


@dataclass(frozen=True, slots=True)
class _Look:
    """One moment of Redis beside the ledger. `moved`: the counters that open holds and undrained entries speak of."""

    scopes: list[ScopeAudit]
    holds: list[Any]
    lag: int
    moved: set[str]


def _look(tenant_id: str, ledger: dict[Place, int], cursor: str) -> _Look:
    """These counters now, against the rows at the cursor (`ledger`) and the entries after it."""
    reply = store.run(scripts.SNAPSHOT, _keys(tenant_id, ledger), [keyspace.hold_prefix(tenant_id)])
    _, _, counters, holds, raw = reply
    tail = [journal.Entry.decode(entry_id, _pairs(fields)) for entry_id, fields in raw]
    tail = [entry for entry in tail if stream_id(entry.id) > stream_id(cursor)]
    later: dict[str, int] = {}
    for entry in tail:
        for key in entry.counters:
            later[key] = later.get(key, 0) + entry.spent
    expected_held: dict[str, int] = {}
    for hold in holds:
        for key in hold[2].decode().split():
            expected_held[key] = expected_held.get(key, 0) + int(hold[1])
    scopes = [
        ScopeAudit(
            tenant_id,
            place,
            redis_spent=int(spent),
            ledger_spent=ledger[place] + later.get(place.key, 0),
            redis_held=int(held),
            expected_held=expected_held.get(place.key, 0),
        )
        for place, (spent, held) in zip(ledger, counters, strict=True)
    ]
    return _Look(scopes, holds, len(tail), later.keys() | expected_held.keys())


def mend(found: Audit) -> int:
    """Move each counter by the difference found; how many were moved. One gone cold meanwhile is built anew."""
    moved = 0
    for scope in found.scopes:
        for name, difference in (
            ("spent", scope.ledger_spent - scope.redis_spent),
            ("held", scope.expected_held - scope.redis_held),
        ):
            if difference:
                log.warning("mending %s of %s by %d", name, scope.place.key, difference)
                keys = [keyspace.policy(scope.tenant_id), scope.place.key]
                moved += store.run(scripts.MEND, keys, [name, difference])[0] == b"OK"
    return moved


def stream_id(text: str) -> tuple[int, int]:
    milliseconds, sequence = text.split("-")
    return int(milliseconds), int(sequence)


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
