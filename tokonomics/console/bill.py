"""What one request was charged, line by line: usage by kind times price, summed to the nanodollar."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from budgets.models import UsageRecord, UsageStatus
from budgets.money import ceil_div
from budgets.pricing import catalogue, cost
from budgets.pricing.cost import Line
from budgets.pricing.rates import TOKENS_PER_RATE, Model, NotPriceable, PriceLadder, Rates
from budgets.pricing.usage import Usage
from tokonomics.console import presentation as show

_KINDS = {
    "input": "Input",
    "cache_read": "Input read from the cache",
    "cache_write_5m": "Input written to the cache, 5 minutes",
    "cache_write_1h": "Input written to the cache, longer",
    "audio_input": "Audio input",
    "audio_cache_read": "Audio input read from the cache",
    "output": "Output",
    "audio_output": "Audio output",
    "image_input": "Pictures shown, tokens",
    "image_output": "Pictures made, tokens",
    "character": "Characters spoken",
    "millisecond": "Milliseconds of sound",
    "web_search": "Web searches",
    "request_fee": "Fee of the request",
    "charged": "As the provider says that it charged",
}


@dataclass(frozen=True, slots=True)
class BillLine:
    kind: str
    count: str
    rate: str
    amount: str


@dataclass(frozen=True, slots=True)
class Bill:
    """Lines whose amounts, added up and rounded up once, are the cost. `note`: how the price was found."""

    lines: tuple[BillLine, ...]
    total: str
    note: str


def bill_of(record: UsageRecord) -> Bill | None:
    """The usage at the price kept in the record; where that list alone does not make the cost (a dearer step, audio, a
    fee), at the price list of that day. None without a usage, and where neither comes out at what was charged."""
    if record.status != UsageStatus.SETTLED or not record.usage:
        return None
    usage = _usage(record.usage)
    kept = "At the price that was kept with the request."
    for model, note in ((_kept_model(record.price), kept), (_listed(record), "At the price list of that day.")):
        lines = _explained(model, usage)
        if lines and ceil_div(sum(line.numerator for line in lines), TOKENS_PER_RATE) == record.cost:
            return Bill(tuple(_line(line) for line in lines), show.exact(record.cost), note)
    return None


def _usage(counts: Mapping[str, int]) -> Usage:
    known = {field.name for field in fields(Usage)}
    kinds: dict[str, Any] = {name: count for name, count in counts.items() if name in known}
    return Usage(**kinds)


def _explained(model: Model | None, usage: Usage) -> list[Line]:
    if model is None:
        return []
    try:
        return cost.explain(model, usage)
    except NotPriceable:
        return []


def _kept_model(price: Mapping[str, int]) -> Model | None:
    try:
        rates = Rates(**price)
    except TypeError:
        return None  # a record of another time, whose price says other things
    return Model("", "", PriceLadder(rates), 0, 0, "", date.min)


def _listed(record: UsageRecord) -> Model | None:
    return catalogue.find(record.provider, record.model, record.day)


def _line(line: Line) -> BillLine:
    """The amount with all its digits: tokens x rate may be finer than a nanodollar."""
    unit = "each" if line.per_call else "a million"
    return BillLine(
        _KINDS.get(line.kind, line.kind.replace("_", " ")),
        show.count(line.count),
        f"{show.exact(line.rate)} {unit}",
        _finer(line.numerator),
    )


def _finer(numerator: int) -> str:
    """Nanodollars x 1,000,000 as dollars, exact to the last digit."""
    whole, rest = divmod(numerator, TOKENS_PER_RATE)
    text = show.exact(whole)
    if not rest:
        return text
    places = text.partition(".")[2]
    return f"{text}{'0' * (9 - len(places))}{rest:06d}".rstrip("0")
