"""Fernhill Labs, most of a month into its budget: for pictures, and for tests that want a page with something on it.

Rows and rollups are written as the drain would have written them, the counters are built from them by the product
itself, and what only Redis knows (holds, refusals) is put there in the ledger's own shapes. The same each time, but for
the dates, which end now.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from budgets import keyspace, recovery
from budgets.holds import OpenHold, written
from budgets.models import Cap, Crossing, DailySpend, UsageRecord
from budgets.money import NANO, parse_usd
from budgets.refusals import Refused
from budgets.services import set_key_cap, set_tenant_cap
from budgets.windows import windows_of
from tenants import services, store
from tenants.models import ApiKey, KeyMode, Membership, Tenant, User
from tenants.services import Actor, NewPerson
from tokonomics.console.services import opening

PASSWORD = "a long enough secret"
OWNER = "owner@fernhill.example"
# name, cap a month, cap a day, weight, models
KEYS = (
    ("support-bot", "500", None, 38, ("gpt-4o", "gpt-4o-mini")),
    ("search-rerank", None, None, 24, ("text-embedding-3-small", "gpt-4o-mini")),
    ("nightly-batch", "400", "15", 22, ("gpt-4o-mini",)),
    ("dev-team", "150", None, 9, ("claude-sonnet-4-5",)),
    ("staging", "50", None, 5, ("gpt-4o",)),
    ("analytics", None, None, 2, ("claude-haiku-4-5",)),
    ("intranet", "20", None, 1, ("gpt-4o-mini",)),
)
PRICE = {"input": 2_500_000_000, "output": 10_000_000_000, "cache_read": 1_250_000_000}
PRICE |= {"cache_write_5m": 2_500_000_000, "cache_write_1h": 2_500_000_000}


def usd(text: str) -> int:
    return parse_usd(text, decimals=9)


@dataclass
class Fernhill:
    """`now` is the moment that everything ends at, UTC."""

    tenant: Tenant
    owner: User
    keys: dict[str, ApiKey]
    now: datetime
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**9)))

    @property
    def home(self) -> str:
        return f"/t/{self.tenant.slug}/"

    def member(self, role: str) -> User:
        user = User.objects.create_user(f"{role}@fernhill.example", PASSWORD)
        Membership.objects.create(tenant=self.tenant, user=user, role=role)
        return user

    # --- Money that was spent ----------------------------------------------------------------------------------------

    def record(
        self, key: str, *, at: datetime | None = None, cost: int = 12_695_000, model: str = "gpt-4o", **more: Any
    ) -> UsageRecord:
        """One row as the drain writes it; its rollup too. The counters follow with `count()`."""
        at = at or self.now - timedelta(seconds=next(self.numbers))
        api_key = self.keys[key]
        given: dict[str, Any] = {
            "id": f"req_{next(self.numbers):020d}",
            "tenant": self.tenant,
            "api_key": api_key,
            "mode": api_key.mode,
            "provider": "anthropic" if model.startswith("claude") else "openai",
            "model": model,
            "endpoint": "/v1/chat/completions",
            "status": "settled",
            "cost": cost,
            "held": max(cost, 163_840_000),
            "input_tokens": 2310,
            "output_tokens": 692,
            "usage": {"input_tokens": 2310, "output_tokens": 692},
            "price": PRICE,
            "http_status": 200,
            "duration_ms": 6100,
            "day": at.date(),
            "reserved_at": at,
            "settled_at": at + timedelta(milliseconds=more.get("duration_ms", 6100) + 4),
        } | more
        row = UsageRecord.objects.create(**given)
        self.roll_up(key, at.date(), row.model, row.cost, 1, provider=row.provider, end_user=row.end_user)
        return row

    def roll_up(
        self, key: str, day: date, model: str, cost: int, requests: int, *, provider: str = "openai", end_user: str = ""
    ) -> None:
        row, _ = DailySpend.objects.get_or_create(**self.sold(key, day, model, provider=provider, end_user=end_user))
        row.cost, row.requests = row.cost + cost, row.requests + requests
        row.input_tokens, row.output_tokens = row.input_tokens + 2310 * requests, row.output_tokens + 692 * requests
        row.save()

    def sold(self, key: str, day: date, model: str, *, provider: str, end_user: str) -> dict[str, Any]:
        """What one rollup is of."""
        api_key = self.keys[key]
        whose = {"tenant": self.tenant, "api_key": api_key, "mode": api_key.mode, "end_user": end_user}
        return whose | {"day": day, "provider": provider, "model": model}

    def count(self) -> None:
        """Build the counters in Redis from what the database says."""
        recovery.rebuild(self.tenant.pk, grace_seconds=0, force=True)

    # --- What only Redis knows ---------------------------------------------------------------------------------------

    def hold(self, key: str, amount: int, *, model: str = "gpt-4o", ago: int = 2) -> str:
        """A request in flight."""
        api_key, hold_id = self.keys[key], f"req_{next(self.numbers):020d}"
        at = int((self.now - timedelta(seconds=ago)).timestamp() * 1000)
        counters = self._counters(api_key)
        meta = {"key": api_key.pk, "mode": api_key.mode, "provider": "openai", "model": model, "user": ""}
        meta |= {"endpoint": "/v1/chat/completions", "stream": True, "price": PRICE}
        redis, name = store.client(), keyspace.hold(self.tenant.pk, hold_id)
        redis.set(name, written(OpenHold(amount, tuple(counters), at, "test", orjson.dumps(meta))))
        redis.zadd(keyspace.holds(self.tenant.pk), {hold_id: at + 60_000_000})
        for counter in counters:
            redis.hincrby(counter, "held", amount)
        return hold_id

    def refuse(
        self,
        key: str,
        *,
        code: str = "budget_cap_exceeded",
        scope: str = "api_key",
        reason: str = "spent",
        message: str = "Daily spending limit for this key reached. Contact your administrator.",
        times: int = 1,
        ago: int = 3,
        model: str = "gpt-4o-mini",
        window: str = "day",
    ) -> Refused:
        """`times`: how many are counted; one is kept in full."""
        api_key = self.keys[key]
        at = self.now - timedelta(seconds=ago)
        number = next(self.numbers)
        refused = Refused(
            at_ms=int(at.timestamp() * 1000),
            request_id=f"rq_{number:020d}",
            key_id=api_key.pk,
            mode=api_key.mode,
            code=code,
            reason=reason,
            scope=scope,
            model=model,
            message=message,
        )
        redis, tenant_id = store.client(), self.tenant.pk
        redis.hincrby(keyspace.refusals(tenant_id, at.date().isoformat()), f"{code}:{api_key.pk}", times)
        line = {"at_ms": refused.at_ms, "request_id": refused.request_id, "key_id": refused.key_id}
        line |= {"mode": refused.mode, "code": code, "reason": reason, "scope": scope, "model": model}
        redis.xadd(keyspace.recent_refusals(tenant_id), {"r": orjson.dumps({**line, "message": message})})
        if code == "budget_cap_exceeded" and scope == "api_key":
            suffix = getattr(windows_of(self.now.date()), window).suffix
            redis.hset(keyspace.key_counter(tenant_id, api_key.pk, suffix), "refused", "1")
        elif code == "budget_cap_exceeded":
            suffix = windows_of(self.now.date()).month.suffix
            redis.hset(keyspace.tenant_counter(tenant_id, api_key.mode, suffix), "refused", "1")
        return refused

    def _counters(self, api_key: ApiKey) -> list[str]:
        windows = windows_of(self.now.date())
        return [
            keyspace.tenant_counter(self.tenant.pk, api_key.mode, windows.month.suffix),
            keyspace.key_counter(self.tenant.pk, api_key.pk, windows.month.suffix),
            keyspace.key_counter(self.tenant.pk, api_key.pk, windows.day.suffix),
        ]


def founded(*, cap: str | None = "1200", hard: bool = True, keys: tuple[Any, ...] = (), name: str = "") -> Fernhill:
    """The company with its owner, its cap and its keys; nothing spent."""
    with opening(name=name or "Fernhill Labs", owner=NewPerson(OWNER, PASSWORD)) as company:
        pass
    tenant, actor = company.tenant, Actor.operator()
    if cap is not None:
        set_tenant_cap(tenant=tenant, amount=usd(cap), hard=hard, actor=actor)
    made = {}
    for key_name, month, day, *_ in keys:
        key = services.create_api_key(tenant=tenant, name=key_name, actor=actor).key
        for window, amount in (("month", month), ("day", day)):
            if amount is not None:
                set_key_cap(tenant=tenant, key_id=key.pk, window=window, amount=usd(amount), actor=actor)
        made[key_name] = key
    made["sandbox"] = services.create_api_key(tenant=tenant, name="sandbox", mode=KeyMode.TEST, actor=actor).key
    Cap.objects.filter(tenant=tenant).update(updated_at=datetime.now(UTC) - timedelta(days=2))
    tenant.refresh_from_db()
    return Fernhill(tenant, company.owner, made, datetime.now(UTC))


def most_of_a_month() -> Fernhill:
    """With spend on each day up to now, requests in flight, one key at its daily wall and one at its monthly."""
    fernhill = founded(keys=KEYS)
    month = windows_of(fernhill.now.date()).month
    Tenant.objects.filter(pk=fernhill.tenant.pk).update(created_at=datetime.fromtimestamp(month.start, UTC))
    fernhill.tenant.refresh_from_db()
    chance = random.Random(19)
    days = (fernhill.now.date() - month.first_day).days + 1
    spent = (row for n in range(days) for row in _a_day(fernhill, month.first_day + timedelta(days=n), chance))
    DailySpend.objects.bulk_create(spent)
    _last_requests(fernhill)
    _up_to(fernhill, "support-bot", usd("418.42"))
    _up_to(fernhill, "staging", usd("49.98"))
    fernhill.count()
    fernhill.hold("support-bot", usd("2.10"))
    fernhill.hold("search-rerank", usd("4.28"), model="gpt-4o-mini", ago=9)
    needs = " This request could cost up to $0.0121 and $0.0087 is left."
    message = "Daily spending limit for this key reached. Contact your administrator." + needs
    fernhill.refuse("nightly-batch", times=2914, message=message, ago=1)
    monthly = "Monthly spending limit for this key reached. Contact your administrator."
    fernhill.refuse("staging", times=31, window="month", message=monthly, ago=40)
    fernhill.refuse(
        "dev-team", code="model_not_allowed", scope="", reason="", ago=70, times=4, model="gpt-5",
        message="This API key may not use the model 'gpt-5'.",
    )  # fmt: skip
    return fernhill


def _a_day(fernhill: Fernhill, day: date, chance: random.Random) -> Iterator[DailySpend]:
    today = day == fernhill.now.date()
    busy = 12 if day.weekday() >= 5 else 44
    if today:
        busy = busy * fernhill.now.hour // 24
    for name, _, _, weight, models in KEYS:
        if name == "staging" and day.day > 12:
            continue
        share = min(11_000, busy * weight * 10) if name == "nightly-batch" and today else busy * weight * 10
        for position, model in enumerate(models):
            cost = share * NANO // 1000 * chance.randint(70, 130) // 100 // (1 + position)
            provider = "anthropic" if model.startswith("claude") else "openai"
            users = ("", "3f2a9c41d07be6aa9c1203bd", "9d41c0be6aa9c1203bd3f2a1") if name == "support-bot" else ("",)
            for user in users:
                requests = chance.randint(40, 400)
                yield DailySpend(
                    **fernhill.sold(name, day, model, provider=provider, end_user=user),
                    cost=cost // len(users),
                    requests=requests,
                    input_tokens=2310 * requests,
                    output_tokens=692 * requests,
                )


def _up_to(fernhill: Fernhill, key: str, amount: int) -> None:
    """Raise or lower the first day of a key so that its month comes to an amount."""
    rows = list(DailySpend.objects.filter(api_key=fernhill.keys[key]).order_by("day"))
    total = sum(row.cost for row in rows)
    for row in rows:
        row.cost = row.cost * amount // max(1, total)
    rows[0].cost += amount - sum(row.cost for row in rows)
    DailySpend.objects.bulk_update(rows, ["cost"])


def _last_requests(fernhill: Fernhill) -> None:
    cached = {"input_tokens": 2410, "cache_read_tokens": 15_900, "output_tokens": 1977}
    fernhill.record(
        "search-rerank", model="text-embedding-3-small", cost=409_600, input_tokens=20_480, output_tokens=0,
        usage={"input_tokens": 20_480}, duration_ms=212, at=fernhill.now - timedelta(seconds=4),
    )  # fmt: skip
    fernhill.record(
        "dev-team", model="claude-sonnet-4-5", cost=84_370_000, input_tokens=18_310, output_tokens=1977,
        usage=cached, duration_ms=21_400, at=fernhill.now - timedelta(seconds=6),
    )  # fmt: skip
    fernhill.record("support-bot", at=fernhill.now - timedelta(seconds=11))
    fernhill.record(
        "support-bot", status="charged_at_hold", flags=["client_gone", "usage_missing"], cost=163_840_000, usage={},
        duration_ms=60_000, at=fernhill.now - timedelta(seconds=18),
    )  # fmt: skip
    fernhill.record(
        "analytics", model="claude-haiku-4-5", status="provider_error", cost=0, http_status=529, usage={},
        input_tokens=0, output_tokens=0, duration_ms=380, at=fernhill.now - timedelta(seconds=25),
    )  # fmt: skip
    for n in range(5):
        fernhill.record("intranet", model="gpt-4o-mini", cost=900_000 + n, at=fernhill.now - timedelta(minutes=n + 1))


def crossed(fernhill: Fernhill, percent: int = 50, when: datetime | None = None) -> Crossing:
    cap = fernhill.tenant.caps.get(api_key=None, mode=KeyMode.LIVE)
    return Crossing.objects.create(
        cap=cap,
        tenant=fernhill.tenant,
        window_start=windows_of(fernhill.now.date()).month.first_day,
        threshold_percent=percent,
        limit=cap.amount,
        spent=cap.amount * percent // 100,
        created_at=when or fernhill.now - timedelta(days=8),
    )
