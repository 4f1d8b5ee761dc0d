"""The table of limits against what is published: what would change, which way, and the table as it would be.

Pure: `manage.py refresh_limits` reads and writes. A number that grows only makes holds larger and is taken with the
others; one that shrinks could let a request cost more than its hold, and is taken only where somebody has looked and
says so.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

from budgets.pricing import catalogue
from budgets.pricing.limits import COLUMNS, Row
from budgets.pricing.source import PROVIDERS, SOURCE, model_infos


class Way(StrEnum):
    NEW = "new"
    RAISED = "raised"
    LOWERED = "lowered"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class Published:
    """What a source says of a model, by the canonical id; None: nothing."""

    provider: str
    model: str
    context_window: int | None
    max_output_tokens: int | None
    source: str


@dataclass(frozen=True, slots=True)
class Change:
    """`before` None: a model that the table did not have."""

    way: Way
    before: Row | None
    after: Row

    def __str__(self) -> str:
        old = f"{_limits(self.before)} -> " if self.before is not None else ""
        return (
            f"{self.way:9}  {self.after.provider} {self.after.model}: {old}{_limits(self.after)} ({self.after.source})"
        )


def published_in(document: Any, source: str, on: date) -> list[Published]:
    """Out of a list in the shape of models.dev's api.json: provider -> models -> id -> limit -> context, output.

    Several names of one model: the larger numbers count. Raises ValueError where it is no such list.
    """
    if not isinstance(document, Mapping):
        raise ValueError("not an object of providers")
    largest: dict[tuple[str, str], Published] = {}
    for provider, theirs in PROVIDERS.items():
        models = document.get(theirs, {}).get("models", {})
        if not isinstance(models, Mapping):
            raise ValueError(f"`{theirs}.models` is not an object")
        for name, about in models.items():
            known = catalogue.find(provider, name, on)
            limit = about.get("limit", {}) if isinstance(about, Mapping) else {}
            if known is None or not _are_tokens(limit.get("context"), limit.get("output")):
                continue
            found = Published(provider, known.id, limit["context"], limit["output"], source)
            largest[provider, known.id] = _larger(largest.get((provider, known.id)), found)
    return list(largest.values())


def published_in_wheel() -> list[Published]:
    """The windows that the price data has; it knows no output limits, and rounds some windows down."""
    return [
        Published(provider, info.id, info.context_window, None, SOURCE)
        for provider in PROVIDERS
        for info in model_infos(provider)
        if info.context_window
    ]


def compare(rows: Sequence[Row], published: Iterable[Published], on: date) -> list[Change]:
    """Model by model; one without an output limit is no row of its own, and lowers nothing."""
    table = {(row.provider, row.model): row for row in rows}
    changes = []
    for each in published:
        before = table.get((each.provider, each.model))
        if each.max_output_tokens is None:
            if before is not None and (each.context_window or 0) > before.context_window:
                after = replace(before, context_window=each.context_window or 0, checked=on, source=each.source)
                changes.append(Change(Way.RAISED, before, after))
            continue
        window, output = each.context_window or 0, each.max_output_tokens
        if before is None:
            after = Row(each.provider, each.model, window, output, True, on, each.source)
            changes.append(Change(Way.NEW, None, after))
            continue
        after = replace(before, context_window=window, max_output_tokens=output, checked=on)
        changes.append(Change(_way(before, after), before, replace(after, source=_source(before, after, each.source))))
    return sorted(changes, key=lambda change: (list(Way).index(change.way), change.after.provider, change.after.model))


def refreshed(rows: Sequence[Row], changes: Iterable[Change], *, lower: bool) -> list[Row]:
    """The table with the changes in it; lowered numbers only with `lower`. A number alone that shrinks keeps its row's
    other one too: it is looked at as a whole."""
    taken = {
        (change.after.provider, change.after.model): change.after
        for change in changes
        if lower or change.way is not Way.LOWERED
    }
    kept = [taken.pop((row.provider, row.model), row) for row in rows]
    order = list(PROVIDERS)
    return sorted([*kept, *taken.values()], key=lambda row: (order.index(row.provider), not row.offered, row.model))


def written(rows: Iterable[Row]) -> str:
    """As limits.csv has it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        limits = (row.context_window, row.max_output_tokens, "yes" if row.offered else "no")
        writer.writerow((row.provider, row.model, *limits, row.checked.isoformat(), row.source, row.note))
    return out.getvalue()


def _way(before: Row, after: Row) -> Way:
    pairs = (
        (before.context_window, after.context_window),
        (before.max_output_tokens, after.max_output_tokens),
    )
    if any(new < old for old, new in pairs):
        return Way.LOWERED
    return Way.RAISED if any(new > old for old, new in pairs) else Way.CONFIRMED


def _source(before: Row, after: Row, said_by: str) -> str:
    """Numbers that stand keep the page that they are from."""
    return before.source if _way(before, after) is Way.CONFIRMED else said_by


def _are_tokens(*values: Any) -> bool:
    return all(type(value) is int and 0 < value < 1_000_000_000 for value in values)


def _larger(one: Published | None, other: Published) -> Published:
    if one is None:
        return other
    window = max(one.context_window or 0, other.context_window or 0)
    return replace(
        one, context_window=window, max_output_tokens=max(one.max_output_tokens or 0, other.max_output_tokens or 0)
    )


def _limits(row: Row | None) -> str:
    return "" if row is None else f"{row.context_window:,} / {row.max_output_tokens:,}"
