"""Redis against the ledger, for the operator: the last audit of all, kept; mending one company."""

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from django.core.cache import cache

from budgets import auditing, journal, recovery
from budgets.money import format_usd
from tenants import store
from tenants.audit import Actor, record
from tenants.models import Tenant

MOST_AUDITED = 500
AUDIT_SECONDS = 20.0
KEPT_SECONDS = 7 * 86_400
AUDIT_KEY = "operator:audit"


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


def audit_now() -> Audited:
    """Compare Redis with the ledger for the companies seen lately, the newest first, and keep what was found.

    Raises StoreUnavailable.
    """
    started, differences, done = time.monotonic(), [], 0
    names = recovery.active_tenants()[::-1][:MOST_AUDITED]
    for name in names:
        if time.monotonic() - started > AUDIT_SECONDS:
            break
        try:
            differences += differences_of(name)
        except journal.Stuck:
            continue  # `left_out` counts it; drain_journal says what is wrong with it
        done += 1
    found = Audited(store.now(), done, len(names) - done, differences)
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
