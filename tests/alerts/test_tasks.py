"""The doors: a nudge sends at once, and what no nudge told of goes out with the sweep."""

import pytest
from kombu.exceptions import OperationalError

from alerts import tasks
from alerts.models import Delivery
from tests.alerts.conftest import House
from tests.alerts.receivers import Receiver
from tokonomics.celery import app


@pytest.fixture
def crossed(house: House, receiver: Receiver) -> House:
    house.rule(50, house.channel("webhook", receiver.url).channel)
    house.spend("60")
    return house


def test_after_a_drain_the_delivery_is_sent_at_once(
    crossed: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(tasks.deliver, "apply_async", lambda *_, **options: asked.append(options))
    tasks.drain([crossed.tenant.pk])
    tasks.drain([crossed.tenant.pk])
    assert asked == [{"retry": False, "ignore_result": True}]
    tasks.deliver()
    assert len(receiver.received) == 1


def test_with_the_broker_away_nothing_is_lost(
    crossed: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(tasks.deliver, "apply_async", away)
    tasks.drain([crossed.tenant.pk])
    assert "the broker does not answer" in caplog.text and Delivery.objects.get().state == "waiting"
    tasks.sweep()
    assert len(receiver.received) == 1


def test_the_sweep_takes_up_what_no_drain_told_of(crossed: House, receiver: Receiver) -> None:
    tasks.sweep()
    tasks.sweep()
    assert len(receiver.received) == 1


def test_the_sweep_comes_every_two_seconds_so_that_a_first_retry_is_within_five() -> None:
    schedule = app.conf.beat_schedule
    assert schedule["alerts"]["task"] == tasks.sweep.name and schedule["alerts"]["schedule"] == 2.0
    assert schedule["alerts-look"]["task"] == tasks.look.name
    assert set(app.tasks) >= {tasks.drain.name, tasks.deliver.name, tasks.sweep.name, tasks.look.name}
