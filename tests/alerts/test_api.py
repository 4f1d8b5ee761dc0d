"""The REST API of alerts: what is answered, what is kept secret, what is refused."""

from typing import Any

import pytest

from alerts import outbox, pump
from tests.alerts.conftest import House
from tests.alerts.receivers import Receiver, Say


def created(house: House, **body: Any) -> Any:
    reply = house.company.api.post("alert-channels/", body)
    assert reply.status_code == 201, reply.content
    return reply.json()


def test_a_webhook_answers_its_secret_once(house: House, receiver: Receiver) -> None:
    made = created(house, kind="webhook", name="pager", target=receiver.url + "/hook?token=abc")
    assert made["secret"].startswith("whsec_") and made["id"].startswith("chn_")
    seen = house.company.api.get(f"alert-channels/{made['id']}/").json()
    assert "secret" not in seen
    assert (seen["kind"], seen["name"], seen["state"], seen["problem"]) == ("webhook", "pager", "healthy", "")
    assert seen["target"] == receiver.url + "/hook?…"
    assert made["secret"] not in house.company.api.get("alert-channels/").content.decode()


def test_other_kinds_have_no_secret_and_show_no_url(house: House, receiver: Receiver) -> None:
    made = created(house, kind="slack", target=receiver.url + "/services/T0/B0/SECRETPART")
    assert "secret" not in made and "T0/B0" not in str(made) and made["name"] == "Slack"
    mail = created(house, kind="email", target="a@x.example, b@x.example")
    assert mail["target"] == "a@x.example, b@x.example"
    assert [each["email"] for each in mail["recipients"]] == ["a@x.example", "b@x.example"]


def test_a_channel_is_changed_and_removed(house: House, receiver: Receiver) -> None:
    made = created(house, kind="webhook", target=receiver.url)
    api = house.company.api
    changed = api.patch(f"alert-channels/{made['id']}/", {"name": "other", "target": receiver.url + "/new"})
    assert (changed.json()["name"], changed.json()["target"]) == ("other", receiver.url + "/new")
    assert api.delete(f"alert-channels/{made['id']}/").status_code == 204
    assert api.get(f"alert-channels/{made['id']}/").status_code == 404


def test_a_test_says_what_came_back(house: House, receiver: Receiver) -> None:
    made = created(house, kind="webhook", target=receiver.url)
    receiver.script = lambda _: Say(500, b"boom")
    (delivery,) = house.company.api.post(f"alert-channels/{made['id']}/test/").json()
    assert (delivery["state"], delivery["history"][0]["answer"]) == ("failed", "500 boom")
    assert delivery["headers"]["webhook-signature"].startswith("v1,")


def test_a_secret_is_rotated_with_an_overlap(house: House, receiver: Receiver) -> None:
    made = created(house, kind="webhook", target=receiver.url)
    address = f"alert-channels/{made['id']}/rotate-secret/"
    rotated = house.company.api.post(address, {"overlap_seconds": 3600}).json()
    assert rotated["secret"] != made["secret"] and rotated["old_secret_until"] is not None
    assert house.company.api.post(address, {"overlap_seconds": 0}).json()["old_secret_until"] is None
    slack = created(house, kind="slack", target=receiver.url)
    assert house.company.api.post(f"alert-channels/{slack['id']}/rotate-secret/").status_code == 400


def test_rules_lead_from_a_percentage_to_channels(house: House, receiver: Receiver) -> None:
    made = created(house, kind="webhook", target=receiver.url)
    api = house.company.api
    reply = api.post("alert-rules/", {"threshold_percent": 80, "channels": [made["id"]], "api_key": None})
    assert reply.status_code == 201
    rule = reply.json()
    assert (rule["threshold_percent"], rule["channels"], rule["api_key"]) == (80, [made["id"]], None)
    assert (rule["kind"], rule["scope"], rule["window"]) == ("threshold", "tenant", None)
    keyed = api.post(
        "alert-rules/", {"threshold_percent": 50, "channels": [made["id"]], "api_key": house.key.pk, "window": "day"}
    ).json()
    assert (keyed["scope"], keyed["api_key"], keyed["window"]) == ("api_key", house.key.pk, "day")
    wide = api.post(
        "alert-rules/",
        {"kind": "burn_rate", "scope": "every_key", "channel_kinds": ["*"], "factor": 20, "least_usd": "5.00"},
    ).json()
    assert (wide["threshold_percent"], wide["factor"], wide["least_usd"], wide["pause"]) == (None, 20, "5.00", False)
    assert wide["channels"] == [made["id"]]
    changed = api.patch(f"alert-rules/{rule['id']}/", {"threshold_percent": 75}).json()
    assert (changed["threshold_percent"], changed["channels"]) == (75, [made["id"]])
    assert api.delete(f"alert-rules/{rule['id']}/").status_code == 204
    assert len(api.get("alert-rules/").json()["results"]) == 2


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"threshold_percent": 80}, "channels"),
        ({"threshold_percent": 0, "channel_kinds": ["*"]}, "threshold_percent"),
        ({"threshold_percent": "80", "channel_kinds": ["*"]}, "threshold_percent"),
        ({"channel_kinds": ["*"]}, "threshold_percent"),
        ({"threshold_percent": 80, "channel_kinds": ["pigeon"]}, "channel_kinds"),
        ({"threshold_percent": 80, "channels": ["chn_0000000000000000"]}, "channels"),
        ({"threshold_percent": 80, "channel_kinds": ["*"], "scope": "api_key"}, "api_key"),
        ({"kind": "burn_rate", "channel_kinds": ["*"], "factor": 1}, "factor"),
        ({"threshold_percent": 80, "channel_kinds": ["*"], "percent": 80}, "percent"),
    ],
)
def test_what_cannot_be_a_rule_says_which_input_is_wrong(body: dict[str, Any], param: str, house: House) -> None:
    reply = house.company.api.post("alert-rules/", body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"kind": "pigeon", "target": "x"}, "kind"),
        ({"kind": "webhook"}, "target"),
        ({"kind": "webhook", "target": "nonsense"}, "target"),
        ({"kind": "email", "target": "nobody"}, "target"),
    ],
)
def test_what_cannot_be_a_channel_says_which_input_is_wrong(body: dict[str, Any], param: str, house: House) -> None:
    reply = house.company.api.post("alert-channels/", body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


def test_a_target_inside_is_refused_where_the_operator_does_not_allow_it(house: House, settings: Any) -> None:
    settings.ALERTS_ALLOW_PRIVATE_URLS = False
    for target in (
        "http://127.0.0.1/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://[::1]/",
    ):
        reply = house.company.api.post("alert-channels/", {"kind": "webhook", "target": target})
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "target"), target


def test_another_tenants_key_or_channel_cannot_be_named(house: House, receiver: Receiver) -> None:
    from tests.api.conftest import found

    other = House(found("Stranger"))
    theirs = other.channel("webhook", receiver.url).channel
    api = house.company.api
    assert api.post("alert-rules/", {"threshold_percent": 80, "channels": [theirs.pk]}).status_code == 400
    body = {"threshold_percent": 80, "channel_kinds": ["*"], "api_key": other.key.pk}
    assert api.post("alert-rules/", body).status_code == 404


def test_deliveries_tell_payload_answer_and_tries(house: House, receiver: Receiver) -> None:
    made = created(house, kind="webhook", target=receiver.url, name="pager")
    house.company.api.post("alert-rules/", {"threshold_percent": 50, "channels": [made["id"]]})
    receiver.failing(1)
    house.spend("60")
    outbox.take_up()
    pump.run()
    (waiting,) = house.company.api.get("deliveries/?state=waiting").json()["results"]
    assert waiting["next_try_at"] is not None and waiting["attempts"] == 1
    house.later()
    pump.run()
    (one,) = house.company.api.get(f"deliveries/?channel={made['id']}").json()["results"]
    assert (one["state"], one["attempts"], one["next_try_at"]) == ("delivered", 2, None)
    assert [line["answer"] for line in one["history"]] == ["503 not now", "200 ok"]
    assert one["event"] == receiver.received[0].json()["id"] and one["type"] == "budget.threshold_crossed"
    assert one["payload"] == receiver.received[0].body.decode()
    again = house.company.api.post(f"deliveries/{one['id']}/send-again/").json()
    assert again["state"] == "waiting"
    pump.run()
    assert len(receiver.received) == 3
