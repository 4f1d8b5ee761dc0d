"""Prices that change within a day: the hold takes the dearest, a reply the list of its own hours."""

from datetime import UTC, date, datetime, time

import pytest

from budgets.pricing.bound import quote
from budgets.pricing.catalogue import find
from budgets.pricing.cost import cost
from budgets.pricing.hours import Hours, tier_between
from budgets.pricing.rates import Model
from budgets.pricing.usage import Usage

DAY = date(2026, 11, 24)
OVER_MIDNIGHT = Hours(time(22), time(2))
MORNING = Hours(time(6), time(10))


def at(hour: int, minute: int = 0) -> float:
    return datetime(2026, 11, 24, hour, minute, tzinfo=UTC).timestamp()


@pytest.fixture
def flash() -> Model:
    model = find("deepseek", "deepseek-v4-flash", DAY)
    assert model is not None
    return model


@pytest.mark.parametrize(
    ("began", "ended", "tier"),
    [
        (at(5), at(5, 59), "standard"),
        (at(6), at(9, 59), "06:00-10:00 UTC"),
        (at(10), at(10, 1), "standard"),
        (at(5, 59), at(6), "mixed"),
        (at(9, 59), at(10), "mixed"),
        (at(23), at(23, 59), "22:00-02:00 UTC"),
        (at(0), at(1, 59), "22:00-02:00 UTC"),
        (at(2), at(3), "standard"),
        (at(7), at(23), "mixed"),
    ],
)
def test_a_reply_is_of_the_hours_that_it_was_made_in(began: float, ended: float, tier: str) -> None:
    assert tier_between((OVER_MIDNIGHT, MORNING), began, ended) == tier


def test_the_hold_covers_the_dearest_hour_and_the_reply_costs_its_own(flash: Model) -> None:
    bound = quote(flash, input_tokens=1_000, client_limit=500, default_limit=0, floor=0).most
    usage = Usage(input_tokens=1_000, output_tokens=500)
    # api-docs.deepseek.com/quick_start/pricing: $0.15 in, $0.60 out, twice from 01:00 to 04:00 and from 06:00 to 10:00.
    plain = 1_000 * 150 + 500 * 600
    assert bound == 2 * plain
    assert cost(flash, usage, flash.tier_at(at(12), at(12))) == plain
    assert cost(flash, usage, flash.tier_at(at(2), at(3))) == 2 * plain
    assert cost(flash, usage, flash.tier_at(at(0, 59), at(1))) == 2 * plain


def test_a_model_of_one_price_a_day_has_no_hours() -> None:
    model = find("openai", "gpt-4o", DAY)
    assert model is not None and model.hours == () and model.tier_at(at(0), at(9)) == ""
