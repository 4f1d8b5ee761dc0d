"""The pages of alerts: what they say, who may change what, and that everything works without script."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alerts import outbox, pump, services
from alerts.models import AlertChannel, AlertRule, Delivery
from alerts.services import RuleChange
from budgets.money import NANO
from tenants.models import AuditEvent, Role
from tenants.services import Actor, pause_api_key
from tests.alerts.receivers import Receiver, Say
from tests.api.conftest import found
from tests.support.fernhill import Fernhill, crossed, founded, most_of_a_month
from tests.support.people import at_desk, hidden, text, title
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.django_db(transaction=True)
BY = Actor.operator()


@pytest.fixture
def fernhill(store: ValkeyServer, reachable: None) -> Fernhill:
    return founded(keys=(("bot", "50", "5"),))


@pytest.fixture
def owner(fernhill: Fernhill) -> Client:
    return at_desk(fernhill.owner)


def at(fernhill: Fernhill, path: str = "") -> str:
    return f"{fernhill.home}alerts/{path}"


def channel(fernhill: Fernhill, receiver: Receiver, kind: str = "slack", name: str = "#llm-costs") -> AlertChannel:
    made = services.create_channel(tenant=fernhill.tenant, kind=kind, target=receiver.url, name=name, actor=BY)
    return made.channel


# --- What the page says ----------------------------------------------------------------------------------------------


def test_the_ladder_says_who_hears_of_each_rung_and_what_is_missing(owner: Client, fernhill: Fernhill) -> None:
    page = text(owner.get(at(fernhill)))
    assert "50% $600.00 E-mail to Owner" in page
    assert "80% $960.00 nobody no Slack channel yet" in page
    assert "95% $1,140.00 nobody no Slack or Webhook channel yet" in page
    assert "100% $1,200.00 every channel “requests are blocked”" in page
    assert "No mail server is set (EMAIL_URL)" in page


def test_a_soft_budget_is_reached_and_blocks_nothing(store: ValkeyServer, reachable: None) -> None:
    soft = founded(hard=False)
    assert "every channel “budget reached”" in text(at_desk(soft.owner).get(at(soft)))


def test_a_channel_that_is_added_stands_on_its_rungs(owner: Client, fernhill: Fernhill, receiver: Receiver) -> None:
    channel(fernhill, receiver)
    page = text(owner.get(at(fernhill)))
    assert "80% $960.00 Slack #llm-costs" in page and "95% $1,140.00 Slack #llm-costs no Webhook channel yet" in page


def test_a_broken_channel_comes_first_with_a_way_to_mend_it(
    owner: Client, fernhill: Fernhill, receiver: Receiver
) -> None:
    made = channel(fernhill, receiver)
    receiver.script = lambda _: Say(404, b"no_service")
    services.send_test(tenant=fernhill.tenant, channel_id=made.pk, actor=BY)
    page = owner.get(at(fernhill))
    sentence = "Slack #llm-costs does not get its alerts. Slack answered 404: the webhook was removed. Paste a new URL."
    assert sentence in text(page) and text(page).index(sentence) < text(page).index("50%")
    receiver.script = lambda _: Say()
    address = at(fernhill, f"channels/{made.pk}/")
    assert "Broken since" in text(owner.get(address))
    owner.post(address, {"target": f"{receiver.url}/new", "name": "#llm-costs"})
    said = owner.post(at(fernhill, f"channels/{made.pk}/test/"), follow=True)
    assert "The test arrived" in text(said) and "answered: 200 ok" in text(said)
    assert "does not get its alerts" not in text(owner.get(at(fernhill)))


def test_without_a_budget_the_page_leads_to_one(store: ValkeyServer, reachable: None) -> None:
    bare = founded(cap=None)
    page = text(at_desk(bare.owner).get(at(bare)))
    assert "No budget is set yet. Alerts speak of it once there is one." in page


def test_what_was_sent_stands_at_its_rung(store: ValkeyServer, reachable: None, receiver: Receiver) -> None:
    company = most_of_a_month()
    crossed(company)
    outbox.take_up()
    pump.run()
    page = text(at_desk(company.owner).get(at(company)))
    assert re.search(r"50% \$600\.00 E-mail to Owner sent \d\d:\d\d:\d\d", page)
    assert "50% of the budget delivered" in page


# --- Channels --------------------------------------------------------------------------------------------------------


def test_a_webhook_is_added_and_its_secret_shown_once(owner: Client, fernhill: Fernhill, receiver: Receiver) -> None:
    form = owner.get(at(fernhill, "channels/new/?kind=webhook"))
    sent = {"kind": "webhook", "target": receiver.url, "name": "pager", "form_id": hidden(form, "form_id")}
    done = owner.post(at(fernhill, "channels/new/"), sent, follow=True)
    assert "Copy the signing secret of pager now. It is shown this once." in text(done)
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", done.content.decode())
    again = owner.post(at(fernhill, "channels/new/"), sent, follow=True)  # a double click
    assert secret not in again.content.decode()
    assert AlertChannel.objects.filter(tenant=fernhill.tenant, kind="webhook").count() == 1
    made = AlertChannel.objects.get(kind="webhook")
    rotated = owner.post(at(fernhill, f"channels/{made.pk}/rotate/"), follow=True)
    (other,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", rotated.content.decode())
    assert other != secret and "The old one signs too until" in text(rotated)


@pytest.mark.parametrize(
    ("kind", "target", "says"),
    [
        ("slack", "", "Enter the incoming webhook URL."),
        ("slack", "hooks", "Enter a whole address, like https://hooks.example.com/alerts."),
        ("email", "finance", "Enter an e-mail address, like name@company.example."),
        ("pagerduty", "abc", "Paste the integration key of Events API v2: 32 letters and digits."),
    ],
)
def test_what_is_no_target_gets_its_sentence_at_the_field(
    kind: str, target: str, says: str, owner: Client, fernhill: Fernhill
) -> None:
    page = owner.post(at(fernhill, "channels/new/"), {"kind": kind, "target": target})
    assert text(page).count(says) == 2 and "There is a problem" in text(page) and title(page).startswith("Error:")
    assert AlertChannel.objects.filter(tenant=fernhill.tenant).count() == 1


def test_an_inner_address_is_refused_in_words(owner: Client, fernhill: Fernhill, settings: Any) -> None:
    settings.ALERTS_ALLOW_PRIVATE_URLS = False
    page = owner.post(at(fernhill, "channels/new/"), {"kind": "webhook", "target": "http://169.254.169.254/latest"})
    assert "leads to this machine or into a private network" in text(page)


def test_a_secret_target_is_never_shown_again(owner: Client, fernhill: Fernhill, receiver: Receiver) -> None:
    made = services.create_channel(
        tenant=fernhill.tenant, kind="slack", target=f"{receiver.url}/services/T0/B0/SECRET", actor=BY
    ).channel
    for path in ("", f"channels/{made.pk}/", "deliveries/"):
        assert "T0/B0" not in owner.get(at(fernhill, path)).content.decode()


def test_removing_asks_first(owner: Client, fernhill: Fernhill, receiver: Receiver) -> None:
    made = channel(fernhill, receiver)
    address = at(fernhill, f"channels/{made.pk}/remove/")
    assert "Remove Slack #llm-costs?" in text(owner.get(address))
    assert AlertChannel.objects.filter(pk=made.pk).exists()
    assert "is removed" in text(owner.post(address, follow=True))
    assert not AlertChannel.objects.filter(pk=made.pk).exists()


# --- Rules -----------------------------------------------------------------------------------------------------------


def test_a_rule_is_added_changed_and_removed(owner: Client, fernhill: Fernhill, receiver: Receiver) -> None:
    made = channel(fernhill, receiver)
    sent = {"kind": "threshold", "percent": "66 %", "about": "budget", "window": "", "hear": made.pk}
    page = owner.post(at(fernhill, "rules/new/"), sent, follow=True)
    assert "66% $792.00 Slack #llm-costs" in text(page)
    rule = AlertRule.objects.get(threshold_percent=66)
    address = at(fernhill, f"rules/{rule.pk}/")
    assert "66% of the budget" in text(owner.get(address))
    changed = {"percent": "70", "about": fernhill.keys["bot"].pk, "window": "day", "hear": ["kind:*"], "mention": "on"}
    page = owner.post(address, changed, follow=True)
    assert "70% of the daily cap of bot every channel" in text(page)
    rule.refresh_from_db()
    assert (rule.scope, rule.window, rule.mention, rule.channel_kinds) == ("api_key", "day", True, ["*"])
    assert "Remove the rule “70% of the daily cap of bot”?" in text(owner.get(f"{address}remove/"))
    owner.post(f"{address}remove/")
    assert not AlertRule.objects.filter(pk=rule.pk).exists()


def test_a_burn_rate_that_pauses_says_so(owner: Client, fernhill: Fernhill) -> None:
    sent = {"kind": "burn_rate", "about": "every_key", "factor": "20", "least": "5.00", "pause": "on", "hear": "kind:*"}
    page = owner.post(at(fernhill, "rules/new/"), sent, follow=True)
    assert "A key spends 20 times its usual hour, and $5.00 at least the key is paused every channel" in text(page)
    assert AlertRule.objects.get(kind="burn_rate").least == 5 * NANO


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"percent": "eighty"}, "Enter a percentage from 1 to 1,000, without decimals."),
        ({"percent": "0"}, "Enter a percentage from 1 to 1,000, without decimals."),
        ({"percent": "79.5"}, "Enter a percentage from 1 to 1,000, without decimals."),
        ({"hear": ""}, "Choose at least one channel."),
    ],
)
def test_what_is_no_rule_gets_its_sentence(
    changes: dict[str, str], says: str, owner: Client, fernhill: Fernhill
) -> None:
    sent = {"kind": "threshold", "percent": "80", "about": "budget", "hear": "kind:*", **changes}
    page = owner.post(at(fernhill, "rules/new/"), {name: value for name, value in sent.items() if value})
    assert says in text(page) and title(page).startswith("Error:")


# --- Paused keys -----------------------------------------------------------------------------------------------------


def test_a_paused_key_is_resumed_with_one_click(owner: Client, fernhill: Fernhill) -> None:
    key = fernhill.keys["bot"]
    pause_api_key(tenant=fernhill.tenant, key_id=key.pk, actor=Actor.of_rule("burn-rate alert"))
    assert "bot is paused since" in text(owner.get(at(fernhill)))
    done = owner.post(at(fernhill, f"keys/{key.pk}/resume/"), follow=True)
    assert "bot works again from its next request." in text(done) and "is paused since" not in text(done)
    event = AuditEvent.objects.get(action="api_key.resumed")
    assert event.actor == fernhill.owner


# --- Deliveries ------------------------------------------------------------------------------------------------------


def test_before_any_alert_the_log_says_which_is_next(owner: Client, fernhill: Fernhill) -> None:
    assert "No alert has been due. The next one is 50%." in text(owner.get(at(fernhill, "deliveries/")))


def test_a_delivery_shows_payload_answer_signature_and_goes_out_again(
    owner: Client, fernhill: Fernhill, receiver: Receiver
) -> None:
    made = channel(fernhill, receiver, "webhook", "pager")
    receiver.failing(1)
    services.send_test(tenant=fernhill.tenant, channel_id=made.pk, actor=BY)
    row = text(owner.get(at(fernhill, "deliveries/")))
    assert "Test Webhook pager failed" in row
    sent = Delivery.objects.get()
    address = at(fernhill, f"deliveries/{sent.pk}/")
    page = text(owner.get(address))
    assert "503 not now" in page and '"type": "test"' in page and "webhook-signature v1," in page
    done = owner.post(f"{address}send-again/", follow=True)
    assert "It goes out again now, with the same event id." in text(done)
    pump.run()
    assert "200 ok" in text(owner.get(address)) and len(receiver.received) == 2


def test_the_log_is_filtered_and_paged(owner: Client, fernhill: Fernhill, receiver: Receiver) -> None:
    made = channel(fernhill, receiver)
    services.send_test(tenant=fernhill.tenant, channel_id=made.pk, actor=BY)
    first = Delivery.objects.get()
    now = timezone.now()
    Delivery.objects.bulk_create(
        Delivery(
            tenant=fernhill.tenant,
            event=first.event,
            channel=None,
            channel_kind="slack",
            channel_name=f"old {number}",
            address=str(number),
            state="failed",
            due_at=None,
            created_at=now,
        )
        for number in range(60)
    )
    assert "#llm-costs" not in text(owner.get(at(fernhill, "deliveries/?state=failed"))).split("Show", 1)[1]
    assert "Nothing matches." in text(owner.get(at(fernhill, f"deliveries/?state=failed&channel={made.pk}")))
    seen: set[str] = set()
    page = owner.get(at(fernhill, "deliveries/"))
    while True:
        seen |= set(re.findall(r"deliveries/(dlv_\w+)/", page.content.decode()))
        older = re.search(r'href="(\?before=[^"]+)"', page.content.decode())
        if older is None:
            break
        page = owner.get(at(fernhill, "deliveries/") + older[1].replace("&amp;", "&"))
    assert len(seen) == 61


# --- Who may ---------------------------------------------------------------------------------------------------------

CHANGES = [
    *("channels/new/", "channels/{channel}/", "channels/{channel}/test/", "channels/{channel}/rotate/"),
    *("channels/{channel}/remove/", "rules/new/", "rules/{rule}/", "rules/{rule}/remove/"),
    *("deliveries/{delivery}/send-again/", "keys/{key}/resume/"),
]


def filled(path: str, fernhill: Fernhill, made: AlertChannel) -> str:
    ids = {
        "channel": made.pk,
        "rule": AlertRule.objects.filter(tenant=fernhill.tenant).first().pk,  # type: ignore[union-attr]
        "delivery": Delivery.objects.filter(tenant=fernhill.tenant).first().pk,  # type: ignore[union-attr]
        "key": fernhill.keys["bot"].pk,
    }
    return at(fernhill, path.format(**ids))


@pytest.fixture
def busy(fernhill: Fernhill, receiver: Receiver) -> AlertChannel:
    made = channel(fernhill, receiver, "webhook", "pager")
    services.send_test(tenant=fernhill.tenant, channel_id=made.pk, actor=BY)
    services.create_rule(tenant=fernhill.tenant, actor=BY, asked=RuleChange(threshold_percent=70, channels=[made.pk]))
    return made


@pytest.mark.parametrize("path", CHANGES)
def test_members_and_viewers_see_and_change_nothing(path: str, fernhill: Fernhill, busy: AlertChannel) -> None:
    for role in (Role.MEMBER, Role.VIEWER):
        client = at_desk(fernhill.member(role))
        before = AuditEvent.objects.count()
        refused = client.post(filled(path, fernhill, busy), {"kind": "webhook"})
        assert refused.status_code == 403 and "Only admins and owners can" in text(refused)
        assert AuditEvent.objects.count() == before
        page = client.get(at(fernhill))
        assert page.status_code == 200 and "Add a rule" not in text(page) and "Only admins and owners" in text(page)


@pytest.mark.parametrize("path", ["", "deliveries/", "deliveries/{delivery}/", *CHANGES])
def test_another_companys_alerts_do_not_exist(path: str, fernhill: Fernhill, busy: AlertChannel) -> None:
    other = found("Stranger")
    theirs = at_desk(other.tenant.memberships.get().user)
    address = filled(path, fernhill, busy)
    assert {theirs.get(address).status_code, theirs.post(address).status_code} <= {404, 405}
    if "{" in path:  # the way round: their own company, our thing
        inside = address.replace(fernhill.home, f"/t/{other.tenant.slug}/")
        answers = {theirs.get(inside).status_code, theirs.post(inside).status_code}
        assert answers <= {404, 405, 302} and AlertChannel.objects.filter(pk=busy.pk).exists()
    assert Delivery.objects.filter(tenant=fernhill.tenant).count() == 1
