"""The pages of keys: made and shown once, capped where they stand, rotated, revoked; by whom they may be."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from budgets.models import Cap
from budgets.money import NANO
from budgets.services import set_tenant_cap
from tenants import keys as secrets
from tenants import services
from tenants.lookup import find_api_key
from tenants.models import ApiKey, AuditEvent, RetiredSecret
from tenants.services import Actor, NewPerson
from tests.support.fernhill import KEYS, Fernhill, founded, most_of_a_month, usd
from tests.support.people import at_desk, fields, text, title
from tests.support.valkey import ValkeyServer
from tokonomics.console.services import opening

pytestmark = pytest.mark.django_db


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    """A budget of 1,200 and seven keys; nothing spent."""
    return founded(keys=KEYS)


def made(client: Client, fernhill: Fernhill, **given: str) -> ApiKey:
    client.post(f"{fernhill.home}keys/new/", {"name": "playground-2", "mode": "live", "hard": "on", **given})
    return ApiKey.objects.get(name=given.get("name", "playground-2"))


def caps(key: ApiKey) -> dict[str, tuple[int, bool]]:
    return {cap.window: (cap.amount // NANO, cap.hard) for cap in Cap.objects.filter(api_key=key)}


# --- A new key -------------------------------------------------------------------------------------------------------


def test_the_secret_is_shown_on_the_next_page_and_on_no_other(owner: Client, fernhill: Fernhill) -> None:
    sent = owner.post(f"{fernhill.home}keys/new/", {"name": "playground-2", "mode": "test", "hard": "on"})
    key = ApiKey.objects.get(name="playground-2")
    assert sent["Location"] == f"{fernhill.home}keys/?made={key.pk}"
    page = owner.get(sent["Location"])
    assert "Copy the key “playground-2” now. It is shown this once." in text(page)
    (secret,) = {word for word in text(page).split() if secrets.looks_minted(word)}
    assert secrets.digest(secret) == key.digest and secret.startswith("tk_test_")
    assert "no-store" in page["Cache-Control"]
    again = owner.get(sent["Location"])
    assert secret not in again.content.decode()
    assert "was shown once, and nobody can look it up" in text(again)


def test_the_secret_takes_the_focus_and_waits_in_the_session_encrypted(owner: Client, fernhill: Fernhill) -> None:
    key = made(owner, fernhill)
    kept = "".join(str(session.get_decoded()) for session in Session.objects.all())
    page = owner.get(f"{fernhill.home}keys/?made={key.pk}")
    (secret,) = {word for word in text(page).split() if secrets.looks_minted(word)}
    assert secret not in kept
    assert "data-take-focus" in page.content.decode().split(secret)[0].rsplit("<code", 1)[1]


def test_somebody_else_does_not_see_the_secret(owner: Client, fernhill: Fernhill) -> None:
    key = made(owner, fernhill)
    page = at_desk(fernhill.member("admin")).get(f"{fernhill.home}keys/?made={key.pk}")
    assert not [word for word in text(page).split() if secrets.looks_minted(word)]


def test_everything_that_is_asked_of_a_new_key_is_made(owner: Client, fernhill: Fernhill) -> None:
    last = datetime.now(UTC).date() + timedelta(days=30)
    given = {"month_cap": "$1,200.50", "day_cap": "20", "models": "gpt-4o\n gpt-4o-mini,o3", "expires": f"{last}"}
    key = made(owner, fernhill, **given, output_limit="4,096")
    assert caps(key) == {"month": (1200, True), "day": (20, True)}
    assert Cap.objects.get(api_key=key, window="month").amount == usd("1200.50")
    assert key.allowed_models == ["gpt-4o", "gpt-4o-mini", "o3"]
    assert key.expires_at == datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC)
    assert (key.default_output_limit, key.created_by) == (4096, fernhill.owner)


def test_without_the_block_its_caps_only_alert(owner: Client, fernhill: Fernhill) -> None:
    owner.post(f"{fernhill.home}keys/new/", {"name": "soft", "mode": "live", "month_cap": "5"})
    assert caps(ApiKey.objects.get(name="soft")) == {"month": (5, False)}


def test_a_form_that_is_sent_twice_makes_one_key(owner: Client, fernhill: Fernhill) -> None:
    form = fields(owner.get(f"{fernhill.home}keys/new/")) | {"name": "twice", "mode": "live"}
    first = owner.post(f"{fernhill.home}keys/new/", form)
    second = owner.post(f"{fernhill.home}keys/new/", form)
    assert first["Location"] == second["Location"]
    assert ApiKey.objects.filter(name="twice").count() == 1


def test_a_form_that_failed_may_be_sent_again(owner: Client, fernhill: Fernhill) -> None:
    form = fields(owner.get(f"{fernhill.home}keys/new/")) | {"mode": "live", "name": "a\u200bb"}
    assert "Enter a name without control characters" in text(owner.post(f"{fernhill.home}keys/new/", form))
    assert owner.post(f"{fernhill.home}keys/new/", form | {"name": "ab"}).status_code == 302


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("name", "", "Enter a name for the key."),
        ("mode", "", "Choose live or test."),
        ("month_cap", "€5", "Enter the monthly cap as an amount in dollars, like 49 or 1,200.00."),
        ("day_cap", "1.234", "Enter the daily cap with at most 2 decimals, like 49 or 1,200.00."),
        ("day_cap", "9000001", "Enter the daily cap of at most $9,000,000."),
        ("expires", "tomorrow", "Enter the last day like 2026-12-31."),
        ("expires", "2020-01-01", "Choose an expiry in the future."),
        ("models", "gpt 4o", "Name models one by one, without spaces."),
        ("output_limit", "0", "Enter the output limit in tokens, from 1 to 10,000,000."),
        ("output_limit", "many", "Enter the output limit in tokens, as a whole number like 4,096."),
    ],
)
def test_an_error_says_what_to_do_at_the_field_and_above_and_keeps_the_input(
    owner: Client, fernhill: Fernhill, field: str, typed: str, sentence: str
) -> None:
    form = {"name": "kept-name", "mode": "live", "hard": "on", "month_cap": "12", field: typed}
    page = owner.post(f"{fernhill.home}keys/new/", form)
    body = page.content.decode()
    assert title(page).startswith("Error: Create a key")
    assert text(page).count(sentence) == 2 and "There is a problem" in text(page)
    ident = "id_mode_0" if field == "mode" else f"id_{field}"
    assert f'<a href="#{ident}">{sentence}</a>' in body and f'id="{ident}"' in body
    assert typed in body and (field == "name" or 'value="kept-name"' in body)
    assert not ApiKey.objects.filter(name="kept-name").exists()


def test_without_redis_no_key_is_made_and_the_page_says_so(own_valkey: ValkeyServer, transactional_db: None) -> None:
    fernhill = founded()
    owner = at_desk(fernhill.owner)
    own_valkey.kill()
    for form_id in ({}, {"form_id": "abc"}):
        page = owner.post(f"{fernhill.home}keys/new/", {"name": "kept-name", "mode": "live", **form_id})
        assert "No key was made: the spending ledger cannot be reached. Try again." in text(page)
        assert 'value="kept-name"' in page.content.decode()
    assert not ApiKey.objects.filter(name="kept-name").exists()


# --- The table -------------------------------------------------------------------------------------------------------


def test_blocked_keys_come_first_then_those_that_spent_most(store: ValkeyServer) -> None:
    fernhill = most_of_a_month()
    page = at_desk(fernhill.owner).get(f"{fernhill.home}keys/")
    names = [line.key.name for line in page.context["ring"].lines]
    assert set(names[:2]) == {"nightly-batch", "staging"}
    spent = [line.month.amount for line in page.context["ring"].lines[2:]]
    assert spent == sorted(spent, key=lambda amount: -float(amount.strip("$")))
    said = text(page)
    assert "7 live, 2 of them blocked · 1 test" in said
    assert "Blocked today" in said and "$418.42 of $500.00" in said


def test_the_last_use_is_the_ledgers_or_what_is_in_flight_or_the_last_refusal(store: ValkeyServer) -> None:
    fernhill = most_of_a_month()
    fernhill.hold("analytics", usd("0.10"), ago=3)
    lines = at_desk(fernhill.owner).get(f"{fernhill.home}keys/").context["ring"].lines
    said = {line.key.name: line.detail for line in lines}
    assert said["staging"].startswith("refused ") and said["sandbox"] == "never used"
    uses = {line.key.name: line.used.at for line in lines}
    row = fernhill.tenant.usage_records.filter(api_key=fernhill.keys["intranet"]).latest("reserved_at")
    assert uses["intranet"] == row.reserved_at
    assert fernhill.now - uses["analytics"] < timedelta(seconds=5)


def test_search_comes_with_the_fifteenth_key(owner: Client, fernhill: Fernhill) -> None:
    assert "Find a key" not in text(owner.get(f"{fernhill.home}keys/"))
    for number in range(7):
        services.create_api_key(tenant=fernhill.tenant, name=f"app-{number}", actor=Actor.of_user(fernhill.owner))
    page = owner.get(f"{fernhill.home}keys/")
    assert page.context["ring"].total == 15 and "Find a key" in text(page)
    found = owner.get(f"{fernhill.home}keys/?q=owner@+APP-3").context["ring"]
    assert [line.key.name for line in found.lines] == ["app-3"]
    assert found.note == "14 live · 1 test"
    assert "No key matches “nothing such”." in text(owner.get(f"{fernhill.home}keys/?q=nothing+such"))


def test_a_name_cannot_bring_its_own_markup(owner: Client, fernhill: Fernhill) -> None:
    key = made(owner, fernhill, name="<b onclick=alert(1)>")
    for path in ("keys/", f"keys/{key.pk}/", f"keys/{key.pk}/revoke/", "audit/"):
        assert "<b onclick" not in owner.get(fernhill.home + path).content.decode()


def test_revoked_and_expired_keys_stand_on_a_page_of_their_own(owner: Client, fernhill: Fernhill) -> None:
    services.revoke_api_key(
        tenant=fernhill.tenant, key_id=fernhill.keys["intranet"].pk, actor=Actor.of_user(fernhill.owner)
    )
    ApiKey.objects.filter(name="staging").update(expires_at=datetime.now(UTC) - timedelta(hours=1))
    page = owner.get(f"{fernhill.home}keys/")
    assert not {"intranet", "staging"} & {line.key.name for line in page.context["ring"].lines}
    assert "2 past keys" in text(page)
    past = owner.get(f"{fernhill.home}keys/?show=past")
    assert {line.key.name: line.state for line in past.context["ring"].lines} == {
        "intranet": "Revoked",
        "staging": "Expired",
    }
    assert page.context["frame"].counts == past.context["frame"].counts == {"keys": 6}


def test_a_company_without_keys_reads_what_a_key_is(store: ValkeyServer) -> None:
    fernhill = founded()
    ApiKey.objects.all().delete()
    said = text(at_desk(fernhill.owner).get(f"{fernhill.home}keys/"))
    assert "No key yet. A key is what your app sends instead of the provider's." in said


def test_while_the_ledger_is_away_the_page_stands_and_says_so(own_valkey: ValkeyServer, transactional_db: None) -> None:
    fernhill = founded(keys=KEYS)
    client = at_desk(fernhill.owner)
    own_valkey.kill()
    for path in ("keys/", f"keys/{fernhill.keys['staging'].pk}/", "settings/", "settings/providers/", "team/"):
        page = client.get(fernhill.home + path)
        assert page.status_code == 200, path
        assert "the spending ledger cannot be reached since" in text(page), path


# --- One cap, where it stands ----------------------------------------------------------------------------------------


def cap_at(fernhill: Fernhill, key: str, window: str = "month") -> str:
    return f"{fernhill.home}keys/{fernhill.keys[key].pk}/cap/{window}/"


def test_a_cap_is_changed_in_its_row(owner: Client, fernhill: Fernhill) -> None:
    opened = owner.get(cap_at(fernhill, "staging"), headers={"HX-Request": "true"})
    assert opened.content.lstrip().startswith(b"<tr") and b'value="50.00"' in opened.content
    saved = owner.post(cap_at(fernhill, "staging"), {"amount": "75"}, headers={"HX-Request": "true"})
    assert "$0.00 of $75.00" in " ".join(text(saved).split())
    assert "“staging” may spend $75.00 a month from the next request." in text(saved)
    assert caps(fernhill.keys["staging"]) == {"month": (75, True)}
    event = AuditEvent.objects.filter(action="cap.changed").first()
    assert event is not None and event.changes["amount_usd"] == ["50.00", "75.00"]


def test_without_script_it_is_the_same_in_the_whole_page(owner: Client, fernhill: Fernhill) -> None:
    opened = owner.get(cap_at(fernhill, "staging"))
    assert b"<html" in opened.content and b'value="50.00"' in opened.content
    saved = owner.post(cap_at(fernhill, "staging"), {"amount": "75"}, follow=True)
    assert "Saved. “staging” may spend $75.00 a month from the next request." in text(saved)


def test_an_empty_amount_takes_the_cap_away(owner: Client, fernhill: Fernhill) -> None:
    owner.post(cap_at(fernhill, "nightly-batch", "day"), {"amount": ""})
    assert caps(fernhill.keys["nightly-batch"]) == {"month": (400, True)}


def test_zero_is_a_cap_that_refuses_everything_and_not_none(owner: Client, fernhill: Fernhill) -> None:
    owner.post(cap_at(fernhill, "analytics"), {"amount": "0"})
    assert caps(fernhill.keys["analytics"]) == {"month": (0, True)}


def test_no_amount_is_said_at_the_cell_and_nothing_changes(owner: Client, fernhill: Fernhill) -> None:
    page = owner.post(cap_at(fernhill, "staging"), {"amount": "a lot"})
    assert "Enter the cap as an amount in dollars, like 49 or 1,200.00." in text(page)
    assert title(page).startswith("Error: ") and b'value="a lot"' in page.content
    assert caps(fernhill.keys["staging"]) == {"month": (50, True)}


def test_a_cap_below_what_is_spent_is_asked_for_first(store: ValkeyServer) -> None:
    fernhill = most_of_a_month()
    client = at_desk(fernhill.owner)
    asked = client.post(cap_at(fernhill, "support-bot"), {"amount": "300"})
    assert "$418.42 is already spent. With $300.00 this key is blocked until 1 December." in text(asked) or (
        "this key is blocked until 1 " in text(asked)
    )
    assert "Save and block now" in text(asked)
    assert caps(fernhill.keys["support-bot"])["month"] == (500, True)
    client.post(cap_at(fernhill, "support-bot"), {"amount": "300", "sure": "yes"})
    assert caps(fernhill.keys["support-bot"])["month"] == (300, True)


def test_without_redis_the_old_cap_holds_and_the_cell_says_so(own_valkey: ValkeyServer, transactional_db: None) -> None:
    fernhill = founded(keys=KEYS)
    client = at_desk(fernhill.owner)
    own_valkey.kill()
    page = client.post(cap_at(fernhill, "staging"), {"amount": "75"})
    sentence = "Not saved: the spending ledger cannot be reached, so the old cap of $50.00 still holds. Try again."
    assert sentence in text(page)
    assert caps(fernhill.keys["staging"]) == {"month": (50, True)}


def test_a_daily_cap_is_raised_for_today_alone(owner: Client, fernhill: Fernhill) -> None:
    key = fernhill.keys["nightly-batch"]
    page = owner.get(f"{fernhill.home}keys/{key.pk}/")
    assert f'href="{fernhill.home}keys/{key.pk}/raise/"' in page.content.decode()
    address = f"{fernhill.home}keys/{key.pk}/raise/"
    assert "From midnight UTC $15.00 holds again, by itself." in text(owner.get(address))
    wrong = owner.post(address, {"amount": "12"})
    assert text(wrong).count("Enter more than the $15.00 that holds today.") == 2
    assert title(wrong).startswith("Error: ") and 'value="12"' in wrong.content.decode()
    done = owner.post(address, {"amount": "25"}, follow=True)
    assert "Raised to $25.00 for today. From midnight UTC $15.00 holds again." in text(done)
    assert "$25.00" in text(owner.get(f"{fernhill.home}keys/"))
    assert caps(key)["day"] == (15, True)
    opened = owner.get(cap_at(fernhill, "nightly-batch", "day"), headers={"HX-Request": "true"})
    assert b'value="15.00"' in opened.content  # saving it as it stands must not make the raise last
    without = owner.get(f"{fernhill.home}keys/{fernhill.keys['analytics'].pk}/raise/")
    assert without.status_code == 302


# --- One key ---------------------------------------------------------------------------------------------------------


def test_a_key_says_how_it_stands_and_what_it_did(store: ValkeyServer) -> None:
    fernhill = most_of_a_month()
    client = at_desk(fernhill.owner)
    said = text(client.get(f"{fernhill.home}keys/{fernhill.keys['nightly-batch'].pk}/"))
    assert "The cap of today is reached. Requests are blocked until 00:00 UTC." in said
    assert "Daily cap of the key; needs up to $0.0121, $0.0087 left" in said
    said = text(client.get(f"{fernhill.home}keys/{fernhill.keys['support-bot'].pk}/"))
    assert "by 1 request in flight" in said and "charged at the hold" in said


def test_a_cap_above_the_companys_says_which_stops_it_first(owner: Client, fernhill: Fernhill) -> None:
    set_tenant_cap(tenant=fernhill.tenant, amount=100 * NANO, actor=Actor.operator())
    page = owner.get(f"{fernhill.home}keys/{fernhill.keys['support-bot'].pk}/")
    assert "The company's $100.00 stops it first." in text(page)


def test_only_what_the_reader_changed_is_written(owner: Client, fernhill: Fernhill) -> None:
    key = fernhill.keys["staging"]
    address = f"{fernhill.home}keys/{key.pk}/edit/"
    form = fields(owner.get(address))
    services.update_api_key(
        tenant=fernhill.tenant, key_id=key.pk, allowed_models=["gpt-4o"], actor=Actor.operator()
    )  # somebody else, meanwhile
    owner.post(address, form | {"name": "staging-eu", "month_cap": "60"})
    key.refresh_from_db()
    assert (key.name, key.allowed_models, caps(key)) == ("staging-eu", ["gpt-4o"], {"month": (60, True)})
    actions = [event.action for event in AuditEvent.objects.filter(actor=fernhill.owner)[:3]]
    assert actions[:2] == ["cap.changed", "api_key.changed"]


def test_a_form_sent_back_as_it_was_changes_nothing(owner: Client, fernhill: Fernhill) -> None:
    key = fernhill.keys["nightly-batch"]
    Cap.objects.filter(api_key=key, window="month").update(amount=usd("400.123456789"))
    address = f"{fernhill.home}keys/{key.pk}/edit/"
    before = AuditEvent.objects.count()
    assert owner.post(address, fields(owner.get(address))).status_code == 302
    assert AuditEvent.objects.count() == before
    assert Cap.objects.get(api_key=key, window="month").amount == usd("400.123456789")


def test_fields_are_emptied_where_that_is_asked(owner: Client, fernhill: Fernhill) -> None:
    key = made(owner, fernhill, month_cap="5", models="gpt-4o", output_limit="500", expires="2099-01-01")
    address = f"{fernhill.home}keys/{key.pk}/edit/"
    form = fields(owner.get(address))
    assert form["expires"] == "2099-01-01"
    owner.post(address, form | {"month_cap": "", "models": "", "output_limit": "", "expires": ""})
    key.refresh_from_db()
    assert (caps(key), key.allowed_models, key.default_output_limit, key.expires_at) == ({}, [], None, None)


def test_the_block_of_a_keys_caps_can_be_turned_off(owner: Client, fernhill: Fernhill) -> None:
    address = f"{fernhill.home}keys/{fernhill.keys['nightly-batch'].pk}/edit/"
    form = fields(owner.get(address))
    del form["hard"]
    owner.post(address, form)
    assert caps(fernhill.keys["nightly-batch"]) == {"month": (400, False), "day": (15, False)}


# --- Rotate and revoke -----------------------------------------------------------------------------------------------


def test_a_rotation_shows_the_new_secret_once_and_lets_the_old_one_work_on(owner: Client, fernhill: Fernhill) -> None:
    old = made(owner, fernhill)
    address = f"{fernhill.home}keys/{old.pk}/"
    sent = owner.post(f"{address}rotate/", fields(owner.get(f"{address}rotate/")) | {"overlap": "604800"})
    page = owner.get(sent["Location"])
    (secret,) = {word for word in text(page).split() if secrets.looks_minted(word)}
    key = ApiKey.objects.get(pk=old.pk)
    assert secrets.digest(secret) == key.digest != old.digest
    stops = RetiredSecret.objects.get(api_key=key).expires_at
    assert f"The new key works now. The old one stops on {stops.day} {stops:%b %H:%M} UTC." in text(page)
    assert secret not in owner.get(sent["Location"]).content.decode()
    assert find_api_key(old.digest) is not None
    owner.post(f"{address}stop-old/")
    found = find_api_key(old.digest)
    assert found is None or (found.expires_at is not None and found.expires_at <= datetime.now(UTC))


def test_a_rotation_that_is_sent_twice_makes_one_secret(owner: Client, fernhill: Fernhill) -> None:
    address = f"{fernhill.home}keys/{fernhill.keys['staging'].pk}/rotate/"
    form = fields(owner.get(address))
    assert owner.post(address, form)["Location"] == owner.post(address, form)["Location"]
    assert RetiredSecret.objects.count() == 1


def test_revoking_says_when_it_was_used_and_wants_its_name(store: ValkeyServer) -> None:
    fernhill = most_of_a_month()
    client, key = at_desk(fernhill.owner), fernhill.keys["intranet"]
    address = f"{fernhill.home}keys/{key.pk}/revoke/"
    asked = text(client.get(address))
    sentence = (
        r"Revoke “intranet”\? It was used (59 s|1 min) ago\. Its next request is refused; the ones under way finish\. "
    )
    assert re.search(sentence + r"This cannot be undone\.", asked)
    assert "a day would use the whole budget" in text(client.get(f"{fernhill.home}keys/{key.pk}/"))
    wrong = client.post(address, {"typed": "intra"})
    assert "Type the key's name as it is written: intranet" in text(wrong) and title(wrong).startswith("Error: ")
    assert ApiKey.objects.get(pk=key.pk).revoked_at is None
    done = client.post(address, {"typed": " intranet "}, follow=True)
    when = ApiKey.objects.get(pk=key.pk).revoked_at
    assert when is not None
    assert (
        f"Revoked {when.day} {when:%b %H:%M} by owner@fernhill.example. "
        "Requests with it get 403 api_key_revoked. Spend stays in the reports."
    ) in text(done)
    after = text(client.get(f"{fernhill.home}keys/{key.pk}/"))
    assert "Worked until" in after and "Spend by day" in after
    assert "a day would use" not in after and "forecast" not in after, "it spends nothing any more"
    again = client.post(address, {"typed": "intranet"})
    assert again.status_code == 302 and AuditEvent.objects.filter(action="api_key.revoked").count() == 1


def test_a_key_that_was_never_used_says_so(owner: Client, fernhill: Fernhill) -> None:
    address = f"{fernhill.home}keys/{fernhill.keys['staging'].pk}/revoke/"
    assert "It was never used." in text(owner.get(address))


def test_a_paused_key_says_so_first_and_is_resumed(owner: Client, fernhill: Fernhill) -> None:
    address = f"{fernhill.home}keys/{fernhill.keys['analytics'].pk}/"
    page = owner.post(f"{address}pause/", follow=True)
    assert "Paused. Its next request is refused." in text(page)
    assert "Requests with it get 403 api_key_paused until somebody resumes it." in text(page)
    first = owner.get(f"{fernhill.home}keys/").context["ring"].lines[0]
    assert (first.key.name, first.state) == ("analytics", "Paused")
    assert owner.post(f"{address}pause/").status_code == 302  # twice
    assert AuditEvent.objects.filter(action="api_key.paused").count() == 1
    assert "Resumed. It works from the next request." in text(owner.post(f"{address}resume/", follow=True))
    assert ApiKey.objects.get(name="analytics").paused_at is None


# --- Who may ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def member(fernhill: Fernhill) -> Iterator[Client]:
    yield at_desk(fernhill.member("member"))


def test_a_member_changes_the_keys_that_they_made_and_no_other(member: Client, fernhill: Fernhill) -> None:
    own = made(member, fernhill, name="mine", month_cap="5")
    page = member.get(f"{fernhill.home}keys/")
    may = {line.key.name: (line.may_change, line.may_cap) for line in page.context["ring"].lines}
    assert may.pop("mine") == (True, False) and set(may.values()) == {(False, False)}
    for path in ("edit/", "rotate/", "revoke/"):
        assert member.get(f"{fernhill.home}keys/{own.pk}/{path}").status_code == 200
        theirs = member.get(f"{fernhill.home}keys/{fernhill.keys['staging'].pk}/{path}")
        assert theirs.status_code == 403
        assert "Only admins and owners can change keys that others made. Ask owner@fernhill.example." in text(theirs)


def test_a_members_caps_are_the_admins_to_change(member: Client, fernhill: Fernhill) -> None:
    own = made(member, fernhill, name="mine", month_cap="5")
    assert member.post(f"{fernhill.home}keys/{own.pk}/cap/month/", {"amount": "500"}).status_code == 403
    for path in ("raise", "pause", "resume"):  # what an alert has paused, its maker does not undo
        assert member.post(f"{fernhill.home}keys/{own.pk}/{path}/", {"amount": "500"}).status_code == 403
    assert "Pause" not in text(member.get(f"{fernhill.home}keys/{own.pk}/"))
    address = f"{fernhill.home}keys/{own.pk}/edit/"
    form = fields(member.get(address))
    assert not {"month_cap", "day_cap", "hard"} & set(form)
    member.post(address, form | {"name": "mine too", "month_cap": "500", "initial-month_cap": "5.00"})
    assert ApiKey.objects.get(pk=own.pk).name == "mine too" and caps(own) == {"month": (5, True)}


def test_what_a_viewer_cannot_do_is_not_there(fernhill: Fernhill) -> None:
    viewer = at_desk(fernhill.member("viewer"))
    said = text(viewer.get(f"{fernhill.home}keys/"))
    for word in ("Create a key", "Rotate", "Revoke"):
        assert word not in said
    one = text(viewer.get(f"{fernhill.home}keys/{fernhill.keys['staging'].pk}/"))
    for word in ("Edit caps", "Change", "Rotate", "Revoke", "Set one"):
        assert word not in one
    refused = viewer.get(f"{fernhill.home}keys/new/")
    assert refused.status_code == 403
    assert "Only members, admins and owners can make keys. Ask owner@fernhill.example." in text(refused)


def test_a_key_of_another_company_is_not_there(owner: Client, fernhill: Fernhill) -> None:
    with opening(name="Bracken", owner=NewPerson("owner@bracken.example")) as bracken:
        pass
    foreign = services.create_api_key(tenant=bracken.tenant, name="theirs", actor=Actor.operator()).key.pk
    for path in ("", "edit/", "rotate/", "revoke/", "cap/month/", "row/"):
        assert owner.get(f"{fernhill.home}keys/{foreign}/{path}").status_code == 404, path
    assert owner.post(f"{fernhill.home}keys/{foreign}/stop-old/").status_code == 404
    assert owner.get(f"{fernhill.home}keys/?made={foreign}").status_code == 200
