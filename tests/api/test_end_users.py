"""Caps of end users on the REST API: what each of a key may spend, one by name, and who has spent what."""

from typing import Any

import pytest

from budgets.end_users import ANONYMOUS, end_user_hash
from budgets.models import EndUserCap
from budgets.money import NANO
from tenants import policy
from tenants.models import AuditEvent
from tests.api.conftest import ApiClient, Company, Used, settle_counters
from tests.support.valkey import ValkeyServer


def address(company: Company) -> str:
    return f"keys/{company.key.pk}/"


def hashed(company: Company, name: str) -> str:
    return end_user_hash(company.tenant.pk, name)


def test_a_key_is_made_with_caps_for_each_end_user(company: Company) -> None:
    asked = {"end_user_daily_cap_usd": "0.50", "end_user_monthly_cap_usd": 5, "requires_end_user": True}
    said = company.api.post("keys/", {"name": "chat", **asked}).json()
    assert (said["end_user_daily_cap_usd"], said["end_user_monthly_cap_usd"]) == ("0.50", "5.00")
    assert said["requires_end_user"] is True
    plain = company.api.get(address(company)).json()
    assert (plain["end_user_daily_cap_usd"], plain["end_user_monthly_cap_usd"]) == (None, None)
    assert plain["requires_end_user"] is False


def test_caps_for_each_are_changed_and_taken_away(company: Company) -> None:
    said = company.api.patch(address(company), {"end_user_daily_cap_usd": "0.000000001"}).json()
    assert (said["end_user_daily_cap_usd"], said["end_user_monthly_cap_usd"]) == ("0.000000001", None)
    company.api.patch(address(company), {"end_user_daily_cap_usd": None, "end_user_monthly_cap_usd": 0})
    (cap,) = EndUserCap.objects.all()
    assert (cap.amount, cap.window, cap.end_user) == (0, "month", "")
    assert company.api.get("keys/").json()["results"][-1]["end_user_monthly_cap_usd"] == "0.00"


def test_it_holds_for_proxies_by_one_new_version(company: Company) -> None:
    before = policy.current(company.tenant.pk)
    company.api.patch(address(company), {"end_user_daily_cap_usd": "1", "end_user_monthly_cap_usd": "2"})
    company.api.post(f"{address(company)}end-users/", {"end_user": "ada", "daily_cap_usd": 3, "monthly_cap_usd": 4})
    assert policy.published(company.tenant.pk).version == before + 2


def test_one_end_user_is_given_caps_by_name_which_is_stored_nowhere(company: Company) -> None:
    company.api.patch(address(company), {"end_user_daily_cap_usd": "1"})
    asked = {"end_user": "ada@customer.example", "daily_cap_usd": "7.5"}
    said = company.api.post(f"{address(company)}end-users/", asked).json()
    assert (said["end_user"], said["named"]) == (hashed(company, "ada@customer.example"), True)
    assert (said["daily_cap_usd"], said["monthly_cap_usd"]) == ("7.50", None)
    stored = [*EndUserCap.objects.values_list("end_user", flat=True), *AuditEvent.objects.values_list("target_label")]
    assert "ada@customer.example" not in str(stored)
    said = company.api.post(f"{address(company)}end-users/", {**asked, "daily_cap_usd": None}).json()
    assert (said["daily_cap_usd"], said["named"]) == ("1.00", False)


def test_one_end_user_is_given_caps_by_the_hash_of_a_usage_row(company: Company, used: Used) -> None:
    row = used(company, 2 * NANO, end_user=hashed(company, "eve"))
    company.api.post(f"{address(company)}end-users/", {"end_user_hash": row.end_user, "monthly_cap_usd": 0})
    settle_counters(company)
    (found,) = company.api.get(f"{address(company)}end-users/?end_user=eve").json()["results"]
    assert (found["end_user"], found["monthly_cap_usd"], found["spent_usd"]) == (row.end_user, "0.00", "2.00")
    assert (found["remaining_usd"], found["live"]) == ("-2.00", True)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"daily_cap_usd": 1}, "end_user"),
        ({"end_user": "ada", "end_user_hash": "a" * 24, "daily_cap_usd": 1}, "end_user"),
        ({"end_user_hash": "ada", "daily_cap_usd": 1}, "end_user_hash"),
        ({"end_user": "", "daily_cap_usd": 1}, "end_user"),
        ({"end_user": "a" * 257, "daily_cap_usd": 1}, "end_user"),
        ({"end_user": "ada"}, "daily_cap_usd"),
        ({"end_user": "ada", "daily_cap_usd": 1.5}, "daily_cap_usd"),
        ({"end_user": "ada", "daily_cap_usd": -1}, "daily_cap_usd"),
        ({"end_user": "ada", "daily_cap_usd": 99_999_999}, "daily_cap_usd"),
        ({"end_user": "ada", "cap_usd": 1}, "cap_usd"),
    ],
)
def test_what_cannot_be_such_a_cap_is_refused(company: Company, body: dict[str, Any], param: str) -> None:
    reply = company.api.post(f"{address(company)}end-users/", body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param), reply.content
    assert not EndUserCap.objects.exists()


def test_end_users_are_listed_by_what_they_spent(company: Company, used: Used) -> None:
    for user, cost in (("ada", 3), ("eve", 5), ("", 1)):
        used(company, cost * NANO, end_user=hashed(company, user) if user else "")
    used(company, 9 * NANO, key=company.test_key, end_user=hashed(company, "bob"))
    expected = [(hashed(company, "eve"), "5.00"), (hashed(company, "ada"), "3.00"), (ANONYMOUS, "1.00")]

    def listed(query: str = "") -> list[tuple[str, str]]:
        found = company.api.get(f"{address(company)}end-users/{query}").json()["results"]
        return [(each["end_user"], each["spent_today_usd"]) for each in found]

    assert listed() == expected
    company.api.patch(address(company), {"end_user_daily_cap_usd": "4"})
    company.api.post(f"{address(company)}end-users/", {"end_user": "zoe", "daily_cap_usd": 2})
    assert listed() == [*expected, (hashed(company, "zoe"), "0.00")]
    assert listed("?limit=1") == expected[:1]
    (ada,) = company.api.get(f"{address(company)}end-users/?end_user=ada").json()["results"]
    assert (ada["daily_cap_usd"], ada["remaining_today_usd"], ada["named"]) == ("4.00", "1.00", False)


def test_an_application_asks_what_is_left_for_its_end_user(company: Company, used: Used) -> None:
    used(company, 1 * NANO, end_user=hashed(company, "zoë"))
    application = ApiClient(company.key_secret)
    assert [scope["scope"] for scope in application.get("budget/").json()["scopes"]] == ["tenant", "api_key", "api_key"]
    company.api.patch(address(company), {"end_user_daily_cap_usd": "1.50"})
    said = application.get("budget/", **{"X-Tokonomics-User": "zoë".encode().decode("latin-1")}).json()
    assert [(each["scope"], each["window"]) for each in said["scopes"][3:]] == [
        ("end_user", "month"),
        ("end_user", "day"),
    ]
    assert (said["tightest"]["scope"], said["tightest"]["remaining_usd"]) == ("end_user", "0.50")
    assert application.get("budget/").json()["tightest"]["remaining_usd"] == "1.50"


def test_while_redis_is_away_no_cap_of_an_end_user_is_changed(company: Company, own_valkey: ValkeyServer) -> None:
    own_valkey.kill()
    for call in (
        lambda: company.api.patch(address(company), {"end_user_daily_cap_usd": "1"}),
        lambda: company.api.post(f"{address(company)}end-users/", {"end_user": "ada", "daily_cap_usd": 1}),
    ):
        assert call().status_code == 503
    assert not EndUserCap.objects.exists()
