"""Results as text for a terminal and as Markdown for docs/benchmarks.md."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measuring import Series
from benchmarks.processes import ROOT
from benchmarks.scenarios import Scenario

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: written by `make bench SAVE=1` -->\n", "<!-- end of what was measured -->\n"


@dataclass
class Table:
    """One scenario's outcome, ready to be shown and to be kept as JSON."""

    title: str
    about: str
    heads: list[str]
    rows: list[list[str]]
    conditions: str = ""
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, scenario: Scenario, found: dict[str, Series], conditions: str) -> "Table":
        heads = ["", *[head for head, _ in scenario.columns]]
        done = {title: series for title, series in found.items() if series.rounds}
        rows = [[title, *[cell(series, done) for _, cell in scenario.columns]] for title, series in done.items()]
        notes = [f"{title}: {series.failure.splitlines()[0]}" for title, series in found.items() if series.failure]
        return cls(scenario.title, scenario.about, heads, rows, conditions, notes)

    def text(self) -> str:
        widths = [max(len(row[column]) for row in [self.heads, *self.rows]) for column in range(len(self.heads))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                 for row in [self.heads, *self.rows]]  # fmt: skip
        return "\n".join([self.title, *lines, *self.notes])

    def markdown(self) -> str:
        lines = [_row(self.heads), _row(["---"] * len(self.heads)), *map(_row, self.rows)]
        notes = [f"\n{note}" for note in self.notes]
        return "\n".join([f"### {self.title}\n", f"{self.about} {self.conditions}\n", *lines, *notes, ""])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def save(tables: Iterable[dict[str, Any]], machine: str) -> None:
    """Put the tables between the marks of the page; what people wrote around them stays."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    measured = "\n".join([f"Machine: {machine}.\n", *[Table(**table).markdown() for table in tables]])
    PAGE.write_text(f"{before}{BEGIN}\n{measured}\n{END}{after}")
