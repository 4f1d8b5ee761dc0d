"""The audit: Redis against the ledger, live, counter by counter; and moving what differs."""

import logging
from dataclasses import dataclass
from typing import Any

from budgets import journal, keyspace, recovery, scripts, user_counters
from budgets.ledger_view import Place, ledger_view
from budgets.models import SetAsideEntry, UsageRecord
from tenants import store

log = logging.getLogger(__name__)


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
    """`scopes`: every counter, of the end users' only those that differ; `end_users`: how many of theirs there are.
    `set_aside`: journal entries that have no row: what they moved is a difference that is explained."""

    scopes: list[ScopeAudit]
    open_holds: list[OpenHold]
    journal_lag: int
    end_users: int = 0
    set_aside: int = 0

    @property
    def ok(self) -> bool:
        return all(scope.ok for scope in self.scopes)


def audit(tenant_id: str) -> Audit:
    """Compare Redis with the ledger, live: one look at Redis against the rows at their cursor and later entries.

    Raises StoreUnavailable, and journal.Stuck at an entry that cannot be read.
    """
    recovery.rebuild(tenant_id)  # a tenant that nobody has asked for since the store restarted; otherwise does nothing
    with ledger_view(tenant_id, UsageRecord.objects.all()) as view:
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
    lost = SetAsideEntry.objects.filter(tenant_id=tenant_id, has_row=False).count()
    return Audit([*seen.scopes, *differing], holds, seen.lag, users, lost)


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
    keys = [*keyspace.whole(tenant_id), *(place.key for place in ledger)]
    reply = store.run(scripts.SNAPSHOT, keys, [keyspace.hold_prefix(tenant_id)])
    _, _, counters, holds, raw = reply
    tail = [_decoded(tenant_id, entry_id, _pairs(fields)) for entry_id, fields in raw]
    tail = [entry for entry in tail if keyspace.stream_id(entry.id) > keyspace.stream_id(cursor)]
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


def _decoded(tenant_id: str, entry_id: bytes, fields: dict[bytes, bytes]) -> journal.Entry:
    try:
        return journal.Entry.decode(entry_id, fields)
    except (KeyError, TypeError, ValueError) as error:
        raise journal.Stuck(tenant_id, entry_id, error) from error


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
