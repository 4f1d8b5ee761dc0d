"""The desk that `tests.support.office` talks to: one order a line on stdin, one answer a line on stdout, both JSON.

Runs with the environment of a stack, so that it is one more process of that product: its changes reach the web workers
only through the database and Redis.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tokonomics.settings")
django.setup()

from django.db import close_old_connections  # noqa: E402

from budgets import auditing, keyspace, prices, recovery, refusals, services  # noqa: E402
from budgets.models import UsageRecord  # noqa: E402
from budgets.money import parse_usd  # noqa: E402
from budgets.windows import WindowKind  # noqa: E402
from tenants import policy, store  # noqa: E402
from tenants import services as who  # noqa: E402
from tenants.models import Tenant  # noqa: E402
from tenants.services import Actor  # noqa: E402
from tokonomics.console.services import TenantOrder, create_tenant  # noqa: E402

OPERATOR = Actor.operator()
ROW = (
    *("id", "api_key_id", "provider", "model", "status", "flags", "cost", "held", "usage", "input_tokens"),
    *("output_tokens", "stream", "http_status"),
)


def usd(text: str | None) -> int | None:
    return None if text is None else parse_usd(text, decimals=9)


def found(name: str, cap: str | None, hard: bool, providers: dict[str, str]) -> dict[str, str]:
    order = TenantOrder(
        name=name,
        owner_email=f"{name.lower().replace(' ', '.')}@example.com",
        monthly_cap=usd(cap),
        hard=hard,
        providers=providers,
        test_key=True,
    )
    ready = create_tenant(order)
    assert ready.test_api_key is not None
    return {
        "id": ready.tenant.pk,
        "slug": ready.tenant.slug,
        "key": ready.api_key.secret,
        "key_id": ready.api_key.key.pk,
        "test_key": ready.test_api_key.secret,
        "management_token": ready.management_token.secret,
    }


# --- Changes: what a person or the API does --------------------------------------------------------------------------


def set_cap(tenant: Tenant, cap: str | None = None, hard: bool | None = None) -> None:
    services.set_tenant_cap(tenant=tenant, amount=usd(cap), hard=hard, actor=OPERATOR)


def set_key_cap(tenant: Tenant, key_id: str, window: str, cap: str | None) -> None:
    services.set_key_cap(tenant=tenant, key_id=key_id, window=WindowKind(window), amount=usd(cap), actor=OPERATOR)


def cap_end_users(tenant: Tenant, key_id: str, window: str, cap: str | None) -> None:
    """Each of them."""
    services.set_end_user_cap(tenant=tenant, key_id=key_id, window=WindowKind(window), amount=usd(cap), actor=OPERATOR)


def create_key(tenant: Tenant, lives_seconds: float | None = None, **fields: Any) -> dict[str, str]:
    expires_at = None if lives_seconds is None else datetime.now(UTC) + timedelta(seconds=lives_seconds)
    made = who.create_api_key(tenant=tenant, name="another", actor=OPERATOR, expires_at=expires_at, **fields)
    return {"id": made.key.pk, "secret": made.secret}


def revoke_key(tenant: Tenant, key_id: str) -> None:
    who.revoke_api_key(tenant=tenant, key_id=key_id, actor=OPERATOR)


def allow_models(tenant: Tenant, key_id: str, models: list[str]) -> None:
    who.update_api_key(tenant=tenant, key_id=key_id, actor=OPERATOR, allowed_models=models)


def set_provider(tenant: Tenant, provider: str, secret: str, **place: Any) -> None:
    who.set_provider_credential(tenant=tenant, provider=provider, secret=secret, actor=OPERATOR, **place)


def set_hold_policy(tenant: Tenant, policy: str) -> None:
    who.update_tenant(tenant=tenant, actor=OPERATOR, hold_policy=policy)


def set_price(tenant: Tenant, provider: str, model: str, **rates: str) -> None:
    """USD per 1,000,000 tokens, by kind."""
    given = {kind: parse_usd(rate, decimals=9) for kind, rate in rates.items()}
    prices.set_price(tenant=tenant, provider=provider, model=model, terms=prices.Terms(rates=given), actor=OPERATOR)


def remove_provider(tenant: Tenant, provider: str) -> None:
    who.remove_provider_credential(tenant=tenant, provider=provider, actor=OPERATOR)


def suspend(tenant: Tenant) -> None:
    who.suspend_tenant(tenant=tenant, actor=OPERATOR)


def resume(tenant: Tenant) -> None:
    who.resume_tenant(tenant=tenant, actor=OPERATOR)


def die_in_change(tenant: Tenant, cap: str, committed: bool) -> None:
    """Set a cap, and be gone the moment after the fence is up, or the moment after the commit."""
    name = "_publish" if committed else "_put_fence"
    original = getattr(policy, name)

    def last_act(*args: Any) -> None:
        if not committed:
            original(*args)
        os._exit(9)

    setattr(policy, name, last_act)
    set_cap(tenant, cap)


# --- Readings --------------------------------------------------------------------------------------------------------


def rows(tenant: Tenant) -> list[dict[str, Any]]:
    """The ledger, oldest first."""
    return list(UsageRecord.objects.filter(tenant=tenant).order_by("reserved_at", "settled_at", "id").values(*ROW))


def audit(tenant: Tenant) -> dict[str, Any]:
    """`spent` and `held` of the tenant's month; `owners` are the web workers (`host:pid`) that have holds open."""
    seen = auditing.audit(tenant.pk)
    months = [scope for scope in seen.scopes if scope.place.scope == "tenant"]
    month = max(months, key=lambda scope: scope.place.window.first_day)
    return {
        "ok": seen.ok,
        "open_holds": len(seen.open_holds),
        "owners": sorted({hold.owner for hold in seen.open_holds}),
        "journal_lag": seen.journal_lag,
        "spent": month.redis_spent,
        "held": month.redis_held,
        "held_on_all_counters": sum(scope.redis_held for scope in seen.scopes),
        "differences": [str(scope) for scope in seen.scopes if not scope.ok],
    }


def fences(tenant: Tenant) -> list[str]:
    """The tokens of changes under way, or cut off."""
    return list(policy.published(tenant.pk).fence)


def refused(tenant: Tenant) -> dict[str, int]:
    """How many requests were refused today, by code."""
    today = datetime.fromtimestamp(store.now(), UTC).date()
    counts = refusals.counts(tenant.pk, [today - timedelta(days=1), today])
    return {code: sum(by_key.values()) for code, by_key in counts.items()}


def end_leases(tenant: Tenant) -> int:
    """As if the workers had been silent for a minute: every open hold is charged and ended; how many those were."""
    holds = keyspace.holds(tenant.pk)
    for hold in store.client().zrange(holds, 0, -1):
        store.client().zadd(holds, {hold: 1})
    return recovery.end_leases(tenant.pk)


# --- The counter -----------------------------------------------------------------------------------------------------

ACTIONS: tuple[Callable[..., Any], ...] = (
    *(set_cap, set_key_cap, cap_end_users, create_key, revoke_key, allow_models, set_provider, remove_provider),
    *(suspend, resume, set_price, set_hold_policy, die_in_change, rows, audit, fences, refused, end_leases),
)
BY_NAME = {action.__name__: action for action in ACTIONS}


def serve(do: str, tenant: str | None = None, **rest: Any) -> Any:
    close_old_connections()  # as every request does: the database may have been away meanwhile
    if do == "found":
        return found(**rest)
    return BY_NAME[do](Tenant.objects.get(pk=tenant), **rest)


def main() -> None:
    for line in sys.stdin:
        try:
            answer = {"answer": serve(**json.loads(line))}
        except Exception:
            answer = {"failed": traceback.format_exc()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
