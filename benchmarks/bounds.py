"""How tight the bounds are: what is held over what is charged, for replies on record, by wire format and content.

python -m benchmarks.bounds            # prints the table
python -m benchmarks.bounds --save     # writes it into docs/bounds.md, where a test compares it
"""

import argparse
import sys
from pathlib import Path

from budgets.money import format_usd
from tests.proxy.providers.recorded import RECORDED, Recorded

PAGE = Path(__file__).parent.parent / "docs/bounds.md"
BEGIN, END = "<!-- bounds: written by `python -m benchmarks.bounds --save` -->", "<!-- bounds end -->"


def table() -> str:
    head = [
        "| format | what | model | input bound | input billed | held, USD | charged | held / charged |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *map(_row, RECORDED)])


def _row(recorded: Recorded) -> str:
    held, charged, usage = recorded.quote().most, recorded.cost(), recorded.usage()
    counted = usage.total_input_tokens
    tokens = (f"{recorded.input_bound():,}", f"{counted:,}") if counted else ("", "")
    cells = (
        recorded.format,
        recorded.content,
        recorded.model().id,
        *tokens,
        format_usd(held),
        format_usd(charged),
        _ratio(held, charged),
    )
    return f"| {' | '.join(cells)} |"


def _ratio(held: int, charged: int) -> str:
    tenths = (held * 10 + charged // 2) // charged
    return f"{tenths // 10}.{tenths % 10}" if tenths < 100 else f"{tenths // 10:,}"


def section(page: str) -> str:
    return page.split(BEGIN)[1].split(END)[0].strip()


def save(text: str) -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--save", action="store_true")
    text = table()
    print(text)
    if parser.parse_args().save:
        save(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
