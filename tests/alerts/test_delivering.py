"""How a try ends: arrived, tried again in time, or given up for good with a reason on the channel."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone

from alerts import delivering, pump, services
from alerts.channels.http import seconds_asked
from alerts.models import AlertChannel, Delivery
from tenants.errors import Conflict
from tests.alerts.conftest import BY, House
from tests.alerts.receivers import Receiver, Say


@pytest.fixture
def queued(house: House, receiver: Receiver) -> Delivery:
    """One delivery to a webhook, due now."""
    from alerts import outbox

    house.rule(50, house.channel("webhook", receiver.url).channel)
    house.spend("60")
    outbox.take_up()
    return Delivery.objects.get()


def state_of(delivery: Delivery) -> tuple[str, int, int]:
    """(state, tries since queued, tries in all)."""
    delivery.refresh_from_db()
    return delivery.state, delivery.attempts, len(delivery.history)


def seconds_to_go(delivery: Delivery) -> float:
    delivery.refresh_from_db()
    assert delivery.due_at is not None
    return (delivery.due_at - timezone.now()).total_seconds()


def test_a_receiver_that_fails_twice_gets_it_at_the_third_try(
    house: House, receiver: Receiver, queued: Delivery
) -> None:
    receiver.failing(2)
    pump.run()
    assert state_of(queued) == ("waiting", 1, 1) and 0 < seconds_to_go(queued) < 3  # and the sweep comes every 2
    house.later()
    pump.run()
    assert state_of(queued) == ("waiting", 2, 2) and 5 < seconds_to_go(queued) < 28
    house.later()
    pump.run()
    assert state_of(queued) == ("delivered", 3, 3)
    bodies = {heard.body for heard in receiver.received}
    ids = {heard.headers["webhook-id"] for heard in receiver.received}
    assert len(receiver.received) == 3 and len(bodies) == len(ids) == 1
    assert [line["answer"] for line in queued.history] == ["503 not now", "503 not now", "200 ok"]


def test_tries_go_on_for_a_day_ever_slower_and_then_the_channel_says_so(
    house: House, receiver: Receiver, queued: Delivery
) -> None:
    receiver.failing(99)
    waits = []
    while state_of(queued)[0] != "failed":
        pump.run()
        if state_of(queued)[0] == "waiting":
            waits.append(seconds_to_go(queued))
            passed = timedelta(seconds=waits[-1])
            Delivery.objects.update(due_at=timezone.now(), queued_at=queued.queued_at - passed)
    # Each is jittered by a third either way, so that two of like length may change places.
    assert all(later > earlier / 2 for earlier, later in pairwise(waits)) and len(waits) >= 9
    assert 14 * 3600 < sum(waits) < 24 * 3600
    channel = AlertChannel.objects.get()
    assert "503 not now" in channel.problem and f"Tried {len(waits) + 1} times." in channel.problem


def test_no_two_retries_of_many_fall_together() -> None:
    waits = {delivering.wait_before(1) for _ in range(50)}
    assert len(waits) > 40 and all(1.4 < wait < 2.6 for wait in waits if wait is not None)
    assert delivering.wait_before(len(delivering.RETRIES) + 1) is None


def test_retry_after_is_heeded_but_not_for_ever(house: House, receiver: Receiver, queued: Delivery) -> None:
    receiver.script = lambda _: Say(429, headers={"retry-after": "120"})
    pump.run()
    assert 110 < seconds_to_go(queued) <= 120
    assert seconds_asked("999999999999") == 3600 and seconds_asked("soon") == seconds_asked("") == 0
    assert seconds_asked("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize(
    ("kind", "status", "says"),
    [
        ("slack", 404, "Slack answered 404: the webhook was removed. Paste a new URL."),
        ("slack", 410, "Slack answered 410: the channel is archived."),
        ("slack", 403, "Slack answered 403: the workspace does not allow this webhook."),
        ("webhook", 410, "Webhook answered 410: the receiver wants no more of these."),
        ("discord", 404, "Discord answered 404: the webhook was removed."),
        ("teams", 410, "Teams answered 410: the workflow was removed"),
    ],
)
def test_a_permanent_failure_is_tried_once_and_shown_on_the_channel(
    kind: str, status: int, says: str, house: House, receiver: Receiver
) -> None:
    channel = house.channel(kind, receiver.url).channel
    house.rule(50, channel)
    receiver.script = lambda _: Say(status, b"no_service")
    house.spend("60")
    house.tell()
    house.later()
    house.tell()
    assert len(receiver.received) == 1 and state_of(Delivery.objects.get()) == ("failed", 1, 1)
    channel.refresh_from_db()
    assert channel.problem.startswith(says) and channel.problem_at is not None


@pytest.mark.parametrize("status", [400, 404, 429, 500, 502, 503, 302])
def test_of_a_webhook_everything_but_410_may_do_better_later(
    status: int, house: House, receiver: Receiver, queued: Delivery
) -> None:
    receiver.script = lambda _: Say(status, headers={"location": "http://127.0.0.1:9/"} if status == 302 else {})
    pump.run()
    assert state_of(queued)[0] == "waiting" and not AlertChannel.objects.get().is_broken
    assert ("Redirects are not followed" in queued.answer) == (status == 302)


def test_a_channel_that_works_again_is_healthy_again(house: House, receiver: Receiver) -> None:
    channel = house.channel("slack", receiver.url).channel
    house.rule(50, channel)
    receiver.script = lambda _: Say(404)
    house.spend("60")
    house.tell()
    channel.refresh_from_db()
    assert channel.is_broken
    receiver.script = lambda _: Say()
    services.send_test(tenant=house.tenant, channel_id=channel.pk, actor=BY)
    channel.refresh_from_db()
    assert not channel.is_broken


def test_a_new_target_is_healthy_until_it_proves_otherwise(house: House, receiver: Receiver) -> None:
    channel = house.channel("slack", receiver.url).channel
    AlertChannel.objects.update(problem="Slack answered 404: the webhook was removed.", problem_at=timezone.now())
    services.change_channel(tenant=house.tenant, channel_id=channel.pk, target=receiver.url + "/new", actor=BY)
    channel.refresh_from_db()
    assert not channel.is_broken


def test_an_address_inside_is_refused_at_sending_too_and_nothing_is_reached(
    house: House, receiver: Receiver, queued: Delivery, settings: Any
) -> None:
    settings.ALERTS_ALLOW_PRIVATE_URLS = False
    pump.run()
    assert state_of(queued)[0] == "failed" and receiver.received == []
    assert "leads to this machine or into a private network" in AlertChannel.objects.get().problem


def test_a_fault_of_ours_is_logged_counted_as_a_try_and_tried_again(
    house: House, receiver: Receiver, queued: Delivery, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("alerts.channels.http.HttpChannel.send", lambda *_: 1 / 0)
        pump.run()
    assert state_of(queued) == ("waiting", 1, 1) and "ZeroDivisionError" in queued.answer
    assert "could not be tried" in caplog.text
    house.later()
    pump.run()
    assert state_of(queued)[0] == "delivered"


def test_a_secret_that_no_key_opens_waits_for_the_operator(
    house: House, receiver: Receiver, queued: Delivery, settings: Any
) -> None:
    settings.ENCRYPTION_KEYS = ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
    pump.run()
    assert state_of(queued)[0] == "waiting" and receiver.received == []


def test_send_again_goes_out_once_more_with_the_same_id(house: House, receiver: Receiver, queued: Delivery) -> None:
    pump.run()
    services.send_again(tenant=house.tenant, delivery_id=queued.pk, actor=BY)
    assert state_of(queued) == ("waiting", 0, 1)
    pump.run()
    assert state_of(queued) == ("delivered", 1, 2)
    assert len({heard.headers["webhook-id"] for heard in receiver.received}) == 1 and len(receiver.received) == 2


def test_what_is_being_sent_is_not_queued_again(house: House, queued: Delivery) -> None:
    from alerts import outbox

    assert outbox.claim(timezone.now()) is not None
    with pytest.raises(Conflict):
        services.send_again(tenant=house.tenant, delivery_id=queued.pk, actor=BY)


def test_a_test_is_tried_once_and_answers_at_once(house: House, receiver: Receiver) -> None:
    channel = house.channel("webhook", receiver.url).channel
    receiver.failing(1, status=500)
    (made,) = services.send_test(tenant=house.tenant, channel_id=channel.pk, actor=BY)
    assert (made.state, made.answer) == ("failed", "500 not now")
    (made,) = services.send_test(tenant=house.tenant, channel_id=channel.pk, actor=BY)
    assert (made.state, made.answer) == ("delivered", "200 ok")
    assert receiver.received[-1].json()["type"] == "test"


def test_tests_are_not_a_way_to_flood_somebody(house: House, receiver: Receiver) -> None:
    channel = house.channel("webhook", receiver.url).channel
    for _ in range(20):
        services.send_test(tenant=house.tenant, channel_id=channel.pk, actor=BY)
    with pytest.raises(Conflict):
        services.send_test(tenant=house.tenant, channel_id=channel.pk, actor=BY)
    assert len(receiver.received) == 20
