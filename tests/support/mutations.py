"""Takes each guard of the product away and sees whether its test notices: proof of the proofs.

    python -m tests.support.mutations                    every guard of tests/support/guards.py
    python -m tests.support.mutations reserve forward    those whose name has one of these words in it
    python -m tests.support.mutations --quick            those alone whose test needs no running product

The tree is copied to a temporary folder, and only the copy is ever changed: one guard taken out, its test run, the
guard put back. A test that fails has killed the mutation; one that passes has let it survive, and is not worth its
name. Exit 1 where one survived, or could not be judged.
"""

import argparse
import enum
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.postgres import PostgresServer
from tests.support.stack import ROOT

LEFT_OUT = {".git", ".venv", ".cache", ".hypothesis", "var", "node_modules", "__pycache__", "docs", "screens"}
SECONDS = 300.0  # for one test; a mutation that makes it hang is noticed too
PYTEST = ("-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider")


@dataclass(frozen=True, slots=True)
class Guard:
    """`text` stands exactly once in `file`; with `instead` in its place one of `tests` must fail."""

    name: str
    file: str
    text: str
    instead: str
    tests: tuple[str, ...]
    on_postgres: bool = False
    """Whether its test sees it only there."""

    @property
    def needs_product(self) -> bool:
        return any(test.startswith("tests/stack/") for test in self.tests)

    def found_in(self, root: Path) -> int:
        """How often its text stands in its file."""
        path = root / self.file
        return path.read_text().count(self.text) if path.exists() else 0


class Verdict(enum.Enum):
    KILLED = "killed"
    SURVIVED = "SURVIVED"
    UNKNOWN = "NOT JUDGED"  # the guard is not there, or its test does not pass even with it


@dataclass(frozen=True, slots=True)
class Outcome:
    guard: Guard
    verdict: Verdict
    seconds: float
    said: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict.value:10} {self.seconds:6.1f} s  {self.guard.name}"
        return line if self.verdict is Verdict.KILLED else f"{line}\n{self.said[-1500:]}"


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of the working tree, changes that are not committed included; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="tk-mutations-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=lambda _, names: LEFT_OUT & set(names))
        yield copy


def judge(guard: Guard, tree: Path) -> Outcome:
    """Take the guard out of the tree, run its test, put it back."""
    started = time.monotonic()
    path = tree / guard.file
    if (times := guard.found_in(tree)) != 1:
        return Outcome(guard, Verdict.UNKNOWN, 0.0, f"its text stands {times} times in {guard.file}")
    original = path.read_text()
    path.write_text(original.replace(guard.text, guard.instead))
    try:
        code, said = _run(guard.tests, tree, on_postgres=guard.on_postgres)
    finally:
        path.write_text(original)
    verdicts = {0: Verdict.SURVIVED, 1: Verdict.KILLED}
    return Outcome(guard, verdicts.get(code, Verdict.UNKNOWN), time.monotonic() - started, said)


def unsound(tests: Iterable[str], tree: Path) -> str:
    """What the tests say that fail although no guard is missing; "" where all pass."""
    code, said = _run(sorted(set(tests)), tree)
    return said if code else ""


def _run(tests: Sequence[str], tree: Path, *, on_postgres: bool = False) -> tuple[int, str]:
    """pytest's exit code and its words. A run that takes too long counts as failed tests do."""
    if on_postgres:
        with PostgresServer() as server:
            return _run_with({"DATABASE_URL": server.url}, tests, tree)
    return _run_with({}, tests, tree)


def _run_with(settings: dict[str, str], tests: Sequence[str], tree: Path) -> tuple[int, str]:
    ours = ("PYTEST_", "TOKONOMICS_", "DJANGO_")  # a run of pytest may be what runs us
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # A file is changed and changed back within one second, which the date of a compiled one would not show.
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", **settings}
    command = [sys.executable, *PYTEST, *tests]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, f"not over after {SECONDS} s"
    return done.returncode, done.stdout + done.stderr


def run(guards: Sequence[Guard]) -> list[Outcome]:
    """Judge each, saying so as it goes."""
    outcomes = []
    with copied_tree() as tree:
        said = unsound((test for guard in guards for test in guard.tests), tree)
        if said:
            sys.stdout.write(f"Some tests fail with every guard in its place:\n{said[-3000:]}\n")
            return [Outcome(guard, Verdict.UNKNOWN, 0.0) for guard in guards]
        for guard in guards:
            outcomes.append(judge(guard, tree))
            sys.stdout.write(f"{outcomes[-1]}\n")
            sys.stdout.flush()
    return outcomes


def summary(outcomes: Sequence[Outcome]) -> str:
    counts = [sum(outcome.verdict is verdict for outcome in outcomes) for verdict in Verdict]
    return (
        f"{len(outcomes)} guards taken away one at a time: {counts[0]} noticed, {counts[1]} not, {counts[2]} not judged"
    )


def main() -> int:
    from tests.support.guards import GUARDS

    parser = argparse.ArgumentParser(prog="python -m tests.support.mutations", description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only guards whose name has one of these in it")
    parser.add_argument("--quick", action="store_true", help="only guards whose test needs no running product")
    options = parser.parse_args()
    chosen = [guard for guard in GUARDS if not options.words or any(word in guard.name for word in options.words)]
    outcomes = run([guard for guard in chosen if not (options.quick and guard.needs_product)])
    sys.stdout.write(f"{summary(outcomes)}\n")
    return int(any(outcome.verdict is not Verdict.KILLED for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
