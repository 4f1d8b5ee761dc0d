"""The table of `benchmarks.overshoot`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine

BEGIN, END = "<!-- overshoot: written by `python -m benchmarks.overshoot --save` -->\n", "<!-- end of overshoot -->\n"
HEADS = ("", "worst overshoot", "usable", "worst usable", "cut each", "whole each", "busy", "own books off", "seconds")


@dataclass(frozen=True)
class Row:
    """One system. Percentages of the budget, by what the provider made; `cut` and `whole`: streams a company."""

    title: str
    worst_over: float
    usable: float
    worst_usable: float
    cut: float
    whole: float
    answers: dict[str, int]
    still_asking: int
    books_off: float
    seconds: float

    def cells(self) -> list[str]:
        odd = {name: count for name, count in self.answers.items() if name not in ("passed", "busy", "over")}
        notes = "".join(f"; {count} {name}" for name, count in odd.items())
        notes += f"; {self.still_asking} not over" if self.still_asking else ""
        return [
            self.title,
            f"{self.worst_over:+.2f} %",
            f"{self.usable:.2f} %",
            f"{self.worst_usable:.2f} %",
            f"{self.cut:.1f}",
            f"{self.whole:.0f}",
            f"{self.answers.get('busy', 0):,}{notes}",
            f"{self.books_off:.2f} %",
            f"{self.seconds:.0f}",
        ]


def table(rows: list[Row]) -> str:
    lines = [list(HEADS), ["---"] * len(HEADS), *[row.cells() for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def save(page: Path, rows: list[Row], setting: Any) -> None:
    """Between the marks of the page; a page without them gets them at its end."""
    text = page.read_text()
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n## The last of a budget\n\n{BEGIN}{END}"
    before, _, rest = text.partition(BEGIN)
    about = (
        f"{setting.companies} companies, {setting.streams} streams in flight each, {setting.workers} web processes, "
        f"{setting.budget_tokens:,} tokens a budget, a token each {setting.pace_ms:.0f} ms. "
        f"{machine.Machine.here()}, {datetime.now(UTC):%Y-%m-%d}, commit {machine.commit()}, load average "
        f"{machine.load_average():.1f}."
    )
    page.write_text(f"{before}{BEGIN}\n{about}\n\n{table(rows)}\n\n{END}{rest.partition(END)[2]}")
