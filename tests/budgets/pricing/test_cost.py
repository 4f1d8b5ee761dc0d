"""Settlement: every token at its rate, rounded up once; nothing free by accident."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.pricing.catalogue import find
from budgets.pricing.cost import Line, cost, explain
from budgets.pricing.rates import TOKENS_PER_RATE, Model, NotPriceable, PriceLadder, Rates, Step
from budgets.pricing.usage import Usage, UsageUnknown
from tests.budgets.pricing.strategies import models

COUNTS = st.integers(0, 2_000_000)
USAGES = st.builds(
    Usage,
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cache_read_tokens=COUNTS,
    cache_write_5m_tokens=COUNTS,
    cache_write_1h_tokens=COUNTS,
    audio_input_tokens=COUNTS,
    audio_cache_read_tokens=COUNTS,
    reasoning_tokens=COUNTS,
    web_searches=st.integers(0, 50),
)
TIERS = st.sampled_from(["", "default", "standard", "flex", "priority", "scale"])

SIMPLE = Rates(input=1, output=1, cache_read=1, cache_write_5m=1, cache_write_1h=1)


def simple_model(ladder: PriceLadder, **tiers: PriceLadder) -> Model:
    return Model("openai", "m", ladder, 1_000, 1_000, "made up", date(2026, 11, 24), tiers=tiers)


@given(models(), USAGES, TIERS)
@settings(deadline=None)
def test_the_lines_of_a_bill_sum_to_its_cost(model: Model, usage: Usage, tier: str) -> None:
    lines = explain(model, usage, tier)
    exact = Fraction(sum(line.numerator for line in lines), TOKENS_PER_RATE)
    settled = cost(model, usage, tier)
    assert exact <= settled < exact + 1


@given(models(), USAGES, TIERS, st.sampled_from(["input_tokens", "output_tokens", "cache_read_tokens", "web_searches"]))
@settings(deadline=None)
def test_within_a_price_step_one_token_more_never_costs_less(model: Model, usage: Usage, tier: str, kind: str) -> None:
    flat = replace(
        model,
        standard=replace(model.standard, steps=()),
        tiers={name: replace(ladder, steps=()) for name, ladder in model.tiers.items()},
    )
    more = replace(usage, **{kind: getattr(usage, kind) + 1})
    assert cost(flat, more, tier) >= cost(flat, usage, tier)


def test_fractions_of_a_nanodollar_are_rounded_up_once_not_per_kind() -> None:
    model = simple_model(PriceLadder(SIMPLE))
    assert cost(model, Usage(input_tokens=1, output_tokens=1, cache_read_tokens=1)) == 1
    assert cost(model, Usage(input_tokens=1_000_000)) == 1
    assert cost(model, Usage(input_tokens=1_000_000, output_tokens=1)) == 2
    assert cost(model, Usage()) == 0


def test_a_price_step_is_passed_by_more_input_than_it_names_and_then_holds_for_all() -> None:
    dearer = replace(SIMPLE, input=10_000_000, output=20_000_000)
    model = simple_model(PriceLadder(replace(SIMPLE, input=1_000_000, output=1_000_000), (Step(100, dearer),)))
    assert cost(model, Usage(input_tokens=100, output_tokens=1)) == 101
    assert cost(model, Usage(input_tokens=101, output_tokens=1)) == 1_010 + 20


@pytest.mark.parametrize(
    "kind",
    ["input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "audio_input_tokens",
     "audio_cache_read_tokens"],
)  # fmt: skip
def test_every_kind_of_input_counts_toward_the_price_step(kind: str) -> None:
    heard = replace(SIMPLE, audio_input=1, audio_cache_read=1)
    dearer = Rates(*[5_000_000] * 8)
    model = simple_model(PriceLadder(heard, (Step(99, dearer),)))
    assert cost(model, Usage(**{kind: 100})) == 500


def test_output_does_not_count_toward_the_price_step() -> None:
    model = simple_model(PriceLadder(SIMPLE, (Step(99, Rates(*[5_000_000] * 5)),)))
    assert cost(model, Usage(output_tokens=1_000_000)) == 1


def test_the_tier_of_the_reply_is_charged_and_its_argument_goes_before_the_usages_own() -> None:
    cheap, dear = (PriceLadder(replace(SIMPLE, input=rate)) for rate in (1_000_000, 3_000_000))
    model = simple_model(PriceLadder(replace(SIMPLE, input=2_000_000)), flex=cheap, priority=dear)
    usage = Usage(input_tokens=10, service_tier="flex")
    assert [cost(model, usage, tier) for tier in ("", "default", "priority")] == [10, 20, 30]
    assert cost(model, replace(usage, service_tier="")) == 20


def test_a_tier_that_nobody_knows_costs_the_dearest_known() -> None:
    dear = PriceLadder(replace(SIMPLE, input=3_000_000))
    model = simple_model(PriceLadder(replace(SIMPLE, input=2_000_000)), priority=dear)
    assert cost(model, Usage(input_tokens=10), "platinum") == 30
    assert [line.rate for line in explain(model, Usage(input_tokens=10), "platinum")] == [3_000_000]
    assert model.offers("priority")
    assert not model.offers("platinum")


@pytest.mark.parametrize("usage", [Usage(audio_input_tokens=1), Usage(audio_output_tokens=1), Usage(web_searches=1)])
def test_a_kind_without_a_price_is_never_free(usage: Usage) -> None:
    model = simple_model(PriceLadder(SIMPLE))
    with pytest.raises(NotPriceable, match="no price for"):
        cost(model, usage)
    # Whoever settles charges the hold on UsageUnknown.
    assert issubclass(NotPriceable, UsageUnknown)


def test_a_fee_per_request_is_charged_once() -> None:
    model = simple_model(PriceLadder(replace(SIMPLE, request_fee=7, web_search=5)))
    assert cost(model, Usage()) == 7
    assert cost(model, Usage(web_searches=3)) == 22


def test_a_bill_names_each_kind_its_count_and_its_rate() -> None:
    model = find("openai", "gpt-4o", date(2026, 11, 24))
    assert model is not None
    assert explain(model, Usage(input_tokens=10, output_tokens=20, web_searches=1, reasoning_tokens=5)) == [
        Line("input", 10, 2_500_000_000),
        Line("output", 20, 10_000_000_000),
        Line("web_search", 1, 10_000_000, per_call=True),
    ]
