"""What a reply cost: its usage at the model's rates, exact, rounded up once to a nanodollar."""

from collections.abc import Iterator
from operator import attrgetter

from budgets.money import ceil_div
from budgets.pricing.rates import TOKENS_PER_RATE, Model, NotPriceable, PriceLadder, Rates, in_region
from budgets.pricing.usage import Usage
from budgets.values import value

# A kind of token: its name, which is also its rate's, and the count in Usage that it is charged for.
TOKEN_KINDS = (
    ("input", "input_tokens"),
    ("cache_read", "cache_read_tokens"),
    ("cache_write_5m", "cache_write_5m_tokens"),
    ("cache_write_1h", "cache_write_1h_tokens"),
    ("audio_input", "audio_input_tokens"),
    ("audio_cache_read", "audio_cache_read_tokens"),
    ("output", "output_tokens"),
    ("audio_output", "audio_output_tokens"),
    ("image_input", "image_input_tokens"),
    ("image_output", "image_output_tokens"),
    ("character", "characters"),
    ("millisecond", "milliseconds"),
)

_KINDS = tuple(kind for kind, _ in TOKEN_KINDS)
_counts_of = attrgetter(*[field for _, field in TOKEN_KINDS])
_rates_of = attrgetter(*_KINDS)


@value
class Line:
    """One line of a bill: `count` tokens (or calls) at `rate`; `numerator` is exact, in nanodollars x 1,000,000.

    `rate` is in nanodollars per 1,000,000 tokens where `per_call` is false, in nanodollars a call where it is true.
    """

    kind: str
    count: int
    rate: int
    per_call: bool = False

    @property
    def numerator(self) -> int:
        return self.count * self.rate * (TOKENS_PER_RATE if self.per_call else 1)


def cost(model: Model, usage: Usage, service_tier: str = "") -> int:
    """Nanodollars. `service_tier` is what the reply says (else `usage.service_tier`); an unknown one costs the dearest.

    Raises NotPriceable where the usage names a kind without a rate: the request is then charged at its hold.
    """
    if usage.charged:
        return usage.charged
    tier = service_tier or usage.service_tier
    percent = _region_percent(model, usage)
    return max([_total(ladder, usage, percent) for ladder in model.ladders(tier)])


def explain(model: Model, usage: Usage, service_tier: str = "") -> list[Line]:
    """The bill behind `cost`: lines whose numerators sum, divided by 1,000,000 and rounded up once, to exactly it."""
    if usage.charged:
        return [Line("charged", 1, usage.charged, per_call=True)]
    tier = service_tier or usage.service_tier
    percent = _region_percent(model, usage)
    dearest = max(model.ladders(tier), key=lambda ladder: _total(ladder, usage, percent))
    return [Line(*part) for part in _parts(dearest, usage, percent)]


def rates_of(model: Model, usage: Usage, service_tier: str = "") -> Rates:
    """The price list that `cost` charged this usage by."""
    percent = _region_percent(model, usage)
    ladders = model.ladders(service_tier or usage.service_tier)
    dearest = ladders[0] if len(ladders) == 1 else max(ladders, key=lambda each: _total(each, usage, percent))
    rates = dearest.rates_for(usage.total_input_tokens)
    return rates if percent == 100 else in_region(rates, percent)


def _region_percent(model: Model, usage: Usage) -> int:
    return model.region_percent(usage.region) if usage.region else 100


def _total(ladder: PriceLadder, usage: Usage, percent: int) -> int:
    numerator = 0
    for _, count, rate, per_call in _parts(ladder, usage, percent):
        numerator += count * rate * TOKENS_PER_RATE if per_call else count * rate
    return ceil_div(numerator, TOKENS_PER_RATE)


def _parts(ladder: PriceLadder, usage: Usage, percent: int) -> Iterator[tuple[str, int, int, bool]]:
    """The lines of the bill, as plain tuples: one request in a thousand is ever explained."""
    rates = ladder.rates_for(usage.total_input_tokens)
    if percent != 100:
        rates = in_region(rates, percent)
    for kind, count, rate in zip(_KINDS, _counts_of(usage), _rates_of(rates), strict=True):
        if count:
            yield kind, count, _rate(rate, kind), False
    if usage.web_searches:
        yield "web_search", usage.web_searches, _rate(rates.web_search, "web_search"), True
    if rates.request_fee:
        yield "request_fee", 1, rates.request_fee, True


def _rate(rate: int | None, kind: str) -> int:
    if rate is None:
        raise NotPriceable(f"no price for {kind.replace('_', ' ')}")
    return rate
