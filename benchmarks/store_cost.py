"""What the ledger costs beside the web process: `python -m benchmarks.store_cost [--rounds N] [--profile]`.

The two that share the other core: Valkey (reserve, settle, what the drain asks of it) and the drain, into SQLite. CPU
time of each process, all its threads, by /proc; median and least of the rounds. What else runs here changes what a
microsecond of CPU does, so each round measures a fixed piece of work of the same kind beside it: plain HSETs in Valkey,
JSON in Python. The figures in `units` are in those, and compare across a busy day.
"""

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
import orjson

from benchmarks import machine
from benchmarks.processes import Process
from tokonomics.console.embedded import EmbeddedValkey

AT_ONCE = 8  # what one turn of the web process's loop writes together under load
IN_FLIGHT = 64
ENDING = {
    "status": "settled",
    "http": 200,
    "ms": 5,
    "rid": "rq_0123456789abcdefghij",
    "bound": {"input": 391, "output": 50, "choices": 1},
    "fb": 4,
    "usage": {"input_tokens": 61, "output_tokens": 40},
    "in": 61,
    "out": 40,
}
PRICE = (("input", 2_500_000_000), ("output", 10_000_000_000), ("cache_read", 1_250_000_000))
HSETS, JSONS = 20_000, 20_000
VALKEY = ("reserve", "settle", "drain's questions, a row")


class Meter:
    """CPU seconds of one process so far: `running` of all its threads, `rewriting` of the children that it has had
    (Valkey rewrites its append-only file in one)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def running(self) -> float:
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    @property
    def rewriting(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(part) for part in fields[13:15]) / machine.TICKS


class Bench:
    """One tenant with a cap on its month; each request touches three counters, as one of a key without caps does."""

    def __init__(self, server: Process, tenant_id: str, key_id: str) -> None:
        self.meter, self.tenant_id, self.key_id = Meter(server.process.pid), tenant_id, key_id
        self.figures: dict[str, list[float]] = {}

    @contextmanager
    def valkey(self, name: str, count: int) -> Iterator[None]:
        before = self.meter.running
        yield
        self._note(name, (self.meter.running - before) / count)

    def _note(self, name: str, seconds: float) -> None:
        self.figures.setdefault(name, []).append(seconds * 1e6)

    async def requests(self, count: int) -> None:
        """Reserves, then settles, as the web process asks for them."""
        from django.conf import settings

        from budgets import keyspace
        from budgets.claims import Counter, Request, hold_id
        from budgets.ledger import Ledger
        from budgets.reach import open_lane
        from tenants.ids import dated_id

        lane = open_lane(settings.REDIS_URL, 10.0, "")
        ledger = Ledger(lane, "bench:1:0123456789", lease_seconds=60)
        await lane.command("PING")
        with self.valkey("calibration: a plain HSET", HSETS):
            for _ in range(0, HSETS, AT_ONCE):
                await asyncio.gather(
                    *(lane.command("HSET", f"calibration:{n % 500}", "spent", n, "held", n) for n in range(AT_ONCE))
                )
        windows = ledger.windows()
        places = [
            ("tenant", windows.month, keyspace.tenant_counter(self.tenant_id, "live", windows.month.suffix), 10**15),
            ("api_key", windows.month, keyspace.key_counter(self.tenant_id, self.key_id, windows.month.suffix), None),
            ("api_key", windows.day, keyspace.key_counter(self.tenant_id, self.key_id, windows.day.suffix), None),
        ]
        counters = [Counter(scope, window, key, cap, cap is not None) for scope, window, key, cap in places]
        request = Request(
            self.tenant_id, self.key_id, "live", "openai", "gpt-4o", "/v1/chat/completions", "", False, PRICE,
            price_source="genai-prices 0.0.71", price_since="2024-10-02",
        )  # fmt: skip
        version = int(await lane.command("HGET", keyspace.policy(self.tenant_id), "version"))
        terms: dict[str, Any] = {"day": windows.day, "version": version, "least": 1_477_500, "most": 1_477_500}
        taken = {"reserve": 0.0, "settle": 0.0}
        for _ in range(0, count, IN_FLIGHT):
            before, granted = self.meter.running, list[Any]()
            for _ in range(0, IN_FLIGHT, AT_ONCE):
                asked = (ledger.reserve(request, counters, hold=hold_id(), **terms) for _ in range(AT_ONCE))
                granted += await asyncio.gather(*asked)
            between = self.meter.running
            for start in range(0, IN_FLIGHT, AT_ONCE):
                some = granted[start : start + AT_ONCE]
                endings = [orjson.dumps(ENDING | {"rid": dated_id("rq", 20)}) for _ in some]
                asked_too = map(ledger.settle, some, [552_500] * AT_ONCE, endings)
                await asyncio.gather(*asked_too)
            taken["reserve"] += between - before
            taken["settle"] += self.meter.running - between
        for name, seconds in taken.items():
            self._note(name, seconds / count)
        await lane.aclose()

    def drain(self, count: int) -> None:
        """Both sides of it."""
        from budgets import journal
        from tenants import store

        began = time.process_time()
        for _ in range(JSONS):
            json.loads(json.dumps(ENDING))
        self._note("calibration: JSON both ways", (time.process_time() - began) / JSONS)
        store.client().ping()
        with self.valkey("drain's questions, a row", count):
            began = time.process_time()
            drained = journal.drain(self.tenant_id)
            self._note("drain, a row", (time.process_time() - began) / count)
        if drained != count:
            raise RuntimeError(f"{drained} entries were drained of {count}")


def report(bench: Bench, *, rewriting: float, appended: float, requests: int) -> None:
    median = {name: statistics.median(values) for name, values in bench.figures.items()}
    hset, python = median["calibration: a plain HSET"], median["calibration: JSON both ways"]
    bench.figures["Valkey, a request"] = [
        sum(each) for each in zip(*(bench.figures[name] for name in VALKEY), strict=True)
    ]
    say = sys.stdout.write
    say(f"{'':34}{'us of CPU':>10}{'least':>8}{'units':>8}\n")
    for name, rounds in bench.figures.items():
        unit = python if name in ("drain, a row", "calibration: JSON both ways") else hset
        say(f"{name:34}{statistics.median(rounds):10.1f}{min(rounds):8.1f}{statistics.median(rounds) / unit:8.1f}\n")
    again = rewriting / requests * 1e6
    say(f"append-only file: {appended:.0f} bytes a request; rewriting it: {again:.1f} us a request\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--requests", type=int, default=64 * IN_FLIGHT, help=f"in each round, a multiple of {IN_FLIGHT}"
    )
    parser.add_argument("--database", default="", help="a DATABASE_URL, for another database than SQLite")
    parser.add_argument("--profile", action="store_true", help="where the drain's time goes, by cProfile")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="store-cost-") as folder:
        _settle_in(Path(folder), chosen.database)
        embedded = EmbeddedValkey(Path(folder))
        server = Process(embedded.command(), cores=machine.OTHERS, log=Path(folder) / "valkey.log")
        try:
            embedded.wait(alive=lambda: server.process.poll() is None)
            _measure(server, chosen)
        finally:
            server.stop()


def _measure(server: Process, chosen: argparse.Namespace) -> None:
    bench = Bench(server, *_company())
    rewriting, appended = bench.meter.rewriting, 0.0
    for _ in range(chosen.rounds):
        before = _written(server.process.pid)
        asyncio.run(bench.requests(chosen.requests))
        _profiled(lambda: bench.drain(chosen.requests), chosen.profile)
        appended += _written(server.process.pid) - before
    total = chosen.rounds * chosen.requests
    report(bench, rewriting=bench.meter.rewriting - rewriting, appended=appended / total, requests=total)


def _written(pid: int) -> int:
    """Bytes that a process has given to files and sockets so far; of Valkey, nearly all to its append-only file."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("wchar:")).split()[1])


def _profiled(work: Callable[[], None], wanted: bool) -> None:
    if not wanted:
        work()
        return
    with cProfile.Profile() as profile:
        work()
    pstats.Stats(profile).sort_stats("tottime").print_stats(35)


def _settle_in(folder: Path, database: str) -> None:
    """The product's own settings, on a folder that is gone afterwards."""
    for name in [name for name in os.environ if name.startswith(("TOKONOMICS_", "REDIS_URL", "DATABASE_URL"))]:
        del os.environ[name]
    os.environ |= {
        "TOKONOMICS_DATA_DIR": str(folder),
        "TOKONOMICS_SECRET_KEY": "the benchmark's own secret, of more than fifty characters in all",
        "TOKONOMICS_ENCRYPTION_KEYS": "J4pXj1mYyN2fK9s0h3v7b6q5w8e1r4t7y0u3i6o9p2A=",
        "DJANGO_SETTINGS_MODULE": "tokonomics.settings",
    }
    if database:
        os.environ["DATABASE_URL"] = database
    django.setup()


def _company() -> Sequence[str]:
    """Its id and its key's. The database is migrated first."""
    from django.core.management import call_command

    from budgets import recovery
    from budgets.models import Cap
    from budgets.money import NANO
    from tenants import ids, keys
    from tenants.models import ApiKey, Tenant

    call_command("migrate", verbosity=0)
    tenant = Tenant.objects.create(id=ids.tenant_id(), name="Bench", slug="bench")
    Cap.objects.create(tenant=tenant, mode="live", window="month", amount=1_000_000 * NANO, hard=True)
    secret = keys.mint("live")
    key = ApiKey.objects.create(
        id=ids.api_key_id(), tenant=tenant, name="bench", mode="live", digest=keys.digest(secret)
    )
    recovery.open_ledger(tenant.pk)
    return tenant.pk, key.pk


if __name__ == "__main__":
    main()
