"""The most that a request can cost, said before it is sent.

Pure arithmetic on upper bounds that the adapter found: so many input tokens, so many choices, an output limit. For
every usage within them, on any split among kinds of token and any price step, `cost` is at most the quote: the promise
that lets a hold cover its request.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from budgets.money import ceil_div
from budgets.pricing.cost import cost
from budgets.pricing.rates import TOKENS_PER_RATE, Model, Rates, Retention, in_region
from budgets.pricing.usage import Usage
from budgets.values import value

# What a provider's template adds around the text of a request, in tokens, with room to spare: OpenAI's chat format adds
# 3 or 4 a message and 3 a reply; role names, tool call ids and separators stay below the rest.
MESSAGE_TOKENS = 16
REQUEST_TOKENS = 64
# A tool's schema is bounded by its own JSON text; this is its frame. The first one brings the provider's tool
# instructions (Anthropic publishes 264 to 804 tokens, by model and tool choice).
TOOL_TOKENS = 16
TOOLS_TOKENS = 1024

MOST_INPUT = 2**62
"""Where the last price list ends: nowhere."""

# Who refuses a request whose input is longer than the context window, rather than cut or bill it.
_WINDOW_ENFORCED = frozenset({"openai", "anthropic"})


@value
class _Line:
    """The most that a request can cost on one price list, as a line over its output limit: nanodollars x 1,000,000."""

    fixed: int
    per_output_token: int

    def at(self, output_tokens: int) -> int:
        return ceil_div(self.fixed + output_tokens * self.per_output_token, TOKENS_PER_RATE)

    def most_output(self, nanodollars: int, ceiling: int) -> int:
        """The largest output limit up to `ceiling` that costs no more; negative where even none is too dear."""
        room = nanodollars * TOKENS_PER_RATE - self.fixed
        if room < 0:
            return -1
        return min(ceiling, room // self.per_output_token) if self.per_output_token else ceiling


@value
class Quote:
    """What to ask the ledger for. `least` and `most` in nanodollars; `*_output` are tokens per choice.

    A hold of `most` lets the request through as wished; one of `least` is the smallest that is still useful. Where the
    client named a limit they are one and the same.
    """

    least: int
    most: int
    least_output: int
    most_output: int
    input_cost: int
    lines: tuple[_Line, ...]
    input_tokens: int = 0
    """The most input tokens that it was reckoned with."""

    def affordable(self, granted: int) -> int:
        """The largest output limit per choice that `granted` nanodollars cover. ValueError below `least`."""
        if granted < self.least:
            raise ValueError(f"granted {granted} nanodollars, least is {self.least}")
        return self.fits_output_tokens(granted)

    def fits_output_tokens(self, available: int) -> int:
        """The largest output limit per choice up to `most_output` that `available` nanodollars cover; 0 if none."""
        return max(0, min(line.most_output(available, self.most_output) for line in self.lines))

    def at(self, output_tokens: int) -> int:
        """The most that the request can cost with so many output tokens per choice, nanodollars."""
        return max(line.at(output_tokens) for line in self.lines)


def quote(
    model: Model,
    *,
    input_tokens: int,
    choices: int = 1,
    client_limit: int | None,
    default_limit: int,
    floor: int,
    least_output: int = 0,
    extra_output: int = 0,
    fees: int = 0,
    web_searches: int = 0,
    audio: bool = False,
    service_tier: str = "",
    region: str = "",
    retention: Retention = Retention.LONG,
    model_calls: int = 1,
) -> Quote:
    """The bound of one request.

    `input_tokens`: the most that it can be billed for as input, over all calls of the model. `choices`: how many
    replies it asks for. `client_limit`: the output limit that the client gave, per choice; None takes `default_limit`,
    never below `least_output` (a thinking budget, say), and may shrink to the larger of `floor` and `least_output`.
    `extra_output`: output tokens per choice that may be billed beyond the limit. `fees`: nanodollars, known to the
    adapter; `web_searches`: the most that carry the model's own fee. `service_tier`: as sent; the standard one where
    none is, and beside any other, which may be full. `region`: where the model may run; the dearest where none is
    named. `retention`: the longest prompt cache entry that the request can write. `model_calls`: how often the
    provider may run the model. Raises NotPriceable for audio or searches without a rate, ValueError for a negative
    number.
    """
    retention = Retention(retention)
    if min(input_tokens, client_limit or 0, default_limit, floor, least_output, extra_output, fees, web_searches) < 0:
        raise ValueError("a request's bounds cannot be negative")
    if min(choices, model_calls) < 1:
        raise ValueError("a request has at least one choice and one call of the model")
    input_tokens = _billed_input(model, input_tokens, model_calls)
    limits = _output_limits(model, client_limit, default_limit, floor, least_output, input_tokens)
    price_lists = _price_lists(model, service_tier, region, retention, audio)
    lines = _lines(price_lists, input_tokens, choices, extra_output, fees, web_searches)
    # A hold is never empty: a cap of 0 refuses everything, also what is free.
    nothing = 1 if model.free else 0
    return Quote(
        least=max(nothing, *[line.at(limits.least) for line in lines]),
        most=max(nothing, *[line.at(limits.most) for line in lines]),
        least_output=limits.least,
        most_output=limits.most,
        input_cost=max([line.at(0) for line in lines]),
        lines=lines,
        input_tokens=input_tokens,
    )


def _billed_input(model: Model, input_tokens: int, model_calls: int) -> int:
    """The most that is billed as input: no more than fills the window, where the provider refuses what is longer."""
    if model.window_published and model.provider in _WINDOW_ENFORCED and not model.limits_own:
        return min(input_tokens, model.context_window * model_calls)
    return input_tokens


@value
class _PriceList:
    """One price list that a request may land on: the dearest rates of a token there, for input `above` .. `up_to`."""

    above: int
    up_to: int
    input: int
    output: int
    rates: Rates


@lru_cache(maxsize=4096)
def _price_lists(
    model: Model, service_tier: str, region: str, retention: Retention, audio: bool
) -> tuple[_PriceList, ...]:
    """Raises NotPriceable for audio without a rate."""
    percent = model.region_percent(region)
    found = []
    for ladder in model.ladders_ahead(service_tier):
        starts = [-1, *[step.above_input_tokens for step in ladder.steps]]
        ends = [*starts[1:], MOST_INPUT]
        lists = [ladder.base, *[step.rates for step in ladder.steps]]
        for above, up_to, plain in zip(starts, ends, lists, strict=True):
            rates = plain if percent == 100 else in_region(plain, percent)
            dearest = rates.dearest_input(retention, audio=audio), rates.dearest_output(audio=audio)
            found.append(_PriceList(above, up_to, *dearest, rates))
    return tuple(found)


def _lines(
    price_lists: tuple[_PriceList, ...],
    input_tokens: int,
    choices: int,
    extra_output: int,
    fees: int,
    web_searches: int,
) -> tuple[_Line, ...]:
    """A line for each price list that so much input can reach. Raises NotPriceable for searches without a rate."""
    return tuple(
        [
            _Line(
                min(input_tokens, each.up_to) * each.input
                + extra_output * choices * each.output
                + (fees + each.rates.fees(web_searches)) * TOKENS_PER_RATE,
                choices * each.output,
            )
            for each in price_lists
            if input_tokens > each.above
        ]
    )


@value
class _OutputLimits:
    """Output tokens per choice: the fewest that are still useful, and the most that can be billed."""

    least: int
    most: int


def _output_limits(
    model: Model, client_limit: int | None, default_limit: int, floor: int, least_output: int, input_tokens: int
) -> _OutputLimits:
    """A client's own limit is forwarded as it is. It is priced up to the model's, which nothing can exceed; up to the
    window where the model's is only what a list of others says.
    """
    model_limit = model.max_output_tokens
    if client_limit is not None:
        most = model.context_window if model.output_listed else model_limit
        priced = client_limit if model.limits_own else min(client_limit, most)
        return _OutputLimits(priced, priced)
    most = min(max(default_limit, least_output), model_limit)
    if model_limit >= model.context_window:
        # Without a limit of its own it takes one that fits beside the prompt: at most half of its bound, as a rule.
        room = model.context_window - min(input_tokens, model.context_window) // 2
        most = min(most, max(floor, least_output, room))
    return _OutputLimits(min(max(floor, least_output), most), most)


def quote_of_usage(model: Model, usage: Usage) -> Quote:
    """The bound of a request whose every unit is bounded by itself: pictures, characters, time of sound.

    Raises NotPriceable for a unit without a rate.
    """
    amount = max(1, cost(model, usage))
    line = _Line(fixed=amount * TOKENS_PER_RATE, per_output_token=0)
    return Quote(
        least=amount,
        most=amount,
        least_output=0,
        most_output=0,
        input_cost=amount,
        lines=(line,),
        input_tokens=usage.total_input_tokens,
    )


def text_bound(strings: Iterable[str], tokenizer: str) -> int:
    """The most tokens that these texts can be, each tokenized by itself or joined.

    Byte-level BPE (`byte_bpe`) never yields more tokens than bytes of UTF-8. Others may normalise first, which can
    lengthen the text (NFKC turns U+FDFA into 18 letters), and may add a token for the start of each text.
    """
    if tokenizer == "byte_bpe":
        return sum(_utf8_length(text) for text in strings)
    return sum(1 + max(_utf8_length(text), _nfkc_length(text)) for text in strings)


def template_bound(*, messages: int, tools: int = 0) -> int:
    """The most tokens that the provider's template adds around the texts of a request."""
    return REQUEST_TOKENS + MESSAGE_TOKENS * messages + (TOOLS_TOKENS + TOOL_TOKENS * tools if tools else 0)


def _utf8_length(text: str) -> int:
    # A lone surrogate, which JSON can carry, counts as the three bytes that it would be.
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _nfkc_length(text: str) -> int:
    return len(text) if text.isascii() else _utf8_length(unicodedata.normalize("NFKC", text))
