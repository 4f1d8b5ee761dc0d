"""Beyond the ladder: a pace that reaches the cap, and a key that runs away."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts import watch
from alerts.models import AlertEvent
from budgets import live
from budgets.models import DailySpend, UsageRecord
from budgets.money import NANO
from budgets.windows import windows_at
from tenants.errors import PolicyUnavailable
from tenants.models import ApiKey, AuditEvent, Tenant
from tests.alerts.conftest import House
from tests.alerts.receivers import Receiver

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """It is noon of 20 November 2026, whatever the calendar says; of that day only the database knows."""
    monkeypatch.setattr(live, "now", lambda: NOON.timestamp())
    monkeypatch.setattr(live, "_from_redis", lambda *_: None)
    return NOON


@pytest.fixture
def old(house: House) -> House:
    """A company that is not new: its pace counts from the window's start."""
    Tenant.objects.update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    return house


def spend_days(house: House, usd: str, days: range, *, key: ApiKey | None = None) -> None:
    """As much on each of these days before noon, over 30 requests a day."""
    for back in days:
        house.spend(usd, at=NOON - timedelta(days=back), key=key)
    DailySpend.objects.update(requests=30)


def hooked(house: House, receiver: Receiver, **rule: Any) -> None:
    house.rule(None, house.channel("webhook", receiver.url).channel, **rule)


# --- Forecast --------------------------------------------------------------------------------------------------------


def test_a_pace_that_reaches_the_cap_is_told_once_a_window(old: House, receiver: Receiver, noon: datetime) -> None:
    hooked(old, receiver, kind="forecast")
    spend_days(old, "4", range(19))  # 76.00 in 19.5 days: 100.00 is reached on the 26th
    for _ in range(3):
        watch.forecasts(old.tenant, NOON.timestamp())
    old.tell()
    (heard,) = receiver.received
    body = heard.json()
    assert body["type"] == "budget.forecast"
    assert body["data"]["cap_reached_at"].startswith("2026-11-26") and body["data"]["spent_usd"] == "76.00"


def test_another_cap_is_another_forecast(old: House, receiver: Receiver, noon: datetime) -> None:
    hooked(old, receiver, kind="forecast")
    spend_days(old, "4", range(19))
    watch.forecasts(old.tenant, NOON.timestamp())
    old.budget(110)
    watch.forecasts(old.tenant, NOON.timestamp())
    old.budget(500)
    watch.forecasts(old.tenant, NOON.timestamp())
    assert AlertEvent.objects.count() == 2


def test_too_early_or_not_in_reach_is_no_forecast(old: House, receiver: Receiver, noon: datetime) -> None:
    hooked(old, receiver, kind="forecast")
    spend_days(old, "1", range(10))
    assert watch.forecasts(old.tenant, NOON.timestamp()) == 0
    Tenant.objects.update(created_at=NOON - timedelta(hours=3))
    old.tenant.refresh_from_db()
    spend_days(old, "60", range(1))
    assert watch.forecasts(old.tenant, NOON.timestamp()) == 0


# --- Burn rate -------------------------------------------------------------------------------------------------------


def run_away(house: House, usd: str, *, minutes_ago: float, key: ApiKey | None = None) -> None:
    at = NOON - timedelta(minutes=minutes_ago)
    house.spend(usd, at=at, key=key)


def test_a_key_far_above_its_usual_is_told_of(old: House, receiver: Receiver, noon: datetime) -> None:
    hooked(old, receiver, kind="burn_rate", scope="every_key")
    spend_days(old, "0.24", range(1, 8))  # a cent an hour
    run_away(old, "0.60", minutes_ago=40)
    run_away(old, "0.60", minutes_ago=2)
    watch.burn_rates(old.tenant, NOON.timestamp())
    old.tell()
    (heard,) = receiver.received
    body = heard.json()
    assert (body["type"], body["data"]["times"], body["data"]["paused"]) == ("api_key.burn_rate", 120, False)
    assert body["data"]["api_key_id"] == old.key.pk and body["data"]["usual_usd"] == "0.01"
    assert ApiKey.objects.get(pk=old.key.pk).paused_at is None


@pytest.mark.parametrize(
    ("spends", "why"),
    [
        ([("1.20", 40)], "the last five minutes are quiet: it is over"),
        ([("0.05", 2)], "five minutes alone are no hour"),
        ([("0.30", 40), ("0.30", 2)], "less than the least that is news"),
        ([], "nothing"),
    ],
)
def test_both_windows_and_the_least_must_agree(
    spends: list[tuple[str, float]], why: str, old: House, receiver: Receiver, noon: datetime
) -> None:
    hooked(old, receiver, kind="burn_rate", scope="every_key")
    spend_days(old, "0.24", range(1, 8))
    for usd, ago in spends:
        run_away(old, usd, minutes_ago=ago)
    assert watch.burn_rates(old.tenant, NOON.timestamp()) == 0, why


def test_a_usual_burst_is_no_news(old: House, receiver: Receiver, noon: datetime) -> None:
    hooked(old, receiver, kind="burn_rate", scope="every_key")
    spend_days(old, "24", range(1, 8))  # a dollar an hour
    run_away(old, "5", minutes_ago=2)
    assert watch.burn_rates(old.tenant, NOON.timestamp()) == 0


def test_a_new_key_is_measured_by_the_company_and_a_new_company_by_nothing(
    old: House, receiver: Receiver, noon: datetime
) -> None:
    hooked(old, receiver, kind="burn_rate", scope="every_key")
    run_away(old, "2", minutes_ago=2)
    assert watch.burn_rates(old.tenant, NOON.timestamp()) == 0
    other = ApiKey.objects.create(tenant=old.tenant, name="old-bot", prefix="tk", last_four="1234", digest="d" * 64)
    spend_days(old, "0.24", range(1, 8), key=other)
    assert watch.usual_hour(old.tenant, old.key.pk, NOON.timestamp()) == NANO // 100
    assert watch.burn_rates(old.tenant, NOON.timestamp()) == 1


def test_a_rule_may_pause_the_one_key_that_causes_it(old: House, receiver: Receiver, noon: datetime) -> None:
    other = ApiKey.objects.create(tenant=old.tenant, name="calm", prefix="tk", last_four="1234", digest="d" * 64)
    hooked(old, receiver, kind="burn_rate", scope="every_key", pause=True, factor=5, least=NANO // 2)
    spend_days(old, "0.24", range(1, 8))
    spend_days(old, "0.24", range(1, 8), key=other)
    run_away(old, "0.60", minutes_ago=2)
    run_away(old, "0.01", minutes_ago=2, key=other)
    watch.burn_rates(old.tenant, NOON.timestamp())
    old.tell()
    assert ApiKey.objects.get(pk=old.key.pk).paused_at is not None and ApiKey.objects.get(pk=other.pk).paused_at is None
    assert receiver.received[0].json()["data"]["paused"] is True
    event = AuditEvent.objects.get(action="api_key.paused")
    assert (event.actor_label, event.target_id) == ("burn-rate alert", old.key.pk)


def test_it_is_told_once_an_hour_and_not_at_every_look(old: House, receiver: Receiver, noon: datetime) -> None:
    hooked(old, receiver, kind="burn_rate", scope="every_key")
    spend_days(old, "0.24", range(1, 8))
    run_away(old, "2", minutes_ago=2)
    AlertEvent.objects.all().delete()
    assert sum(watch.burn_rates(old.tenant, NOON.timestamp()) for _ in range(3)) == 1


def test_a_key_that_cannot_be_paused_is_tried_at_the_next_look(
    old: House, receiver: Receiver, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked(old, receiver, kind="burn_rate", scope="every_key", pause=True)
    spend_days(old, "0.24", range(1, 8))
    run_away(old, "2", minutes_ago=2)

    def away(*_: Any, **__: Any) -> Any:
        raise PolicyUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(watch, "pause_api_key", away)
        assert watch.burn_rates(old.tenant, NOON.timestamp()) == 0
    assert not AlertEvent.objects.exists()
    assert watch.burn_rates(old.tenant, NOON.timestamp()) == 1


def test_a_rule_of_one_key_leaves_the_others_alone(old: House, receiver: Receiver, noon: datetime) -> None:
    other = ApiKey.objects.create(tenant=old.tenant, name="other", prefix="tk", last_four="1234", digest="d" * 64)
    hooked(old, receiver, kind="burn_rate", api_key=other.pk)
    spend_days(old, "0.24", range(1, 8))
    run_away(old, "2", minutes_ago=2)
    assert watch.burn_rates(old.tenant, NOON.timestamp()) == 0


def test_the_look_of_every_half_minute_finds_the_tenants_by_their_rules(
    old: House, receiver: Receiver, noon: datetime
) -> None:
    spend_days(old, "0.24", range(1, 8))
    run_away(old, "2", minutes_ago=2)
    assert watch.look() == 0
    hooked(old, receiver, kind="burn_rate", scope="every_key")
    assert watch.look() == 1 and UsageRecord.objects.exists()
    assert windows_at(NOON.timestamp()).day.suffix == "2026-11-20"
