"""Measures Tokonomics beside its peers, all on this machine: `make bench`, or `python -m benchmarks --help`.

The target's processes run on the first core; load, provider, Redis and the product's own background work on the others.
Every round measures each target once, one after the other, so that whatever else the machine does falls on all of them.
"""

import argparse
import json
import shutil
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine, report
from benchmarks.measuring import Series, measure
from benchmarks.processes import Provider
from benchmarks.report import Table
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.targets import ALL, Target
from benchmarks.targets.base import CACHE

RESULTS = CACHE / "results.json"


class Bench:
    """The targets that run at the moment, in front of one provider."""

    def __init__(self, folder: Path, only: set[str]) -> None:
        self._folder, self._only = folder, only
        self._provider = Provider(folder / "provider.log")
        self._running: dict[str, Target] = {}
        self._failures: dict[str, str] = {}

    def run(self, scenario: Scenario, *, quick: bool, rounds: int | None) -> dict[str, Series]:
        self._keep({name for name in scenario.targets if not self._only or name in self._only})
        found = {
            row.title or ALL[row.target].title: Series(row.target, row.title or ALL[row.target].title)
            for row in scenario.rows
            if row.target in self._running
        }
        for number in range(1, (rounds or (scenario.quick_rounds if quick else scenario.rounds)) + 1):
            for row in scenario.rows:
                series = found.get(row.title or ALL[row.target].title)
                if series is None or series.failure:
                    continue
                target = self._running[row.target]
                try:
                    series.rounds.append(measure(target, row.load(target, quick)))
                    one = series.rounds[-1]
                    print(f"  {number} {series.title:32} {one.rate:10,.0f}/s {one.cpu_us:8,.0f} us", flush=True)
                except RuntimeError as error:
                    series.failure = str(error)[:400]
                    print(f"  {number} {series.title}: {error}", flush=True)
                target.come_to_rest()
        return found

    def _keep(self, names: set[str]) -> None:
        """Stop the targets that are not among these, start those that do not run yet."""
        for name in [name for name in self._running if name not in names]:
            self._running.pop(name).stop()
        for name in sorted(names - self._running.keys() - self._failures.keys(), key=list(ALL).index):
            target = ALL[name](self._folder, self._provider)
            if wanting := target.missing():
                self._failures[name] = wanting
                print(f"  left out: {target.title} (not installed: {wanting})", flush=True)
                continue
            print(f"  starting {target.title}", flush=True)
            self._running[name] = target
            target.start()

    def close(self) -> None:
        self._keep(set())
        self._provider.stop()


def main() -> None:
    names = ", ".join(SCENARIOS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], help=f"any of {names}; all if none")
    parser.add_argument("--quick", action="store_true", help="short rounds: to see that all works, not to quote")
    parser.add_argument("--rounds", type=int, help="instead of each scenario's own number")
    parser.add_argument("--only", default="", help=f"of the targets, only these (comma-separated): {', '.join(ALL)}")
    parser.add_argument("--save", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="tk-bench-"))
    bench = Bench(folder, {name for name in options.only.split(",") if name})
    try:
        for name in options.scenarios or list(SCENARIOS):
            scenario = SCENARIOS[name]
            print(scenario.title, flush=True)
            load_before = machine.load_average()
            started = time.monotonic()
            found = bench.run(scenario, quick=options.quick, rounds=options.rounds)
            rounds = max((len(series.rounds) for series in found.values()), default=0)
            conditions = (
                f"Medians of {rounds} rounds, {datetime.now(UTC):%Y-%m-%d}, commit {machine.commit()}"
                f"{', quick run' if options.quick else ''}; load average before: {load_before:.1f}."
            )
            table = Table.of(scenario, found, conditions)
            print(f"\n{table.text()}\n({time.monotonic() - started:.0f} s)\n", flush=True)
            _remember(name, table)
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    if options.save:
        kept = json.loads(RESULTS.read_text())
        report.save([kept[name] for name in SCENARIOS if name in kept], str(machine.Machine.here()))


def _remember(name: str, table: Table) -> None:
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**kept, name: asdict(table)}, indent=1))


if __name__ == "__main__":
    main()
