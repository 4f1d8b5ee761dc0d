"""What every route shares: the shape of errors, bodies, methods, addresses."""

import json
from typing import Any

import pytest

from budgets.money import NANO
from tests.api.conftest import ApiClient, Company
from tests.api.routes import Route, routes
from tests.support.valkey import ValkeyServer
from tokonomics.api import parsers


def error_of(reply: Any) -> dict[str, Any]:
    assert set(reply.json()) == {"error"} and set(reply.json()["error"]) == {"code", "message", "param"}
    assert reply.headers["Content-Type"] == "application/json"
    return reply.json()["error"]


@pytest.mark.parametrize("address", ["nothing/", "nothing", "keys/x/y/z/", "keys/key%00/", "/api/", "/api/v2/tenant/"])
def test_an_address_that_is_none(anybody: ApiClient, address: str) -> None:
    reply = anybody.get(address)
    assert (reply.status_code, error_of(reply)["code"]) == (404, "not_found")


def test_the_last_slash_may_be_missing(company: Company) -> None:
    assert company.api.get("tenant").json()["id"] == company.tenant.pk
    assert company.api.get("usage/summary?group_by=model").json()["group_by"] == ["model"]
    assert company.api.post("keys", {"name": "without a slash"}).status_code == 201
    assert ApiClient(None).get("tenant").status_code == 401


@pytest.mark.parametrize("route", [route for route in routes() if route.pattern != "schema/"], ids=str)
def test_a_method_that_is_not_there(route: Route, company: Company) -> None:
    api = ApiClient(company.key_secret) if route.pattern == "budget/" else company.api
    missing = next(name for name in ("PUT", "DELETE", "OPTIONS") if name not in route.methods)
    reply = api(missing, route.at(company.key.pk), {})
    assert (reply.status_code, error_of(reply)["code"]) == (405, "method_not_allowed")
    assert set(reply.headers["Allow"].split(", ")) >= set(route.methods)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"", 400, "missing_field"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b'{"name": NaN}', 400, "invalid_json"),
        (b'{"name": "a", "name": "b"}', 400, "invalid_json"),
        (b'{"name": "a", "cap_usd": {"x": 1, "x": 2}}', 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b'{"name": ' + b"1" * 5_000 + b"}", 400, "invalid_json"),
        (b"[]", 400, "invalid_value"),
        (b"null", 400, "invalid_value"),
        (b'"name"', 400, "invalid_value"),
        (b'{"name": "' + b"a" * parsers.MOST_BYTES + b'"}', 413, "request_too_large"),
    ],
)
def test_a_body_that_is_no_object(company: Company, body: bytes, status: int, code: str) -> None:
    reply = company.api.post("keys/", body)
    assert (reply.status_code, error_of(reply)["code"]) == (status, code)


def test_a_body_that_is_no_json(company: Company) -> None:
    from django.test import Client

    headers = {"authorization": f"Bearer {company.api.secret}"}
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
        reply = Client().generic("POST", "/api/v1/keys/", b"name=a", content_type=content_type, headers=headers)
        assert (reply.status_code, error_of(reply)["code"]) == (415, "unsupported_media_type")


def test_a_route_without_a_body_refuses_one_with_fields(company: Company) -> None:
    reply = company.api.post(f"keys/{company.key.pk}/revoke/", {"at": "2030-01-01"})
    assert (reply.status_code, error_of(reply)["code"]) == (400, "unknown_field")
    company.key.refresh_from_db()
    assert company.key.revoked_at is None


def test_any_accept_header_gets_json(company: Company) -> None:
    reply = company.api.get("tenant/", accept="text/html;q=1")
    assert reply.status_code == 200 and reply.headers["Content-Type"] == "application/json"


def test_nothing_of_the_api_is_cached(company: Company) -> None:
    assert company.api.get("tenant/").headers["Cache-Control"] == "no-store"
    assert ApiClient(company.key_secret).get("budget/").headers["Cache-Control"] == "no-store"


def test_the_word_bearer_in_any_case(company: Company) -> None:
    reply = ApiClient(None).get("tenant/", authorization=f"bearer {company.api.secret}")
    assert reply.status_code == 200


def test_a_session_is_no_token(company: Company) -> None:
    from django.test import Client

    from tenants.models import Membership

    browser = Client()
    browser.force_login(Membership.objects.get(tenant=company.tenant).user, "django.contrib.auth.backends.ModelBackend")
    assert browser.get("/api/v1/tenant/").status_code == 401


def test_what_nobody_foresaw_says_nothing_of_itself(
    company: Company, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from budgets import live

    def broken(tenant_id: str) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(live, "tenant_standings", broken)
    reply = company.api.get("tenant/")
    assert (reply.status_code, error_of(reply)["code"]) == (500, "internal_error")
    assert "secret detail" not in reply.content.decode() and "a secret detail" in caplog.text


def test_without_encryption_keys_no_secret_is_stored(company: Company, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    reply = company.api.post("provider-credentials/", {"provider": "gemini", "secret": "AIza-0123456789"})
    assert (reply.status_code, error_of(reply)["code"]) == (503, "encryption_unavailable")


@pytest.mark.parametrize("frozen", [False, True])
def test_writes_answer_soon_while_redis_is_away(company: Company, own_valkey: ValkeyServer, frozen: bool) -> None:
    import time

    if frozen:
        own_valkey.freeze()
    else:
        own_valkey.kill()
    began = time.monotonic()
    reply = company.api.post("keys/", {"name": "a"}, **{"idempotency-key": "k"})
    assert (reply.status_code, error_of(reply)["code"]) == (503, "ledger_unavailable")
    assert reply.headers["Retry-After"] == "1" and time.monotonic() - began < 10
    if frozen:
        own_valkey.thaw()


def test_amounts_survive_the_way_out_and_back(company: Company) -> None:
    for amount in ("0.000000001", "9000000.00", "1234.567890123", "0.10"):
        said = company.api.patch("tenant/", {"monthly_budget_usd": amount}).json()["monthly_budget_usd"]
        assert said == amount
        assert company.api.patch("tenant/", {"monthly_budget_usd": said}).json()["monthly_budget_usd"] == amount
    assert NANO == 10**9


def test_what_is_answered_is_json_without_numbers_for_money(company: Company) -> None:
    def check(value: Any, path: str = "") -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                assert not name.endswith("_usd") or inner is None or isinstance(inner, str), path + name
                check(inner, f"{path}{name}.")
        elif isinstance(value, list):
            for inner in value:
                check(inner, path)

    for address in ("tenant/", "keys/", "usage/", "usage/summary/", "prices/"):
        check(json.loads(company.api.get(address).content))
