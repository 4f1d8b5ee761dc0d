"""E-mail on a real SMTP server: text and HTML that say the same, a thread a window, a way out for each reader."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.test import Client
from django.utils import timezone

from alerts import channels, outbox, pump, services
from alerts.channels.email import LOGGED
from alerts.models import AlertChannel, Delivery, EmailRecipient
from tenants.models import AuditEvent
from tests.alerts.conftest import BY, House
from tests.alerts.receivers import Mailbox
from tests.alerts.samples import BURN_RATE, BURNING, order, usd

FINANCE, CTO = "finance@fernhill.example", "cto@fernhill.example"


@pytest.fixture
def mailed(house: House, mail: Mailbox, settings: Any) -> Mailbox:
    """50 and 80 % go to two people."""
    settings.PUBLIC_URL = "https://caps.example"
    channel = house.channel("email", f"{FINANCE}, {CTO}").channel
    house.rule(50, channel)
    house.rule(80, channel)
    return mail


def part(message: Any, kind: str) -> str:
    return message.get_body(preferencelist=(kind,)).get_content()


def link_in(message: Any) -> str:
    return re.sub(r"^<https://caps.example|>$", "", message["List-Unsubscribe"].strip())


def test_each_recipient_gets_a_mail_of_their_own(house: House, mailed: Mailbox) -> None:
    house.spend("60")
    house.tell()
    assert sorted(message["To"] for message in mailed.mails) == [CTO, FINANCE]
    assert {message["X-Envelope-To"] for message in mailed.mails} == {CTO, FINANCE}
    for message in mailed.mails:
        assert re.fullmatch(r"50% of \w+'s budget is spent \(Fernhill\)", message["Subject"])
        assert "$60.00 of $100.00 is spent (60.0%)." in part(message, "plain")
    links = {link_in(message) for message in mailed.mails}
    assert len(links) == 2 and all(link_in(one) in part(one, "plain") for one in mailed.mails)


def test_text_and_html_say_the_same(house: House, mailed: Mailbox) -> None:
    house.spend("60")
    house.tell()
    message = mailed.mails[0]
    html = re.sub(r"<style>.*?</style>", "", part(message, "html"), flags=re.S)
    words = " ".join(re.sub(r"<[^>]+>", " ", html).replace("&#x27;", "'").split())
    for line in part(message, "plain").splitlines():
        line = re.sub(r": https://\S+$", "", line.strip())
        if line and not line.startswith(("[", "--")):
            assert line in words, line
    assert "<img" not in html and "<script" not in html and "max-width:560px" in html


def test_mails_of_one_window_are_one_thread(house: House, mailed: Mailbox) -> None:
    house.spend("60")
    house.tell()
    house.spend("25")
    house.tell()
    mine = [message for message in mailed.mails if message["To"] == CTO]
    assert len(mine) == 2 and len({message["References"] for message in mine}) == 1
    assert len({message["Message-ID"] for message in mailed.mails}) == 4
    assert mine[0]["In-Reply-To"] == mine[0]["References"]


def test_the_meter_is_two_cells_and_the_cap_a_red_edge() -> None:
    html = channels.of("email").compose(order()).html
    assert 'width="80%"' in html and 'width="20%"' in html and "border-right:5px solid #c5301c" in html
    soft = channels.of("email").compose(order(hard=False, percent=100, spent=usd("1300"))).html
    assert 'width="100%" height="28" bgcolor="#b97f00"' in soft and "border-right:5px dashed #12201d" in soft
    assert "prefers-color-scheme: dark" in html and 'name="color-scheme" content="light dark"' in html
    assert 'class="spent' not in channels.of("email").compose(order(BURN_RATE, **BURNING)).html


def test_a_name_cannot_put_html_into_a_mail() -> None:
    named = {"api_key_id": "key_1", "api_key_name": "<b>bold</b><script>", "scope": "api_key"}
    letter = channels.of("email").compose(order(**named))
    assert "<script>" not in letter.html and "&lt;b&gt;bold" in letter.html
    assert "<b>bold</b>" in letter.text


# --- The way out -----------------------------------------------------------------------------------------------------


def test_one_click_ends_it_for_this_reader_alone(house: House, mailed: Mailbox) -> None:
    house.spend("60")
    house.tell()
    message = next(one for one in mailed.mails if one["To"] == CTO)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    stranger = Client(enforce_csrf_checks=True)
    asked = stranger.get(link_in(message))
    assert asked.status_code == 200 and b"Stop them for me" in asked.content
    assert not EmailRecipient.objects.get(email=CTO).unsubscribed_at  # link scanners only look
    done = stranger.post(link_in(message), {"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200 and b"You get no more alerts" in done.content
    house.spend("25")
    house.tell()
    assert [one["To"] for one in mailed.mails[2:]] == [FINANCE]
    assert AuditEvent.objects.filter(action="alert_recipient.unsubscribed", actor_label=CTO).count() == 1


def test_what_waits_for_somebody_who_left_is_not_sent(house: House, mailed: Mailbox) -> None:
    from alerts import outbox

    house.spend("60")
    outbox.take_up([house.tenant.pk])
    services.unsubscribe(recipient=EmailRecipient.objects.get(email=CTO))
    pump.run()
    assert [one["To"] for one in mailed.mails] == [FINANCE]
    assert Delivery.objects.get(address=CTO).answer == f"{CTO} has unsubscribed."


def test_nobody_but_the_reader_brings_the_address_back(house: House, mailed: Mailbox) -> None:
    channel = AlertChannel.objects.get()
    recipient = EmailRecipient.objects.get(email=CTO)
    services.unsubscribe(recipient=recipient)
    for target in (FINANCE, f"{FINANCE}, {CTO}"):
        services.change_channel(tenant=house.tenant, channel_id=channel.pk, target=target, actor=BY)
    house.channel("email", CTO, name="again")
    assert all(each.unsubscribed_at for each in EmailRecipient.objects.filter(email=CTO))
    services.subscribe(recipient=recipient)
    assert not any(each.unsubscribed_at for each in EmailRecipient.objects.filter(email=CTO))


@pytest.mark.parametrize("token", ["1.abc", "1", "x.y", "1:abc", "..", "1.%00"])
def test_a_link_that_we_did_not_make_leads_nowhere(token: str, house: House) -> None:
    assert Client().post(f"/alerts/unsubscribe/{token}/").status_code == 404


def test_the_log_keeps_the_mail_without_the_readers_own_link(house: House, mailed: Mailbox) -> None:
    house.spend("60")
    house.tell()
    kept = Delivery.objects.get(address=CTO)
    assert "is spent" in kept.payload and kept.headers["Subject"]
    assert "/alerts/unsubscribe/" not in kept.payload + str(kept.headers)


# --- When it does not arrive -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [CTO, FINANCE])
def test_who_gets_theirs_does_not_hide_that_another_address_bounces(
    first: str, house: House, mailed: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "AT_ONCE", 1)
    mailed.refuse[CTO] = "550 5.1.1 no such user here"
    house.spend("60")
    outbox.take_up([house.tenant.pk])
    Delivery.objects.filter(address=first).update(due_at=timezone.now() - timedelta(seconds=60))
    pump.run()
    assert [one["To"] for one in mailed.mails] == [FINANCE]
    assert CTO in AlertChannel.objects.get().problem
    mailed.refuse.clear()
    house.spend("25")
    house.tell()
    assert (AlertChannel.objects.get().problem, EmailRecipient.objects.get(email=CTO).bounce) == ("", "")


def test_an_address_that_bounces_is_shown_and_the_others_get_theirs(house: House, mailed: Mailbox) -> None:
    mailed.refuse[CTO] = "550 5.1.1 no such user here"
    house.spend("60")
    house.tell()
    assert [one["To"] for one in mailed.mails] == [FINANCE]
    bounced = Delivery.objects.get(address=CTO)
    assert (bounced.state, bounced.attempts) == ("failed", 1)
    assert EmailRecipient.objects.get(email=CTO).bounce == "550 5.1.1 no such user here"
    assert AlertChannel.objects.get().problem == (
        f"The mail server refused {CTO} (550 5.1.1 no such user here). Correct the address or take it out."
    )


def test_a_mailbox_that_is_busy_is_tried_again(house: House, mailed: Mailbox) -> None:
    mailed.refuse[CTO] = "450 try again later"
    house.spend("60")
    house.tell()
    assert Delivery.objects.get(address=CTO).state == "waiting"
    mailed.refuse.clear()
    house.later()
    pump.run()
    assert Delivery.objects.get(address=CTO).state == "delivered" and not AlertChannel.objects.get().is_broken


def test_a_mail_server_that_is_away_loses_nothing_and_is_not_the_recipients_fault(
    house: House, mailed: Mailbox, settings: Any
) -> None:
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    house.spend("60")
    house.tell()
    assert {each.state for each in Delivery.objects.all()} == {"waiting"} and not AlertChannel.objects.get().is_broken
    settings.EMAIL_PORT = port
    house.later()
    pump.run()
    assert len(mailed.mails) == 2


def test_without_a_mail_server_the_mail_is_in_the_log_and_kept(house: House, settings: Any) -> None:
    settings.EMAIL_URL = ""
    house.rule(50, house.channel("email", FINANCE).channel)
    house.spend("60")
    house.tell()
    kept = Delivery.objects.get()
    assert (kept.state, kept.answer) == ("delivered", LOGGED) and "$60.00 of $100.00" in kept.payload
    assert len(django_mail.outbox) == 1  # the suite's backend, where the product's writes to the log
