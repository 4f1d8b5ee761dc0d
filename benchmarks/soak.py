"""A long run of mixed load with a fault every few seconds; then, at rest, everything must add up.

    python -m benchmarks.soak --minutes 30 [--seed N] [--clients N] [--every SECONDS] [--save]

Plain requests and streams in the three dialects, by clients of whom some leave, for companies of which one lives at its
cap, on three web processes (two of which are killed and replaced) and two Celery workers, before providers of whom some
answers fail. In between, one after the other: web and Celery workers are killed or paused, Redis is frozen, killed,
emptied and cut off, providers go away, caps, keys and companies change. At rest: the counters equal the ledger, nothing
is held, every bill of the providers is in the ledger to the nanodollar, or covered by a hold that was charged because
nobody could know; and no process has grown. Exit 1 where that is not so.
"""

import argparse
import json
import random
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.soak_check import Account, Footprint, Holding, account, at_rest
from benchmarks.soak_faults import FAULTS, Fault, Scene, Troublemaker, facts, restore
from benchmarks.soak_load import SECRET, Clients, Providers
from tests.support.office import Company, Office
from tests.support.provider import ProviderMock
from tests.support.stack import ROOT, ProductStack
from tests.support.valkey import ValkeyServer

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- soak: written by `python -m benchmarks.soak --save` -->\n", "<!-- end of the soak -->\n"
LEASE = 5
COMPANIES = 5
SAMPLES = 10
TASKS = re.compile(rb"^tokonomics_tasks (\d+)", re.MULTILINE)
ENVIRONMENT = {
    "TOKONOMICS_SECRET_KEY": "the soak's own secret, of more than fifty characters in all",
    "TOKONOMICS_ENCRYPTION_KEYS": "J4pXj1mYyN2fK9s0h3v7b6q5w8e1r4t7y0u3i6o9p2A=",
    "TOKONOMICS_UPSTREAM_FIRST_BYTE_TIMEOUT": "3",
    "TOKONOMICS_UPSTREAM_IDLE_TIMEOUT": "3",
    "TOKONOMICS_ABANDONED_DRAIN_SECONDS": "2",
    "TOKONOMICS_HELD_WAIT_SECONDS": "0.3",
}


@dataclass(frozen=True)
class Verdict:
    """`wrong` is empty where everything adds up."""

    seconds: float
    answers: dict[str, int]
    accounts: list[Account]
    before: Footprint
    after: Footprint
    happened: dict[str, Any]
    web_kb: list[int]
    """Of the web process that lives all through, at equal distances."""
    wrong: list[str]

    def told(self) -> dict[str, Any]:
        rows, charged = sum(one.rows for one in self.accounts), sum(one.charged_rows for one in self.accounts)
        return {
            "seconds": round(self.seconds),
            "answers": dict(sorted(self.answers.items())),
            "rows": rows,
            "rows_charged_for_the_unknown": charged,
            "ledger_nanodollars": sum(one.ledger for one in self.accounts),
            "providers_nanodollars": sum(one.provider for one in self.accounts),
            "charged_nanodollars": sum(one.charged for one in self.accounts),
            "billed_of_those_nanodollars": sum(one.billed_of_those for one in self.accounts),
            **self.happened,
            "web_mb": [kb // 1024 for kb in self.web_kb],
            "before": self.before.told(),
            "after": self.after.told(),
            "wrong": self.wrong,
        }


@contextmanager
def scene_in(folder: Path, clients: int, seed: int, *, lease: int = LEASE) -> Iterator[Scene]:
    """The product, its companies and everything around them, up and idle. `lease`: of a hold, seconds."""
    valkey = ValkeyServer(folder / "valkey", append_only=True)
    with ProviderMock() as mock:
        environment = {"REDIS_URL": valkey.url, "TOKONOMICS_LEDGER_LEASE_SECONDS": str(lease), **ENVIRONMENT}
        stack = ProductStack(folder / "stack", provider=mock, workers=1, environment=environment)
        valkey.start()
        try:
            stack.start()
            with Office(stack) as office:
                providers = Providers(mock, seed)
                companies = [_company(office, number) for number in range(COMPANIES)]
                crowd = Clients({one.id: [one.key] for one in companies}, [stack.port], clients)
                yield Scene(stack, valkey, office, companies, crowd, providers, lease)
            assert stack.stop() == 0, stack.output()[-3000:]
        finally:
            if stack.running():
                stack.kill()
            valkey.kill()


def _company(office: Office, number: int) -> Company:
    """The last one has so little that it is at its cap at once."""
    secrets = dict.fromkeys(("openai", "anthropic", "gemini"), f"{SECRET}{number}")
    cap = "0.02" if number == COMPANIES - 1 else "500.00"
    return Company(office, **office.do("found", name=f"Soak {number}", cap=cap, hard=True, providers=secrets))


def footprint(scene: Scene) -> Footprint:
    names = {"web": "web", "worker": "Celery worker", "beat": "Celery beat"}
    found = {title: Holding.of(scene.stack.pids(part)[0]) for part, title in names.items()}
    with urllib.request.urlopen(f"{scene.stack.base_url}/metrics", timeout=10) as reply:
        tasks = TASKS.search(reply.read())
    clients = len(scene.valkey.cli("CLIENT", "LIST").splitlines())
    return Footprint(found, clients, int(tasks[1]) if tasks else -1)


def soak(
    scene: Scene,
    *,
    seconds: float,
    every: float,
    seed: int,
    warm_up: float,
    web: int = 2,
    in_order: tuple[Fault, ...] = (),
) -> Verdict:
    """Load for so long, a fault each `every` seconds after the warm-up (these, or all of them), then rest."""
    started = time.monotonic()
    scene.start_extra(web)
    scene.clients.start()
    time.sleep(warm_up)
    before = footprint(scene)
    maker = Troublemaker(scene, random.Random(seed), in_order or FAULTS, in_order=bool(in_order))
    began, web_kb = time.monotonic(), [before.processes["web"].kb]
    try:
        while time.monotonic() - began < seconds:
            if time.monotonic() - began > seconds * len(web_kb) / SAMPLES:
                web_kb.append(Holding.of(scene.stack.worker_pids()[0]).kb)
            name = maker.next()
            print(f"{time.monotonic() - began:7.1f} s  {name or 'waiting for leases'}", file=sys.stderr, flush=True)
            time.sleep(every)
    finally:
        scene.clients.stop()
    restore(scene)
    audits = at_rest(scene.companies)
    scene.stop_extra()
    time.sleep(1.5)  # for connections to be given up
    after = footprint(scene)
    accounts = [
        account(company, str(number), audits[company.id], scene.providers.books)
        for number, company in enumerate(scene.companies)
    ]
    wrong = [f"{one.company}: {line}" for one in accounts for line in one.wrong] + after.grown(before)
    answers = dict(scene.clients.answers)
    if late := answers.get("broken connection (TimeoutError)"):
        wrong.append(f"{late} clients got neither an answer nor an end")
    web_kb.append(after.processes["web"].kb)
    return Verdict(time.monotonic() - started, answers, accounts, before, after, facts(maker), web_kb, wrong)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--every", type=float, default=3.0, help="seconds between faults")
    parser.add_argument("--seed", type=int, default=19)
    parser.add_argument("--save", action="store_true", help="write the figures into docs/reliability.md")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="tk-soak-") as folder,
        scene_in(Path(folder), options.clients, options.seed) as scene,
    ):
        seconds = options.minutes * 60
        verdict = soak(scene, seconds=seconds, every=options.every, seed=options.seed, warm_up=min(60.0, seconds / 6))
    print(json.dumps(verdict.told(), indent=1))
    if options.save:
        _save(verdict)
    return int(bool(verdict.wrong))


def _save(verdict: Verdict) -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    told = json.dumps(verdict.told(), indent=1)
    about = f"{machine.Machine.here()}, {datetime.now(UTC):%Y-%m-%d}, commit {machine.commit()}."
    PAGE.write_text(f"{before}{BEGIN}\n{about}\n\n```json\n{told}\n```\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    sys.exit(main())
