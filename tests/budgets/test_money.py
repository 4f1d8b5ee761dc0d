"""Money: what people type becomes exact nanodollars or a sentence; what machines read comes back the same."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets.money import MAX_CAP, NANO, InvalidAmount, ceil_div, format_usd, parse_usd


@pytest.mark.parametrize(
    ("text", "nanodollars"),
    [
        ("49", 49 * NANO),
        (" $49.00 ", 49 * NANO),
        ("1,200", 1_200 * NANO),
        ("$ 1,200.50", 1_200 * NANO + 500_000_000),
        ("0", 0),
        ("0.5", 500_000_000),
        ("000049", 49 * NANO),
        ("00000000000000049", 49 * NANO),
        ("9,000,000", MAX_CAP),
        ("10.500", 10 * NANO + 500_000_000),
        (7, 7 * NANO),
        (Decimal("12.30"), 12 * NANO + 300_000_000),
        (Decimal("1E+3"), 1_000 * NANO),
    ],
)
def test_an_amount_as_people_write_it_is_read_exactly(text: str | int | Decimal, nanodollars: int) -> None:
    assert parse_usd(text) == nanodollars


@pytest.mark.parametrize(
    "text",
    ["", "abc", "-5", "1e3", "1,20", "12,34,567", "1.2.3", "49.", ".5", "49 €", "€49", "NaN", "inf", "１２", "٤٩",
     "0x10", "1_000", "True", Decimal("NaN"), Decimal("-1")],
)  # fmt: skip
def test_what_is_no_amount_is_refused_with_a_sentence(text: str | Decimal) -> None:
    with pytest.raises(InvalidAmount, match=r"^Enter the budget as an amount in dollars, like 49 or 1,200\.00\.$"):
        parse_usd(text, what="the budget")


def test_more_decimals_than_allowed_are_refused_rather_than_rounded() -> None:
    assert parse_usd("0.000000001", decimals=9) == 1
    with pytest.raises(InvalidAmount, match="at most 2 decimals"):
        parse_usd("10.505")
    with pytest.raises(InvalidAmount, match="at most 9 decimals"):
        parse_usd("0.0000000001", decimals=9)


@pytest.mark.parametrize("text", ["9000000.01", "9,000,001", "999999999999", "1" + "0" * 40])
def test_a_cap_above_nine_million_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount, match=r"at most \$9,000,000"):
        parse_usd(text)


@pytest.mark.parametrize(
    ("nanodollars", "text"),
    [(0, "0.00"), (49 * NANO, "49.00"), (1, "0.000000001"), (-1, "-0.000000001"), (1_500_000_000, "1.50"),
     (1_050_000_000, "1.05"), (123_456_789_000, "123.456789"), (-2 * NANO, "-2.00")],
)  # fmt: skip
def test_amounts_are_written_with_two_to_nine_decimals(nanodollars: int, text: str) -> None:
    assert format_usd(nanodollars) == text


@given(st.integers(0, MAX_CAP))
def test_an_amount_survives_being_written_and_read(nanodollars: int) -> None:
    assert parse_usd(format_usd(nanodollars), decimals=9) == nanodollars


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**12))
def test_division_rounds_up_and_by_less_than_one(numerator: int, denominator: int) -> None:
    quotient = ceil_div(numerator, denominator)
    assert 0 <= quotient * denominator - numerator < denominator
