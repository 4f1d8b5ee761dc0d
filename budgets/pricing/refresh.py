"""The table of limits against what is published: what would change, which way, and the table as it would be.

Pure: `manage.py refresh_limits` reads and writes. A number that grows only makes holds larger and is taken with the
others; one that shrinks could let a request cost more than its hold, and is taken only where somebody has looked and
says so. A row from a provider's own page whose note says why it is what it is was decided: it is left alone.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

from budgets.pricing import catalogue
from budgets.pricing.limits import COLUMNS, LISTS, Row
from budgets.pricing.source import PREFIXED, PROVIDERS, SOURCE, model_infos

# Perplexity has no chat any more.
_OURS = tuple(each for each in (*PROVIDERS, *PREFIXED) if each != "perplexity")
# What these lists call our providers, where it is another name.
_MODELS_DEV = {"gemini": "google", "together": "togetherai", "fireworks": "fireworks-ai"}
_LITELLM = {"together": "together_ai", "fireworks": "fireworks_ai"}


class Way(StrEnum):
    NEW = "new"
    RAISED = "raised"
    LOWERED = "lowered"
    DECIDED = "decided"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class Published:
    """What a source says of a model, by the canonical id; None: nothing."""

    provider: str
    model: str
    context_window: int | None
    max_output_tokens: int | None
    source: str
    note: str = ""


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
    """Out of a list in the shape of models.dev's api.json (provider -> models -> id -> limit -> context, output) or of
    LiteLLM's (`provider/model` -> max_input_tokens, max_output_tokens), whichever it is.

    Several names of one model: the larger numbers count. LiteLLM's `max_tokens` is the output limit or, where it knows
    none, the window: the larger reading, again. Raises ValueError where it is no such list.
    """
    if not isinstance(document, Mapping):
        raise ValueError("not an object")
    kind, entries = ("litellm", _litellm) if "sample_spec" in document else ("models.dev", _models_dev)
    source = source if source.startswith(kind) else f"{kind} in {source}"  # by which `limits` knows a list of others
    largest: dict[tuple[str, str], Published] = {}
    for provider, name, window, output in entries(document):
        known = catalogue.find(provider, name, on)
        # Azure's are OpenAI's, by OpenAI's limits.
        if known is None or known.provider != provider or not _are_tokens(window, output):
            continue
        found = Published(provider, known.id, window, output, source)
        largest[provider, known.id] = _larger(largest.get((provider, known.id)), found)
    return list(largest.values())


_Entry = tuple[str, str, Any, Any]
"""Our provider, the model's name there, its window and its output limit as they are told."""


def _models_dev(document: Mapping[str, Any]) -> Iterator[_Entry]:
    for provider in _OURS:
        theirs = _MODELS_DEV.get(provider, provider)
        models = document.get(theirs, {}).get("models", {})
        if not isinstance(models, Mapping):
            raise ValueError(f"`{theirs}.models` is not an object")
        for name, about in models.items():
            limit = about.get("limit", {}) if isinstance(about, Mapping) else {}
            yield provider, name, limit.get("context"), limit.get("output")


def _litellm(document: Mapping[str, Any]) -> Iterator[_Entry]:
    ours = {_LITELLM.get(provider, provider): provider for provider in _OURS}
    for name, about in document.items():
        if not isinstance(about, Mapping):
            raise ValueError(f"`{name[:50]}` is not an object")
        theirs = about.get("litellm_provider")
        if theirs in ours:
            output = about.get("max_output_tokens", about.get("max_tokens"))
            yield ours[theirs], name.removeprefix(f"{theirs}/"), about.get("max_input_tokens", output), output


def published_in_wheel() -> list[Published]:
    """The windows that the price data has; it knows no output limits, and rounds some windows down."""
    return [
        Published(provider, info.id, info.context_window, None, SOURCE)
        for provider in PROVIDERS
        for info in model_infos(provider)
        if info.context_window
    ]


def agreed(published: Iterable[Published]) -> list[Published]:
    """One for each model: the larger of what the sources say, and in `note` who says less of its output."""
    told: dict[tuple[str, str], list[Published]] = {}
    for each in published:
        told.setdefault((each.provider, each.model), []).append(each)
    return [_agreed(each) for each in told.values()]


def _agreed(told: Sequence[Published]) -> Published:
    first = max(told, key=lambda each: each.max_output_tokens or 0)
    window = max(each.context_window or 0 for each in told)
    lower = [each for each in told if each.max_output_tokens and each.max_output_tokens != first.max_output_tokens]
    note = "; ".join(f"{each.max_output_tokens} by {each.source}" for each in lower)
    return replace(first, context_window=window, note=note)


def compare(rows: Sequence[Row], published: Iterable[Published], on: date) -> list[Change]:
    """Model by model; one without an output limit is no row of its own, and lowers nothing."""
    table = {(row.provider, row.model): row for row in rows}
    found = (_change(table.get((each.provider, each.model)), each, on) for each in agreed(published))
    changes = [change for change in found if change is not None]
    return sorted(changes, key=lambda change: (list(Way).index(change.way), change.after.provider, change.after.model))


def _change(before: Row | None, told: Published, on: date) -> Change | None:
    output = told.max_output_tokens
    window = max(told.context_window or 0, output or 0)  # some lists have the input alone
    if before is None:
        if output is None:
            return None
        return Change(Way.NEW, None, Row(told.provider, told.model, window, output, True, on, told.source, told.note))
    if output is None:
        if window <= before.context_window:
            return None
        return Change(Way.RAISED, before, replace(before, context_window=window, checked=on, source=told.source))
    after = replace(before, context_window=window, max_output_tokens=output, checked=on)
    way = _way(before, after)
    if way is not Way.CONFIRMED and before.note and not before.source.startswith(LISTS):
        return Change(Way.DECIDED, before, replace(after, source=told.source))
    if way is not Way.CONFIRMED:  # numbers that stand keep the page that they are from
        after = replace(after, source=told.source, note=told.note or before.note)
    return Change(way, before, after)


def refreshed(rows: Sequence[Row], changes: Iterable[Change], *, lower: bool) -> list[Row]:
    """The table with the changes in it; lowered numbers only with `lower`. A number alone that shrinks keeps its row's
    other one too: it is looked at as a whole."""
    taken = {
        (change.after.provider, change.after.model): change.after
        for change in changes
        if change.way is not Way.DECIDED and (lower or change.way is not Way.LOWERED)
    }
    kept = [taken.pop((row.provider, row.model), row) for row in rows]
    order = list(_OURS)
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
