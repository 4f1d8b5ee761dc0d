"""The pages of alerts and the mail as a browser shows them: sound in every size and scheme, drawn into docs/screens."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser

from alerts import channels, outbox, pump, services
from alerts.models import AlertChannel, AlertEvent, Delivery, EmailRecipient, EventType
from alerts.services import RuleChange
from alerts.unsubscribe import token_of
from budgets.money import NANO
from tenants.services import Actor, pause_api_key
from tests.alerts.receivers import Receiver, Say
from tests.alerts.samples import BURN_RATE, BURNING, order, usd
from tests.support import screens
from tests.support.fernhill import Fernhill, crossed, most_of_a_month
from tests.support.pages import VARIANTS, signed_in, sound
from tests.support.valkey import ValkeyServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BY = Actor.operator()


@pytest.fixture
def fernhill(store: ValkeyServer, receiver: Receiver, reachable: None) -> Fernhill:
    """Its ladder in use: mail and a webhook that work, Slack removed at the other end, a key that ran away."""
    company = most_of_a_month()
    tenant = company.tenant

    def channel(kind: str, target: str, name: str) -> AlertChannel:
        made = services.create_channel(tenant=tenant, kind=kind, target=target, name=name, actor=BY).channel
        AlertChannel.objects.filter(pk=made.pk).update(shown=SHOWN[kind])
        return made

    slack = channel("slack", receiver.url + "/slack", "#llm-costs")
    channel("webhook", receiver.url + "/hook", "pager")
    finance = services.create_channel(
        tenant=tenant, kind="email", target="finance@fernhill.example, cto@fernhill.example", name="Finance", actor=BY
    ).channel
    EmailRecipient.objects.filter(email="cto@fernhill.example").update(unsubscribed_at=timezone.now())
    rule(company, kind="forecast", channels=[finance.pk])
    rule(company, kind="burn_rate", scope="every_key", channel_kinds=["slack"], factor=20, least=5 * NANO, pause=True)
    rule(company, threshold_percent=90, api_key=company.keys["nightly-batch"].pk, window="day", channels=[slack.pk])
    crossed(company)
    receiver.script = lambda heard: Say(404, b"no_service") if heard.path == "/slack" else Say()
    outbox.take_up()
    pump.run()
    services.send_test(tenant=tenant, channel_id=slack.pk, actor=BY)
    for each in AlertChannel.objects.filter(kind__in=("webhook",)):
        services.send_test(tenant=tenant, channel_id=each.pk, actor=BY)
    ran_away(company)
    return company


SHOWN = {"slack": "https://hooks.slack.com/…9fQx", "webhook": "https://pager.fernhill.example/hooks/tokonomics"}


def rule(company: Fernhill, **asked: Any) -> None:
    services.create_rule(tenant=company.tenant, actor=BY, asked=RuleChange(**asked))


def ran_away(company: Fernhill) -> None:
    key = company.keys["intranet"]
    pause_api_key(tenant=company.tenant, key_id=key.pk, actor=Actor.of_rule("burn-rate alert"))
    facts = order(BURN_RATE, **{**BURNING, "api_key_id": key.pk, "api_key_name": key.name}, paused=True).facts
    event = AlertEvent.objects.create(
        tenant=company.tenant, type=EventType.BURN_RATE, key="burn", facts=facts.to_json(), api_key=key
    )
    channel = AlertChannel.objects.get(kind="slack")
    now = timezone.now()
    Delivery.objects.create(
        tenant=company.tenant,
        event=event,
        channel=channel,
        channel_kind="slack",
        channel_name=channel.name,
        attempts=2,
        due_at=now + timedelta(seconds=14),
        history=[{"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "outcome": "waiting", "answer": "503 not now", "took_ms": 210}],
    )


def pages_of(company: Fernhill) -> dict[str, str]:
    tenant = company.tenant
    delivered = Delivery.objects.filter(tenant=tenant, channel_kind="email").latest("created_at")
    hook = AlertChannel.objects.get(tenant=tenant, kind="webhook")
    slack = AlertChannel.objects.get(tenant=tenant, kind="slack")
    burning = tenant.alert_rules.get(kind="burn_rate")
    pages = {
        "alerts": "alerts/",
        "alerts-deliveries": "alerts/deliveries/",
        "alerts-delivery-signed": f"alerts/deliveries/{hook.deliveries.latest('created_at').pk}/",
        "alerts-channel-broken": f"alerts/channels/{slack.pk}/",
        "alerts-channel-new": "alerts/channels/new/?kind=email",
        "alerts-rule": f"alerts/rules/{burning.pk}/",
    }
    alike = {  # as far as a check goes; each has its picture
        "alerts-delivery": f"alerts/deliveries/{delivered.pk}/",
        "alerts-channel": f"alerts/channels/{hook.pk}/",
        "alerts-channel-remove": f"alerts/channels/{slack.pk}/remove/",
        "alerts-rule-new": "alerts/rules/new/",
        "alerts-rule-remove": f"alerts/rules/{burning.pk}/remove/",
    }
    return pages | alike if screens.DRAW else pages


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_the_pages_of_alerts_are_sound(
    width: str, scheme: str, browser: Browser, live_server: object, fernhill: Fernhill
) -> None:
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        signed_in(visited, fernhill.owner)
        for name, path in pages_of(fernhill).items():
            visited.page.goto(visited.base + fernhill.home + path, wait_until="load")
            sound(visited, f"{name}-{width}-{scheme}")
        page = visited.page
        page.goto(visited.base + fernhill.home + "alerts/rules/new/")
        page.get_by_label("Percentage").fill("lots")
        page.get_by_role("button", name="Add the rule").click()
        page.get_by_text("There is a problem").wait_for()
        sound(visited, f"alerts-rule-errors-{width}-{scheme}")


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_the_page_of_an_unsubscribe_link_is_sound(
    width: str, scheme: str, browser: Browser, live_server: object, fernhill: Fernhill
) -> None:
    recipient = EmailRecipient.objects.get(email="finance@fernhill.example")
    with screens.visit(browser, str(live_server), width=width, scheme=scheme) as visited:
        visited.page.goto(f"{visited.base}/alerts/unsubscribe/{token_of(recipient)}/")
        sound(visited, f"alerts-unsubscribe-{width}-{scheme}")
        visited.page.get_by_role("button", name="Stop them for me").click()
        visited.page.get_by_text("You get no more alerts").wait_for()
        sound(visited, f"alerts-unsubscribed-{width}-{scheme}")


MAILS: dict[str, dict[str, Any]] = {
    "threshold": {},
    "wall": {"percent": 100, "spent": usd("1199.97"), "by_refusal": True},
    "soft": {"percent": 100, "spent": usd("1263"), "hard": False, "held": 0},
}


@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
def test_a_mail_fits_and_can_be_read(width: str, scheme: str, browser: Browser) -> None:
    letters = {name: channels.of("email").compose(order(**changes)) for name, changes in MAILS.items()}
    letters["paused"] = channels.of("email").compose(order(BURN_RATE, **BURNING, paused=True))
    with screens.visit(browser, "http://127.0.0.1", width=width, scheme=scheme) as visited:
        for name, letter in letters.items():
            visited.page.set_content(letter.html)
            visited.draw(f"mail-{name}-{width}-{scheme}")
            assert visited.overflow() <= 0 and visited.complaints == []
            assert unreadable(visited.page) == []


def unreadable(page: Any) -> list[str]:
    """Texts whose contrast with what is behind them is below 4.5."""
    found: list[str] = page.evaluate(
        """() => {
          const channel = v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
          const light = c => .2126 * channel(c[0]) + .7152 * channel(c[1]) + .0722 * channel(c[2]);
          const rgb = text => text.match(/[\\d.]+/g).map(Number);
          const behind = element => {
            for (let e = element; e; e = e.parentElement) {
              const c = rgb(getComputedStyle(e).backgroundColor);
              if (c.length < 4 || c[3] > 0) return c;
            }
            return [255, 255, 255];
          };
          return [...document.querySelectorAll("p, h1, a")].filter(e => e.textContent.trim()).filter(e => {
            const a = light(rgb(getComputedStyle(e).color)), b = light(behind(e));
            return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5;
          }).map(e => e.textContent.trim());
        }"""
    )
    return found
