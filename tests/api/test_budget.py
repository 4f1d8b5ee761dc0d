"""`budget/`: an application asks with its own key what is left for it."""

from datetime import UTC, datetime, timedelta

import pytest

from budgets.money import NANO
from budgets.services import set_key_cap, set_tenant_cap
from budgets.windows import WindowKind
from tenants import services
from tests.api.conftest import ApiClient, Company, Used, settle_counters
from tests.support.valkey import ValkeyServer


def test_every_scope_that_the_key_counts_in(company: Company, used: Used) -> None:
    used(company, 2 * NANO)
    settle_counters(company)
    said = ApiClient(company.key_secret).get("budget/").json()
    assert (said["api_key"], said["mode"], said["live"]) == (company.key.pk, "live", True)
    shapes = [(each["scope"], each["window"], each["limit_usd"], each["remaining_usd"]) for each in said["scopes"]]
    assert shapes == [
        ("tenant", "month", "49.00", "47.00"),
        ("api_key", "month", "5.00", "3.00"),
        ("api_key", "day", None, None),
    ]
    assert said["scopes"][2]["spent_usd"] == "2.00" and said["scopes"][0]["held_usd"] == "0.00"
    assert said["tightest"] == said["scopes"][1]
    assert said["scopes"][0]["reset_at"].endswith("-01T00:00:00Z") and said["scopes"][0]["hard_cap"] is True


def test_the_tightest_is_the_one_with_the_least_left(company: Company, used: Used) -> None:
    set_key_cap(
        tenant=company.tenant, key_id=company.key.pk, window=WindowKind.DAY, amount=3 * NANO, actor=company.actor
    )
    set_tenant_cap(tenant=company.tenant, amount=NANO, actor=company.actor)
    assert ApiClient(company.key_secret).get("budget/").json()["tightest"]["scope"] == "tenant"
    set_tenant_cap(tenant=company.tenant, amount=49 * NANO, actor=company.actor)
    tightest = ApiClient(company.key_secret).get("budget/").json()["tightest"]
    assert (tightest["scope"], tightest["window"], tightest["limit_usd"]) == ("api_key", "day", "3.00")


def test_a_test_key_sees_test_money(company: Company, used: Used) -> None:
    used(company, 2 * NANO)
    used(company, 1 * NANO, key=company.test_key)
    settle_counters(company)
    said = ApiClient(company.test_key_secret).get("budget/").json()
    assert (said["mode"], said["scopes"][0]["limit_usd"], said["scopes"][0]["spent_usd"]) == ("test", "10.00", "1.00")


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key"])
def test_the_key_is_taken_where_sdks_put_it(company: Company, header: str) -> None:
    reply = ApiClient(None).get("budget/", **{header: company.key_secret})
    assert reply.json()["api_key"] == company.key.pk


def test_a_rotated_key_works_while_its_overlap_lasts(company: Company) -> None:
    made = services.rotate_api_key(
        tenant=company.tenant, key_id=company.key.pk, overlap=timedelta(hours=1), actor=company.actor
    )
    for secret in (company.key_secret, made.secret):
        assert ApiClient(secret).get("budget/").json()["api_key"] == company.key.pk
    services.stop_retired_secrets(tenant=company.tenant, key_id=company.key.pk, actor=company.actor)
    assert ApiClient(company.key_secret).get("budget/").json()["error"]["code"] == "api_key_expired"


def test_a_key_that_is_no_more_is_refused_as_the_metered_routes_do(company: Company) -> None:
    company.test_key.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    company.test_key.save()
    services.revoke_api_key(tenant=company.tenant, key_id=company.key.pk, actor=company.actor)
    for secret, status, code in (
        (None, 401, "invalid_api_key"),
        ("tk_live_made_up", 401, "invalid_api_key"),
        (company.api.secret, 401, "invalid_api_key"),
        (company.key_secret, 403, "api_key_revoked"),
        (company.test_key_secret, 403, "api_key_expired"),
    ):
        reply = ApiClient(secret).get("budget/")
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


def test_while_redis_is_away_it_says_that_it_does_not_know(company: Company, own_valkey: ValkeyServer) -> None:
    own_valkey.kill()
    said = ApiClient(company.key_secret).get("budget/").json()
    assert said["live"] is False
    assert all(scope["held_usd"] is None and scope["remaining_usd"] is None for scope in said["scopes"])
