"""Crossings become deliveries once, whoever looks and however often; a dead worker's claim is taken over."""

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from alerts import delivering, outbox, pump, services, tasks
from alerts.models import AlertEvent, Delivery, DeliveryState
from budgets import journal
from budgets.models import Crossing
from budgets.money import NANO
from tests.alerts.conftest import BY, HOOK, SLACK, House
from tests.alerts.receivers import Receiver, Say
from tests.api.conftest import found
from tests.support.processes import wait_until
from tests.support.valkey import ValkeyServer

ROOT = Path(__file__).resolve().parent.parent.parent


def told(receiver: Receiver) -> list[int]:
    return [heard.json()["data"]["threshold_percent"] for heard in receiver.received]


def in_threads(count: int, work: Any) -> list[Any]:
    """All at the same moment, each with a database connection of its own."""
    gate = threading.Barrier(count)

    def one(number: int) -> Any:
        gate.wait(10)
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_a_threshold_is_told_once_with_what_was_true_then(house: House, receiver: Receiver) -> None:
    house.rule(50, house.channel("webhook", receiver.url + HOOK).channel)
    house.spend("40")
    house.tell()
    assert receiver.received == []
    house.spend("12.50")
    house.tell()
    house.spend("1")
    house.tell()
    (heard,) = receiver.received
    month = house.month()
    assert heard.json()["data"] == {
        "tenant": "fernhill",
        "scope": "tenant",
        "api_key_id": None,
        "window": "month",
        "window_start": f"{month.first_day}T00:00:00Z",
        "reset_at": month.reset_at,
        "threshold_percent": 50,
        "used_percent": "52.50",
        "limit_usd": "100.00",
        "spent_usd": "52.50",
        "hard_cap": True,
    }
    assert heard.json()["id"] == AlertEvent.objects.get().pk and heard.json()["id"].startswith("evt_")


def test_thresholds_jumped_at_once_make_one_message_of_the_highest_to_all_of_them(
    house: House, receiver: Receiver
) -> None:
    low = house.channel("webhook", receiver.url + "/low").channel
    high = house.channel("webhook", receiver.url + "/high").channel
    house.rule(50, low)
    house.rule(80, high)
    house.rule(95, high)
    house.spend("85")
    house.tell()
    assert told(receiver) == [80, 80]
    assert {heard.path for heard in receiver.received} == {"/low", "/high"}
    assert AlertEvent.objects.count() == 1 and not Crossing.objects.filter(taken_at=None).exists()
    house.spend("11")
    house.tell()
    assert told(receiver) == [80, 80, 95]


def test_two_rules_that_lead_to_one_channel_make_one_delivery(house: House, receiver: Receiver) -> None:
    channel = house.channel("webhook", receiver.url).channel
    house.rule(50, channel)
    house.rule(50, channel)
    house.spend("60")
    house.tell()
    assert told(receiver) == [50]


@pytest.mark.fault("load: many at once on several workers", promises=("P7",))
def test_fifty_parallel_requests_give_one_alert_a_threshold(
    house: House, receiver: Receiver, store: ValkeyServer
) -> None:
    """Fifty requests of 2.00 settle at once on the real ledger, while four workers drain, take up and send."""
    channel = house.channel("webhook", receiver.url).channel
    for percent in (50, 80, 95, 100):
        house.rule(percent, channel)
    settled = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            asyncio.run(house.storm(store.url, requests=50, cost=2 * NANO))
            settled.set()
        while not settled.wait(0.005) or journal.lag(house.tenant.pk):
            tasks.drain([house.tenant.pk])
            pump.run()

    in_threads(4, work)
    house.tell()
    crossed = Crossing.objects.filter(cap=house.cap()).values_list("threshold_percent", flat=True)
    assert sorted(crossed) == [50, 80, 95, 100]
    said = told(receiver)
    assert sorted(said) == sorted(set(said)) and max(said) == 100
    assert len(said) == AlertEvent.objects.count() == Delivery.objects.filter(state="delivered").count()


@pytest.mark.fault("Celery worker: several drain one company", promises=("P7",))
def test_of_many_workers_one_takes_a_crossing_up(house: House, receiver: Receiver) -> None:
    house.rule(50, house.channel("webhook", receiver.url).channel)
    house.spend("60")
    assert sum(in_threads(8, lambda _: outbox.take_up())) == 1
    assert Delivery.objects.count() == 1


def test_of_many_workers_one_claims_a_delivery(house: House, receiver: Receiver) -> None:
    house.rule(50, house.channel("webhook", receiver.url).channel)
    house.spend("60")
    outbox.take_up()
    claimed = in_threads(8, lambda _: outbox.claim(timezone.now()))
    assert sum(delivery is not None for delivery in claimed) == 1


def test_a_claim_is_ours_until_its_lease_ends_and_then_anybodys(house: House, receiver: Receiver) -> None:
    house.rule(50, house.channel("webhook", receiver.url).channel)
    house.spend("60")
    outbox.take_up()
    now = timezone.now()
    mine = outbox.claim(now)
    assert mine is not None and outbox.claim(now + outbox.LEASE - timedelta(seconds=1)) is None
    theirs = outbox.claim(now + outbox.LEASE + timedelta(seconds=1))
    assert theirs is not None and theirs.pk == mine.pk and theirs.attempts == 2
    assert not outbox.finish(mine, state=DeliveryState.DELIVERED, due_at=None)
    assert outbox.finish(theirs, state=DeliveryState.DELIVERED, due_at=None)


KILLED = """
import signal
from django.conf import settings
settings.DATABASES["default"]["NAME"] = {database!r}
import django
django.setup()
from django.utils import timezone
from alerts import outbox
assert outbox.claim(timezone.now()) is not None
print("claimed", flush=True)
signal.pause()
"""


@pytest.mark.fault("Celery worker: killed between claim and send", promises=("P7",))
def test_a_worker_killed_between_claim_and_send_loses_nothing(house: House, receiver: Receiver) -> None:
    house.rule(50, house.channel("webhook", receiver.url).channel)
    house.spend("60")
    outbox.take_up()
    script = KILLED.format(database=str(connections["default"].settings_dict["NAME"]))
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tokonomics.settings"}
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None and worker.stdout.readline() == "claimed\n"
        worker.kill()
    delivery = Delivery.objects.get()
    assert delivery.state == DeliveryState.SENDING and pump.run() == 0 and receiver.received == []
    house.later()  # the lease ends
    assert pump.run() == 1
    delivery.refresh_from_db()
    assert (delivery.state, told(receiver)) == (DeliveryState.DELIVERED, [50])


def test_a_slow_receiver_holds_up_no_other_tenant(house: House, receiver: Receiver) -> None:
    other = House(found("Quick"))
    other.budget(100)
    with Receiver() as slow:
        slow.script = lambda _: Say(seconds=1.5)
        for number in range(5):
            house.rule(50, house.channel("slack", f"{slow.url}/{number}").channel)
        other.rule(50, other.channel("webhook", receiver.url).channel)
        house.spend("60")
        other.spend("60")
        outbox.take_up()
        running = threading.Thread(target=pump.run)
        running.start()
        wait_until(lambda: receiver.received, seconds=1.2, what="the quick receiver has its alert")
        running.join()
        assert len(slow.received) == 5


def test_a_pump_that_is_asked_while_it_runs_looks_once_more(house: House, receiver: Receiver) -> None:
    channel = house.channel("webhook", receiver.url).channel
    house.rule(50, channel)
    house.rule(80, channel)
    house.spend("60")
    outbox.take_up()

    def while_sending(_: Any) -> Say:
        if len(receiver.received) == 1:
            late = threading.Thread(target=lambda: (house.spend("25"), outbox.take_up(), pump.run()))
            late.start()
            late.join()
        return Say()

    receiver.script = while_sending
    receiver._lock = threading.RLock()
    pump.run()
    assert told(receiver) == [50, 80]


def test_what_was_read_by_nobody_is_no_event(house: House) -> None:
    house.spend("100")
    assert outbox.take_up() == 0
    assert not AlertEvent.objects.exists() and not Crossing.objects.filter(taken_at=None).exists()


def test_a_channel_that_is_removed_gets_nothing_more(house: House, receiver: Receiver) -> None:
    channel = house.channel("webhook", receiver.url).channel
    house.rule(50, channel)
    house.spend("60")
    outbox.take_up()
    services.remove_channel(tenant=house.tenant, channel_id=channel.pk, actor=BY)
    pump.run()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.answer, receiver.received) == ("cancelled", "The channel was removed.", [])


def test_slack_and_webhook_hear_the_same_event(house: House, receiver: Receiver) -> None:
    house.rule(50, house.channel("slack", receiver.url + SLACK).channel, house.channel("webhook", receiver.url).channel)
    house.spend("60")
    house.tell()
    assert {delivery.event_id for delivery in Delivery.objects.all()} == {AlertEvent.objects.get().pk}
    assert len(receiver.received) == 2


def test_the_order_of_a_delivery_says_nothing_of_its_secrets(house: House, receiver: Receiver) -> None:
    made = house.channel("webhook", receiver.url)
    house.rule(50, made.channel)
    house.spend("60")
    outbox.take_up()
    delivery = Delivery.objects.get()
    assert delivery.channel is not None
    order = delivering.order_of(delivery, delivery.channel)
    assert made.secret not in repr(order) and receiver.url not in repr(order)
