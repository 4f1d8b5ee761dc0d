"""Which streams may begin on a part of their hold, and how far that part carries them. Pure: no I/O, no clock.

A partial hold is sound only where two things are known of a provider: that it stops billing when the connection is
closed, and that it shows every token that it bills on the wire as it is made. `terms_of` is a dated table of where they
are; whatever is not in it holds its full bound from the start.

Bytes on the wire bound tokens: no token of a byte-level BPE is shorter than one byte of text. So `seen` counts bytes,
some four times the true number of tokens, and `MARGIN` tokens more are always held for what was made since.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from budgets.pricing.bound import Quote
from budgets.pricing.rates import STANDARD_TIERS, Model
from proxy.providers.anthropic_watch import AnthropicWatch
from proxy.providers.base import ParsedRequest, Watch
from proxy.providers.openai_watch import OpenAIWatch

# Tokens that may have been made and not been seen when a stream is cut: what is made between a token's making and our
# closing of the connection. The quickest models of the table make some 250 a second; this is half a second of theirs,
# and the tokens that `seen` counts too many come on top.
MARGIN = 128
# So much sooner is asked for more, so that the answer is there before it is needed.
LEAD = 128
STEP = 512
FIRST = MARGIN + LEAD + 256
# A shorter limit is held whole. Bytes make some four tokens of each, so most streams would come to hold all of it;
# where money is short they were cut instead, and charged by bytes (benchmarks/overshoot, limits of 1,024).
WORTH_IT = 4 * FIRST
# A step shorter than this is not worth asking for: the stream ends.
LEAST_STEP = 64


@dataclass(frozen=True, slots=True)
class Terms:
    """Streams of one endpoint that may begin on a partial hold. `models` None: whichever the endpoint serves.

    `fields`: what their requests may have in them. Anything else (tools, `stop`, `n`, thinking, audio) may make tokens
    that no text shows.
    """

    models: frozenset[str] | None
    fields: frozenset[str]
    watch: Callable[[str], Watch]
    reason: str
    source: str
    checked: date


_OPENAI_TEXT = frozenset(
    {
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p",
        "seed", "presence_penalty", "frequency_penalty", "logit_bias", "response_format", "user", "safety_identifier",
        "metadata", "store", "service_tier", "prompt_cache_key", "n",
    }
)  # fmt: skip
_ANTHROPIC_TEXT = frozenset(
    {"model", "messages", "system", "stream", "max_tokens", "temperature", "top_p", "top_k", "metadata", "service_tier"}
)
_NOT_REASONING = frozenset(
    {
        "gpt-3.5-turbo", "gpt-3.5-turbo-1106", "gpt-4", "gpt-4-turbo", "gpt-4o", "gpt-4o-2024-05-13", "gpt-4o-mini",
        "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano",
    }
)  # fmt: skip

_LIVE = {
    ("openai", "/chat/completions"): Terms(
        models=_NOT_REASONING,
        fields=_OPENAI_TEXT,
        watch=OpenAIWatch,
        reason="closing a stream stops model processing and billing; models without hidden reasoning, text alone",
        source="openrouter.ai/docs/api-reference/streaming, section Stream Cancellation, of the providers it routes to",
        checked=date(2026, 11, 24),
    ),
}
_OURS = "our own sandbox: it stops with the connection, bills nobody, and a word on the wire is a token"
_SANDBOX = {
    ("openai", "/chat/completions"): Terms(
        _NOT_REASONING, _OPENAI_TEXT, OpenAIWatch, _OURS, "tokonomics/sandbox", date(2026, 11, 24)
    ),
    ("anthropic", "/v1/messages"): Terms(
        None, _ANTHROPIC_TEXT, AnthropicWatch, _OURS, "tokonomics/sandbox", date(2026, 11, 24)
    ),
}


def terms_of(path: str, parsed: ParsedRequest, model: Model, *, sandbox: bool, hidden: bool = False) -> Terms | None:
    """The terms on which a request's stream may begin on a partial hold; None: it holds its full bound.

    `path`: the adapter's. `hidden`: the sandbox was told to make tokens that it does not show.
    """
    if not parsed.stream or hidden:
        return None
    terms = (_SANDBOX if sandbox else _LIVE).get((model.provider, path))
    if terms is None or (terms.models is not None and model.id not in terms.models):
        return None
    return terms if parsed.payload.keys() <= terms.fields and _plain(parsed) else None


def _plain(parsed: ParsedRequest) -> bool:
    """One reply of text, made in one call of the model at the standard price."""
    once = parsed.choices == 1 and parsed.model_calls == 1 and not parsed.web_searches and not parsed.extra_output
    return once and not parsed.audio and not parsed.fees and parsed.service_tier in STANDARD_TIERS


def first_step(quote: Quote) -> int:
    """What a partial hold begins with, nanodollars; the full bound where that is no more."""
    return quote.at(min(FIRST, quote.most_output))


@dataclass(slots=True)
class Steps:
    """How far a hold carries a stream of text. `held` in nanodollars, all else in output tokens."""

    quote: Quote
    held: int
    seen: int = 0
    """The most tokens that the events which have passed can be."""
    unread: int = 0
    """The most tokens that bytes which are no whole event yet can be."""
    covered: int = field(init=False)
    """The most tokens that the hold pays for."""

    def __post_init__(self) -> None:
        self.grown(self.held)

    def grown(self, held: int) -> None:
        """The hold is larger now."""
        self.held, self.covered = held, self.quote.fits_output_tokens(held)

    @property
    def full(self) -> bool:
        """Whether the hold covers all that the request may make: there is nothing left to watch."""
        return self.covered >= self.quote.most_output

    @property
    def made(self) -> int:
        """The most tokens that can have been made by now."""
        return self.seen + self.unread + MARGIN

    @property
    def due(self) -> bool:
        """Whether it is time to ask for more."""
        return not self.full and self.made + LEAD >= self.covered

    @property
    def outrun(self) -> bool:
        """Whether more may have been made than the hold pays for, unless it grows now."""
        return not self.full and self.made > self.covered

    def ask(self) -> tuple[int, int]:
        """By how much to enlarge the hold, least and most, nanodollars."""
        useful = max(self.covered, self.made) + LEAST_STEP
        wished = max(useful, self.made + LEAD + STEP)
        return self._up_to(useful), self._up_to(wished)

    def ask_all(self) -> tuple[int, int]:
        """The same, for it to cover everything."""
        everything = self._up_to(self.quote.most_output)
        return everything, everything

    def shown(self) -> int:
        """The most that the stream can have cost so far, nanodollars; never more than was held for it."""
        return min(self.held, self.quote.at(min(self.quote.most_output, self.made)))

    def _up_to(self, tokens: int) -> int:
        return max(1, self.quote.at(min(tokens, self.quote.most_output)) - self.held)
