"""Every company of the installation in a few figures, trouble first: for the operator's page, however many there are.

Redis is asked, in one pipeline for many, about those that were seen this month: a journal that is stuck outlives its
company's requests. Rows are summed over all at most once a minute, for there may be very many of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.core.cache import cache
from django.db.models import Count, Sum

from budgets import keyspace, recovery
from budgets.models import UsageRecord, UsageStatus
from tenants import store
from tenants.models import Tenant
from tokonomics.console import presentation as show

AT_ONCE = 500
"""Companies asked about in one pipeline."""
ASKED_SECONDS = 31 * 86_400
LATE_SECONDS = 60
"""A journal that waits longer is trouble; below it, the drain is only at work."""
ROWS_KEY, ROWS_SECONDS = "operator:rows", 60
UNKNOWN = (UsageStatus.CHARGED_AT_HOLD, UsageStatus.LEASE_ENDED)


@dataclass(frozen=True, slots=True)
class InRedis:
    """`overdue`: holds past the end of their lease. `waiting`: entries of the journal that are not rows yet; `lag`: for
    how many seconds the oldest of them has been."""

    holds: int = 0
    overdue: int = 0
    waiting: int = 0
    lag: int = 0


@dataclass(frozen=True, slots=True)
class InRows:
    """`charged`: rows of the last day that were charged at their holds; `breaches`: rows of the last 30 days that cost
    more than was held for them."""

    charged: int = 0
    charged_amount: int = 0
    breaches: int = 0


@dataclass(frozen=True, slots=True)
class Company:
    """`differing`: counters that were not what the ledger says when they were last audited."""

    id: str
    name: str
    slug: str
    suspended: bool
    active: bool
    redis: InRedis
    rows: InRows
    differing: int = 0

    @property
    def lags(self) -> bool:
        return self.redis.lag > LATE_SECONDS

    @property
    def lag_words(self) -> str:
        """`3 min 20 s`."""
        return show.took(self.redis.lag * 1000)

    @property
    def trouble(self) -> tuple[int, ...]:
        """What sorts first: drift, bound breaches, a journal that lags, holds past their lease."""
        return (
            self.differing,
            self.rows.breaches,
            self.redis.lag * self.lags,
            self.redis.overdue,
            self.rows.charged_amount,
        )

    def is_named(self, words: Sequence[str]) -> bool:
        text = f"{self.name} {self.slug}".lower()
        return all(word in text or word == self.id.lower() for word in words)


@dataclass(frozen=True, slots=True)
class Totals:
    """Over all companies. `charged_amount` in nanodollars."""

    companies: int
    active: int
    troubled: int
    holds: int
    overdue: int
    waiting: int
    charged: int
    charged_amount: int
    breaches: int

    @classmethod
    def of(cls, companies: Sequence[Company]) -> "Totals":
        return cls(
            companies=len(companies),
            active=sum(one.active for one in companies),
            troubled=sum(any(one.trouble[:4]) for one in companies),
            holds=sum(one.redis.holds for one in companies),
            overdue=sum(one.redis.overdue for one in companies),
            waiting=sum(one.redis.waiting for one in companies),
            charged=sum(one.rows.charged for one in companies),
            charged_amount=sum(one.rows.charged_amount for one in companies),
            breaches=sum(one.rows.breaches for one in companies),
        )


def every_one(differing: Mapping[str, int]) -> list[Company]:
    """All, trouble first, then what has most in flight, then by name. `differing`: counters by company.

    Raises StoreUnavailable.
    """
    now = store.now()
    lately = set(recovery.active_tenants())
    in_redis = dict(_in_redis(recovery.active_tenants(ASKED_SECONDS), now))
    in_rows = _in_rows(datetime.fromtimestamp(now, UTC))
    found = [
        Company(
            id=ident,
            name=name,
            slug=slug,
            suspended=suspended is not None,
            active=ident in lately,
            redis=in_redis.get(ident, InRedis()),
            rows=in_rows.get(ident, InRows()),
            differing=differing.get(ident, 0),
        )
        for ident, name, slug, suspended in Tenant.objects.values_list("pk", "name", "slug", "suspended_at")
    ]
    return sorted(found, key=lambda one: ([-part for part in one.trouble], -one.redis.holds, one.name.lower(), one.id))


def _in_redis(names: Sequence[str], now: float) -> Iterator[tuple[str, InRedis]]:
    milliseconds = int(now * 1000)
    for some in (names[at : at + AT_ONCE] for at in range(0, len(names), AT_ONCE)):
        answers = iter(_asked(some, milliseconds))
        for name in some:
            holds, overdue, waiting, oldest = (next(answers) for _ in range(4))
            lag = (milliseconds - int(oldest[0][0].partition(b"-")[0])) // 1000 if oldest else 0
            yield name, InRedis(int(holds), int(overdue), int(waiting), max(0, lag))


def _asked(names: Iterable[str], milliseconds: int) -> list[Any]:
    """Four answers a company."""
    try:
        with store.client().pipeline(transaction=False) as pipe:
            for name in names:
                pipe.zcard(keyspace.holds(name))
                pipe.zcount(keyspace.holds(name), "-inf", f"({milliseconds}")
                pipe.xlen(keyspace.journal(name))
                pipe.xrange(keyspace.journal(name), count=1)
            return list(pipe.execute())
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error


def _in_rows(now: datetime) -> dict[str, InRows]:
    kept: dict[str, tuple[int, int, int]] | None = cache.get(ROWS_KEY)
    if kept is None:
        kept = _summed(now)
        cache.set(ROWS_KEY, kept, ROWS_SECONDS)
    return {name: InRows(*figures) for name, figures in kept.items()}


def _summed(now: datetime) -> dict[str, tuple[int, int, int]]:
    lately = UsageRecord.objects.filter(reserved_at__gte=now - timedelta(days=1), status__in=UNKNOWN).order_by()
    charged = {
        row["tenant_id"]: (row["count"], row["cost"])
        for row in lately.values("tenant_id").annotate(count=Count("id"), cost=Sum("cost"))
    }
    breaches = dict(breached(now).order_by().values("tenant_id").annotate(n=Count("id")).values_list("tenant_id", "n"))
    return {name: (*charged.get(name, (0, 0)), breaches.get(name, 0)) for name in charged.keys() | breaches.keys()}


def breached(now: datetime) -> Any:
    """Rows of the last 30 days that cost more than was held for them."""
    return UsageRecord.objects.filter(reserved_at__gte=now - timedelta(days=30), flags__icontains="bound_breach")
