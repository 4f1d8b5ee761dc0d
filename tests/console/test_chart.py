"""The chart's geometry, as a reader measures it with a ruler."""

from datetime import date, timedelta

import pytest

from budgets.money import NANO
from tests.support.readings import MONTH, NOW, at, reading, usd
from tokonomics.console.chart import FLOOR, TOP, Chart, Scale, Series, Span, chart, stacked

NOVEMBER = Span(MONTH.first_day, 30, NOW.date())


def series(*days: str, css: str = "1", name: str = "support-bot") -> Series:
    amounts = [usd(day) for day in days] + [0] * (30 - len(days))
    return Series(name, css, tuple(amounts))


def drawn(*parts: Series, **rest: object) -> Chart:
    return chart(NOVEMBER, parts, what="key", **rest)  # type: ignore[arg-type]


def px(text: str) -> int:
    """Tenths of a pixel."""
    whole, _, tenth = text.partition(".")
    return int(whole) * 10 + int(tenth or 0)


@pytest.mark.parametrize(("highest", "labels"), [
    ("108.53", ["$0", "$40", "$80", "$120"]),
    ("38", ["$0", "$10", "$20", "$30", "$40"]),
    ("11", ["$0", "$4", "$8", "$12"]),
    ("1.1", ["$0", "$0.40", "$0.80", "$1.20"]),
    ("0.0041", ["$0", "$0.002", "$0.004", "$0.006"]),
    ("4321", ["$0", "$2,000", "$4,000", "$6,000"]),
])  # fmt: skip
def test_the_axis_has_three_or_four_round_amounts_each_with_its_dollar(highest: str, labels: list[str]) -> None:
    picture = drawn(series(highest))
    assert [line.text for line in picture.grid] == labels
    assert (picture.grid[0].at, picture.grid[-1].at) == (f"{FLOOR}.0", f"{TOP}.0")


def test_a_bar_is_as_high_as_its_amount_and_stacks_from_the_ground_with_a_gap() -> None:
    picture = drawn(series("20"), series("10", css="2"))
    lower, upper = picture.bars
    top = Scale.up_to(usd("30"))
    assert px(lower.y) + px(lower.height) == FLOOR * 10
    assert px(lower.height) == top.tenths(usd("20"))
    assert px(lower.y) - (px(upper.y) + px(upper.height)) == 10, "a pixel of paper between them"
    assert FLOOR * 10 - px(upper.y) == top.tenths(usd("30"))
    assert (lower.x, lower.width) == (upper.x, upper.width)


def test_what_was_spent_can_be_seen_however_small_and_nothing_has_no_bar() -> None:
    picture = drawn(series("100", "0", "0.000001"))
    assert len(picture.bars) == 2
    assert px(picture.bars[1].height) == 10


def test_the_whole_month_is_on_the_axis_and_today_stands_alone() -> None:
    marks = [(mark.text, mark.css) for mark in drawn(series("1")).days]
    assert marks == [("1 Nov", ""), ("5", ""), ("10", ""), ("15", ""), ("25", ""), ("30 Nov", ""), ("Today", "t-ink")]


@pytest.mark.parametrize("today", [1, 2, 15, 29, 30])
def test_no_label_stands_on_another_on_any_day_of_the_month(today: int) -> None:
    span = Span(MONTH.first_day, 30, date(2026, 11, today))
    marks = [float(mark.at.rstrip("%")) for mark in chart(span, [series("1")], what="key").days]
    assert all(later - earlier > 6 for earlier, later in zip(sorted(marks), sorted(marks)[1:], strict=False))


def test_days_that_have_not_come_have_no_row_and_no_bar() -> None:
    picture = drawn(series(*["1"] * 30))
    assert len(picture.rows) == len(picture.bars) == 19
    assert picture.rows[-1].day == NOW.date()
    assert picture.total == usd("19")


def test_the_even_pace_is_drawn_where_it_fits_and_always_named() -> None:
    month = reading("842.17", "6.38")
    near = drawn(series("45"), month=month)
    assert near.even == usd("40") and near.even_y
    far = drawn(series("2"), month=reading("2", "0", settled_requests=3))
    assert far.even == usd("40") and far.even_y == "", "bars of two dollars are not pressed flat by a line at forty"


def test_the_day_of_the_wall_stands_in_the_chart_with_forecast_before_and_shade_behind_it() -> None:
    month = reading("842.17", "6.38")
    ahead = drawn(series(*["45"] * 19), month=month).ahead
    assert ahead is not None and month.forecast is not None and month.forecast.reached_at is not None
    assert ahead.wall_text == "Cap reached 27 Nov"
    share = (month.forecast.reached_at - MONTH.start) * 100_000 // (MONTH.end - MONTH.start)
    assert ahead.wall == ahead.shaded_x == f"{share // 1000}.{share % 1000:03d}%"
    assert len(ahead.bars) == 7, "the 20th to the 26th, and not what is behind the wall"
    assert ahead.a_day == month.forecast.a_day()


def test_a_soft_budget_has_no_wall_and_the_forecast_goes_on_to_the_end() -> None:
    ahead = drawn(series(*["45"] * 19), month=reading("842.17", "6.38", hard=False)).ahead
    assert ahead is not None and ahead.wall == "" and len(ahead.bars) == 11


def test_a_wall_that_stops_now_shades_what_is_left_of_the_month() -> None:
    ahead = drawn(series(*["45"] * 19), month=reading("1200", "0")).ahead
    assert ahead is not None and ahead.bars == () and ahead.wall_text == "Cap reached"
    assert ahead.shaded_x == "63.333%"


def test_without_a_forecast_nothing_is_drawn_ahead() -> None:
    assert drawn(series("1"), month=reading("3.10", "0", "49", now=at(2, 9), settled_requests=12)).ahead is None


def test_five_keep_a_colour_in_the_order_of_their_spend_and_the_rest_are_other() -> None:
    names = [(f"key_{n}", f"key {n}") for n in range(8)]
    amounts = [(f"key_{n}", 0, (9 - n) * NANO) for n in range(8)]
    made = stacked(amounts, 30, names)
    assert [(each.css, each.name, each.total // NANO) for each in made] == [
        *(("1", "key 0", 9), ("2", "key 1", 8), ("3", "key 2", 7)),
        *(("4", "key 3", 6), ("5", "key 4", 5), ("6", "Other", 9)),
    ]
    assert len(stacked(amounts[:2], 30, names[:2])) == 2


def test_the_picture_says_in_words_what_it_shows() -> None:
    assert drawn(series("1", "108.53")).label == (
        "Spend by day, in US dollars, by key. Most on Monday 2 November: $108.53."
    )
    assert "Nothing was spent from 1 Nov to 30 Nov." in drawn(series()).label


def test_a_span_of_a_few_days_names_each() -> None:
    span = Span(date(2026, 11, 3), 4, date(2026, 11, 19))
    picture = chart(span, [Series("a", "1", (1, 2, 3, 4))], what="model")
    assert [mark.text for mark in picture.days] == ["3 Nov", "4", "5", "6 Nov"]
    assert [row.day for row in picture.rows] == [span.first + timedelta(days=n) for n in range(4)]
