"""Beyond the ladder: a cap that this pace reaches, and a key that spends far faster than usual (the runaway loop).

The burn rate is seen through two windows: the last hour says that it matters, the last five minutes that it goes on.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min, Q, Sum

from alerts import ladder, outbox
from alerts.facts import Facts, of_cap
from alerts.models import AlertEvent, AlertRule, EventType, RuleKind, RuleScope
from budgets import live
from budgets.models import Cap, DailySpend, UsageRecord
from budgets.windows import windows_at
from tenants import policy
from tenants.errors import KeyNotActive, PolicyUnavailable
from tenants.models import ApiKey, KeyMode, Tenant
from tenants.services import Actor, pause_api_key

log = logging.getLogger(__name__)

HOUR, SHORT = timedelta(hours=1), timedelta(minutes=5)
USUAL_DAYS = 7


def look() -> int:
    """Look at every tenant with such rules; how many deliveries came of it."""
    kinds = [RuleKind.FORECAST, RuleKind.BURN_RATE]
    now = live.now()
    tenants = Tenant.objects.filter(alert_rules__kind__in=kinds, suspended_at=None).distinct()
    return sum(forecasts(tenant, now) + burn_rates(tenant, now) for tenant in tenants)


# --- Forecast --------------------------------------------------------------------------------------------------------


def forecasts(tenant: Tenant, now: float) -> int:
    """Caps that this pace reaches before they reset: told once a window and amount."""
    rules = ladder.rules_of(tenant.pk, RuleKind.FORECAST)
    if not rules:
        return 0
    added = 0
    for cap in Cap.objects.filter(tenant=tenant).select_related("tenant", "api_key"):
        mine = [rule for rule in rules if ladder.speaks_of(rule, cap)]
        added += _forecast(cap, mine, now) if mine else 0
    return added


def _forecast(cap: Cap, rules: list[AlertRule], now: float) -> int:
    window = windows_at(now).of(cap.window)
    key = f"forecast:{cap.pk}:{window.suffix}:{cap.amount}"
    if AlertEvent.objects.filter(key=key).exists():
        return 0
    facts = of_cap(cap, window.first_day, now=int(now))
    if facts.cap_reached_at is None:
        return 0
    listening = ladder.listeners(rules, outbox.channels_of(cap.tenant))
    with transaction.atomic():
        return outbox.add(cap.tenant, EventType.FORECAST, key, facts, listening, api_key=cap.api_key)


# --- Burn rate -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Burn:
    """What a key spent in the last hour, and in the last five minutes at the pace of an hour; nanodollars."""

    key_id: str
    hour: int
    pace: int

    def exceeds(self, usual: int, rule: AlertRule) -> bool:
        wall = usual * rule.factor
        return self.hour > wall and self.pace > wall and self.hour >= rule.least


def burn_rates(tenant: Tenant, now: float) -> int:
    rules = ladder.rules_of(tenant.pk, RuleKind.BURN_RATE)
    if not rules:
        return 0
    added = 0
    for burn in _burning(tenant, now):
        if burn.hour < min(rule.least for rule in rules) or _told_lately(burn.key_id, now):
            continue
        usual = usual_hour(tenant, burn.key_id, now)
        key = ApiKey.objects.get(pk=burn.key_id)
        mine = [rule for rule in rules if _speaks_of(rule, key) and usual and burn.exceeds(usual, rule)]
        added += _burning_too_fast(tenant, key, burn, usual, mine, now) if mine else 0
    return added


def _speaks_of(rule: AlertRule, key: ApiKey) -> bool:
    """Without a key of its own a rule looks at each live key by itself."""
    return rule.api_key_id == key.pk if rule.scope == RuleScope.API_KEY else key.mode == KeyMode.LIVE


def _burning(tenant: Tenant, now: float) -> list[Burn]:
    moment = datetime.fromtimestamp(now, UTC)
    rows = UsageRecord.objects.filter(
        tenant=tenant, reserved_at__gte=moment - HOUR, api_key__revoked_at=None, api_key__paused_at=None
    )
    short = Sum("cost", filter=Q(reserved_at__gte=moment - SHORT), default=0)
    sums = rows.order_by().values("api_key_id").annotate(hour=Sum("cost"), short=short)
    return [Burn(row["api_key_id"], row["hour"], row["short"] * (HOUR // SHORT)) for row in sums]


def usual_hour(tenant: Tenant, key_id: str, now: float) -> int:
    """What an hour of this key costs on average, by the week before today; of a new key the company's; 0: not known."""
    rows = DailySpend.objects.filter(tenant=tenant)
    return _average(rows.filter(api_key_id=key_id), now) or _average(rows.filter(mode=KeyMode.LIVE), now)


def _average(rows: Any, now: float) -> int:
    today = windows_at(now).day.first_day
    week = rows.filter(day__gte=today - timedelta(days=USUAL_DAYS), day__lt=today)
    known = week.aggregate(total=Sum("cost"), first=Min("day"))
    if known["first"] is None:
        return 0
    days: int = (today - known["first"]).days
    return int(known["total"]) // (24 * days)


def _told_lately(key_id: str, now: float) -> bool:
    since = datetime.fromtimestamp(now, UTC) - HOUR
    return AlertEvent.objects.filter(api_key_id=key_id, type=EventType.BURN_RATE, created_at__gt=since).exists()


def _burning_too_fast(tenant: Tenant, key: ApiKey, burn: Burn, usual: int, rules: list[AlertRule], now: float) -> int:
    """Tell it and, where a rule says so, pause the key: both or neither, so that no key is paused in silence."""
    listening = ladder.listeners(rules, outbox.channels_of(tenant))
    facts = _facts(tenant, key, burn, usual, now, paused=any(rule.pause for rule in rules))
    once = f"burn:{key.pk}:{int(now) // 3600}"
    if not facts.paused:
        with transaction.atomic():
            return outbox.add(tenant, EventType.BURN_RATE, once, facts, listening, api_key=key)
    try:
        with policy.within(tenant) as locked:
            pause_api_key(tenant=locked, key_id=key.pk, actor=Actor.of_rule("burn-rate alert"))
            return outbox.add(locked, EventType.BURN_RATE, once, facts, listening, api_key=key)
    except PolicyUnavailable as error:
        log.warning("%s burns too fast and could not be paused: %s", key.pk, error.message)
    except KeyNotActive:
        log.info("%s was revoked or paused before it could be paused", key.pk)
    return 0


def _facts(tenant: Tenant, key: ApiKey, burn: Burn, usual: int, now: float, *, paused: bool) -> Facts:
    return Facts(
        tenant_name=tenant.name,
        tenant_slug=tenant.slug,
        scope="api_key",
        api_key_id=key.pk,
        api_key_name=key.name,
        window="hour",
        window_start=int(now) - 3600,
        reset_at=int(now),
        now=int(now),
        limit=usual,
        spent=burn.hour,
        paused=paused,
    )
