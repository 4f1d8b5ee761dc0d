"""Rates read out of the `genai-prices` wheel and made integers, once per model and day.

Semantics that are mirrored exactly: a price above N input tokens holds for the WHOLE request once its input is more
than N; of several dated prices the last one that has begun counts; a service tier overrides the standard prices key by
key.

Fallbacks, where the data has no rate of its own for a kind (a rate of 0 is taken for missing, never for free):
- cache read: the input rate.
- cache write, 5 minutes: 1.25 x input at Anthropic (its published multiplier), elsewhere the input rate.
- cache write, longer: 2 x input at Anthropic (1 hour); 2.5 x input at OpenAI for models that charge for writes (the
  12-hour retention, published for gpt-6.1-terra and not in the data); elsewhere as the short one.
- audio in: None (not priceable), but the input rate for Gemini models whose price page says one rate for all inputs.
- cached audio: the audio rate; on those Gemini models the cache read rate.
- audio out: None, but the output rate for speech models, whose output is audio.
- output of an embedding model: its input rate (it has none to charge for).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from math import ceil

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceVariant,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from budgets.money import NANO, ceil_div
from budgets.pricing import media
from budgets.pricing.hours import moment_of, windows_of
from budgets.pricing.rates import STANDARD_TIERS, PriceLadder, Purpose, Rates, Step
from tenants import providers

SOURCE = f"genai-prices {version('genai-prices')}"

# Our provider ids -> the data's.
PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
# The same for providers whose models are named by a prefix: `groq/llama-3.3-70b-versatile`.
PREFIXED = {each.id: each.prices for each in providers.PROVIDERS if each.prefixed}

# Models that cost nothing on purpose. Empty: a price of 0 in the data stands for "not known" so far.
FREE: frozenset[tuple[str, str]] = frozenset()

_UNDERSTOOD = frozenset({
    "input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_5m_mtok", "cache_write_1h_mtok",
    "input_audio_mtok", "output_audio_mtok", "cache_audio_read_mtok", "web_searches_kcount", "requests_kcount",
    "storage_searches_kcount",  # known, charged by no route that we serve
})  # fmt: skip

# "Standard" prices of these Gemini models are one for text, image, video and audio input (ai.google.dev pricing page).
_ONE_INPUT_RATE = (
    "gemini-1.5-", "gemini-2.0-flash-lite", "gemini-2.5-pro", "gemini-3-pro", "gemini-3.1-pro", "gemini-3.5-flash",
    "gemini-3.6-flash", "gemini-3.7-flash", "gemini-3.8-flash", "gemini-4-argon",
)  # fmt: skip


def model_infos(provider: str) -> list[ModelInfo]:
    """The provider's models, in the order in which the data matches names. Empty for an unknown provider."""
    data_id = PROVIDERS.get(provider) or PREFIXED.get(provider)
    found = next((each for each in get_snapshot().providers if each.id == data_id), None)
    if found is None:
        return []
    # Google's list holds what Vertex serves, too (Claude, Gemma); the Gemini API does not bill those.
    return [info for info in found.models if provider != "gemini" or info.id.startswith("gemini-")]


def purpose_of(info: ModelInfo, prices: ModelPrice) -> Purpose | None:
    """None for a model that works in units we do not meter: images, video, hours, characters."""
    if "image" in info.id or _given(prices).keys() - _UNDERSTOOD:
        return None
    return Purpose.EMBEDDING if "embed" in info.id else Purpose.TEXT


def read_prices(provider: str, info: ModelInfo, on: date) -> tuple[Purpose, PriceLadder, dict[str, PriceLadder]] | None:
    """(purpose, standard ladder, further tiers) of a model on a day; None where it has no price that we can hold to."""
    if any(isinstance(each.constraint, TimeOfDateConstraint) for each in info.price_variants or ()):
        return None
    moment = moment_of(info, on)
    standard = info.get_prices(moment)
    if provider == "openai" and (made := media.purpose_of(info.id)) is not None:
        by_unit = media.ladder(made, _given(standard))
        return (made, by_unit, {}) if by_unit is not None else None
    purpose = purpose_of(info, standard)
    ladder = _ladder(provider, info.id, purpose, standard) if purpose else None
    if purpose is None or ladder is None:
        return None
    tiers = {}
    for key, name in _tiers_in_force(info.price_variants or (), moment):
        tier = _ladder(provider, info.id, purpose, info.get_prices(moment, {key: name}))
        if tier is not None and name not in STANDARD_TIERS:
            tiers[name] = tier
    for hours, prices in windows_of(info):
        tier = _ladder(provider, info.id, purpose, prices)
        if tier is None:
            return None
        tiers[hours.tier] = tier
    return purpose, ladder, tiers


def since(info: ModelInfo, on: date) -> date | None:
    """The day on which the price that holds on a day came into force; None where the data gives no date."""
    if isinstance(info.prices, ModelPrice):
        return None
    moment = datetime(on.year, on.month, on.day, tzinfo=UTC)
    for each in reversed(info.prices):
        if each.constraint is None:
            return None
        if each.constraint.active(moment):
            return each.constraint.start_date if isinstance(each.constraint, StartDateConstraint) else None
    return None


def nanodollars_per_mtok(usd: Decimal) -> int:
    """`2.5` USD per 1,000,000 tokens -> 2_500_000_000. ValueError where that is no whole number of nanodollars."""
    return _whole(usd * NANO)


def _rounded_up(usd: Decimal) -> int:
    return ceil(usd * NANO)


def _whole(amount: Decimal) -> int:
    if amount != (whole := int(amount)):
        raise ValueError(f"{amount} is not a whole number of nanodollars")
    return whole


def _given(prices: ModelPrice) -> dict[str, Decimal | TieredPrices]:
    """The price keys that hold a price, zero ones left out."""
    return {key: value for key, value in vars(prices).items() if value is not None and value != 0}


def _tiers_in_force(variants: Iterable[PriceVariant], moment: datetime) -> list[tuple[str, str]]:
    """(context key, name) of each tier that has begun: `service_tier: flex`, `processing: batch`, `speed: fast`."""
    in_force = [each.when for each in variants if each.constraint is None or each.constraint.active(moment)]
    return list(dict.fromkeys(item for when in in_force if len(when) == 1 for item in when.items()))


def _ladder(provider: str, model_id: str, purpose: Purpose, prices: ModelPrice) -> PriceLadder | None:
    given = _given(prices)
    if given.keys() - _UNDERSTOOD or "input_mtok" not in given:
        return None
    if "output_mtok" not in given and purpose is not Purpose.EMBEDDING:
        return None
    starts = sorted({tier.start for price in given.values() if isinstance(price, TieredPrices) for tier in price.tiers})

    def rates_above(start: int) -> Rates:
        return _rates(provider, model_id, {key: _price_above(price, start) for key, price in given.items()})

    return PriceLadder(rates_above(-1), tuple(Step(start, rates_above(start)) for start in starts))


def _price_above(price: Decimal | TieredPrices, start: int) -> Decimal:
    """The price of a request with one input token more than `start`."""
    if not isinstance(price, TieredPrices):
        return price
    passed = [tier.price for tier in price.tiers if tier.start <= start]
    return passed[-1] if passed else price.base


def _rates(provider: str, model_id: str, usd: Mapping[str, Decimal]) -> Rates:
    # OpenRouter passes on prices with endless decimals (0.08333...): rounded up to a nanodollar a million tokens.
    per_mtok = _rounded_up if provider in PREFIXED else nanodollars_per_mtok

    def rate(key: str) -> int | None:
        return per_mtok(usd[key]) if key in usd else None

    def fee(key: str) -> int | None:
        return _whole(usd[key] * NANO / 1000) if key in usd else None

    input_rate = per_mtok(usd["input_mtok"])
    output_rate = rate("output_mtok") or input_rate
    short_write = rate("cache_write_5m_mtok") or rate("cache_write_mtok")
    cache_read = rate("cache_read_mtok") or input_rate
    audio_input = rate("input_audio_mtok")
    audio_cache_read = rate("cache_audio_read_mtok") or audio_input
    if audio_input is None and provider == "gemini" and model_id.startswith(_ONE_INPUT_RATE):
        audio_input, audio_cache_read = input_rate, cache_read
    return Rates(
        input=input_rate,
        output=output_rate,
        cache_read=cache_read,
        cache_write_5m=short_write or short_write_of(provider, input_rate),
        cache_write_1h=rate("cache_write_1h_mtok") or long_write_of(provider, input_rate, short_write),
        audio_input=audio_input,
        audio_output=rate("output_audio_mtok") or (output_rate if "tts" in model_id else None),
        audio_cache_read=audio_cache_read,
        web_search=fee("web_searches_kcount"),
        request_fee=fee("requests_kcount") or 0,
    )


def short_write_of(provider: str, input_rate: int) -> int:
    """A cache entry of the usual life, where nobody gave its rate."""
    return ceil_div(input_rate * 5, 4) if provider == "anthropic" else input_rate


def long_write_of(provider: str, input_rate: int, short_write: int | None) -> int:
    """One of a longer life; `short_write`: the rate given for the usual one, if any."""
    if provider == "anthropic":
        return input_rate * 2
    if provider == "openai" and short_write is not None:
        return ceil_div(input_rate * 5, 2)
    return short_write or input_rate
