"""Costs computed by hand, from the prices that the providers publish (golden.toml), equal to the nanodollar."""

from datetime import date

import pytest

from budgets.money import ceil_div
from budgets.pricing.catalogue import find
from budgets.pricing.cost import cost, explain
from budgets.pricing.rates import TOKENS_PER_RATE, Purpose
from budgets.pricing.usage import Usage
from tests.budgets.pricing.golden import EXAMPLES, Example

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_a_reply_costs_what_the_public_prices_say(example: Example) -> None:
    model = example.model()
    assert cost(model, example.usage, example.tier) == example.nanodollars
    lines = explain(model, example.usage, example.tier)
    assert ceil_div(sum(line.numerator for line in lines), TOKENS_PER_RATE) == example.nanodollars


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_sum_that_was_done_by_hand_is_right(example: Example) -> None:
    assert example.by_hand() == example.nanodollars


def test_the_table_is_wide() -> None:
    assert len(EXAMPLES) >= 75
    assert len({example.provider for example in EXAMPLES}) >= 10
    used = {name for example in EXAMPLES for name in example.usage.counts()}
    assert used == set(Usage.__dataclass_fields__) - {"service_tier", "region", "charged"}
    assert all(example.source and example.as_of <= TODAY for example in EXAMPLES)


@pytest.mark.parametrize(
    ("provider", "name", "day", "nanodollars"),
    [
        # o3 fell from $10 and $40 to $2 and $8 on 10 June 2025.
        ("openai", "o3", date(2025, 6, 9), 500_000_000),
        ("openai", "o3", date(2025, 6, 10), 100_000_000),
        # gemini-4-argon leaves its introductory $2 and $10 for $4 and $20 on 1 December 2026.
        ("gemini", "gemini-4-argon", date(2026, 11, 30), 120_000_000),
        ("gemini", "gemini-4-argon", date(2026, 12, 1), 240_000_000),
    ],
)
def test_the_price_of_the_day_counts(provider: str, name: str, day: date, nanodollars: int) -> None:
    model = find(provider, name, day)
    assert model is not None
    assert model.priced_on == day
    assert cost(model, Usage(input_tokens=10_000, output_tokens=10_000)) == nanodollars


def test_the_long_context_price_of_claude_sonnet_4_6_ended_on_its_day() -> None:
    usage = Usage(input_tokens=200_001)
    before, after = (find("anthropic", "claude-sonnet-4-6", date(2026, 3, day)) for day in (12, 13))
    assert before is not None
    assert after is not None
    assert (cost(before, usage), cost(after, usage)) == (1_200_006_000, 600_003_000)


def test_an_embedding_costs_its_input() -> None:
    model = find("openai", "text-embedding-3-small", TODAY, purpose=Purpose.EMBEDDING)  # $0.02
    assert model is not None
    assert cost(model, Usage(input_tokens=3)) == 60
