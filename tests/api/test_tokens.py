"""`tokens/`, and what a management token may do and until when."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tenants import keys, services
from tenants.models import ManagementToken
from tests.api.conftest import ApiClient, Company


def a_token(company: Company, **fields: Any) -> tuple[ManagementToken, ApiClient]:
    token, secret = services.create_management_token(
        tenant=company.tenant, name="short-lived", actor=company.actor, scopes=fields.pop("scopes", ("read", "write"))
    )
    for name, value in fields.items():
        setattr(token, name, value)
    token.save()
    return token, ApiClient(secret)


def test_a_new_token_is_shown_once_and_works(company: Company) -> None:
    reply = company.api.post("tokens/", {"name": "ci", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00Z"})
    said = reply.json()
    assert reply.status_code == 201 and keys.token_looks_minted(said["token"])
    assert (said["scopes"], said["expires_at"]) == (["read"], "2099-01-01T00:00:00Z")
    assert ApiClient(said["token"]).get("tenant/").json()["id"] == company.tenant.pk
    listed = company.api.get("tokens/")
    assert said["token"] not in listed.content.decode()
    assert {token["name"] for token in listed.json()["results"]} == {"terraform", "grafana", "ci"}


def test_a_revoked_token_is_refused_from_its_next_request(company: Company) -> None:
    token, api = a_token(company)
    assert api.get("tenant/").status_code == 200
    assert company.api.post(f"tokens/{token.pk}/revoke/").json()["revoked_at"] is not None
    reply = api.get("tenant/")
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "token_revoked")
    assert company.api.post(f"tokens/{token.pk}/revoke/").status_code == 409


def test_a_token_ends_when_it_expires(company: Company) -> None:
    _, api = a_token(company, expires_at=timezone.now() - timedelta(seconds=1))
    reply = api.get("tenant/")
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "token_expired")


def test_a_token_makes_none_with_more_power(company: Company) -> None:
    _, writer = a_token(company, scopes=["write"])
    assert writer.get("tenant/").status_code == 403
    assert writer.post("tokens/", {"name": "a", "scopes": ["read"]}).json()["error"]["param"] == "scopes"
    assert writer.post("tokens/", {"name": "a"}).json()["scopes"] == ["write"]


def test_a_token_makes_none_that_outlives_it(company: Company) -> None:
    ends = timezone.now() + timedelta(days=1)
    _, api = a_token(company, expires_at=ends)
    later = (ends + timedelta(days=1)).isoformat()
    assert api.post("tokens/", {"name": "a"}).json()["error"]["param"] == "expires_at"
    assert api.post("tokens/", {"name": "a", "expires_at": later}).status_code == 400
    assert api.post("tokens/", {"name": "a", "expires_at": ends.isoformat()}).status_code == 201


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["admin"]}, "scopes"),
        ({"name": "a", "scopes": "read"}, "scopes"),
        ({"name": "  "}, "name"),
        ({"name": "a", "tenant": "ten_other"}, "tenant"),
    ],
)
def test_what_cannot_be_a_token_is_refused(company: Company, body: dict[str, Any], param: str) -> None:
    reply = company.api.post("tokens/", body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


def test_last_use_is_noted_at_most_once_a_minute(company: Company) -> None:
    token, api = a_token(company)
    assert token.last_used_at is None
    api.get("prices/")
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None and timezone.now() - first < timedelta(seconds=10)
    with CaptureQueriesContext(connection) as asked:
        api.get("prices/")
    assert asked.captured_queries and not [one for one in asked.captured_queries if not one["sql"].startswith("SELECT")]
    token.refresh_from_db()
    assert token.last_used_at == first
    ManagementToken.objects.filter(pk=token.pk).update(last_used_at=first - timedelta(seconds=61))
    api.get("prices/")
    token.refresh_from_db()
    assert token.last_used_at is not None and token.last_used_at >= first


def test_a_made_up_token_costs_no_query(anybody: ApiClient, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    made_up = ApiClient("tkm_" + "a" * 40)
    with django_assert_num_queries(0):
        assert made_up.get("tenant/").status_code == 401
