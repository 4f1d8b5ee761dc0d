"""Prices as people read them: one line a model, with whose price it is and since when. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from budgets.models import TenantPrice
from budgets.pricing.own import ANY, percent
from budgets.pricing.rates import CALL_KINDS, Model, Rates
from tenants import providers
from tokonomics.console import presentation as show

KINDS: Mapping[str, str] = {
    "input": "Input",
    "output": "Output",
    "cache_read": "Cached input",
    "cache_write_5m": "Written to the cache",
    "cache_write_1h": "Written for longer",
    "audio_input": "Audio input",
    "audio_cache_read": "Cached audio input",
    "audio_output": "Audio output",
    "image_input": "Image input",
    "image_output": "Image output",
    "web_search": "A web search",
    "request_fee": "A request",
}
# Units of models that know no tokens; nobody sets prices of their own in them.
_UNITS: Mapping[str, tuple[str, int]] = {
    "character": ("a million characters", 1_000_000),
    "millisecond": ("a minute of sound", 60_000),
}
_CENTS_ARE_ENOUGH = ("input", "output", "cache_read")


@dataclass(frozen=True, slots=True)
class Row:
    """A model's price in force. Rates as text, empty where there is none; `more` are sentences on what differs.

    `own`: the id of the entry that is this model's alone; `is_own`: whether any entry of the company's made the price.
    """

    provider: str
    provider_name: str
    model: str
    input: str
    output: str
    cache_read: str
    context_window: str
    source: str
    since: str
    is_own: bool
    own: str
    more: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnRow:
    """An entry of the tenant's own: `terms` says what is agreed."""

    id: str
    provider_name: str
    model: str
    terms: str
    note: str
    set_by: str
    row: TenantPrice


def row_of(provider: str, model: Model, *, whole: frozenset[str] = frozenset()) -> Row:
    """`whole`: ids of the entries that are a whole provider's, and so are not this model's to change."""
    rates = model.rates
    own_source = model.source.rpartition(", ")[2] if model.own else ""
    return Row(
        provider=provider,
        provider_name=providers.title_of(provider),
        model=model.id,
        input="free" if model.free else "" if rates.tokenless else show.exact(rates.input),
        output="free" if model.free else "" if rates.tokenless else show.exact(rates.output),
        cache_read="" if model.free or rates.cache_read == rates.input else show.exact(rates.cache_read),
        context_window=show.tokens(model.context_window) if model.window_published else "",
        source=own_source or "list",
        since=day(model.since) if model.since else "",
        is_own=bool(model.own),
        own="" if model.own in whole else model.own,
        more=() if model.free else tuple(_more(model)),
    )


def own_row(price: TenantPrice) -> OwnRow:
    return OwnRow(
        id=price.pk,
        provider_name=providers.title_of(price.provider),
        model="every model" if price.model == ANY else price.model,
        terms=terms(price),
        note=price.note,
        set_by=price.created_by.email if price.created_by else "",
        row=price,
    )


def terms(price: TenantPrice) -> str:
    """`20% off the list`, `free`, `input $2.00, output $8.00`."""
    if price.free:
        return "free, on purpose"
    if price.rates is None:
        return f"{percent(price.discount)} {'than the list' if price.discount < 0 else 'the list'}"
    return ", ".join(f"{KINDS.get(kind, kind).lower()} {show.exact(rate)}" for kind, rate in price.rates.items())


def day(when: date) -> str:
    return f"{when.day} {when:%b %Y}"


def _more(model: Model) -> Iterator[str]:
    """What some requests cost instead, or beside."""
    for step in model.standard.steps:
        yield f"above {show.tokens(step.above_input_tokens)} tokens of input {_pair(step.rates)}"
    for name, ladder in model.tiers.items():
        yield f"{name} {_pair(ladder.base)}"
    for region, parts in model.regions.items():
        if parts != 100:
            yield f"kept to {region.upper()} {parts // 100}.{parts % 100:02d}".rstrip("0").rstrip(".") + " times"
    for kind, (unit, count) in _UNITS.items():
        if rate := getattr(model.rates, kind):
            yield f"{unit} {show.exact(rate * count // 1_000_000)}"
    for kind, rate in model.rates.given().items():
        if rate and kind in KINDS and kind not in _CENTS_ARE_ENOUGH and not kind.startswith("cache_write"):
            yield f"{KINDS[kind].lower()} {show.exact(rate)}" + (" each" if kind in CALL_KINDS else "")


def _pair(rates: Rates) -> str:
    return f"{show.exact(rates.input)} in, {show.exact(rates.output)} out"
