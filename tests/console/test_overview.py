"""The overview: a sentence, what proves it, who spends, what was refused, and what happens."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from budgets import keyspace, live
from budgets.models import Cap
from budgets.services import set_key_cap, set_tenant_cap
from budgets.windows import windows_of
from tenants.models import Tenant, User
from tenants.services import Actor
from tests.support.fernhill import Fernhill, crossed, founded, most_of_a_month, usd
from tests.support.valkey import ValkeyServer
from tokonomics.console.reading import State
from tokonomics.console.standings import Snapshot

pytestmark = pytest.mark.django_db

ONE_KEY = (("support-bot", "500", None),)


def text_of(answer: Any) -> str:
    """The page's words, without its marks."""
    body = re.sub(r"<(script|style).*?</\1>", " ", answer.content.decode(), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).replace("&#x27;", "'")


def page(client: Client, fernhill: Fernhill, path: str = "", user: User | None = None) -> str:
    client.force_login(user or fernhill.owner)
    answer = client.get(fernhill.home + path)
    assert answer.status_code == 200, answer.content
    return text_of(answer)


def refused_now(fernhill: Fernhill, **more: Any) -> None:
    message = "Monthly spending limit reached. Contact your administrator."
    fernhill.refuse("support-bot", scope="tenant", message=message, **more)


# --- What it says ----------------------------------------------------------------------------------------------------


def test_the_headline_is_the_only_h1_and_the_four_figures_stand_under_the_meter(
    client: Client, store: ValkeyServer
) -> None:
    fernhill = most_of_a_month()
    client.force_login(fernhill.owner)
    body = client.get(fernhill.home).content.decode()
    assert body.count("<h1") == 1
    assert re.findall(r'data-figure="(\w+)"', body) == ["spent", "held", "remaining", "cap"]
    assert 'role="meter"' in body and 'id="budget"' in body
    held = re.search(r'data-figure="held">(\$[\d.]+)', body)
    assert held is not None and held[1] == "$6.38"


def test_a_newcomer_is_told_what_to_do_first(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(cap=None)
    said = page(client, fernhill)
    assert "No budget is set yet. Live keys work once there is one." in said
    assert "Set the budget" in said
    assert "No request yet. Send one with a test key" in said
    assert 'base_url=" http://testserver/v1"' in said or 'base_url="http://testserver/v1"' in said.replace(
        "&quot;", '"'
    )


def test_who_may_not_set_the_budget_is_told_whom_to_ask(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(cap=None)
    said = page(client, fernhill, user=fernhill.member("viewer"))
    assert "Only admins and owners can set the budget. Ask owner@fernhill.example." in said
    assert "Set the budget" not in said


def test_a_reached_cap_says_until_when_and_how_many_were_refused(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(cap="49", keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("48.97"))
    fernhill.count()
    refused_now(fernhill, times=2914)
    said = page(client, fernhill)
    assert "The cap is reached. Requests are blocked until 1 " in said
    assert "2,914 refused so far." in said
    assert "Raise the budget" in said and "See what spent it" in said
    # said once: the headline says it, the band does not say it again
    assert said.count("The cap is reached.") == 1
    assert "The cap is reached." in page(client, fernhill, "usage/"), "other pages have it in their band"


def test_a_viewer_sees_what_spent_it_but_no_button_to_raise_it(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(cap="49", keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("49"))
    fernhill.count()
    said = page(client, fernhill, user=fernhill.member("viewer"))
    assert "See what spent it" in said and "Raise the budget" not in said and "change" not in said.split("Spend by")[0]


def test_one_request_that_was_too_large_does_not_make_the_cap_reached(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(cap="49", keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("10"))
    fernhill.count()
    refused_now(fernhill, reason="request_too_large")
    assert "The cap is reached" not in page(client, fernhill)


def test_a_cap_that_was_raised_since_is_not_reached_any_more(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(cap="49", keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("48.97"))
    fernhill.count()
    refused_now(fernhill)
    assert Snapshot.take(fernhill.tenant).month().state == State.BLOCKED
    Cap.objects.filter(tenant=fernhill.tenant, mode="live").update(amount=usd("51"), updated_at=datetime.now(UTC))
    assert Snapshot.take(fernhill.tenant).month().state == State.NEARLY
    crossed(fernhill, 100)
    assert Snapshot.take(fernhill.tenant).month().state == State.NEARLY


def test_a_wall_from_hours_ago_is_remembered_by_its_crossing(store: ValkeyServer, db: None) -> None:
    """The refusals that are kept in full are the last 200: a busy key's storm pushes the others out."""
    fernhill = founded(cap="49", keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("48.97"))
    fernhill.count()
    refused_now(fernhill)
    store.cli("DEL", keyspace.recent_refusals(fernhill.tenant.pk))
    crossing = crossed(fernhill, 100)
    crossing.by_refusal, crossing.limit = True, usd("49")
    crossing.save()
    assert Snapshot.take(fernhill.tenant).month().state == State.BLOCKED


def test_a_soft_budget_is_passed_and_nothing_is_blocked(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(cap="49", hard=False, keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("55.20"))
    fernhill.count()
    said = page(client, fernhill)
    assert "The budget is passed by $6.20 and spending goes on. Nothing is blocked." in said
    assert "Over budget" in said


def test_a_key_at_its_daily_wall_is_in_the_band_of_every_page_with_the_way_to_raise_it(
    client: Client, store: ValkeyServer
) -> None:
    fernhill = founded(keys=(("nightly-batch", "400", "15"),))
    fernhill.record("nightly-batch", cost=usd("14.9913"))
    fernhill.count()
    fernhill.refuse("nightly-batch", times=2914)
    for path in ("", "usage/", "onboarding/"):
        said = page(client, fernhill, path)
        assert "nightly-batch is blocked for today. It reached its daily cap of $15.00" in said
        assert "2,914 requests refused since" in said
        assert "See the refusals" in said and "Raise for today" in said
    said = page(client, fernhill, user=fernhill.member("member"))
    assert "Raise for today" not in said and "See the key" in said


def test_the_widest_wall_is_shown_first_and_the_others_are_counted(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(cap="49", keys=(("a", "5", None), ("b", "5", None)))
    fernhill.record("a", cost=usd("5"))
    fernhill.record("b", cost=usd("5"))
    set_tenant_cap(tenant=fernhill.tenant, amount=usd("10"), actor=Actor.operator())
    fernhill.count()
    said = page(client, fernhill, "usage/")
    assert "The cap is reached. Requests are blocked until" in said and "And 2 more." in said


def test_the_ledger_out_of_reach_shows_the_last_known_figures_grey_with_the_time(
    client: Client, store: ValkeyServer
) -> None:
    fernhill = founded(cap="49", keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("31.40"))
    fernhill.count()
    client.force_login(fernhill.owner)
    store.stop()
    body = client.get(fernhill.home)
    said = text_of(body)
    assert re.search(r"Requests are refused: the spending ledger cannot be reached since \d\d:\d\d:\d\d UTC\.", said)
    assert "Nothing is being spent unseen" in said
    assert "$31.40" in said and "Last known at" in said
    assert "meter-stale" in body.content.decode()


def test_the_first_day_of_a_month_says_what_the_last_one_came_to(
    client: Client, store: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fernhill = founded(keys=ONE_KEY)
    first = datetime(2026, 12, 1, 0, 40, tzinfo=UTC)
    fernhill.roll_up("support-bot", datetime(2026, 11, 12, tzinfo=UTC).date(), "gpt-4o", usd("1187.40"), 20)
    monkeypatch.setattr(live, "now", lambda: first.timestamp())
    said = page(client, fernhill)
    assert "December has begun: $0.00 of $1,200.00. November ended at $1,187.40." in said


# --- Who spends, by day ----------------------------------------------------------------------------------------------


def test_live_and_test_money_are_told_apart(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("7"))
    fernhill.record("sandbox", cost=usd("2.5"))
    fernhill.count()
    test = page(client, fernhill, "?mode=test")
    assert "$2.50" in test and "sandbox" in test and "support-bot" not in test
    assert "of $10.00" in test or "$10.00" in test
    usual = page(client, fernhill)
    assert "$7.00" in usual and "support-bot" in usual and "sandbox" not in usual


@pytest.mark.parametrize(("by", "title", "names"), [
    ("key", "By key, this month", ("support-bot", "$3.00", "of $500")),
    ("model", "By model, this month", ("gpt-4o", "$2.00", "66.6% of it")),
    ("end_user", "By end user, this month", ("user 3f2a9c41", "no end user named")),
    ("nonsense", "By key, this month", ("support-bot",)),
])  # fmt: skip
def test_spend_is_told_apart_by_key_model_or_end_user(
    client: Client, store: ValkeyServer, by: str, title: str, names: tuple[str, ...]
) -> None:
    fernhill = founded(keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("2"))
    fernhill.record("support-bot", cost=usd("1"), model="gpt-4o-mini", end_user="3f2a9c41d07be6aa9c1203bd")
    fernhill.count()
    said = page(client, fernhill, f"?by={by}")
    assert title in said
    for name in names:
        assert name in said


def test_the_table_of_the_chart_is_in_the_page_and_works_without_script(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("3.5"))
    fernhill.count()
    client.force_login(fernhill.owner)
    body = client.get(fernhill.home).content.decode()
    assert "<summary>Show as table</summary>" in body
    row = re.search(rf'<tr data-day="{fernhill.now.date()}">(.*?)</tr>', body, re.S)
    assert row is not None and row[1].count("$3.50") == 2  # in total, and of the key


def test_a_revoked_key_that_spent_this_month_stays_in_the_list(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("3"))
    key = fernhill.keys["support-bot"]
    key.revoked_at = datetime.now(UTC)
    key.save()
    fernhill.count()
    said = page(client, fernhill)
    assert "support-bot Revoked" in said and "$3.00" in said


# --- What was refused, what happens ----------------------------------------------------------------------------------


def test_refusals_are_counted_by_reason_and_each_leads_to_its_own(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(keys=ONE_KEY)
    refused_now(fernhill, times=2914, reason="request_too_large")
    fernhill.refuse("support-bot", code="model_not_allowed", scope="", reason="", message="No.", times=4)
    fernhill.refuse("sandbox", times=7)
    client.force_login(fernhill.owner)
    body = client.get(fernhill.home).content.decode()
    found = re.findall(r'<a href="([^"]+)">([^<]+) <b>([\d,]+)</b></a>', body)
    assert found == [
        ("/t/fernhill-labs/usage/?show=refused&amp;reason=budget_cap_exceeded", "Cap reached", "2,914"),
        ("/t/fernhill-labs/usage/?show=refused&amp;reason=model_not_allowed", "Model not allowed", "4"),
    ]


def test_the_list_has_requests_in_flight_settled_and_refused_newest_first(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(keys=ONE_KEY)
    fernhill.count()
    hold = fernhill.hold("support-bot", usd("2.1"), ago=1)
    refused = fernhill.refuse("support-bot", ago=2)
    row = fernhill.record("support-bot", cost=8_437, at=fernhill.now - timedelta(seconds=9))
    client.force_login(fernhill.owner)
    body = client.get(fernhill.home).content.decode()
    assert re.findall(r'<tr id="row-(\w+)"', body) == [hold, refused.request_id, row.pk]
    assert "$2.10000" in body, "what is held has five decimals, like the costs it stands among"
    assert "&lt;$0.00001" in body, "a cost below a hundred-thousandth is never shown as nothing"


@pytest.mark.parametrize(("given", "said"), [
    ({"usage": {"input_tokens": 10, "cache_read_tokens": 90}, "input_tokens": 100, "output_tokens": 7},
     "100 in (90 cached) · 7 out"),
    ({"status": "charged_at_hold", "flags": ["client_gone", "cut"]},
     "the client left, the reply was cut off: charged at the hold"),
    ({"status": "lease_ended"}, "its worker vanished: charged at the hold"),
    ({"status": "provider_error", "http_status": 529, "cost": 0}, "the provider answered 529: nothing charged"),
    ({"status": "not_sent", "http_status": None, "cost": 0},
     "the provider could not be reached: nothing charged"),
    ({"flags": ["bound_breach"]}, "it cost more than was held for it"),
])  # fmt: skip
def test_a_row_says_what_happened(client: Client, store: ValkeyServer, given: dict[str, Any], said: str) -> None:
    fernhill = founded(keys=ONE_KEY)
    fernhill.record("support-bot", **given)
    fernhill.count()
    assert said in page(client, fernhill)


# --- What it costs ---------------------------------------------------------------------------------------------------


def test_a_page_asks_few_questions_however_many_keys_there_are(
    client: Client, store: ValkeyServer, django_assert_max_num_queries: Any
) -> None:
    many = tuple((f"key-{n}", "50", "5") for n in range(30))
    fernhill = founded(keys=many)
    for name, *_ in many:
        fernhill.record(name, cost=usd("1"))
    fernhill.count()
    client.force_login(fernhill.owner)
    with django_assert_max_num_queries(16):
        client.get(fernhill.home)
    with django_assert_max_num_queries(16):
        client.get(f"{fernhill.home}usage/")
    with django_assert_max_num_queries(14):
        client.get(f"{fernhill.home}onboarding/")


def test_no_page_has_a_style_or_script_of_its_own(client: Client, store: ValkeyServer) -> None:
    fernhill = most_of_a_month()
    client.force_login(fernhill.owner)
    row = fernhill.tenant.usage_records.first()
    for path in ("", "?by=model", "usage/", f"usage/{row.pk}/", "onboarding/"):
        body = client.get(fernhill.home + path).content.decode()
        assert " style=" not in body and "<style" not in body and "<script>" not in body and " onclick" not in body


def test_what_is_held_is_not_taken_for_spent(store: ValkeyServer, db: None) -> None:
    fernhill = founded(cap="49", keys=ONE_KEY)
    fernhill.record("support-bot", cost=usd("37.50"))
    fernhill.count()
    fernhill.hold("support-bot", usd("9.40"))
    month = Snapshot.take(Tenant.objects.get(pk=fernhill.tenant.pk)).month()
    assert (month.spent, month.held, month.remaining) == (usd("37.50"), usd("9.40"), usd("2.10"))
    assert windows_of(fernhill.now.date()).month == month.window


def test_a_key_cap_is_a_wall_of_its_own(client: Client, store: ValkeyServer) -> None:
    fernhill = founded(keys=(("staging", None, None),))
    set_key_cap(
        tenant=fernhill.tenant, key_id=fernhill.keys["staging"].pk, window="month", amount=usd("50"),
        actor=Actor.operator(),
    )  # fmt: skip
    fernhill.record("staging", cost=usd("50"))
    fernhill.count()
    said = page(client, fernhill)
    assert "staging is blocked. It reached its monthly cap of $50.00" in said
    assert "staging Blocked" in said
