"""How long a model's context window is and how much it can answer: numbers that the price data lacks or rounds.

They are read from `limits.csv`, one row a model with the day on which it was last looked at and the page it is from;
`manage.py refresh_limits` compares it with what is published (docs/operations.md). A number may be too large, which
only makes a hold larger; one that is too small would let a request cost more than its hold. So the word of a list that
others keep (`LISTS`) counts for less than a provider's own page: its output limit is what we write where a client names
none, but a client's own limit is held for up to the whole window, and its window is taken 5 % longer, for lists round
(128,000 for 131,072). Models go by the ids that they are called by. `offered` are those that one can chat with today,
what `GET /v1/models` lists; the others are retired, fine-tuned, for another endpoint, or named otherwise on the wire.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

TABLE = Path(__file__).with_name("limits.csv")
COLUMNS = ("provider", "model", "context_window", "max_output_tokens", "offered", "checked", "source", "note")

# The longest window that a provider has published: what a model without any number can hold at most.
LONGEST_WINDOW = 2_097_152
# Lists kept by others than the provider, by how `source` begins; the larger number of all counts.
LISTS = ("models.dev", "litellm")
_WIDEST = {"openai": 1_050_000, "anthropic": 1_000_000}


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds in tokens; `published` where they are the provider's own, `listed` where a list of others has them;
    `current` where one can chat with it.
    """

    window: int
    output: int
    published: bool
    current: bool
    listed: bool = False
    checked: date | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    provider: str
    model: str
    context_window: int
    max_output_tokens: int
    offered: bool
    checked: date
    source: str
    note: str = ""


def read_table(lines: Iterable[str]) -> list[Row]:
    """Raises ValueError for a table that is not of this shape."""
    reader = csv.DictReader(lines)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(f"the columns are not {', '.join(COLUMNS)}")
    return [
        Row(
            provider=each["provider"],
            model=each["model"],
            context_window=int(each["context_window"]),
            max_output_tokens=int(each["max_output_tokens"]),
            offered={"yes": True, "no": False}[each["offered"]],
            checked=date.fromisoformat(each["checked"]),
            source=each["source"],
            note=each["note"],
        )
        for each in reader
    ]


def _limits(row: Row) -> Limits:
    listed = row.source.startswith(LISTS)
    window = _not_rounded(row.context_window) if listed else row.context_window
    return Limits(window, row.max_output_tokens, not listed, row.offered, listed, row.checked)


def _not_rounded(window: int) -> int:
    return window * 21 // 20


_KNOWN = {(row.provider, row.model): _limits(row) for row in read_table(TABLE.read_text(encoding="utf-8").splitlines())}


def limits_of(provider: str, model_id: str, known_window: int | None) -> Limits:
    """`known_window`: the price data's; often rounded down (1,000,000 for 1,048,576), so it is taken 5 % higher.

    A model whose output limit is not known can answer at most a whole window.
    """
    found = _KNOWN.get((provider, model_id))
    if found and found.listed and known_window:
        return replace(found, window=max(found.window, _not_rounded(known_window)))
    if found:
        return found
    window = _not_rounded(known_window) if known_window else _WIDEST.get(provider, LONGEST_WINDOW)
    return Limits(window, window, published=False, current=False)
