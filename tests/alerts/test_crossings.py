"""Thresholds follow the cap and the rules: each once a window, armed again when it is not passed any more."""

import asyncio

import pytest
from django.db import transaction

from alerts import outbox, services
from alerts.models import AlertEvent, AlertRule, RuleScope
from alerts.services import RuleChange
from budgets import crossings, journal, keyspace
from budgets.ledger_errors import CapExceeded
from budgets.models import Cap, Crossing
from budgets.money import NANO
from budgets.services import set_key_cap
from budgets.windows import WindowKind
from tests.alerts.conftest import BY, House
from tests.alerts.receivers import Receiver
from tests.api.conftest import found
from tests.support.valkey import ValkeyServer


def passed(house: House) -> list[int]:
    mine = Crossing.objects.filter(cap=house.cap()).order_by("threshold_percent")
    return list(mine.values_list("threshold_percent", flat=True))


def told(receiver: Receiver) -> list[int]:
    return [heard.json()["data"]["threshold_percent"] for heard in receiver.received]


@pytest.fixture
def heard(house: House, receiver: Receiver) -> Receiver:
    """A webhook on 50, 80, 95 and 100."""
    channel = house.channel("webhook", receiver.url).channel
    for percent in (50, 80, 95, 100):
        house.rule(percent, channel)
    return receiver


# --- The cap moves ---------------------------------------------------------------------------------------------------


def test_raising_the_cap_arms_again_what_is_no_longer_passed(house: House, heard: Receiver) -> None:
    house.spend("85")
    house.tell()
    house.budget(120)  # 70.8 %
    assert passed(house) == [50]
    house.spend("12")  # 80.8 %
    house.tell()
    assert passed(house) == [50, 80] and told(heard) == [80, 80]
    assert heard.received[-1].json()["data"]["limit_usd"] == "120.00"
    assert AlertEvent.objects.count() == 2


def test_lowering_the_cap_fires_what_now_is_passed_and_only_the_highest(house: House, heard: Receiver) -> None:
    house.spend("60")
    house.tell()
    house.budget(62)  # 96.8 %
    house.tell()
    assert passed(house) == [50, 80, 95] and told(heard) == [50, 95]


def test_a_cap_set_below_what_is_spent_fires_at_once(house: House, heard: Receiver) -> None:
    house.spend("40")
    house.budget(30)
    house.tell()
    assert told(heard) == [100]
    assert heard.received[-1].json()["data"]["used_percent"] == "133.33"


def test_saving_the_same_amount_tells_nobody_again(house: House, heard: Receiver) -> None:
    house.spend("60")
    house.tell()
    house.budget(100)
    house.budget(101)
    house.tell()
    assert told(heard) == [50]


def test_a_crossing_and_a_change_of_the_cap_cannot_pass_each_other(house: House, heard: Receiver) -> None:
    """A drain that read the old amount would arm 80 of the new one for good."""
    with pytest.raises(RuntimeError), transaction.atomic():
        house.spend("85")
        assert passed(house) == [50, 80]
        raise RuntimeError("the drain is rolled back")
    assert passed(house) == []
    house.budget(200)
    house.spend("85")
    assert passed(house) == []


# --- The wall refuses ------------------------------------------------------------------------------------------------


def refuse(house: House, amount: int) -> None:
    """What the drain makes of a refusal by the tenant's cap, which stood at `amount`."""
    today = house.month().first_day
    key = keyspace.tenant_counter(house.tenant.pk, "live", house.month().suffix)
    with transaction.atomic():
        crossings.record(house.tenant.pk, {(today, house.key.pk, "live")}, {key: amount})


def test_the_first_refusal_is_the_hundredth_percent(house: House, heard: Receiver) -> None:
    house.spend("99")
    house.tell()
    refuse(house, 100 * NANO)
    refuse(house, 100 * NANO)
    house.tell()
    assert told(heard) == [95, 100]
    crossing = Crossing.objects.get(cap=house.cap(), threshold_percent=100)
    assert crossing.by_refusal and crossing.spent == 99 * NANO


def test_a_refusal_from_before_the_cap_was_raised_says_nothing_of_the_new_one(house: House, heard: Receiver) -> None:
    house.spend("99")
    house.budget(200)
    refuse(house, 100 * NANO)
    assert 100 not in passed(house)


def test_a_wall_that_was_raised_is_told_of_again_when_it_refuses_again(house: House, heard: Receiver) -> None:
    refuse(house, 100 * NANO)
    house.tell()
    house.budget(120)
    assert passed(house) == []
    refuse(house, 120 * NANO)
    house.tell()
    assert told(heard) == [100, 100]


def test_a_wall_that_is_lowered_is_the_same_wall(house: House, heard: Receiver) -> None:
    refuse(house, 100 * NANO)
    house.budget(90)
    assert passed(house) == [100]
    house.budget(90, hard=False)  # and without the block it is none
    assert passed(house) == []


def test_the_ledger_journals_a_refusal_once_for_each_amount(house: House, store: ValkeyServer) -> None:
    async def refused() -> None:
        with pytest.raises(CapExceeded):
            await house.storm(store.url, requests=1, cost=101 * NANO)

    asyncio.run(refused())
    asyncio.run(refused())
    entries = [entry for entry in journal.read(house.tenant.pk, "0-0") if entry.kind == "refused"]
    assert [entry.amount for entry in entries] == [100 * NANO]
    journal.drain(house.tenant.pk)
    assert passed(house) == [100]


# --- The rules -------------------------------------------------------------------------------------------------------


def test_a_new_company_starts_with_the_documented_ladder(newborn: House) -> None:
    rules = AlertRule.objects.filter(tenant=newborn.tenant).order_by("threshold_percent")
    assert [(rule.threshold_percent, rule.channel_kinds) for rule in rules] == [
        (50, ["email"]),
        (80, ["slack"]),
        (95, ["slack", "webhook"]),
        (100, ["*"]),
    ]
    assert newborn.cap().thresholds == [50, 80, 95, 100]
    (channel,) = newborn.tenant.alert_channels.all()
    assert [recipient.email for recipient in channel.recipients.all()] == ["owner@fernhill.example"]


def test_a_channel_joins_the_rungs_of_its_kind_as_it_is_added(newborn: House, receiver: Receiver) -> None:
    newborn.spend("81")
    newborn.tell()
    newborn.channel("slack", receiver.url + "/slack")
    newborn.channel("webhook", receiver.url + "/hook")
    newborn.spend("15")
    newborn.tell()
    assert sorted(heard.path for heard in receiver.received) == ["/hook", "/slack"]  # sent side by side


@pytest.mark.parametrize("percent", [1, 33, 99, 101, 250])
def test_any_percentage(percent: int, house: House, receiver: Receiver) -> None:
    house.budget(100, hard=percent <= 100)
    house.rule(percent, house.channel("webhook", receiver.url).channel)
    house.spend(f"{percent - 1}.99")
    house.tell()
    assert told(receiver) == []
    house.spend("0.01")
    house.tell()
    assert told(receiver) == [percent]


def test_a_rule_for_what_is_passed_already_tells_nobody_in_this_window(house: House, receiver: Receiver) -> None:
    house.spend("85")
    house.tell()
    house.rule(60, house.channel("webhook", receiver.url).channel)
    house.tell()
    house.spend("1")
    house.tell()
    assert told(receiver) == [] and 60 in passed(house)


def test_rules_move_what_is_watched_and_a_new_cap_is_born_with_it(house: House, receiver: Receiver) -> None:
    channel = house.channel("webhook", receiver.url).channel
    rule = house.rule(33, channel)
    house.rule(66, channel, scope=RuleScope.EVERY_KEY)
    assert house.cap().thresholds == [33, 100]
    key_cap = Cap.objects.get(api_key=house.key)
    assert key_cap.thresholds == [66, 100]
    day = set_key_cap(tenant=house.tenant, key_id=house.key.pk, window=WindowKind.DAY, amount=NANO, actor=BY)
    assert day is not None and day.thresholds == [66, 100]
    services.change_rule(tenant=house.tenant, rule_id=rule.pk, actor=BY, asked=RuleChange(threshold_percent=44))
    assert house.cap().thresholds == [44, 100]
    services.remove_rule(tenant=house.tenant, rule_id=rule.pk, actor=BY)
    assert house.cap().thresholds == [50, 80, 95, 100]  # the usual ticks, for the pages


def test_a_key_has_rules_of_its_own_for_month_and_day(house: House, receiver: Receiver) -> None:
    channel = house.channel("webhook", receiver.url).channel
    set_key_cap(tenant=house.tenant, key_id=house.key.pk, window=WindowKind.DAY, amount=4 * NANO, actor=BY)
    house.rule(50, channel, api_key=house.key.pk)
    house.spend("2.50")  # half of the day's 4.00 and of the month's 5.00
    house.tell()
    data = sorted((heard.json()["data"] for heard in receiver.received), key=lambda one: one["window"])
    assert [(one["scope"], one["window"], one["used_percent"]) for one in data] == [
        ("api_key", "day", "62.50"),
        ("api_key", "month", "50.00"),
    ]
    assert {one["api_key_id"] for one in data} == {house.key.pk}


def test_a_rule_of_one_window_is_silent_about_the_other(house: House, receiver: Receiver) -> None:
    channel = house.channel("webhook", receiver.url).channel
    set_key_cap(tenant=house.tenant, key_id=house.key.pk, window=WindowKind.DAY, amount=4 * NANO, actor=BY)
    house.rule(50, channel, api_key=house.key.pk, window="day")
    house.spend("2.50")
    house.tell()
    assert [heard.json()["data"]["window"] for heard in receiver.received] == ["day"]


def test_the_test_budget_alerts_nobody_but_a_named_test_key_does(house: House, receiver: Receiver) -> None:
    channel = house.channel("webhook", receiver.url).channel
    house.rule(50, channel)
    house.rule(50, channel, scope=RuleScope.EVERY_KEY)
    key = house.company.test_key
    set_key_cap(tenant=house.tenant, key_id=key.pk, window=WindowKind.MONTH, amount=NANO, actor=BY)
    house.spend("9", key=key)
    house.tell()
    assert told(receiver) == []
    house.rule(60, channel, api_key=key.pk)
    Crossing.objects.all().delete()
    house.spend("0.01", key=key)
    house.tell()
    assert told(receiver) == [100]


def test_another_tenants_spend_is_nobodys_business(house: House, receiver: Receiver) -> None:
    other = House(found("Stranger"))
    house.rule(50, house.channel("webhook", receiver.url).channel)
    other.spend("48")
    outbox.take_up()
    house.tell()
    assert all(heard.json()["data"]["tenant"] != "fernhill" for heard in receiver.received)
    assert told(receiver) == []
