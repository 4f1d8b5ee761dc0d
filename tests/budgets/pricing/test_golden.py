"""Costs computed by hand, from the prices that the providers publish, equal to the nanodollar.

$1 per million tokens is 1,000 nanodollars a token. Sources: developers.openai.com/api/docs/pricing,
platform.claude.com/docs/en/about-claude/pricing, ai.google.dev/gemini-api/docs/pricing.
"""

from datetime import date

import pytest

from budgets.money import ceil_div
from budgets.pricing.catalogue import find
from budgets.pricing.cost import cost, explain
from budgets.pricing.rates import TOKENS_PER_RATE, Purpose
from budgets.pricing.usage import Usage

TODAY = date(2026, 11, 24)

GOLDEN = [
    # gpt-4o: $2.50 in, $1.25 cached, $10 out; web search $10 per 1,000; priority $4.25 and $17; batch $1.25 and $5.
    ("openai", "gpt-4o", Usage(input_tokens=1_000, output_tokens=500), "", 7_500_000),
    ("openai", "gpt-4o", Usage(input_tokens=200, cache_read_tokens=1_024, output_tokens=100), "default", 2_780_000),
    ("openai", "gpt-4o-2024-08-06", Usage(input_tokens=1), "", 2_500),
    ("openai", "gpt-4o", Usage(input_tokens=1_000, web_searches=2), "", 22_500_000),
    ("openai", "gpt-4o", Usage(input_tokens=1_000, output_tokens=1_000), "priority", 21_250_000),
    ("openai", "gpt-4o", Usage(input_tokens=1_000, output_tokens=1_000), "batch", 6_250_000),
    # The first snapshot: $5 and $15, no discount for cached input.
    ("openai", "gpt-4o-2024-05-13", Usage(input_tokens=1_000, output_tokens=500), "", 12_500_000),
    ("openai", "gpt-4o-2024-05-13", Usage(cache_read_tokens=1_000), "", 5_000_000),
    # gpt-4o-mini: $0.15, $0.075, $0.60. Fine-tuned: $0.30, $1.20.
    ("openai", "gpt-4o-mini", Usage(input_tokens=1, output_tokens=1), "", 750),
    ("openai", "gpt-4o-mini", Usage(cache_read_tokens=3), "", 225),
    ("openai", "gpt-4o-mini", Usage(input_tokens=123_456, output_tokens=16_384), "", 18_518_400 + 9_830_400),
    ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", Usage(input_tokens=1_000, output_tokens=1_000), "", 1_500_000),
    # gpt-4.1: $2, $0.50, $8; nano: $0.10, $0.025, $0.40.
    ("openai", "gpt-4.1", Usage(input_tokens=900_000, cache_read_tokens=100_000, output_tokens=1), "", 1_850_008_000),
    ("openai", "gpt-4.1-nano", Usage(cache_read_tokens=1), "", 25),
    # o3: $2, $0.50, $8; reasoning is output. o4-mini: $1.10, $0.275, $4.40. o1: $15, $7.50, $60. o3-mini: $1.10, $4.40.
    ("openai", "o3", Usage(input_tokens=10_000, output_tokens=2_000, reasoning_tokens=1_500), "", 36_000_000),
    ("openai", "o4-mini", Usage(input_tokens=1_000, cache_read_tokens=1_000, output_tokens=1_000), "", 5_775_000),
    ("openai", "o1", Usage(input_tokens=100, cache_read_tokens=100, output_tokens=100), "", 8_250_000),
    ("openai", "o3-mini", Usage(input_tokens=10, output_tokens=20), "", 99_000),
    # gpt-5: $1.25, $0.125, $10; flex half of it; priority twice. mini: $0.25, $2. nano: $0.05, $0.005, $0.40.
    # pro: $15, $120.
    ("openai", "gpt-5", Usage(input_tokens=123, cache_read_tokens=456, output_tokens=789), "", 8_100_750),
    ("openai", "gpt-5", Usage(input_tokens=1_000, output_tokens=1_000), "flex", 5_625_000),
    ("openai", "gpt-5", Usage(input_tokens=1_000, output_tokens=1_000), "priority", 22_500_000),
    ("openai", "gpt-5-mini", Usage(input_tokens=1_000, output_tokens=1_000), "", 2_250_000),
    ("openai", "gpt-5-nano", Usage(cache_read_tokens=1), "", 5),
    ("openai", "gpt-5-nano", Usage(cache_read_tokens=1), "flex", 3),  # 2.5 nanodollars, rounded up
    ("openai", "gpt-5-pro", Usage(input_tokens=1_000, output_tokens=10), "", 16_200_000),
    # gpt-5.4: $2.50, $0.25, $15; above 272,000 tokens of input $5, $0.50, $22.50 for all of them.
    ("openai", "gpt-5.4", Usage(input_tokens=272_000, output_tokens=1_000), "", 695_000_000),
    ("openai", "gpt-5.4", Usage(input_tokens=272_001, output_tokens=1_000), "", 1_382_505_000),
    ("openai", "gpt-5.4", Usage(input_tokens=1, cache_read_tokens=272_000), "", 136_005_000),
    # gpt-5.6-sol: $4, $0.40 cached, $5 written, $20.
    ("openai", "gpt-5.6", Usage(1_000, 500, cache_read_tokens=4_000, cache_write_5m_tokens=2_000), "", 25_600_000),
    # gpt-6.1-terra: $1, kept for 12 hours $2.50.
    ("openai", "gpt-6.1-terra", Usage(input_tokens=1_000, cache_write_1h_tokens=1_000), "", 3_500_000),
    # gpt-audio: text $2.50 and $10, audio $32 and $64.
    ("openai", "gpt-audio", Usage(100, 50, audio_input_tokens=1_000, audio_output_tokens=400), "", 58_350_000),
    # claude-opus-4-1: $15, $18.75 and $30 written, $1.50 read, $75.
    ("anthropic", "claude-opus-4-1-20250805", Usage(100, 500, 10_000, 1_000, 2_000), "standard", 132_750_000),
    # claude-opus-4-5: $5, $6.25, $10, $0.50, $25; in batches half.
    ("anthropic", "claude-opus-4-5", Usage(10, 50, 4_000, 200, 300), "", 7_550_000),
    ("anthropic", "claude-opus-4-5", Usage(input_tokens=1_000, output_tokens=1_000), "batch", 15_000_000),
    # claude-opus-4-8, fast: $10 and $50.
    ("anthropic", "claude-opus-4-8", Usage(input_tokens=1_000, output_tokens=1_000), "fast", 60_000_000),
    # claude-sonnet-4-5: $3, $3.75, $6, $0.30, $15; above 200,000 twice, output $22.50; search $10 per 1,000.
    ("anthropic", "claude-sonnet-4-5", Usage(1_000, 1_000, 1_000, 1_000, 1_000), "", 28_050_000),
    ("anthropic", "claude-sonnet-4-5", Usage(150_000, 100, cache_read_tokens=50_001), "", 932_250_600),
    ("anthropic", "claude-sonnet-4-5", Usage(1_000, 100, web_searches=3), "", 34_500_000),
    # claude-haiku-4-5: $1, $0.10 read, $5. claude-3-haiku: $0.25, $0.30, $0.50, $0.03, $1.25.
    ("anthropic", "claude-haiku-4-5", Usage(input_tokens=7, cache_read_tokens=3, output_tokens=1), "", 12_300),
    ("anthropic", "claude-3-haiku-20240307", Usage(1_000, 1_000, 1_000, 1_000, 1_000), "", 2_330_000),
    # claude-haiku-5-5: $0.10 and $0.50; above 100,000 five times that.
    ("anthropic", "claude-haiku-5-5", Usage(input_tokens=100_000, output_tokens=10), "", 10_005_000),
    ("anthropic", "claude-haiku-5-5", Usage(input_tokens=100_001, output_tokens=10), "", 50_025_500),
    # claude-2 had no caching: a write counts as 1.25 or 2 times its $8, a read as input.
    ("anthropic", "claude-2", Usage(0, 0, 1_000, 1_000, 1_000), "", 8_000_000 + 10_000_000 + 16_000_000),
    # gemini-2.5-pro: $1.25, $0.125 cached, $10; above 200,000 $2.50, $0.25, $15. Audio as text.
    ("gemini", "gemini-2.5-pro", Usage(input_tokens=200_000, output_tokens=1_000), "", 260_000_000),
    ("gemini", "gemini-2.5-pro", Usage(input_tokens=200_001, output_tokens=1_000), "", 515_002_500),
    ("gemini", "gemini-2.5-pro", Usage(input_tokens=100_000, cache_read_tokens=100_001), "", 275_000_250),
    ("gemini", "gemini-2.5-pro", Usage(audio_input_tokens=1_000), "", 1_250_000),
    # gemini-2.5-flash: $0.30, audio $1, cached $0.03 and $0.10, $2.50. lite: $0.10, $0.01, $0.40.
    ("gemini", "gemini-2.5-flash", Usage(1_000, 100, 500, 0, 0, 1_000, audio_cache_read_tokens=200), "", 1_585_000),
    ("gemini", "gemini-2.5-flash-lite", Usage(input_tokens=1, cache_read_tokens=1, output_tokens=1), "", 510),
    # gemini-3-flash-preview: $0.50 and $3, audio $1; search $14 per 1,000.
    ("gemini", "gemini-3-flash-preview", Usage(10, 10, audio_input_tokens=10, web_searches=1), "", 14_045_000),
    # gemini-4-argon: $2 and $10 in its first months.
    ("gemini", "gemini-4-argon", Usage(input_tokens=1_000, output_tokens=1_000), "", 12_000_000),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "name", "usage", "tier", "nanodollars"), GOLDEN)
def test_a_reply_costs_what_the_public_prices_say(
    provider: str, name: str, usage: Usage, tier: str, nanodollars: int
) -> None:
    model = find(provider, name, TODAY)
    assert model is not None
    assert cost(model, usage, tier) == nanodollars
    assert ceil_div(sum(line.numerator for line in explain(model, usage, tier)), TOKENS_PER_RATE) == nanodollars


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
