"""A company with a budget of 100.00 and a key, ways to spend, and real receivers on loopback."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.db import transaction
from django.utils import timezone

from alerts import outbox, pump, services
from alerts.models import AlertChannel, AlertRule, Delivery
from alerts.services import NewChannel, RuleChange
from budgets import crossings, keyspace, live
from budgets.claims import Counter, Request, hold_id
from budgets.lanes import Lane
from budgets.ledger import Ledger
from budgets.models import Cap
from budgets.money import NANO, parse_usd
from budgets.services import set_tenant_cap
from budgets.windows import Window, windows_at
from tenants import policy
from tenants.models import ApiKey, Tenant
from tenants.services import Actor
from tests.alerts.receivers import Mailbox, Receiver, mail_server
from tests.api.conftest import Company, found, record_usage
from tests.support.valkey import ValkeyServer

BY = Actor.operator()
SLACK, HOOK = "/services/T000/B000/XXXX", "/hook"


@dataclass
class House:
    """The company under test and short ways to say what happens."""

    company: Company

    @property
    def tenant(self) -> Tenant:
        return self.company.tenant

    @property
    def key(self) -> ApiKey:
        return self.company.key

    def cap(self) -> Cap:
        return Cap.objects.get(tenant=self.tenant, api_key=None, mode="live")

    def month(self) -> Window:
        return windows_at(live.now()).month

    def spend(self, usd: str, *, key: ApiKey | None = None, at: datetime | None = None, **fields: Any) -> None:
        """A settled request of this cost, found by the drain."""
        spender = key or self.key
        moment = at or datetime.now(UTC)
        with transaction.atomic():
            record_usage(self.company, parse_usd(usd, decimals=9), key=spender, at=moment, **fields)
            crossings.record(self.tenant.pk, {(moment.date(), spender.pk, spender.mode)}, {})

    async def storm(self, redis_url: str, *, requests: int, cost: int) -> None:
        """As many requests at once, through the real ledger; each settles at `cost` and refusals are of no account."""
        lane = Lane(redis_url, timeout=5)
        await lane.command("PING")
        ledger = Ledger(lane, "worker", lease_seconds=60)
        version = await asyncio.to_thread(policy.current, self.tenant.pk)
        windows = ledger.windows()
        month, tenant = windows.month, keyspace.tenant_counter(self.tenant.pk, "live", windows.month.suffix)
        counters = (Counter("tenant", month, tenant, 100 * NANO, True),)
        request = Request(self.tenant.pk, self.key.pk, "live", "openai", "gpt-4o", "/chat/completions", "", False, ())

        async def one() -> None:
            held = await ledger.reserve(
                request, counters, day=windows.day, version=version, least=cost, most=cost, hold=hold_id()
            )
            await ledger.settle_soon(held, cost, orjson.dumps({"status": "settled", "in": 1, "out": 1, "http": 200}))

        try:
            await asyncio.gather(*(one() for _ in range(requests)))
        finally:
            await lane.aclose()

    def channel(self, kind: str, target: str, name: str = "") -> NewChannel:
        return services.create_channel(tenant=self.tenant, kind=kind, target=target, name=name, actor=BY)

    def rule(self, percent: int | None, *channels: AlertChannel, **asked: Any) -> AlertRule:
        change = RuleChange(threshold_percent=percent, channels=[each.pk for each in channels], **asked)
        return services.create_rule(tenant=self.tenant, actor=BY, asked=change)

    def budget(self, usd: int, **options: Any) -> Cap:
        return set_tenant_cap(tenant=self.tenant, amount=usd * NANO, actor=BY, **options)

    def tell(self) -> int:
        """What the task does after a drain: crossings become deliveries, and those are sent."""
        outbox.take_up([self.tenant.pk])
        return pump.run()

    def later(self, **ago: float) -> None:
        """Let time pass for what waits: everything that is queued becomes due."""
        Delivery.objects.exclude(due_at=None).update(due_at=timezone.now() - timedelta(**ago or {"seconds": 1}))


@pytest.fixture
def reachable(settings: Any) -> None:
    """Receivers on loopback are allowed, as the operator of an intranet allows them."""
    settings.ALERTS_ALLOW_PRIVATE_URLS = True


@pytest.fixture
def house(transactional_db: None, store: ValkeyServer, reachable: None) -> House:
    """Without the rules and the channel that a company starts with: each test says its own."""
    house = House(found("Fernhill"))
    house.budget(100)
    for rule in AlertRule.objects.filter(tenant=house.tenant):
        services.remove_rule(tenant=house.tenant, rule_id=rule.pk, actor=BY)
    AlertChannel.objects.all().delete()
    return house


@pytest.fixture
def newborn(transactional_db: None, store: ValkeyServer, reachable: None) -> House:
    """As it starts."""
    house = House(found("Fernhill"))
    house.budget(100)
    return house


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def mail(settings: Any) -> Iterator[Mailbox]:
    """A mail server, set as EMAIL_URL would set it."""
    with mail_server() as (box, port):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        settings.EMAIL_URL = f"smtp://127.0.0.1:{port}"
        yield box
