"""Settings: the budget, the toggle, the questions before it, two people at once, and what a role may not."""

import re
from typing import Any

import pytest
from django.test import Client

from budgets.models import Cap
from budgets.money import NANO
from budgets.services import set_tenant_cap
from tenants import keys as secrets
from tenants.models import AuditEvent, KeyMode, ManagementToken
from tenants.services import Actor, update_tenant
from tests.support.fernhill import Fernhill, founded, most_of_a_month, usd
from tests.support.people import at_desk, fields, hidden, text, title
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    return founded()


@pytest.fixture
def spent(store: ValkeyServer) -> Fernhill:
    """Most of 1,200.00 is spent."""
    return most_of_a_month()


def budget(fernhill: Fernhill, mode: str = KeyMode.LIVE) -> tuple[int, bool] | None:
    cap = Cap.objects.filter(tenant=fernhill.tenant, api_key=None, mode=mode).first()
    return (cap.amount, cap.hard) if cap else None


def send(client: Client, fernhill: Fernhill, amount: str, *, hard: bool = True, **more: str) -> Any:
    page = client.get(f"{fernhill.home}settings/")
    form = {"amount": amount, "seen": hidden(page, "seen"), **({"hard": "on"} if hard else {}), **more}
    return client.post(f"{fernhill.home}settings/", form, follow=True)


# --- The budget ------------------------------------------------------------------------------------------------------


def test_a_saved_budget_says_from_when_it_holds(owner: Client, fernhill: Fernhill) -> None:
    page = send(owner, fernhill, "$1,500")
    assert "Saved. $1,500.00 holds from the next request." in text(page)
    assert budget(fernhill) == (1500 * NANO, True)
    event = AuditEvent.objects.filter(action="cap.changed").first()
    assert event is not None and event.actor == fernhill.owner and event.address == "127.0.0.1"
    assert event.changes["amount_usd"] == ["1200.00", "1500.00"]
    assert f"by {fernhill.owner.email} · history" in text(page)


def test_both_sentences_of_the_toggle_are_in_the_page(owner: Client, fernhill: Fernhill) -> None:
    said = text(owner.get(f"{fernhill.home}settings/"))
    assert "Block requests when budget is reached" in said
    assert "On. No request is forwarded unless its full possible cost fits under $1,200.00. Your apps get a 429" in said
    assert "Off. Nothing is blocked. At $1,200.00 we send the alerts below and your apps keep spending" in said


def test_turning_blocking_off_asks_first(owner: Client, fernhill: Fernhill) -> None:
    asked = send(owner, fernhill, "1,300", hard=False)
    assert "Stop blocking at $1,200.00? From the next request, spending has no upper limit." in text(asked)
    assert "Turn blocking off Keep blocking" in text(asked)
    assert budget(fernhill) == (1200 * NANO, True)
    done = owner.post(f"{fernhill.home}settings/", fields(asked), follow=True)
    assert budget(fernhill) == (1300 * NANO, False)
    assert "Saved. Nothing is blocked at $1,300.00; spending goes on past it." in text(done)


def test_keep_blocking_leads_back_to_the_form_as_it_was_typed(owner: Client, fernhill: Fernhill) -> None:
    asked = send(owner, fernhill, "1,300", hard=False)
    back = owner.post(f"{fernhill.home}settings/", fields(asked) | {"back": "off"})
    body = back.content.decode()
    assert 'value="1,300.00"' in body and re.search(r'name="hard"[^>]* checked', body)
    assert budget(fernhill) == (1200 * NANO, True)
    assert not title(back).startswith("Error")


def test_a_cap_below_what_is_spent_asks_first(spent: Fernhill) -> None:
    client = at_desk(spent.owner)
    asked = send(client, spent, "800")
    assert re.search(
        r"\$[\d,.]+ is already spent\. With a cap of \$800\.00 all requests are blocked until 1 \w+\.", text(asked)
    )
    assert "Save and block now Change the amount" in text(asked)
    assert budget(spent) == (1200 * NANO, True)
    changed = client.post(f"{spent.home}settings/", fields(asked) | {"back": "below"})
    assert 'value="800.00"' in changed.content.decode() and budget(spent) == (1200 * NANO, True)
    client.post(f"{spent.home}settings/", fields(asked))
    assert budget(spent) == (800 * NANO, True)


def test_turning_blocking_on_below_what_is_spent_asks_too(spent: Fernhill) -> None:
    set_tenant_cap(tenant=spent.tenant, amount=800 * NANO, hard=False, actor=Actor.operator())
    assert "Save and block now" in text(send(at_desk(spent.owner), spent, "800"))


def test_raising_never_asks(spent: Fernhill) -> None:
    set_tenant_cap(tenant=spent.tenant, amount=500 * NANO, actor=Actor.operator())
    send(at_desk(spent.owner), spent, "600")  # still below what is spent: that is blocked already
    assert budget(spent) == (600 * NANO, True)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Enter the monthly budget as an amount in dollars, like 49 or 1,200.00."),
        ("€49", "Enter the monthly budget as an amount in dollars, like 49 or 1,200.00."),
        ("12.345", "Enter the monthly budget with at most 2 decimals, like 49 or 1,200.00."),
        ("-5", "Enter the monthly budget as an amount in dollars, like 49 or 1,200.00."),
        ("9000000.01", "Enter the monthly budget of at most $9,000,000."),
    ],
)
def test_an_amount_that_is_none_is_said_at_the_field_and_above(
    owner: Client, fernhill: Fernhill, typed: str, sentence: str
) -> None:
    page = send(owner, fernhill, typed, hard=False)
    assert title(page).startswith("Error: Settings") and "There is a problem" in text(page)
    assert text(page).count(sentence) == 2
    assert f'<a href="#id_amount">{sentence}</a>' in page.content.decode()
    assert f'name="amount" value="{typed}"' in page.content.decode() or not typed
    assert not re.search(r'name="hard"[^>]* checked', page.content.decode())  # the toggle is kept too
    assert budget(fernhill) == (1200 * NANO, True)


def test_without_redis_the_old_cap_holds_and_the_input_is_kept(
    own_valkey: ValkeyServer, transactional_db: None
) -> None:
    fernhill = founded()
    client = at_desk(fernhill.owner)
    page = client.get(f"{fernhill.home}settings/")
    own_valkey.kill()
    failed = client.post(f"{fernhill.home}settings/", {"amount": "1,500", "hard": "on", "seen": hidden(page, "seen")})
    sentence = "Not saved: the spending ledger cannot be reached, so the old cap of $1,200.00 still holds. Try again."
    assert sentence in text(failed)
    assert title(failed).startswith("Error: ") and 'value="1,500"' in failed.content.decode()
    assert budget(fernhill) == (1200 * NANO, True)


def test_the_first_budget_can_be_set_here(store: ValkeyServer) -> None:
    fernhill = founded(cap=None)
    client = at_desk(fernhill.owner)
    assert 'value="49.00"' in client.get(f"{fernhill.home}settings/").content.decode()
    send(client, fernhill, "49")
    assert budget(fernhill) == (49 * NANO, True)


def test_a_finer_amount_that_was_set_over_the_api_is_left_alone(owner: Client, fernhill: Fernhill) -> None:
    set_tenant_cap(tenant=fernhill.tenant, amount=usd("49.123456789"), actor=Actor.operator())
    page = owner.get(f"{fernhill.home}settings/")
    assert 'value="49.123456789"' in page.content.decode()
    send(owner, fernhill, "49.123456789")
    assert budget(fernhill) == (usd("49.123456789"), True)


# --- Two people at once ----------------------------------------------------------------------------------------------


def test_what_somebody_else_changed_meanwhile_is_not_overwritten_unasked(owner: Client, fernhill: Fernhill) -> None:
    admin = fernhill.member("admin")
    seen = hidden(owner.get(f"{fernhill.home}settings/"), "seen")
    send(at_desk(admin), fernhill, "1,500")
    asked = owner.post(f"{fernhill.home}settings/", {"amount": "1,300", "hard": "on", "seen": seen})
    assert re.search(
        r"admin@fernhill\.example changed this to \$1,500\.00 (just now|\d+ s ago)\. Keep that or save yours\?",
        text(asked),
    )
    assert budget(fernhill) == (1500 * NANO, True)
    owner.post(f"{fernhill.home}settings/", fields(asked))
    assert budget(fernhill) == (1300 * NANO, True)


def test_a_toggle_that_somebody_else_turned_is_named_for_what_it_is(owner: Client, fernhill: Fernhill) -> None:
    admin = fernhill.member("admin")
    seen = hidden(owner.get(f"{fernhill.home}settings/"), "seen")
    set_tenant_cap(tenant=fernhill.tenant, hard=False, actor=Actor.of_user(admin))
    asked = owner.post(f"{fernhill.home}settings/", {"amount": "1,300", "hard": "on", "seen": seen})
    assert "admin@fernhill.example turned blocking off" in text(asked)


def test_two_who_want_the_same_are_not_asked(owner: Client, fernhill: Fernhill) -> None:
    seen = hidden(owner.get(f"{fernhill.home}settings/"), "seen")
    set_tenant_cap(tenant=fernhill.tenant, amount=1300 * NANO, actor=Actor.operator())
    done = owner.post(f"{fernhill.home}settings/", {"amount": "1300", "hard": "on", "seen": seen})
    assert done.status_code == 302


def test_a_change_elsewhere_in_the_company_is_no_conflict(owner: Client, fernhill: Fernhill) -> None:
    seen = hidden(owner.get(f"{fernhill.home}settings/"), "seen")
    update_tenant(tenant=fernhill.tenant, name="Fernhill", actor=Actor.operator())
    owner.post(f"{fernhill.home}settings/", {"amount": "1300", "hard": "on", "seen": seen})
    assert budget(fernhill) == (1300 * NANO, True)


# --- What is shown beside it -----------------------------------------------------------------------------------------


def test_the_preview_follows_what_is_typed(spent: Fernhill) -> None:
    client = at_desk(spent.owner)
    drawn = client.get(f"{spent.home}settings/preview/?amount=2,000")
    body = drawn.content.decode()
    assert "Cap $2,000" in body and "Budget $2,000" in body and "fits under $2,000.00" in body
    low = text(client.get(f"{spent.home}settings/preview/?amount=800"))
    assert "is spent already: blocked at once" in low
    for nonsense in ("", "12.345", "abc"):
        assert client.get(f"{spent.home}settings/preview/", {"amount": nonsense}).status_code == 204


def test_early_warning_says_who_hears_of_each_step_and_when(spent: Fernhill) -> None:
    page = at_desk(spent.owner).get(f"{spent.home}settings/")
    rungs = {rung.percent: rung for rung in page.context["ladder"]}
    assert rungs[50].amount == "$600.00" and rungs[50].who == "E-mail to Owner" and rungs[50].state.startswith("passed")
    assert rungs[80].who == "nobody is told"
    assert rungs[100].what == "requests are blocked"
    set_tenant_cap(tenant=spent.tenant, hard=False, actor=Actor.operator())
    page = at_desk(spent.owner).get(f"{spent.home}settings/")
    assert next(rung for rung in page.context["ladder"] if rung.percent == 100).what == "budget reached"


# --- The other forms -------------------------------------------------------------------------------------------------


def test_the_test_budget_is_apart_from_the_live_one(owner: Client, fernhill: Fernhill) -> None:
    done = owner.post(f"{fernhill.home}settings/test-budget/", {"amount": "25"}, follow=True)
    assert "Saved. Test keys may spend $25.00 a month from the next request." in text(done)
    assert budget(fernhill, KeyMode.TEST) == (25 * NANO, True) and budget(fernhill) == (1200 * NANO, True)
    wrong = owner.post(f"{fernhill.home}settings/test-budget/", {"amount": "much"})
    assert '<a href="#test_amount">' in wrong.content.decode() and 'id="test_amount"' in wrong.content.decode()


def test_limits_are_saved_and_refused_where_they_contradict_each_other(owner: Client, fernhill: Fernhill) -> None:
    form = {"default_output_limit": "8,192", "least_output_limit": "128", "allowed_fields": "metadata\nuser"}
    owner.post(f"{fernhill.home}settings/limits/", form)
    fernhill.tenant.refresh_from_db()
    assert fernhill.tenant.default_output_limit == 8192 and fernhill.tenant.least_output_limit == 128
    assert fernhill.tenant.allowed_fields == ["metadata", "user"]
    wrong = owner.post(f"{fernhill.home}settings/limits/", form | {"least_output_limit": "9000"})
    assert text(wrong).count("Enter a least output limit that is not above the usual one.") == 2
    owner.post(f"{fernhill.home}settings/limits/", form | {"allowed_fields": ""})
    fernhill.tenant.refresh_from_db()
    assert fernhill.tenant.allowed_fields == []


def test_what_a_request_holds_is_chosen_and_the_page_says_what_that_risks(owner: Client, fernhill: Fernhill) -> None:
    page = owner.get(f"{fernhill.home}settings/")
    assert "the budget can be overspent by what is in flight when it is reached" in text(page)
    assert 'value="bound" id="id_hold_policy_0" checked' in page.content.decode()
    done = owner.post(f"{fernhill.home}settings/holds/", {"hold_policy": "estimate"}, follow=True)
    assert "what such ones usually cost is held. The budget can be overspent." in text(done)
    assert "unless what it usually costs fits under" in text(done) and "and overspend the budget." in text(done)
    fernhill.tenant.refresh_from_db()
    assert fernhill.tenant.hold_policy == "estimate"
    for wrong in ("", "hope"):
        refused = owner.post(f"{fernhill.home}settings/holds/", {"hold_policy": wrong})
        assert "Error" in text(refused) and '<a href="#id_hold_policy_0">' in refused.content.decode()
    fernhill.tenant.refresh_from_db()
    assert fernhill.tenant.hold_policy == "estimate"


def test_who_may_not_change_the_budget_may_not_let_it_be_overspent(fernhill: Fernhill) -> None:
    viewer = at_desk(fernhill.member("viewer"))
    assert viewer.post(f"{fernhill.home}settings/holds/", {"hold_policy": "estimate"}).status_code == 403
    fernhill.tenant.refresh_from_db()
    assert fernhill.tenant.hold_policy == "bound"
    assert "The budget cannot be overspent." in text(viewer.get(f"{fernhill.home}settings/"))


def test_the_company_has_a_name_and_a_time_zone(owner: Client, fernhill: Fernhill) -> None:
    owner.post(f"{fernhill.home}settings/company/", {"name": "Fernhill", "time_zone": "Europe/Berlin"})
    fernhill.tenant.refresh_from_db()
    assert (fernhill.tenant.name, fernhill.tenant.time_zone) == ("Fernhill", "Europe/Berlin")
    wrong = owner.post(f"{fernhill.home}settings/company/", {"name": "Fernhill", "time_zone": "Berlin"})
    assert "like Europe/Berlin or UTC." in text(wrong)
    assert 'value="Berlin"' in wrong.content.decode()


# --- Management tokens -----------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_works_with_what_was_chosen(owner: Client, fernhill: Fernhill) -> None:
    address = f"{fernhill.home}settings/tokens/"
    form = fields(owner.get(address)) | {"name": "terraform", "may": "read"}
    first = owner.post(address, form)
    assert owner.post(address, form)["Location"] == first["Location"]  # sent twice, made once
    page = owner.get(first["Location"])
    (secret,) = {word for word in text(page).split() if secrets.token_looks_minted(word)}
    token = ManagementToken.objects.get()
    assert (token.name, token.scopes, token.digest) == ("terraform", ["read"], secrets.digest(secret))
    assert secret not in owner.get(first["Location"]).content.decode()
    api = Client(headers={"authorization": f"Bearer {secret}"})
    assert api.get("/api/v1/tenant/").status_code == 200
    asked = owner.get(f"{address}{token.pk}/revoke/")
    assert "Revoke “terraform”?" in text(asked)
    owner.post(f"{address}{token.pk}/revoke/")
    assert owner.post(f"{address}{token.pk}/revoke/").status_code == 302  # twice
    assert api.get("/api/v1/tenant/").status_code == 401


# --- Who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_who_may_not_change_it_reads_text_and_whom_to_ask(fernhill: Fernhill, role: str) -> None:
    client = at_desk(fernhill.member(role))
    page = client.get(f"{fernhill.home}settings/")
    said, main = text(page), page.content.decode().split("<main")[1]
    assert "$1,200.00 a month. Requests are blocked when it is reached." in said
    assert "Only admins and owners can change the budget. Ask owner@fernhill.example." in said
    assert "<form" not in main and "<input" not in main and "Manage tokens" not in said
    refused = client.post(f"{fernhill.home}settings/", {"amount": "1", "hard": "on"})
    assert refused.status_code == 403 and budget(fernhill) == (1200 * NANO, True)
    assert "Only admins and owners can change the budget. Ask owner@fernhill.example." in text(refused)
