"""Every route x everybody who may not: generated from the URLconf, so that a new route is tested the day it appears."""

from typing import Any

import pytest

from alerts.models import AlertChannel, AlertEvent, AlertRule, Delivery, event_id
from budgets.api import KeyBudget
from budgets.models import TenantPrice
from tenants import services
from tenants.api import TenantView
from tenants.models import AuditEvent
from tests.api.conftest import ApiClient, Company, record_usage
from tests.api.routes import Route, routes
from tokonomics.api.estimate import EstimateRequest

PUBLIC = {"schema/"}
BY_APPLICATION_KEY = {"budget/", "estimate/"}
ROUTES = [route for route in routes() if route.pattern not in PUBLIC]
OF_TENANT = [route for route in ROUTES if route.pattern not in BY_APPLICATION_KEY]
CALLS = [pytest.param(route, method, id=f"{method} {route}") for route in ROUTES for method in route.methods]
TENANT_CALLS = [pytest.param(route, method, id=f"{method} {route}") for route in OF_TENANT for method in route.methods]
WITH_ID = [call for call in TENANT_CALLS if "<id:pk>" in call.values[0].pattern]


def ids_of(company: Company) -> dict[str, str]:
    """One thing of each kind that a route names."""
    return {
        "keys": company.key.pk,
        "provider-credentials": company.credential.pk,
        "tokens": company.token_id,
        "usage": record_usage(company).pk,
        "prices": own_price(company),
        **alerting(company),
    }


def own_price(company: Company) -> str:
    where = {"tenant": company.tenant, "provider": "openai", "model": f"own-{company.tenant.slug}"}
    return TenantPrice.objects.get_or_create(**where, defaults={"discount": 1_000})[0].pk


def alerting(company: Company) -> dict[str, str]:
    """A channel, a rule and a delivery."""
    channel = AlertChannel.objects.create(tenant=company.tenant, kind="pagerduty", name="Pager")
    event = AlertEvent.objects.create(tenant=company.tenant, type="test", key=event_id(), facts={})
    sent = Delivery.objects.create(
        tenant=company.tenant, event=event, channel=channel, channel_kind="pagerduty", channel_name="Pager"
    )
    return {
        "alert-channels": channel.pk,
        "alert-rules": AlertRule.objects.create(tenant=company.tenant, threshold_percent=70).pk,
        "deliveries": sent.pk,
    }


def address(route: Route, company: Company) -> str:
    if "<id:pk>" not in route.pattern:
        return route.pattern
    return route.at(ids_of(company)[route.pattern.partition("/")[0]])


def refused(reply: Any, status: int, *codes: str) -> None:
    assert reply.status_code == status, (reply.status_code, reply.content)
    error = reply.json()["error"]
    assert set(error) == {"code", "message", "param"} and error["code"] in codes


def everything(company: Company) -> Any:
    """All that an API call could have changed."""
    tenant = company.tenant
    tenant.refresh_from_db()
    return (
        tenant.policy_version,
        list(tenant.api_keys.order_by("pk").values("name", "digest", "revoked_at")),
        list(tenant.caps.order_by("pk").values("amount", "hard")),
        list(tenant.provider_credentials.order_by("pk").values("provider", "ciphertext", "tested_at")),
        list(tenant.management_tokens.order_by("pk").values("name", "revoked_at")),
        list(tenant.alert_channels.order_by("pk").values("name", "problem", "secret_ciphertext")),
        list(tenant.alert_rules.order_by("pk").values("threshold_percent", "channel_kinds")),
        list(tenant.deliveries.order_by("pk").values("state", "due_at", "history")),
        list(tenant.prices.order_by("pk").values("model", "rates", "discount", "free")),
        AuditEvent.objects.filter(tenant=tenant).count(),
    )


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_view_is_kept_to_one_tenant(route: Route) -> None:
    assert issubclass(route.view, TenantView | KeyBudget | EstimateRequest)
    assert route.view.authentication_classes and route.view.permission_classes


@pytest.mark.parametrize(("route", "method"), CALLS)
def test_without_a_good_token_nothing_is_said_or_done(route: Route, method: str, company: Company) -> None:
    revoked, secret = services.create_management_token(tenant=company.tenant, name="old", actor=company.actor)
    services.revoke_management_token(tenant=company.tenant, token_id=revoked.pk, actor=company.actor)
    where = address(route, company)
    before = everything(company)
    for bad in (None, "", "tkm_" + "x" * 40, secret, "tk_live_" + "x" * 40):
        refused(ApiClient(bad)(method, where, {}), 401, "invalid_token", "token_revoked", "invalid_api_key")
    reply = ApiClient(None)(method, where, {}, authorization=f"Basic {company.api.secret}")
    refused(reply, 401, "invalid_token", "invalid_api_key")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert everything(company) == before


@pytest.mark.parametrize(("route", "method"), TENANT_CALLS)
def test_an_applications_key_manages_nothing(route: Route, method: str, company: Company) -> None:
    where = address(route, company)
    before = everything(company)
    refused(ApiClient(company.key_secret)(method, where, {}), 401, "invalid_token")
    assert everything(company) == before


@pytest.mark.parametrize(("route", "method"), TENANT_CALLS)
def test_a_token_that_reads_changes_nothing(route: Route, method: str, company: Company) -> None:
    where = address(route, company)
    before = everything(company)
    reply = company.read_only(method, where, {} if method != "GET" else None)
    if method == "GET":
        assert reply.status_code == 200
    else:
        refused(reply, 403, "forbidden")
        assert everything(company) == before


@pytest.mark.fault("client: another company's token", promises=("P8",))
@pytest.mark.parametrize(("route", "method"), WITH_ID)
def test_another_tenants_things_do_not_exist(route: Route, method: str, company: Company, stranger: Company) -> None:
    where = address(route, stranger)
    before = everything(stranger)
    reply = company.api(method, where, None if method == "GET" else {})
    refused(reply, 404, "not_found")
    made_up = company.api(method, route.at("key_0000000000000000"), None if method == "GET" else {})
    assert made_up.status_code == 404
    assert stranger.tenant.pk not in reply.content.decode() and everything(stranger) == before


@pytest.mark.fault("client: another company's token", promises=("P8",))
@pytest.mark.parametrize("route", [route for route in OF_TENANT if "GET" in route.methods], ids=str)
def test_what_is_read_never_has_another_tenants_names(route: Route, company: Company, stranger: Company) -> None:
    stranger.key.name = "their-secret-project"
    stranger.key.save()
    theirs = [*ids_of(stranger).values(), stranger.tenant.pk, stranger.tenant.slug, "their-secret-project"]
    reply = company.api.get(address(route, company))
    assert reply.status_code == 200
    said = _content(reply)
    assert not any(name in said for name in theirs)


@pytest.mark.parametrize("query", ["api_key={key}", "end_user={key}", "model={key}"])
def test_another_tenants_id_as_a_filter_finds_nothing(query: str, company: Company, stranger: Company) -> None:
    record_usage(stranger, end_user=stranger.key.pk[:24], model=stranger.key.pk)
    filled = query.format(key=stranger.key.pk)
    assert company.api.get(f"usage/?{filled}").json()["results"] == []
    assert company.api.get(f"usage/summary/?{filled}").json()["totals"]["requests"] == 0


def _content(reply: Any) -> str:
    if not reply.streaming:
        return reply.content.decode()
    from asgiref.sync import async_to_sync

    async def whole() -> bytes:
        return b"".join([part async for part in reply.streaming_content])

    return async_to_sync(whole)().decode()
