"""What the operator's page knows: every company in figures, and what is in flight on one page of them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from budgets import holds as kept
from budgets import keyspace
from budgets.models import UsageRecord
from tenants import store
from tokonomics.console import companies, drift
from tokonomics.console.companies import Company, Totals

ON_A_PAGE = 50
MOST_HOLDS = 200
"""Of each company, those whose leases end first."""
MOST_OLDEST = 20


@dataclass(frozen=True, slots=True)
class Hold:
    """One request in flight; `owner` is the web process that has it, `host:pid`."""

    company: Company
    id: str
    amount: int
    at: datetime
    owner: str
    lease_end: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """A company of the page. `held`: of its first MOST_HOLDS holds."""

    company: Company
    held: int


@dataclass(frozen=True, slots=True)
class Owner:
    name: str
    holds: int
    held: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """`found`: how many companies the words that were searched for match; all of them without any."""

    rows: list[Row]
    number: int
    pages: int
    found: int


@dataclass(frozen=True, slots=True)
class Overview:
    """`owners` and `oldest` are of the page's companies, the rest of all."""

    now: datetime
    totals: Totals
    page: Page
    owners: list[Owner]
    oldest: list[Hold]
    breaches: list[UsageRecord]
    audited: drift.Audited | None


def overview(*, search: str = "", number: int = 1) -> Overview:
    """Raises StoreUnavailable."""
    audited = drift.last_audit()
    everyone = companies.every_one(Counter(one.tenant_id for one in audited.differences) if audited else {})
    words = search.lower().split()
    found = [one for one in everyone if one.is_named(words)]
    pages = max(1, -(-len(found) // ON_A_PAGE))
    number = min(max(1, number), pages)
    shown = found[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]
    flying = holds_of([one for one in shown if one.redis.holds])
    holds = [hold for theirs in flying.values() for hold in theirs]
    now, totals = datetime.fromtimestamp(store.now(), UTC), Totals.of(everyone)
    return Overview(
        now=now,
        totals=totals,
        page=Page([Row(one, _sum(flying.get(one.id, []))) for one in shown], number, pages, len(found)),
        owners=_owners(holds),
        oldest=sorted(holds, key=lambda hold: hold.at)[:MOST_OLDEST],
        breaches=list(companies.breached(now).select_related("tenant").order_by("-reserved_at")[:20])
        if totals.breaches
        else [],
        audited=audited,
    )


def holds_of(some: Sequence[Company]) -> dict[str, list[Hold]]:
    """By company: its open holds, the first to end. Raises StoreUnavailable."""
    try:
        with store.client().pipeline(transaction=False) as pipe:
            for one in some:
                pipe.zrange(keyspace.holds(one.id), 0, MOST_HOLDS - 1, withscores=True)
            ends: list[Any] = pipe.execute() if some else []
        # One MGET a company, whose keys are all on one server; a pipeline to a Cluster takes none.
        texts: list[Any] = [
            store.client().mget([keyspace.hold(one.id, hold_id.decode()) for hold_id, _ in theirs]) if theirs else []
            for one, theirs in zip(some, ends, strict=True)
        ]
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error
    holds: dict[str, list[Hold]] = defaultdict(list)
    for one, theirs, kept_as in zip(some, ends, texts, strict=True):
        for (hold_id, end), text in zip(theirs, kept_as, strict=True):
            if (hold := kept.read(text)) is not None:
                held = (hold.amount, _at(hold.at_ms), hold.owner)
                holds[one.id].append(Hold(one, hold_id.decode(), *held, _at(int(end))))
    return holds


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _sum(holds: list[Hold]) -> int:
    return sum(hold.amount for hold in holds)


def _owners(holds: list[Hold]) -> list[Owner]:
    by_name: dict[str, list[Hold]] = defaultdict(list)
    for hold in holds:
        by_name[hold.owner].append(hold)
    return [
        Owner(name, len(theirs), _sum(theirs), min(hold.at for hold in theirs))
        for name, theirs in sorted(by_name.items())
    ]
