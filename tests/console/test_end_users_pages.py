"""The pages about end users of a key: caps for each, one by name, who spent what, and no name kept anywhere."""

from dataclasses import asdict

import orjson
import pytest
from django.test import Client

from budgets import keyspace, user_counters
from budgets.end_users import ANONYMOUS, end_user_hash
from budgets.models import EndUserCap
from budgets.money import NANO
from budgets.refusals import Refused
from budgets.services import set_end_user_cap
from budgets.windows import WindowKind
from tenants import store
from tenants.errors import PolicyUnavailable
from tenants.models import ApiKey, AuditEvent
from tenants.services import Actor
from tests.support.fernhill import KEYS, Fernhill, founded, usd
from tests.support.people import fields, text
from tests.support.valkey import ValkeyServer
from tokonomics.console import activity

pytestmark = pytest.mark.django_db


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    return founded(keys=KEYS)


@pytest.fixture
def home(fernhill: Fernhill) -> str:
    return f"{fernhill.home}keys/{fernhill.keys['support-bot'].pk}/"


def hashed(fernhill: Fernhill, name: str) -> str:
    return end_user_hash(fernhill.tenant.pk, name)


def caps(key: ApiKey) -> dict[tuple[str, str], int]:
    return {(cap.end_user, cap.window): cap.amount // NANO for cap in EndUserCap.objects.filter(api_key=key)}


def spend(fernhill: Fernhill) -> None:
    for user, cost in (("ada", "3"), ("eve", "21.5"), ("bob", "0.004"), ("", "1.20")):
        end_user = hashed(fernhill, user) if user else ""
        fernhill.record("support-bot", cost=usd(cost), end_user=end_user)
    fernhill.count()


def cap_each(fernhill: Fernhill, amount: str, user: str = "", window: WindowKind = WindowKind.DAY) -> None:
    set_end_user_cap(
        tenant=fernhill.tenant,
        key_id=fernhill.keys["support-bot"].pk,
        window=window,
        amount=usd(amount),
        end_user=hashed(fernhill, user) if user else "",
        actor=Actor.operator(),
    )


# --- On a key's form -------------------------------------------------------------------------------------------------


def test_a_key_is_made_with_caps_for_each_end_user(owner: Client, fernhill: Fernhill) -> None:
    given = {"name": "chat", "mode": "live", "hard": "on", "user_day_cap": "$1", "user_month_cap": "20"}
    owner.post(f"{fernhill.home}keys/new/", {**given, "user_required": "on"})
    key = ApiKey.objects.get(name="chat")
    assert caps(key) == {("", "day"): 1, ("", "month"): 20} and key.requires_end_user
    owner.post(f"{fernhill.home}keys/new/", {"name": "plain", "mode": "live", "hard": "on"})
    key = ApiKey.objects.get(name="plain")
    assert caps(key) == {} and not key.requires_end_user


def test_they_are_changed_and_taken_away_and_nothing_else_is(owner: Client, fernhill: Fernhill, home: str) -> None:
    key = fernhill.keys["support-bot"]
    form = fields(owner.get(f"{home}edit/"))
    owner.post(f"{home}edit/", form | {"user_day_cap": "0"})
    assert caps(key) == {("", "day"): 0}
    form = fields(owner.get(f"{home}edit/"))
    assert form["user_day_cap"] == "0.00"
    owner.post(f"{home}edit/", form | {"user_day_cap": "", "user_month_cap": "7"})
    assert caps(key) == {("", "month"): 7}
    events = AuditEvent.objects.filter(tenant=fernhill.tenant, target_label__contains="each end user")
    assert [event.action for event in events] == ["cap.changed"] * 3


def test_what_is_no_amount_is_said_at_its_field(owner: Client, fernhill: Fernhill) -> None:
    page = owner.post(f"{fernhill.home}keys/new/", {"name": "a", "mode": "live", "user_day_cap": "€1"})
    assert "Enter the daily cap as an amount in dollars, like 49 or 1,200.00." in text(page)
    assert "open" in page.content.decode().split("End users: a cap")[0].rsplit("<details", 1)[1]


def test_the_audit_log_says_it_in_words(owner: Client, fernhill: Fernhill) -> None:
    cap_each(fernhill, "1")
    cap_each(fernhill, "2", user="eve")
    page = text(owner.get(f"{fernhill.home}audit/"))
    assert "set the cap a day for each end user of support-bot" in page
    assert f"set the cap a day for end user {hashed(fernhill, 'eve')} of support-bot" in page


# --- The key's page --------------------------------------------------------------------------------------------------


def test_a_key_that_knows_no_end_users_says_nothing_of_them(owner: Client, fernhill: Fernhill, home: str) -> None:
    fernhill.record("support-bot", cost=usd("1"))
    assert "End users" not in text(owner.get(home))


def test_a_key_shows_who_spent_most_and_what_each_may(owner: Client, fernhill: Fernhill, home: str) -> None:
    spend(fernhill)
    page = text(owner.get(home))
    assert "End users have no cap: one of them may spend all that the key may." in page
    cap_each(fernhill, "1")
    cap_each(fernhill, "20", window=WindowKind.MONTH)
    page = text(owner.get(home))
    assert "Each end user may spend $1.00 a day and $20.00 a month through this key." in page
    rows = page.split("End users All of them")[1]
    order = [rows.index(hashed(fernhill, user)[:12]) for user in ("eve", "ada", "bob")]
    assert order == sorted(order) and "no end user named $1.20 of $20.00" in rows
    assert rows.index("Blocked") < rows.index("Blocked today")


@pytest.mark.parametrize(
    ("end_user", "words"),
    [
        ("3f2a9c41d07be6aa9c1203bd", "Daily cap of the end user 3f2a9c41"),
        (ANONYMOUS, "Daily cap of all who are not named"),
        ("", "Daily cap of the end user"),  # on record from before it was kept
    ],
)
def test_a_refusal_says_whose_cap_it_met(fernhill: Fernhill, owner: Client, end_user: str, words: str) -> None:
    refused = Refused(
        at_ms=int(fernhill.now.timestamp() * 1000), request_id="rq_1", key_id=fernhill.keys["support-bot"].pk,
        mode="live", code="budget_cap_exceeded", reason="spent", scope="end_user", model="gpt-4o",
        message="Daily spending limit for this user reached. Contact your administrator.", end_user=end_user,
    )  # fmt: skip
    assert activity.which_cap(refused) == words
    store.client().xadd(keyspace.recent_refusals(fernhill.tenant.pk), {"r": orjson.dumps(asdict(refused))})
    story = text(owner.get(f"{fernhill.home}usage/rq_1/"))
    assert f"It was refused by the {words.lower()}." in story and end_user in story


# --- All of them, and one --------------------------------------------------------------------------------------------


def test_one_is_found_by_the_name_that_the_app_gives(owner: Client, fernhill: Fernhill, home: str) -> None:
    spend(fernhill)
    page = text(owner.get(f"{home}end-users/?q=ada"))
    assert hashed(fernhill, "ada")[:12] in page and hashed(fernhill, "eve")[:12] not in page
    assert hashed(fernhill, "ada")[:12] in text(owner.get(f"{home}end-users/?q={hashed(fernhill, 'ada')}"))


def test_one_is_capped_by_name_which_is_kept_nowhere(owner: Client, fernhill: Fernhill, home: str) -> None:
    form = {"name": "eve@customer.example", "day_cap": "0", "month_cap": "5"}
    sent = owner.post(f"{home}end-users/cap/", form)
    eve = hashed(fernhill, "eve@customer.example")
    assert sent["Location"] == f"{home}end-users/?q={eve}"
    assert caps(fernhill.keys["support-bot"]) == {(eve, "day"): 0, (eve, "month"): 5}
    assert "eve@customer.example" not in str(list(AuditEvent.objects.values_list("target_label", "changes")))
    page = text(owner.get(sent["Location"]))
    assert "a cap of its own" in page and "of $5.00" in page


def test_one_is_capped_from_its_row_and_let_go_again(owner: Client, fernhill: Fernhill, home: str) -> None:
    spend(fernhill)
    for user in (hashed(fernhill, "eve"), ANONYMOUS):
        address = f"{home}end-users/cap/?user={user}"
        assert address.partition("/keys/")[2] in owner.get(f"{home}end-users/").content.decode()
        owner.post(address, {"day_cap": "2"})
        assert caps(fernhill.keys["support-bot"]) == {(user, "day"): 2}
        assert fields(owner.get(address))["day_cap"] == "2.00"
        owner.post(address, {"day_cap": "", "month_cap": ""})
        assert caps(fernhill.keys["support-bot"]) == {}


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": "", "day_cap": "1"}, "Enter the end user as your app names it"),
        ({"name": "ada"}, "Enter a cap a day, a month or both"),
        ({"name": "ada", "month_cap": "x"}, "Enter the monthly cap as an amount in dollars"),
    ],
)
def test_what_is_missing_is_said(owner: Client, home: str, typed: dict[str, str], sentence: str) -> None:
    assert sentence in text(owner.post(f"{home}end-users/cap/", typed))
    assert not EndUserCap.objects.exists()


def test_a_hash_that_is_none_has_no_page(owner: Client, home: str) -> None:
    assert owner.get(f"{home}end-users/cap/?user=ada").status_code == 404


def test_while_redis_is_away_nothing_is_saved(
    fernhill: Fernhill, owner: Client, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(tenant_id: str) -> None:
        raise PolicyUnavailable

    monkeypatch.setattr(user_counters, "have_counted_anew", away)
    page = owner.post(f"{home}end-users/cap/", {"name": "ada", "day_cap": "1"})
    assert PolicyUnavailable.message in text(page) and not EndUserCap.objects.exists()
