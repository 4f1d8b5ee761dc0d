"""A company ready to work, a client that speaks as it, and a stranger's company beside it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from budgets import recovery
from budgets.models import DailySpend, UsageRecord
from budgets.money import NANO
from budgets.services import set_key_cap, set_tenant_cap
from budgets.windows import WindowKind
from tenants import services
from tenants.ids import new_id
from tenants.models import ApiKey, ProviderCredential, Tenant
from tenants.services import Actor
from tests.support.valkey import ValkeyServer
from tokonomics.console.services import opening

Reply = Any  # Django's test response: status_code, headers, json(), content


class ApiClient:
    """Speaks to /api/v1/ with one secret; `address` below it, like `keys/`."""

    def __init__(self, secret: str | None) -> None:
        self.secret, self._client = secret, Client(raise_request_exception=True)

    def __call__(self, method: str, address: str, body: Any = None, **headers: str) -> Reply:
        if self.secret is not None:
            headers.setdefault("authorization", f"Bearer {self.secret}")
        content: dict[str, Any] = {}
        if body is not None:
            content = {"data": body, "content_type": "application/json"}
        url = address if address.startswith(("/", "http")) else f"/api/v1/{address}"
        return self._client.generic(method, url, headers=headers, **_encoded(content))

    def get(self, address: str, **headers: str) -> Reply:
        return self("GET", address, **headers)

    def post(self, address: str, body: Any = None, **headers: str) -> Reply:
        return self("POST", address, body, **headers)

    def patch(self, address: str, body: Any, **headers: str) -> Reply:
        return self("PATCH", address, body, **headers)

    def delete(self, address: str) -> Reply:
        return self("DELETE", address)


def _encoded(content: dict[str, Any]) -> dict[str, Any]:
    import json

    if "data" in content and not isinstance(content["data"], bytes | str):
        content["data"] = json.dumps(content["data"])
    return content


@dataclass
class Company:
    """A tenant with a budget of 49 USD, a key of each mode, a provider's key, and tokens of each scope."""

    tenant: Tenant
    actor: Actor
    key: ApiKey
    key_secret: str
    test_key: ApiKey
    test_key_secret: str
    credential: ProviderCredential
    token_id: str
    api: ApiClient
    read_only: ApiClient


def found(name: str) -> Company:
    owner = services.NewPerson(f"owner@{name.lower()}.example")
    with opening(name=name, owner=owner) as founded:
        tenant, actor = founded.tenant, founded.actor
        set_tenant_cap(tenant=tenant, amount=49 * NANO, actor=actor)
        key, key_secret = services.create_api_key(tenant=tenant, name="support-bot", actor=actor)
        test_key, test_secret = services.create_api_key(tenant=tenant, name="trial", mode="test", actor=actor)
        set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.MONTH, amount=5 * NANO, actor=actor)
        credential = services.set_provider_credential(
            tenant=tenant, provider="openai", secret="sk-provider-secret-1234", actor=actor
        )
        token, secret = services.create_management_token(tenant=tenant, name="terraform", actor=actor)
        _, read_secret = services.create_management_token(tenant=tenant, name="grafana", scopes=["read"], actor=actor)
    return Company(
        *(tenant, actor, key, key_secret, test_key, test_secret, credential, token.pk),
        *(ApiClient(secret), ApiClient(read_secret)),
    )


@pytest.fixture
def company(db: None, store: ValkeyServer) -> Iterator[Company]:
    yield found("Fernhill")


@pytest.fixture
def stranger(company: Company) -> Company:
    return found("Stranger")


@pytest.fixture
def anybody(db: None, store: ValkeyServer) -> ApiClient:
    """Without any token."""
    return ApiClient(None)


Used = Callable[..., UsageRecord]


@pytest.fixture
def used() -> Used:
    """Writes a row of the ledger and its rollup, as the journal's drain does."""
    return record_usage


def record_usage(company: Company, cost: int = 1_234_567, *, key: ApiKey | None = None, **fields: Any) -> UsageRecord:
    key = key or company.key
    at = fields.pop("at", datetime.now(UTC))
    row = UsageRecord.objects.create(
        **{
            "id": new_id("req", 20),
            "tenant": company.tenant,
            "api_key": key,
            "mode": key.mode,
            "provider": "openai",
            "model": "gpt-4o-mini",
            "endpoint": "/v1/chat/completions",
            "status": "settled",
            "cost": cost,
            "held": cost * 2,
            "input_tokens": 100,
            "output_tokens": 20,
            "usage": {"input": 100, "output": 20},
            "price": {"input": 150_000_000, "output": 600_000_000},
            "http_status": 200,
            "duration_ms": 420,
            "day": at.date(),
            "reserved_at": at,
            "settled_at": at,
            **fields,
        }
    )
    where = {name: getattr(row, name) for name in ("tenant", "api_key", "mode", "day", "provider", "model", "end_user")}
    rollup, _ = DailySpend.objects.get_or_create(**where)
    rollup.cost, rollup.requests = rollup.cost + row.cost, rollup.requests + 1
    rollup.input_tokens, rollup.output_tokens = rollup.input_tokens + 100, rollup.output_tokens + 20
    rollup.save()
    return row


def settle_counters(company: Company) -> None:
    """Bring Redis to what the ledger's rows say."""
    recovery.rebuild(company.tenant.pk, grace_seconds=0, force=True)
