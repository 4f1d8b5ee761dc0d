"""Reading the price data: exact integers, the data's own semantics, and for what it lacks the dearer guess."""

from datetime import date, time
from decimal import Decimal

import pytest
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from budgets.pricing.rates import Purpose, Rates
from budgets.pricing.source import nanodollars_per_mtok, read_prices

DAY = date(2026, 11, 24)


def model_info(prices: object, model_id: str = "m", variants: list[PriceVariant] | None = None) -> ModelInfo:
    return ModelInfo(id=model_id, match=ClauseEquals("m"), prices=prices, price_variants=variants)  # type: ignore[arg-type]


def price(**usd: object) -> ModelPrice:
    return ModelPrice(
        **{key: Decimal(value) if isinstance(value, str) else value for key, value in usd.items()}  # type: ignore[arg-type]
    )


def base(provider: str, prices: ModelPrice, model_id: str = "m") -> Rates:
    read = read_prices(provider, model_info(prices, model_id), DAY)
    assert read is not None
    return read[1].base


def test_a_rate_is_a_whole_number_of_nanodollars_or_an_error() -> None:
    assert nanodollars_per_mtok(Decimal("2.5")) == 2_500_000_000
    assert nanodollars_per_mtok(Decimal("0.000000001")) == 1
    with pytest.raises(ValueError, match="nanodollars"):
        nanodollars_per_mtok(Decimal("0.0000000001"))


def test_a_kind_without_a_rate_takes_the_dearer_one() -> None:
    bare = price(input_mtok="4", output_mtok="8")
    others = base("openai", bare)
    assert (others.cache_read, others.cache_write_5m, others.cache_write_1h) == (4 * 10**9, 4 * 10**9, 4 * 10**9)
    claude = base("anthropic", bare)
    assert (claude.cache_read, claude.cache_write_5m, claude.cache_write_1h) == (4 * 10**9, 5 * 10**9, 8 * 10**9)
    written = base("openai", price(input_mtok="4", output_mtok="8", cache_write_mtok="5"))
    assert (written.cache_write_5m, written.cache_write_1h) == (5 * 10**9, 10 * 10**9)


def test_audio_without_a_rate_is_not_priceable_unless_the_provider_says_that_it_costs_as_text() -> None:
    bare = price(input_mtok="4", output_mtok="8", cache_read_mtok="1")
    assert base("openai", bare).audio_input is None
    assert base("gemini", bare).audio_input is None
    one_rate = base("gemini", bare, "gemini-2.5-pro")
    assert (one_rate.audio_input, one_rate.audio_cache_read, one_rate.audio_output) == (4 * 10**9, 10**9, None)
    assert base("gemini", bare, "gemini-2.5-flash-tts").audio_output == 8 * 10**9
    assert base("openai", price(input_mtok="4", output_mtok="8", input_audio_mtok="6")).audio_cache_read == 6 * 10**9


@pytest.mark.parametrize(
    "prices",
    [
        price(),
        price(input_mtok="1"),
        price(output_mtok="1"),
        price(input_mtok="0", output_mtok="1"),
        price(input_mtok="1", output_mtok="0"),
        price(input_mtok="1", output_mtok="1", output_image_mtok="40"),
        price(input_mtok="1", output_mtok="1", input_video_mtok="2"),
        price(input_mtok="1", output_mtok="1", audio_hours="2"),
    ],
)
def test_a_missing_zero_or_strange_price_leaves_the_model_unpriced(prices: ModelPrice) -> None:
    assert read_prices("openai", model_info(prices), DAY) is None


def test_a_cache_read_for_nothing_is_taken_for_missing() -> None:
    assert base("openai", price(input_mtok="4", output_mtok="8", cache_read_mtok="0")).cache_read == 4 * 10**9


def test_kinds_with_steps_at_different_lengths_make_one_ladder() -> None:
    prices = price(
        input_mtok=TieredPrices(Decimal(1), [Tier(200, Decimal(3)), Tier(100, Decimal(2))]),
        output_mtok=TieredPrices(Decimal(10), [Tier(150, Decimal(20))]),
        cache_read_mtok="0.5",
    )
    read = read_prices("gemini", model_info(prices), DAY)
    assert read is not None
    ladder = read[1]
    assert [step.above_input_tokens for step in ladder.steps] == [100, 150, 200]
    found = [ladder.rates_for(count) for count in (100, 101, 150, 151, 200, 201)]
    seen = [(each.input // 10**9, each.output // 10**9) for each in found]
    assert seen == [(1, 10), (2, 10), (2, 10), (2, 20), (2, 20), (3, 20)]
    assert {each.cache_read for each in map(ladder.rates_for, (0, 120, 180, 300))} == {500_000_000}


def test_the_last_price_that_has_begun_counts_and_the_first_before_any_has() -> None:
    prices = [
        ConditionalPrice(prices=price(input_mtok="1", output_mtok="1")),
        ConditionalPrice(StartDateConstraint(date(2026, 1, 1)), prices=price(input_mtok="2", output_mtok="2")),
        ConditionalPrice(StartDateConstraint(date(2027, 1, 1)), prices=price(input_mtok="3", output_mtok="3")),
    ]
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 12, 31), date(2027, 1, 1)]
    read = [read_prices("openai", model_info(prices), day) for day in days]
    assert [each[1].base.input // 10**9 for each in read if each] == [1, 2, 2, 3]


def test_a_price_that_changes_within_a_day_is_a_tier_of_its_hours() -> None:
    prices = [
        ConditionalPrice(prices=price(input_mtok="1", output_mtok="1")),
        ConditionalPrice(TimeOfDateConstraint(time(0), time(8)), prices=price(input_mtok="2", output_mtok="2")),
    ]
    read = read_prices("openai", model_info(prices), DAY)
    assert read is not None
    _, standard, tiers = read
    assert standard.base.input == 10**9 and tiers["00:00-08:00 UTC"].base.input == 2 * 10**9


def test_a_tier_whose_price_changes_within_a_day_is_not_held_to() -> None:
    evening = TimeOfDateConstraint(time(18), time(23))
    variants = [PriceVariant({"service_tier": "flex"}, price(input_mtok="1"), evening)]
    assert read_prices("openai", model_info(price(input_mtok="2", output_mtok="2"), variants=variants), DAY) is None


def test_a_service_tier_overrides_key_by_key_once_it_has_begun() -> None:
    standard = price(input_mtok="4", output_mtok="8", cache_read_mtok="1")
    variants = [
        PriceVariant({"service_tier": "default"}, price()),
        PriceVariant({"processing": "batch"}, price(input_mtok="2"), StartDateConstraint(date(2026, 10, 1))),
        PriceVariant({"service_tier": "flex"}, price(output_mtok="4"), StartDateConstraint(date(2027, 1, 1))),
    ]
    read = read_prices("openai", model_info(standard, variants=variants), DAY)
    assert read is not None
    _, ladder, tiers = read
    assert tiers.keys() == {"batch"}
    batch = tiers["batch"].base
    assert (batch.input, batch.output, batch.cache_read) == (2 * 10**9, 8 * 10**9, 10**9)
    assert ladder.base.input == 4 * 10**9


def test_fees_are_per_call() -> None:
    read = base("openai", price(input_mtok="1", output_mtok="1", web_searches_kcount="10", requests_kcount="5"))
    assert (read.web_search, read.request_fee) == (10_000_000, 5_000_000)


def test_an_embedding_needs_no_output_price() -> None:
    read = read_prices("openai", model_info(price(input_mtok="0.02"), "text-embedding-m"), DAY)
    assert read is not None
    assert read[0] is Purpose.EMBEDDING
    assert read[1].base.output == 20_000_000
