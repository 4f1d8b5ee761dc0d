"""What the operator's page knows: what is in flight, what was charged unknown, what the last audit found.

Of the companies that were seen lately, so that the page costs the same however many there are.
"""

import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.core.cache import cache
from django.db.models import Count, Sum

from budgets import auditing, keyspace, recovery
from budgets.models import UsageRecord, UsageStatus
from budgets.money import format_usd
from tenants import store
from tenants.audit import Actor, record
from tenants.models import Tenant

MOST_COMPANIES = 100
MOST_HOLDS = 200
"""Of each company, those whose leases end first."""
MOST_AUDITED = 500
AUDIT_SECONDS = 20.0
KEPT_SECONDS = 7 * 86_400
AUDIT_KEY = "operator:audit"
UNKNOWN = (UsageStatus.CHARGED_AT_HOLD, UsageStatus.LEASE_ENDED)


@dataclass(frozen=True, slots=True)
class Hold:
    """One request in flight; `owner` is the web process that has it, `host:pid`."""

    tenant: Tenant
    id: str
    amount: int
    at: datetime
    owner: str
    lease_end: datetime


@dataclass(frozen=True, slots=True)
class Company:
    """One company now. `waiting`: entries of its journal that are not rows yet. `charged`: rows of the last day that
    were charged at their holds; `breaches`: rows of the last 30 days that cost more than was held for them."""

    tenant: Tenant
    holds: int
    held: int
    overdue: int
    waiting: int
    charged: int
    charged_amount: int
    breaches: int


@dataclass(frozen=True, slots=True)
class Owner:
    name: str
    holds: int
    held: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """A counter that is not what the ledger says, nanodollars."""

    tenant_id: str
    scope: str
    window: str
    redis_spent: int
    ledger_spent: int
    redis_held: int
    expected_held: int


@dataclass(frozen=True, slots=True)
class Audited:
    """The last look at all. `left_out`: companies that there was no time for, or that could not be looked at."""

    at: float
    companies: int
    left_out: int
    differences: list[Difference]

    @property
    def when(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


@dataclass(frozen=True, slots=True)
class Overview:
    now: datetime
    companies: list[Company]
    owners: list[Owner]
    oldest: list[Hold]
    breaches: list[UsageRecord]
    audited: Audited | None

    @property
    def overdue(self) -> int:
        return sum(company.overdue for company in self.companies)

    @property
    def waiting(self) -> int:
        return sum(company.waiting for company in self.companies)


def overview() -> Overview:
    """Raises StoreUnavailable."""
    now = store.now()
    tenants = _lately_seen(MOST_COMPANIES)
    flying = {tenant.pk: _in_flight(tenant) for tenant in tenants}
    holds = [hold for found, _, _ in flying.values() for hold in found]
    when = datetime.fromtimestamp(now, UTC)
    charged, breaches = _charged(list(flying), when), _breaches(list(flying), when)
    companies = []
    for tenant in tenants:
        found, total, waiting = flying[tenant.pk]
        count, amount = charged.get(tenant.pk, (0, 0))
        companies.append(
            Company(
                tenant,
                holds=total,
                held=sum(hold.amount for hold in found),
                overdue=sum(hold.lease_end < when for hold in found),
                waiting=waiting,
                charged=count,
                charged_amount=amount,
                breaches=sum(row.tenant_id == tenant.pk for row in breaches),
            )
        )
    companies.sort(key=lambda one: (-one.overdue, -one.breaches, -one.held, -one.charged_amount, one.tenant.name))
    oldest = sorted(holds, key=lambda hold: hold.at)[:20]
    return Overview(when, companies, _owners(holds), oldest, breaches[:20], last_audit())


def _lately_seen(most: int) -> list[Tenant]:
    """The companies whose requests came lately, the newest first."""
    names = recovery.active_tenants()[::-1][:most]
    known = Tenant.objects.in_bulk(names)
    return [known[name] for name in names if name in known]


def _in_flight(tenant: Tenant) -> tuple[list[Hold], int, int]:
    """Its open holds (the first to end), how many there are, and how many journal entries wait."""
    client, key = store.client(), keyspace.holds(tenant.pk)
    try:
        with client.pipeline(transaction=False) as pipe:
            pipe.zcard(key)
            pipe.xlen(keyspace.journal(tenant.pk))
            pipe.zrange(key, 0, MOST_HOLDS - 1, withscores=True)
            total, waiting, ends = pipe.execute()
            for hold_id, _ in ends:
                pipe.hmget(keyspace.hold(tenant.pk, hold_id.decode()), "state", "amount", "at", "o")
            fields: list[Any] = pipe.execute() if ends else []
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error
    holds = [
        Hold(tenant, hold_id.decode(), int(amount), _at(int(at)), owner.decode(), _at(int(end)))
        for (hold_id, end), (state, amount, at, owner) in zip(ends, fields, strict=True)
        if state == b"open"
    ]
    return holds, int(total), int(waiting)


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _owners(holds: list[Hold]) -> list[Owner]:
    by_name: dict[str, list[Hold]] = defaultdict(list)
    for hold in holds:
        by_name[hold.owner].append(hold)
    return [
        Owner(name, len(theirs), sum(hold.amount for hold in theirs), min(hold.at for hold in theirs))
        for name, theirs in sorted(by_name.items())
    ]


def _charged(tenant_ids: list[str], now: datetime) -> dict[str, tuple[int, int]]:
    """How many rows of the last day were charged at their holds, and how much that was, by company."""
    rows = UsageRecord.objects.filter(tenant_id__in=tenant_ids, reserved_at__gte=now - timedelta(days=1))
    sums = rows.filter(status__in=UNKNOWN).values("tenant_id").annotate(count=Count("id"), cost=Sum("cost"))
    return {row["tenant_id"]: (row["count"], row["cost"]) for row in sums.order_by()}


def _breaches(tenant_ids: list[str], now: datetime) -> list[UsageRecord]:
    """Rows of the last 30 days that cost more than was held for them, the newest first."""
    rows = UsageRecord.objects.filter(tenant_id__in=tenant_ids, reserved_at__gte=now - timedelta(days=30))
    return list(rows.filter(flags__icontains="bound_breach").select_related("tenant").order_by("-reserved_at")[:200])


# --- The audit -------------------------------------------------------------------------------------------------------


def audit_now() -> Audited:
    """Compare Redis with the ledger for the companies seen lately, and keep what was found. Raises StoreUnavailable."""
    started, differences, done = time.monotonic(), [], 0
    tenants = _lately_seen(MOST_AUDITED)
    for tenant in tenants:
        if time.monotonic() - started > AUDIT_SECONDS:
            break
        differences += differences_of(tenant.pk)
        done += 1
    found = Audited(store.now(), done, len(tenants) - done, differences)
    cache.set(AUDIT_KEY, asdict(found), KEPT_SECONDS)
    return found


def differences_of(tenant_id: str) -> list[Difference]:
    """Of one company, now. Raises StoreUnavailable."""
    return [_difference(scope) for scope in auditing.audit(tenant_id).scopes if not scope.ok]


def _difference(scope: auditing.ScopeAudit) -> Difference:
    return Difference(
        tenant_id=scope.tenant_id,
        scope=scope.place.scope,
        window=scope.place.window.suffix,
        redis_spent=scope.redis_spent,
        ledger_spent=scope.ledger_spent,
        redis_held=scope.redis_held,
        expected_held=scope.expected_held,
    )


def last_audit() -> Audited | None:
    """What the last `audit_now` of any process found."""
    kept = cache.get(AUDIT_KEY)
    if kept is None:
        return None
    return Audited(**{**kept, "differences": [Difference(**one) for one in kept["differences"]]})


def mend(tenant: Tenant, actor: Actor) -> list[Difference]:
    """Move each counter of a company by what it differs now, and write it down. Raises StoreUnavailable."""
    audit = auditing.audit(tenant.pk)
    found = [_difference(scope) for scope in audit.scopes if not scope.ok]
    if auditing.mend(audit):
        record(tenant, actor, "ledger.mended", target_id=tenant.pk, target=tenant.name, changes=_changes(found))
    cache.delete(AUDIT_KEY)
    return found


def _changes(found: list[Difference]) -> dict[str, tuple[str, str]]:
    changes = {}
    for one in found:
        for name, before, after in (
            ("spent", one.redis_spent, one.ledger_spent),
            ("held", one.redis_held, one.expected_held),
        ):
            if before != after:
                changes[f"{one.scope} {one.window} {name}"] = (f"${format_usd(before)}", f"${format_usd(after)}")
    return changes
