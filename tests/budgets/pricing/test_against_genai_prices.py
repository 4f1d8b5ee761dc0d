"""The same replies priced by genai-prices itself: equal but for our rounding up; dearer where its data has a gap."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, Decimal

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider

from budgets.pricing.catalogue import find
from budgets.pricing.cost import cost
from budgets.pricing.rates import Model
from budgets.pricing.source import PREFIXED, PROVIDERS, model_infos
from budgets.pricing.usage import Usage
from tests.budgets.pricing.golden import EXAMPLES, Example

DAYS = [date(2025, 1, 1), date(2026, 3, 1), date(2026, 11, 24), date(2027, 3, 1)]
TIERS = {"flex": "service_tier", "priority": "service_tier", "fast": "service_tier", "batch": "processing"}

# A kind of ours, and the keys of theirs that price it. Without any of them the data charges it as the plain kind.
PRICED_BY = {
    "cache_read_tokens": {"cache_read_mtok"},
    "cache_write_5m_tokens": {"cache_write_mtok", "cache_write_5m_mtok"},
    "cache_write_1h_tokens": {"cache_write_1h_mtok"},
    "audio_input_tokens": {"input_audio_mtok"},
    "audio_output_tokens": {"output_audio_mtok"},
    "audio_cache_read_tokens": {"cache_audio_read_mtok"},
    "web_searches": {"web_searches_kcount"},
}
# Where we charge more than that, and why.
DEARER = {
    ("openai", "cache_write_1h_tokens"): "the 12-hour retention costs 2.5 x input and is not in the data",
    ("anthropic", "cache_write_5m_tokens"): "Anthropic's 1.25 x input, for retired models that could not cache",
    ("anthropic", "cache_write_1h_tokens"): "Anthropic's 2 x input, for the same",
}
MIX = Usage(
    input_tokens=1_003, output_tokens=707, reasoning_tokens=100, web_searches=3,
    cache_read_tokens=2_048, cache_write_5m_tokens=911, cache_write_1h_tokens=333, audio_input_tokens=77,
    audio_output_tokens=55, audio_cache_read_tokens=11,
)  # fmt: skip
KINDS = ["input_tokens", "output_tokens", *PRICED_BY]


def grid() -> Iterator[Usage]:
    """Each kind alone, few and many tokens of it, on both sides of every long-context threshold; and mixtures."""
    for kind in KINDS:
        for count in (1, 3, 999_999) if kind != "web_searches" else (1, 3):
            yield Usage(**{kind: count})
    for input_tokens in (100_000, 100_001, 128_000, 128_001, 200_000, 200_001, 272_000, 272_001, 1_000_000):
        yield Usage(input_tokens=input_tokens, output_tokens=13)
        yield Usage(input_tokens=input_tokens - 50_000, cache_read_tokens=50_000, output_tokens=1)
    yield MIX
    for kind in KINDS:
        yield replace(MIX, **{kind: 0})


def in_their_terms(usage: Usage) -> TheirUsage:
    """Theirs count inclusively: input holds cached and audio tokens, cache reads hold cached audio."""
    counts = {
        "input_tokens": usage.total_input_tokens,
        "output_tokens": usage.total_output_tokens,
        "cache_read_tokens": usage.cache_read_tokens + usage.audio_cache_read_tokens,
        "cache_write_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "input_audio_tokens": usage.audio_input_tokens + usage.audio_cache_read_tokens,
        "output_audio_tokens": usage.audio_output_tokens,
        "cache_audio_read_tokens": usage.audio_cache_read_tokens,
        "web_searches": usage.web_searches,
        "input_image_tokens": usage.image_input_tokens,
        "output_image_tokens": usage.image_output_tokens,
        "input_characters": usage.characters,
    }
    if usage.milliseconds:
        counts["audio_seconds"] = counts["input_audio_seconds"] = Decimal(usage.milliseconds) / 1_000
    return TheirUsage(**{key: value for key, value in counts.items() if value})


def provider_of(name: str) -> Provider:
    return next(each for each in get_snapshot().providers if each.id == (PROVIDERS | PREFIXED)[name])


def check(provider: str, info: ModelInfo, model: Model, day: date, tier: str) -> int:
    """Compares every usage of the grid that the model can have; returns how many were equal."""
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    key = "speed" if provider == "anthropic" and tier == "fast" else TIERS.get(tier, "service_tier")
    context = {key: tier} if tier else None
    prices = info.get_prices(moment, context)
    data = {name for name, value in vars(prices).items() if value is not None}
    rates, equal = model.ladders(tier)[0].base, 0
    for usage in grid():
        if (usage.audio_input_tokens or usage.audio_cache_read_tokens) and rates.audio_input is None:
            continue
        if (usage.audio_output_tokens and rates.audio_output is None) or (usage.web_searches and not rates.web_search):
            continue
        theirs = info.calc_price(
            in_their_terms(usage), provider_of(provider), genai_request_timestamp=moment, price_context=context
        )
        in_nanodollars = int((theirs.total_price * 10**9).to_integral_value(ROUND_CEILING))
        gaps = [kind for kind, keys in PRICED_BY.items() if getattr(usage, kind) and not keys & data]
        ours = cost(model, usage, tier)
        if ours > in_nanodollars:
            assert any((provider, kind) in DEARER for kind in gaps), (info.id, tier, usage)
            continue
        assert ours == in_nanodollars, (info.id, tier, usage)
        assert 0 <= ours - theirs.total_price * 10**9 < 1
        equal += 1
    return equal


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_model_costs_what_genai_prices_says(provider: str, day: date) -> None:
    compared = {}
    for info in model_infos(provider):
        model = find(provider, info.id, day)
        if model is None:
            continue
        for tier in ("", *model.tiers):
            compared[info.id, tier] = check(provider, info, model, day, tier)
    assert len(compared) >= {"openai": 70, "anthropic": 25, "gemini": 25}[provider]
    assert min(compared.values()) >= 24  # plain and cached tokens, beside every threshold


def test_the_comparison_itself_is_exact() -> None:
    info = next(each for each in model_infos("openai") if each.id == "gpt-4o")
    theirs = info.calc_price(
        in_their_terms(Usage(input_tokens=1, cache_read_tokens=1)),
        provider_of("openai"),
        genai_request_timestamp=datetime(2026, 11, 24, tzinfo=UTC),
    )
    assert theirs.total_price == Decimal("0.00000375")


# Examples of the golden table that their own calculation prices otherwise, and why.
OTHERWISE = {
    ("openai", "gpt-6.1-terra"): "the 12-hour retention costs 2.5 x input and is not in the data",
    ("anthropic", "claude-2"): "Anthropic's 1.25 and 2 x input, for a retired model that could not cache",
    ("anthropic", "claude-3-haiku-20240307"): "Anthropic's 2 x input for an hour, not in the data of a retired model",
    ("gemini", "gemini-2.5-pro"): "sound costs what text does, and the data leaves it out",
}


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_golden_table_costs_what_genai_prices_says(example: Example) -> None:
    """But for what its data leaves out, each named above."""
    model = example.model()
    info = next(each for each in model_infos(example.provider) if each.id == model.id)
    at = time(2) if " UTC" in example.tier else time(12)
    moment = datetime.combine(example.as_of, at, UTC)
    context = {TIERS[example.tier]: example.tier} if example.tier in TIERS else None
    if example.tier == "fast":
        context = {"speed": "fast"}
    theirs = info.calc_price(
        in_their_terms(example.usage),
        provider_of(example.provider),
        genai_request_timestamp=moment,
        price_context=context,
    )
    nanodollars = int((theirs.total_price * 10**9).to_integral_value(ROUND_CEILING))
    if (example.provider, example.name) in OTHERWISE and nanodollars != example.nanodollars:
        assert nanodollars < example.nanodollars
        return
    assert nanodollars == example.nanodollars
