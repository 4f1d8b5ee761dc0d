"""What each channel takes for a target, what it makes of a message, and how a webhook is signed."""

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from alerts import channels, services
from alerts.channels.webhook import new_secret, used_percent
from alerts.models import AlertChannel, ChannelKind
from tenants import crypto
from tenants.errors import InvalidValue
from tests.alerts.conftest import BY, House
from tests.alerts.receivers import Receiver
from tests.alerts.samples import BURN_RATE, BURNING, FORECAST, order, usd


def composed(kind: str, event: str = "budget.threshold_crossed", **options: Any) -> Any:
    return json.loads(channels.of(kind).compose(order(event, **options)).text)


@pytest.fixture
def named(settings: Any) -> None:
    settings.ALERTS_ALLOW_PRIVATE_URLS = True


def test_every_kind_has_its_channel() -> None:
    assert {channel.kind for channel in channels.ALL} == set(ChannelKind)


# --- Webhook ---------------------------------------------------------------------------------------------------------


def test_the_body_of_a_webhook_is_as_documented() -> None:
    body = composed("webhook")
    assert list(body) == ["id", "type", "created_at", "data"]
    assert (body["id"], body["type"], body["created_at"]) == (
        "evt_4nVq8sJ0eYc2uBf6",
        "budget.threshold_crossed",
        "2026-11-22T09:14:00Z",
    )
    assert body["data"] == {
        "tenant": "fernhill-labs",
        "scope": "tenant",
        "api_key_id": None,
        "window": "month",
        "window_start": "2026-11-01T00:00:00Z",
        "reset_at": "2026-12-01T00:00:00Z",
        "threshold_percent": 80,
        "used_percent": "80.03",
        "limit_usd": "1200.00",
        "spent_usd": "960.41",
        "hard_cap": True,
    }
    forecast = composed("webhook", FORECAST)["data"]
    assert (forecast["forecast_usd"], forecast["cap_reached_at"]) == ("1370.00", "2026-11-27T05:00:00Z")
    assert "threshold_percent" not in forecast
    burning = composed("webhook", BURN_RATE, **BURNING, paused=True)["data"]
    assert (burning["spent_usd"], burning["usual_usd"], burning["times"], burning["paused"]) == (
        *("61.40", "1.50", 40, True),
    )


@pytest.mark.parametrize(
    ("spent", "limit", "said"),
    [("39.40", "49", "80.40"), ("0", "49", "0.00"), ("48.999999999", "49", "99.99"), ("49", "49", "100.00")],
)
def test_used_percent_is_rounded_down_to_two_decimals(spent: str, limit: str, said: str) -> None:
    assert used_percent(usd(spent), usd(limit)) == said


def test_of_a_cap_of_zero_all_is_used() -> None:
    assert used_percent(0, 0) == "100.00"


def test_a_webhook_is_signed_as_standard_webhooks_say(house: House, receiver: Receiver) -> None:
    made = house.channel("webhook", receiver.url)
    house.rule(50, made.channel)
    house.spend("60")
    house.tell()
    (heard,) = receiver.received
    assert made.secret.startswith("whsec_")
    assert Webhook(made.secret).verify(heard.body, heard.headers)["data"]["threshold_percent"] == 50
    assert heard.headers["webhook-id"] == heard.json()["id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(heard.body, heard.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(made.secret).verify(heard.body.replace(b"60.00", b"10.00"), heard.headers)


def test_while_a_secret_is_rotated_both_verify_and_then_the_new_one_alone(house: House, receiver: Receiver) -> None:
    old = house.channel("webhook", receiver.url)
    new = services.rotate_secret(tenant=house.tenant, channel_id=old.channel.pk, actor=BY, overlap=timedelta(hours=1))
    assert new.secret != old.secret
    services.send_test(tenant=house.tenant, channel_id=old.channel.pk, actor=BY)
    heard = receiver.received[-1]
    for secret in (old.secret, new.secret):
        assert Webhook(secret).verify(heard.body, heard.headers)
    AlertChannel.objects.update(old_secret_until=timezone.now() - timedelta(seconds=1))
    services.send_test(tenant=house.tenant, channel_id=old.channel.pk, actor=BY)
    heard = receiver.received[-1]
    assert Webhook(new.secret).verify(heard.body, heard.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old.secret).verify(heard.body, heard.headers)


def test_targets_and_secrets_are_encrypted_at_rest(house: House, receiver: Receiver) -> None:
    made = house.channel("webhook", receiver.url + "/secret-path")
    slack = house.channel("slack", receiver.url + "/services/T0/B0/XXXX").channel
    row = AlertChannel.objects.filter(pk=made.channel.pk).values().get()
    assert made.secret not in str(row) and crypto.decrypt(row["secret_ciphertext"]) == made.secret
    slack_row = str(AlertChannel.objects.filter(pk=slack.pk).values().get())
    assert "/services/T0" not in slack_row and slack.shown.endswith("…XXXX")


def test_reencrypting_lets_an_old_key_be_taken_away(house: House, receiver: Receiver, settings: Any) -> None:
    made = house.channel("webhook", receiver.url)
    services.rotate_secret(tenant=house.tenant, channel_id=made.channel.pk, actor=BY)
    new = Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [new, *settings.ENCRYPTION_KEYS]
    call_command("reencrypt_credentials")
    settings.ENCRYPTION_KEYS = [new]
    (sent,) = services.send_test(tenant=house.tenant, channel_id=made.channel.pk, actor=BY)
    assert sent.state == "delivered"
    heard = receiver.received[-1]
    assert Webhook(made.secret).verify(heard.body, heard.headers)


# --- Slack, Discord, Teams, PagerDuty --------------------------------------------------------------------------------


def test_slack_blocks() -> None:
    body = composed("slack")
    assert body["text"] == "80% of November's budget is spent · Fernhill Labs"
    first, bar, sentences, fields, keys, models, actions = body["blocks"]
    assert first["text"]["text"] == "*80% of November's budget is spent* · Fernhill Labs"
    assert bar["elements"][0]["text"] == "`████████░░ 80.0%`"
    assert sentences["text"]["text"].startswith("$960.41 of $1,200.00 is spent (80.0%). At this pace")
    assert [field["text"].split("\n")[0] for field in fields["fields"]] == ["*Spent*", "*Left*", "*Reset*", "*Pace*"]
    assert keys["elements"][0]["text"].startswith("Most of it: support-bot $371.20")
    assert models["elements"][0]["text"] == "By model: gpt-4o $512.77"
    assert [(each["text"]["text"], each["url"]) for each in actions["elements"]] == [
        ("Open overview", "https://caps.example/t/fernhill-labs/"),
        ("Change the budget", "https://caps.example/t/fernhill-labs/settings/"),
    ]


def test_at_the_wall_slack_begins_with_blocked_and_since_when() -> None:
    body = composed("slack", percent=100, spent=usd("1200"))
    first = body["blocks"][0]["text"]["text"]
    assert first == "*Blocked since 09:14 UTC: November's cap of $1,200.00 is reached* · Fernhill Labs"


def test_slack_calls_everybody_only_where_the_rule_says_so() -> None:
    assert "<!here>" not in json.dumps(composed("slack"))
    assert composed("slack", mention=True)["text"].startswith("<!here> ")


def test_a_name_calls_nobody_and_makes_no_link() -> None:
    named = {"api_key_id": "key_1", "api_key_name": "<!channel> @everyone [x](http://evil.example)", "scope": "api_key"}
    slack = json.dumps(composed("slack", **named))
    assert "<!channel>" not in slack and "&lt;!channel&gt;" in slack
    discord = composed("discord", **named)
    assert discord["allowed_mentions"] == {"parse": []} and "[x](" not in discord["embeds"][0]["title"]
    teams = composed("teams", **named)["attachments"][0]["content"]
    assert {block["type"] for block in teams["body"]} <= {"RichTextBlock", "ColumnSet"}


def test_discord_teams_and_pagerduty_say_the_same() -> None:
    (embed,) = composed("discord")["embeds"]
    assert embed["title"].startswith("80% of November's budget is spent")
    assert "$960.41 of $1,200.00 is spent" in embed["description"] and embed["url"].endswith("/t/fernhill-labs/")
    assert composed("discord", mention=True)["content"] == "@here"
    card = composed("teams")["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["content"]["body"][0]["inlines"][0]["text"] == "80% of November's budget is spent"
    page = composed("pagerduty")
    assert (page["event_action"], page["dedup_key"]) == ("trigger", "evt_4nVq8sJ0eYc2uBf6")
    assert page["payload"]["severity"] == "warning" and page["payload"]["custom_details"]["spent_usd"] == "960.41"
    assert composed("pagerduty", percent=100, spent=usd("1200"))["payload"]["severity"] == "critical"


def test_pagerduty_gets_the_key_and_the_log_does_not(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.channels.pagerduty.PagerDutyChannel.url", receiver.url + "/v2/enqueue")
    key = "R0123456789ABCDEFGHIJKLMNOPQRSTU"
    channel = house.channel("pagerduty", key).channel
    (made,) = services.send_test(tenant=house.tenant, channel_id=channel.pk, actor=BY)
    assert receiver.received[-1].json()["routing_key"] == key and made.state == "delivered"
    assert key not in made.payload and channel.shown == "…RSTU"


@pytest.mark.parametrize("kind", ["discord", "teams"])
def test_the_others_are_delivered_too(kind: str, house: House, receiver: Receiver) -> None:
    house.rule(50, house.channel(kind, f"{receiver.url}/{kind}").channel)
    house.spend("60")
    house.tell()
    (heard,) = receiver.received
    assert heard.path == f"/{kind}" and heard.headers["content-type"] == "application/json"


# --- Targets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("slack", "not a url"),
        ("slack", "ftp://hooks.example/x"),
        ("webhook", "http://2130706433/"),
        ("webhook", "http://user:secret@hooks.example/"),
        ("pagerduty", "too-short"),
        ("email", ""),
        ("email", "nobody"),
        ("email", "a@x.example, not-an-address"),
        ("email", ", ".join(f"a{number}@x.example" for number in range(21))),
    ],
)
def test_what_cannot_be_a_target_gets_a_sentence(kind: str, text: str, named: None) -> None:
    with pytest.raises(InvalidValue) as refused:
        channels.of(kind).target(text)
    assert refused.value.field == "target" and refused.value.message.endswith(".")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.1.2.3", "[fd00::1]"])
@pytest.mark.parametrize("kind", ["slack", "webhook", "discord", "teams"])
def test_an_inner_address_is_refused_as_it_is_typed(kind: str, host: str) -> None:
    with pytest.raises(InvalidValue, match="this machine or into a private network"):
        channels.of(kind).target(f"http://{host}:8000/hook")


def test_addresses_are_taken_however_they_are_separated() -> None:
    target = channels.of("email").target(" Finance@Fernhill.example;cto@fernhill.example\nfinance@fernhill.example ")
    assert target.value.split("\n") == ["finance@fernhill.example", "cto@fernhill.example"]
