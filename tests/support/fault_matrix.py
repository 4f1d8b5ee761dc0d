"""The table of docs/reliability.md that says which test proves which promise under which fault, made from the tests.

    @pytest.mark.fault("Redis: frozen", promises=("P1", "P4"))

    python -m tests.support.fault_matrix            says what differs from the page; exit 1 then
    python -m tests.support.fault_matrix --write    writes the page's table anew

A fault is named `part: what happens to it`, so that the rows of one part stand together. Only files that have the mark
are collected.
"""

import io
import sys
from collections import defaultdict
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- fault matrix: written by `python -m tests.support.fault_matrix --write` -->\n"
END = "<!-- end of the fault matrix -->\n"
PROMISES = {
    "P1": "never above the cap",
    "P2": "refused means not sent",
    "P3": "one row, rightly charged",
    "P4": "in doubt, refused",
    "P5": "changes hold at once",
    "P6": "at rest, Redis = ledger",
    "P7": "one alert a threshold",
    "P8": "no other company touched",
}


@dataclass(frozen=True, order=True)
class Proof:
    """One test, once for all its parameters, and what it says of itself by its marks."""

    fault: str
    promise: str
    path: str
    name: str

    @property
    def link(self) -> str:
        """Its name as the sentence that it is."""
        return f"[{self.name.removeprefix('test_').replace('_', ' ')}](../{self.path})"


class BadMark(ValueError):
    """A mark that names no fault, or a promise that is none."""


class _Collector:
    """A pytest plugin that keeps the marks of what is collected."""

    def __init__(self) -> None:
        self.proofs: set[Proof] = set()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for mark in item.iter_markers("fault"):
                self.proofs |= set(proofs_of(item, mark))


def proofs_of(item: pytest.Item, mark: pytest.Mark) -> Iterable[Proof]:
    """Raises BadMark."""
    promises = mark.kwargs.get("promises", ())
    if len(mark.args) != 1 or ": " not in mark.args[0] or not promises or not set(promises) <= PROMISES.keys():
        raise BadMark(f"{item.nodeid}: {mark.args} {mark.kwargs}")
    path = item.path.relative_to(ROOT).as_posix()
    name = getattr(item, "originalname", None) or item.name
    return [Proof(mark.args[0], promise, path, name) for promise in promises]


def collect() -> list[Proof]:
    """What the marks of all tests say. Raises RuntimeError where they cannot be collected."""
    marked = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.fault(" in path.read_text()]
    collector, said = _Collector(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *marked], plugins=[collector])
    if code != pytest.ExitCode.OK:
        raise RuntimeError(said.getvalue()[-3000:])
    return sorted(collector.proofs)


def table(proofs: Iterable[Proof]) -> str:
    """Markdown: a row a fault, a column a promise that some fault threatens, the proving tests in the cells."""
    cells: dict[tuple[str, str], list[str]] = defaultdict(list)
    for proof in proofs:
        cells[proof.fault, proof.promise].append(proof.link)
    faults = sorted({fault for fault, _ in cells})
    promises = [promise for promise in PROMISES if any((fault, promise) in cells for fault in faults)]
    lines = [["fault", *[f"{promise}: {PROMISES[promise]}" for promise in promises]], ["---"] * (len(promises) + 1)]
    lines += [[fault, *["; ".join(cells[fault, promise]) for promise in promises]] for fault in faults]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def page_with(page: str, matrix: str) -> str:
    """Raises ValueError where the page has no place for it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} lacks {BEGIN!r} or {END!r}")
    return f"{before}{BEGIN}\n{matrix}\n{END}{after}"


def main(arguments: list[str]) -> int:
    page = PAGE.read_text()
    wanted = page_with(page, table(collect()))
    if arguments == ["--write"]:
        PAGE.write_text(wanted)
    elif wanted != page:
        differing = set(wanted.splitlines()) ^ set(page.splitlines())
        sys.stdout.write("docs/reliability.md is not what the marks say; write it anew with --write:\n")
        sys.stdout.write("\n".join(sorted(line[:200] for line in differing)) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
