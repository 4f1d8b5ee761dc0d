"""`tenant/`: the company, its budget, and how the month stands."""

from typing import Any

import pytest

from budgets.models import Cap
from budgets.money import MAX_CAP_USD, NANO
from tenants import policy
from tenants.models import AuditEvent, Tenant
from tests.api.conftest import Company, Used, settle_counters
from tests.support.valkey import ValkeyServer


def budget(company: Company) -> Cap:
    return Cap.objects.get(tenant=company.tenant, api_key=None, mode="live", window="month")


def test_shows_the_budget_and_the_month_from_redis(company: Company, used: Used) -> None:
    used(company, 1_000_000_001)
    settle_counters(company)
    said = company.api.get("tenant/").json()
    assert said["id"] == company.tenant.pk and said["slug"] == company.tenant.slug
    assert (said["monthly_budget_usd"], said["hard_cap"]) == ("49.00", True)
    assert (said["spent_usd"], said["held_usd"], said["remaining_usd"]) == ("1.000000001", "0.00", "47.999999999")
    assert said["reset_at"].endswith("-01T00:00:00Z") and said["live"] is True
    assert (said["test_budget_usd"], said["test_spent_usd"]) == ("10.00", "0.00")
    assert (said["default_output_limit"], said["least_output_limit"], said["allowed_fields"]) == (16_384, 256, [])


def test_a_held_amount_is_shown_as_held(company: Company) -> None:
    from budgets import keyspace, live
    from budgets.windows import windows_at
    from tenants import store

    month = windows_at(live.now()).month
    counter = keyspace.tenant_counter(company.tenant.pk, "live", month.suffix)
    store.client().hset(counter, mapping={"spent": 2 * NANO, "held": 3 * NANO})
    said = company.api.get("tenant/").json()
    assert (said["spent_usd"], said["held_usd"], said["remaining_usd"]) == ("2.00", "3.00", "44.00")


def test_without_a_budget_says_null(company: Company) -> None:
    budget(company).delete()
    said = company.api.get("tenant/").json()
    assert said["monthly_budget_usd"] is None and said["remaining_usd"] is None and said["hard_cap"] is True


def test_what_a_request_holds_is_a_setting(company: Company) -> None:
    assert company.api.get("tenant/").json()["hold_policy"] == "bound"
    assert company.api.patch("tenant/", {"hold_policy": "estimate"}).json()["hold_policy"] == "estimate"
    event = AuditEvent.objects.filter(action="tenant.changed").last()
    assert event is not None and event.changes == {"hold_policy": ["bound", "estimate"]}
    refused = company.api.patch("tenant/", {"hold_policy": "hope"})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "hold_policy"


def test_a_change_is_answered_as_it_then_stands_and_audited(company: Company) -> None:
    reply = company.api.patch(
        "tenant/",
        {
            "monthly_budget_usd": "1200.000000001",
            "hard_cap": False,
            "default_output_limit": 4096,
            "least_output_limit": 64,
            "test_budget_usd": 3,
            "allowed_fields": ["x_tag"],
            "name": "Fernhill Labs",
        },
    )
    said = reply.json()
    assert reply.status_code == 200
    assert (said["monthly_budget_usd"], said["hard_cap"], said["test_budget_usd"]) == ("1200.000000001", False, "3.00")
    assert (said["default_output_limit"], said["least_output_limit"]) == (4096, 64)
    assert (said["allowed_fields"], said["name"]) == (["x_tag"], "Fernhill Labs")
    assert budget(company).amount == 1200 * NANO + 1
    event = AuditEvent.objects.filter(action="cap.changed", actor_label="token terraform").last()
    assert event is not None and event.address == "127.0.0.1"
    assert {"amount_usd": ["49.00", "1200.000000001"], "hard": [True, False]} in list(
        AuditEvent.objects.filter(action="cap.changed").values_list("changes", flat=True)
    )


def test_a_change_raises_the_policy_version_once(company: Company) -> None:
    before = policy.current(company.tenant.pk)
    company.api.patch("tenant/", {"monthly_budget_usd": "10", "default_output_limit": 100, "least_output_limit": 1})
    assert policy.current(company.tenant.pk) == before + 1
    assert policy.published(company.tenant.pk).version == before + 1


def test_an_empty_change_changes_nothing(company: Company) -> None:
    before = policy.current(company.tenant.pk)
    assert company.api.patch("tenant/", {}).status_code == 200
    assert policy.current(company.tenant.pk) == before


def test_all_of_a_change_or_nothing(company: Company) -> None:
    reply = company.api.patch("tenant/", {"monthly_budget_usd": "7", "default_output_limit": 0})
    assert reply.status_code == 400 and reply.json()["error"]["param"] == "default_output_limit"
    assert budget(company).amount == 49 * NANO


def test_the_toggle_alone_needs_a_budget_first(company: Company) -> None:
    budget(company).delete()
    reply = company.api.patch("tenant/", {"hard_cap": False})
    assert reply.status_code == 400
    assert reply.json()["error"] == {
        "code": "invalid_value",
        "message": "Set a monthly budget first.",
        "param": "monthly_budget_usd",
    }


@pytest.mark.parametrize("amount", [0, "0", "0.00"])
def test_a_budget_of_zero_is_a_budget(company: Company, amount: Any) -> None:
    assert company.api.patch("tenant/", {"monthly_budget_usd": amount}).json()["monthly_budget_usd"] == "0.00"
    assert budget(company).amount == 0


@pytest.mark.parametrize(
    "amount",
    [49.5, 49.0, 1e300, -1, "-1", "1e3", "0.0000000001", "", "lots", True, None, [], {}, "NaN", MAX_CAP_USD + 1],
)
def test_an_amount_that_is_not_exact_or_no_amount_is_refused_in_words(company: Company, amount: Any) -> None:
    reply = company.api.patch("tenant/", {"monthly_budget_usd": amount})
    error = reply.json()["error"]
    assert reply.status_code == 400
    assert (error["code"], error["param"]) == ("invalid_value", "monthly_budget_usd")
    assert error["message"].endswith(".") and len(error["message"]) > 20
    assert budget(company).amount == 49 * NANO


def test_a_fraction_as_a_number_is_refused_with_the_way_to_send_it(company: Company) -> None:
    message = company.api.patch("tenant/", {"monthly_budget_usd": 49.5}).json()["error"]["message"]
    assert message == 'Send `monthly_budget_usd` as text, like "49.50": a JSON number may not be exact.'


@pytest.mark.parametrize("toggle", ["false", "no", 0, 1, None, "on"])
def test_only_true_and_false_turn_the_toggle(company: Company, toggle: Any) -> None:
    reply = company.api.patch("tenant/", {"hard_cap": toggle})
    assert reply.status_code == 400 and reply.json()["error"]["param"] == "hard_cap"
    assert budget(company).hard is True


def test_an_unknown_field_is_refused_by_name(company: Company) -> None:
    reply = company.api.patch("tenant/", {"montly_budget_usd": "5"})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (400, "unknown_field", "montly_budget_usd")
    assert "`monthly_budget_usd`" in error["message"]


def test_while_redis_is_away_nothing_is_saved_and_the_old_cap_is_named(
    company: Company, own_valkey: ValkeyServer
) -> None:
    own_valkey.kill()
    reply = company.api.patch("tenant/", {"monthly_budget_usd": "5000"})
    assert reply.status_code == 503 and reply.headers["Retry-After"] == "1"
    assert reply.json()["error"] == {
        "code": "ledger_unavailable",
        "message": "Not saved: the spending ledger cannot be reached, so the old cap of $49.00 still holds. Try again.",
        "param": None,
    }
    assert budget(company).amount == 49 * NANO and Tenant.objects.get(pk=company.tenant.pk).name == "Fernhill"


def test_while_redis_is_away_the_last_known_figures_say_so(
    company: Company, used: Used, own_valkey: ValkeyServer
) -> None:
    used(company, 2 * NANO)
    own_valkey.kill()
    said = company.api.get("tenant/").json()
    assert said["live"] is False and said["spent_usd"] == "2.00"
    assert said["held_usd"] is None and said["remaining_usd"] is None


def test_after_redis_lost_everything_the_figures_are_the_ledgers(
    company: Company, used: Used, store: ValkeyServer
) -> None:
    used(company, 2 * NANO)
    store.flushall()
    said = company.api.get("tenant/").json()
    assert (said["live"], said["spent_usd"], said["remaining_usd"]) == (True, "2.00", "47.00")
