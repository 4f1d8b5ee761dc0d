"""What a model's tokens cost, as integers: nanodollars per 1,000,000 tokens, and nanodollars a call for fees.

The shapes only. `source` reads them out of the price data, `cost` and `bound` compute with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from enum import StrEnum
from functools import lru_cache

from budgets.money import ceil_div
from budgets.pricing.hours import Hours, tier_between
from budgets.pricing.usage import UsageUnknown

# A rate is per this many tokens; so numerators (tokens x rate) are in nanodollars x TOKENS_PER_RATE.
TOKENS_PER_RATE = 1_000_000

# What providers call the service tier that the plain price list describes. An empty name means that nothing was said.
STANDARD_TIERS = frozenset({"", "default", "standard", "standard_only"})


class NotPriceable(UsageUnknown):
    """The model has no rate for a kind of token that the request may use or the reply did use.

    Before the request this is a refusal. After it, the request is charged at its hold like one of unknown usage.
    """


class Purpose(StrEnum):
    TEXT = "text"
    EMBEDDING = "embedding"
    IMAGE = "image"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"


class Retention(StrEnum):
    """How long what a request writes to a prompt cache may be kept; a later one includes the earlier."""

    NONE = "none"
    SHORT = "5m"
    LONG = "1h"


@dataclass(frozen=True, slots=True)
class Rates:
    """One price list: tokens (and characters, milliseconds of sound) in nanodollars per 1,000,000, `web_search` and
    `request_fee` in nanodollars a call.

    Every rate is filled in by `source`, which documents the fallbacks; None: the model has no price for that kind.
    """

    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    audio_input: int | None = None
    audio_output: int | None = None
    audio_cache_read: int | None = None
    image_input: int | None = None
    image_output: int | None = None
    character: int | None = None
    millisecond: int | None = None
    web_search: int | None = None
    request_fee: int = 0

    def dearest_input(self, retention: Retention, *, audio: bool) -> int:
        """The most that one input token can cost. Raises NotPriceable for audio without a rate."""
        rate = max(self.input, self.cache_read)
        if retention is not Retention.NONE:
            rate = max(rate, self.cache_write_5m)
        if retention is Retention.LONG:
            rate = max(rate, self.cache_write_1h)
        if audio:
            if self.audio_input is None:
                raise NotPriceable("no price for audio input")
            rate = max(rate, self.audio_input, self.audio_cache_read or 0)
        return rate

    def dearest_output(self, *, audio: bool) -> int:
        """The most that one output token can cost."""
        return max(self.output, self.audio_output or 0) if audio else self.output

    def fees(self, web_searches: int) -> int:
        """Nanodollars beside the tokens of one request. Raises NotPriceable for searches without a fee."""
        if web_searches and self.web_search is None:
            raise NotPriceable("no price for web search")
        return self.request_fee + web_searches * (self.web_search or 0)

    def given(self) -> dict[str, int]:
        """The rates that there are, by kind: for storage and display."""
        return {kind: rate for kind in RATE_KINDS if (rate := getattr(self, kind)) is not None}

    @property
    def tokenless(self) -> bool:
        """Whether the model is billed by another unit, and knows no tokens."""
        return not self.input and bool(self.character or self.millisecond)

    def scaled(self, parts: int, whole: int, *, fees: bool = True) -> "Rates":
        """Every rate times parts / whole, each rounded up; `fees`: also those that are a call's, not a token's."""
        return Rates(
            **{
                kind: ceil_div(rate * parts, whole) if fees or kind not in CALL_KINDS else rate
                for kind, rate in self.given().items()
            }
        )


RATE_KINDS = tuple(each.name for each in fields(Rates))
CALL_KINDS = frozenset({"web_search", "request_fee"})


@lru_cache(maxsize=1024)
def in_region(rates: Rates, percent: int) -> Rates:
    """The token rates of a region that costs so many percent of the plain ones."""
    return rates.scaled(percent, 100, fees=False)


@dataclass(frozen=True, slots=True)
class Step:
    """The price list of requests with more input tokens than `above_input_tokens`; it holds for ALL their tokens."""

    above_input_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class PriceLadder:
    """The price lists of one service tier: `base`, and `steps` in rising order of input. The last one passed counts."""

    base: Rates
    steps: tuple[Step, ...] = ()

    def rates_for(self, total_input_tokens: int) -> Rates:
        rates = self.base
        for step in self.steps:
            if total_input_tokens <= step.above_input_tokens:
                break
            rates = step.rates
        return rates

    def scaled(self, parts: int, whole: int) -> "PriceLadder":
        steps = tuple(Step(step.above_input_tokens, step.rates.scaled(parts, whole)) for step in self.steps)
        return PriceLadder(self.base.scaled(parts, whole), steps)


@dataclass(frozen=True, slots=True)
class Model:
    """A model's prices and limits on one day. `id` is the canonical name; a dated alias leads to the same Model.

    `tiers` are the service tiers beside the standard one (`flex`, `priority`, `fast`, `batch`). `context_window` is an
    upper bound, the published number where `window_published`; `max_output_tokens` is one too, the published number
    where `output_published`. Where `output_listed`, it is what a list of others has: good enough for a limit that we
    write, not for holding less than a client's own. `tokenizer` is `byte_bpe` (never more tokens than bytes) or
    `unknown`.

    since        the day on which this price came into force, None where nobody says
    regions      where inference in some regions costs more: percent of the token rates, by the provider's name
    own          the id of the tenant's own price or discount that made it, empty for the list's
    limits_own   the limits are a tenant's word: used where nothing better is known, never to make a bound smaller
    free         it costs nothing, on purpose
    hours        when the prices change within a day: each window is one of the `tiers`
    """

    provider: str
    id: str
    standard: PriceLadder
    context_window: int
    max_output_tokens: int
    source: str
    priced_on: date
    tiers: Mapping[str, PriceLadder] = field(default_factory=dict, hash=False)
    purpose: Purpose = Purpose.TEXT
    tokenizer: str = "unknown"
    window_published: bool = False
    output_published: bool = False
    output_listed: bool = False
    since: date | None = None
    regions: Mapping[str, int] = field(default_factory=dict, hash=False)
    own: str = ""
    limits_own: bool = False
    free: bool = False
    hours: tuple[Hours, ...] = ()

    def __hash__(self) -> int:
        # Every request looks a few things up by its model: telling a million apart is not what the hash is for.
        return hash((self.provider, self.id))

    def ladders(self, service_tier: str = "") -> tuple[PriceLadder, ...]:
        """The ladders that a reply of this tier may be billed on: one, or all where the tier is not known."""
        if service_tier in STANDARD_TIERS:
            return (self.standard,)
        named = self.tiers.get(service_tier)
        return (named,) if named is not None else (self.standard, *self.tiers.values())

    def ladders_ahead(self, service_tier: str = "") -> tuple[PriceLadder, ...]:
        """The ladders that a request sent with this tier may end on: the standard one, too, should the tier be full."""
        if self.hours:
            return (self.standard, *self.tiers.values())
        named = self.ladders(service_tier)
        return named if self.standard in named else (self.standard, *named)

    def tier_at(self, began: float, ended: float) -> str:
        """For a model with `hours`: the tier of a reply between these epoch seconds; empty for all others."""
        return tier_between(self.hours, began, ended) if self.hours else ""

    def offers(self, service_tier: str) -> bool:
        """Whether the price data names this tier. An adapter refuses one that it does not (`auto` aside)."""
        return service_tier in STANDARD_TIERS or service_tier in self.tiers

    def region_percent(self, region: str) -> int:
        """What the token rates are multiplied by; where the region is not known, by the dearest."""
        if not self.regions:
            return 100
        return self.regions.get(region) or max(self.regions.values())

    @property
    def rates(self) -> Rates:
        """The standard price list of an ordinary request: what pages show."""
        return self.standard.base
