"""`keys/`: created once, shown once, capped, rotated, revoked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from budgets.models import Cap
from budgets.money import NANO
from tenants import keys, policy
from tenants.lookup import find_api_key
from tenants.models import ApiKey, AuditEvent
from tests.api.conftest import Company, Used, settle_counters
from tests.support.valkey import ValkeyServer


def test_a_new_key_is_shown_once_with_its_caps(company: Company) -> None:
    reply = company.api.post(
        "keys/",
        {
            "name": "nightly batch",
            "mode": "live",
            "cap_usd": "12.345678901",
            "daily_cap_usd": 2,
            "hard_cap": False,
            "allowed_models": ["gpt-4o-mini"],
            "expires_at": "2099-01-01T00:00:00Z",
            "default_output_limit": 512,
        },
    )
    said = reply.json()
    assert reply.status_code == 201 and reply.headers["Cache-Control"] == "no-store"
    assert keys.looks_minted(said["key"]) and said["key"].startswith("tk_live_")
    assert (said["cap_usd"], said["daily_cap_usd"], said["hard_cap"]) == ("12.345678901", "2.00", False)
    assert (said["allowed_models"], said["default_output_limit"]) == (["gpt-4o-mini"], 512)
    assert (said["expires_at"], said["status"]) == ("2099-01-01T00:00:00Z", "active")
    shown_again = company.api.get(f"keys/{said['id']}/").json()
    assert "key" not in shown_again
    assert said["key"] not in company.api.get("keys/").content.decode()
    found = find_api_key(keys.digest(said["key"]))
    assert found is not None and found.key.pk == said["id"]


def test_a_test_key_begins_so(company: Company) -> None:
    said = company.api.post("keys/", {"name": "trial", "mode": "test"}).json()
    assert said["key"].startswith("tk_test_") and said["mode"] == "test"


def test_a_key_without_caps_has_the_companys_alone(company: Company) -> None:
    said = company.api.post("keys/", {"name": "plain"}).json()
    assert said["cap_usd"] is None and said["daily_cap_usd"] is None and said["remaining_usd"] is None
    assert said["hard_cap"] is True and not Cap.objects.filter(api_key_id=said["id"]).exists()


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "name", "missing_field"),
        ({"name": ""}, "name", "invalid_value"),
        ({"name": 7}, "name", "invalid_value"),
        ({"name": "a", "mode": "prod"}, "mode", "invalid_value"),
        ({"name": "a", "cap_usd": 1.5}, "cap_usd", "invalid_value"),
        ({"name": "a", "cap": "1"}, "cap", "unknown_field"),
        ({"name": "a", "hard_cap": False}, "hard_cap", "invalid_value"),
        ({"name": "a", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at", "invalid_value"),
        ({"name": "a", "expires_at": "tomorrow"}, "expires_at", "invalid_value"),
        ({"name": "a", "allowed_models": "gpt-4o"}, "allowed_models", "invalid_value"),
        ({"name": "a", "allowed_models": ["gpt-4o", 5]}, "allowed_models.1", "invalid_value"),
        ({"name": "a", "default_output_limit": 0}, "default_output_limit", "invalid_value"),
        ({"name": "a", "default_output_limit": "5"}, "default_output_limit", "invalid_value"),
        ({"name": "a", "default_output_limit": 10**30}, "default_output_limit", "invalid_value"),
        ({"name": "\ud800"}, "name", "invalid_value"),
        ({"name": "a\u0000b"}, "name", "invalid_value"),
    ],
)
def test_what_cannot_be_a_key_is_refused_and_none_is_made(
    company: Company, body: dict[str, Any], param: str, code: str
) -> None:
    before = ApiKey.objects.count()
    reply = company.api.post("keys/", body)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (400, code, param)
    assert error["message"].endswith(".")
    assert ApiKey.objects.count() == before


def test_a_cap_that_fails_makes_no_key(company: Company) -> None:
    before = ApiKey.objects.count()
    assert company.api.post("keys/", {"name": "a", "cap_usd": "99999999"}).status_code == 400
    assert ApiKey.objects.count() == before


def test_caps_are_changed_and_taken_away(company: Company) -> None:
    address = f"keys/{company.key.pk}/"
    assert company.api.patch(address, {"cap_usd": "7.5", "daily_cap_usd": "1"}).json()["cap_usd"] == "7.50"
    said = company.api.patch(address, {"cap_usd": None}).json()
    assert (said["cap_usd"], said["daily_cap_usd"]) == (None, "1.00")
    assert company.api.patch(address, {"hard_cap": False}).json()["hard_cap"] is False
    assert company.api.patch(address, {"daily_cap_usd": None, "cap_usd": 0}).json()["cap_usd"] == "0.00"
    assert Cap.objects.get(api_key=company.key).amount == 0


def test_a_soft_cap_that_nothing_would_keep_is_refused(company: Company) -> None:
    reply = company.api.patch(f"keys/{company.key.pk}/", {"cap_usd": None, "hard_cap": False})
    assert reply.status_code == 400 and reply.json()["error"]["param"] == "hard_cap"
    assert Cap.objects.get(api_key=company.key).amount == 5 * NANO


def test_settings_are_changed_and_cleared(company: Company) -> None:
    address = f"keys/{company.key.pk}/"
    said = company.api.patch(
        address,
        {
            "name": "renamed",
            "allowed_models": ["a", "b"],
            "expires_at": "2099-01-01T00:00:00+01:00",
            "default_output_limit": 9,
        },
    ).json()
    assert (said["name"], said["allowed_models"], said["default_output_limit"]) == ("renamed", ["a", "b"], 9)
    assert said["expires_at"] == "2098-12-31T23:00:00Z"
    said = company.api.patch(address, {"allowed_models": [], "expires_at": None, "default_output_limit": None}).json()
    assert (said["allowed_models"], said["expires_at"], said["default_output_limit"]) == ([], None, None)


def test_a_change_holds_for_proxies_by_one_new_version(company: Company) -> None:
    before = policy.current(company.tenant.pk)
    company.api.patch(f"keys/{company.key.pk}/", {"cap_usd": "1", "daily_cap_usd": "1", "hard_cap": False, "name": "x"})
    assert policy.published(company.tenant.pk).version == before + 1


def test_the_mode_of_a_key_cannot_be_changed(company: Company) -> None:
    reply = company.api.patch(f"keys/{company.key.pk}/", {"mode": "test"})
    assert reply.json()["error"]["code"] == "unknown_field"


def test_what_a_key_spent_is_live(company: Company, used: Used) -> None:
    used(company, 1 * NANO)
    used(company, 2 * NANO, at=datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    settle_counters(company)
    said = company.api.get(f"keys/{company.key.pk}/").json()
    assert (said["spent_usd"], said["remaining_usd"], said["live"]) == ("3.00", "2.00", True)
    listed = {key["id"]: key for key in company.api.get("keys/").json()["results"]}
    assert listed[company.key.pk]["spent_usd"] == "3.00"
    assert listed[company.test_key.pk]["spent_usd"] == "0.00"


def test_lists_by_mode_and_page(company: Company) -> None:
    for number in range(3):
        company.api.post("keys/", {"name": f"key {number}", "mode": "test"})
    assert {key["mode"] for key in company.api.get("keys/?mode=test").json()["results"]} == {"test"}
    names, address = [], "keys/?limit=2"
    while address:
        page = company.api.get(address).json()
        assert len(page["results"]) <= 2
        names += [key["name"] for key in page["results"]]
        address = page["next"]
    assert names == ["key 2", "key 1", "key 0", "trial", "support-bot"]


def test_revoked_is_for_good(company: Company) -> None:
    said = company.api.post(f"keys/{company.key.pk}/revoke/").json()
    assert said["status"] == "revoked" and said["revoked_at"] is not None
    for reply in (
        company.api.post(f"keys/{company.key.pk}/revoke/"),
        company.api.patch(f"keys/{company.key.pk}/", {"cap_usd": "1"}),
        company.api.post(f"keys/{company.key.pk}/rotate/"),
    ):
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "key_not_active")
    assert AuditEvent.objects.filter(action="api_key.revoked", target_id=company.key.pk).count() == 1


def test_a_rotation_keeps_the_key_and_ends_the_old_secret_in_time(company: Company) -> None:
    before = datetime.now(UTC)
    said = company.api.post(f"keys/{company.key.pk}/rotate/", {"overlap_seconds": 3600}).json()
    assert said["id"] == company.key.pk and said["key"] != company.key_secret and said["cap_usd"] == "5.00"
    old = find_api_key(keys.digest(company.key_secret))
    assert old is not None and old.expires_at is not None
    assert timedelta(seconds=3590) < old.expires_at - before < timedelta(seconds=3660)
    stops_at = datetime.fromisoformat(said["old_key_stops_at"])
    assert abs(stops_at - old.expires_at) < timedelta(milliseconds=1)
    assert company.api.get(f"keys/{company.key.pk}/").json()["last_four"] == said["key"][-4:]


def test_a_rotation_without_overlap_ends_the_old_secret_now(company: Company) -> None:
    company.api.post(f"keys/{company.key.pk}/rotate/")
    old = find_api_key(keys.digest(company.key_secret))
    assert old is not None and old.expires_at is not None and old.expires_at <= datetime.now(UTC)


@pytest.mark.parametrize("overlap", [-1, 90 * 86_400 + 1, 10**30, "60", 1.5, True])
def test_an_overlap_that_cannot_be_is_refused(company: Company, overlap: Any) -> None:
    reply = company.api.post(f"keys/{company.key.pk}/rotate/", {"overlap_seconds": overlap})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "overlap_seconds")


def test_while_redis_is_away_a_changed_cap_is_not_saved(company: Company, own_valkey: ValkeyServer) -> None:
    own_valkey.kill()
    reply = company.api.patch(f"keys/{company.key.pk}/", {"cap_usd": "500"})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (503, "ledger_unavailable")
    assert "the old cap of $5.00 still holds" in error["message"]
    assert company.api.post(f"keys/{company.key.pk}/revoke/").status_code == 503
    assert company.api.post("keys/", {"name": "a"}).status_code == 503
    said = company.api.get(f"keys/{company.key.pk}/").json()
    assert (said["cap_usd"], said["status"], said["live"]) == ("5.00", "active", False)


# --- Idempotency-Key -------------------------------------------------------------------------------------------------


def test_the_same_request_again_gets_the_same_key(company: Company) -> None:
    first = company.api.post("keys/", {"name": "once", "cap_usd": "1"}, **{"idempotency-key": "order-17"})
    again = company.api.post("keys/", {"cap_usd": "1", "name": "once"}, **{"idempotency-key": "order-17"})
    assert first.status_code == again.status_code == 201
    assert again.json() == first.json() and again.headers["Idempotent-Replayed"] == "true"
    assert ApiKey.objects.filter(name="once").count() == 1


def test_the_kept_answer_holds_no_readable_secret(company: Company, store: ValkeyServer) -> None:
    from tenants import store as redis_store

    said = company.api.post("keys/", {"name": "once"}, **{"idempotency-key": "order-17"}).json()
    client = redis_store.client()
    kept = [client.get(name) for name in client.scan_iter("*idempotent*")]
    assert len(kept) == 1 and said["key"].encode() not in kept[0]


def test_an_idempotency_key_of_another_request_is_refused(company: Company) -> None:
    company.api.post("keys/", {"name": "once"}, **{"idempotency-key": "order-17"})
    reply = company.api.post("keys/", {"name": "twice"}, **{"idempotency-key": "order-17"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "idempotency_key_reused")


def test_an_idempotency_key_is_the_tenants_own(company: Company, stranger: Company) -> None:
    first = company.api.post("keys/", {"name": "once"}, **{"idempotency-key": "order-17"})
    other = stranger.api.post("keys/", {"name": "once"}, **{"idempotency-key": "order-17"})
    assert other.status_code == 201 and other.json()["id"] != first.json()["id"]


def test_a_refused_request_may_be_sent_again_mended(company: Company) -> None:
    assert company.api.post("keys/", {"name": "\u200b"}, **{"idempotency-key": "order-17"}).status_code == 400
    assert company.api.post("keys/", {"name": "good"}, **{"idempotency-key": "order-17"}).status_code == 201


def test_two_at_once_make_one_key(company: Company) -> None:
    from rest_framework.test import APIRequestFactory

    from tokonomics.api import idempotency

    request = APIRequestFactory().post("/api/v1/keys/", {}, format="json", headers={"idempotency-key": "x"})
    request.data = {}

    def while_it_runs() -> Any:
        with pytest.raises(idempotency.InProgress):
            idempotency.once(request, company.tenant.pk, lambda: pytest.fail("made twice"))
        return idempotency.Response({"made": 1}, status=201)

    assert idempotency.once(request, company.tenant.pk, while_it_runs).data == {"made": 1}
