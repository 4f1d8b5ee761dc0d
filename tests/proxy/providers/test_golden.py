"""What replies on record cost, reckoned by hand from the providers' public prices.

Prices as of 2026-11-24, USD per 1,000,000 tokens, from developers.openai.com/api/docs/pricing and
ai.google.dev/gemini-api/docs/pricing. $1 per million tokens is 1,000 nanodollars a token.
"""

from datetime import date

import pytest

from budgets.pricing.catalogue import find
from budgets.pricing.cost import cost
from budgets.pricing.rates import Purpose
from tests.proxy.providers.support import fixture, meter_for, run

TODAY = date(2026, 11, 24)

# reply, provider, model, cost in nanodollars, and how it comes about: tokens x nanodollars a token
GOLDEN = [
    # gpt-4.1: $2.00 in, $8.00 out.
    ("responses_plain.json", "openai", "gpt-4.1", 36 * 2_000 + 87 * 8_000),
    ("responses_plain_tools.json", "openai", "gpt-4.1", 291 * 2_000 + 23 * 8_000),
    ("responses_plain_incomplete.json", "openai", "gpt-4.1", 81 * 2_000 + 1_035 * 8_000),
    # gpt-4.1: cached input $0.50.
    ("responses_stream_tools.sse", "openai", "gpt-4.1", 163 * 2_000 + 128 * 500 + 23 * 8_000),
    ("responses_stream.sse", "openai", "gpt-4.1", 37 * 2_000 + 11 * 8_000),
    ("responses_stream_incomplete.sse", "openai", "gpt-4.1", 37 * 2_000 + 16 * 8_000),
    # gpt-5-mini: $0.25 in, $0.025 cached, $2.00 out; web search $10.00 per 1,000 calls.
    (
        "responses_plain_search.json", "openai", "gpt-5-mini",
        9_165 * 250 + 9_088 * 25 + 642 * 2_000 + 2 * 10_000_000,
    ),
    ("responses_plain_search_uncounted.json", "openai", "gpt-5-mini", 18_253 * 250 + 642 * 2_000 + 2 * 10_000_000),
    # gpt-3.5-turbo-instruct: $1.50 in, $2.00 out.
    ("completion_plain.json", "openai", "gpt-3.5-turbo-instruct", 5 * 1_500 + 7 * 2_000),
    ("completion_stream.sse", "openai", "gpt-3.5-turbo-instruct", 5 * 1_500 + 2 * 2_000),
    # text-embedding-ada-002: $0.10; -3-small: $0.02; -3-large: $0.13.
    ("embedding_plain.json", "openai", "text-embedding-ada-002", 8 * 100),
    ("embedding_plain.json", "openai", "text-embedding-3-small", 8 * 20),
    ("embedding_plain.json", "openai", "text-embedding-3-large", 8 * 130),
    # gemini-2.5-flash: $0.30 in (audio $1.00), $2.50 out, thoughts included; cached $0.03 (audio $0.10).
    ("gemini_plain.json", "gemini", "gemini-2.5-flash", 8 * 300 + 1_255 * 2_500),
    ("gemini_plain_cached.json", "gemini", "gemini-2.5-flash", 1_007 * 300 + 4_026 * 30 + 20 * 2_500),
    (
        "gemini_plain_audio.json", "gemini", "gemini-2.5-flash",
        60 * 300 + 100 * 30 + 2_100 * 1_000 + 900 * 100 + 30 * 2_500,
    ),
    ("gemini_plain_blocked.json", "gemini", "gemini-2.5-flash", 14 * 300),
    ("gemini_plain_tools.json", "gemini", "gemini-2.5-flash", 61 * 300 + 58 * 2_500),
    ("gemini_plain_untold.json", "gemini", "gemini-2.5-flash", 10 * 300 + 120 * 2_500),
    ("gemini_stream.sse", "gemini", "gemini-2.5-flash", 5 * 300 + 314 * 2_500),
    ("gemini_stream.json", "gemini", "gemini-2.5-flash", 5 * 300 + 314 * 2_500),
    ("gemini_stream_two.sse", "gemini", "gemini-2.5-flash", 5 * 300 + 7 * 2_500),
    # gemini-2.5-pro, up to 200,000 tokens in: $1.25 in, $10.00 out.
    ("gemini_plain_thoughts_only.json", "gemini", "gemini-2.5-pro", 12 * 1_250 + 98 * 10_000),
    # gemini-embedding-001: $0.15.
    ("gemini_embed.json", "gemini", "gemini-embedding-001", 9 * 150),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "provider", "model", "expected"), GOLDEN)
def test_a_reply_on_record_costs_what_the_price_list_says(reply, provider, model, expected):
    purpose = Purpose.EMBEDDING if "embedding" in model else Purpose.TEXT
    meter = meter_for(reply)
    if "stream" in reply:
        run(meter, fixture(reply))
    else:
        meter.feed_body(fixture(reply))
    assert cost(find(provider, model, TODAY, purpose=purpose), meter.usage()) == expected
