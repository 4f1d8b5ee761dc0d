"""How far past its budget a company gets when many streams race for the last of it, and how much of it stays unused.

    python -m benchmarks.overshoot                  8 companies, 128 streams at once each, 3 web processes: some minutes
    python -m benchmarks.overshoot --quick          to see that all works, not to quote
    python -m benchmarks.overshoot --save           puts the table into docs/benchmarks.md

Streams ask for at most 1,024 tokens and come out log-normal (median 150, sigma 0.8). Every slot asks again as soon as
it has its reply, waits a second where it is told that the money is only held, and stops for good where it is told that
the budget is spent. When all have stopped, what the provider really made (`benchmarks.overshoot_provider`) is compared
with the budget. The peer is PyPI `hardcap` 0.1.0 in its default and in its post-hoc mode (`make bench-peers` installs
it); its budgets are tokens, ours are dollars, so each is measured in its own money.
"""

import argparse
import asyncio
import json
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import load, machine
from benchmarks.overshoot_report import Row, save, table
from benchmarks.overshoot_systems import SYSTEMS, Ours, Setting, System
from benchmarks.processes import ROOT, Process

QUESTION = "How do I keep an agent from spending more than we planned this month?"
BUSY_SECONDS = 1.0
FITS = re.compile(rb'"fits_output_tokens": ?(\d+)')


class Provider(Process):
    """`benchmarks.overshoot_provider`, and what it knows."""

    def __init__(self, log: Path, pace_ms: float) -> None:
        command = [sys.executable, "-m", "benchmarks.overshoot_provider", "--pace", str(pace_ms)]
        super().__init__(command, cores=set(machine.CORES), log=log)
        self.until(lambda: log.read_text().endswith("\n"))
        self.port = int(log.read_text())
        self.url = f"http://127.0.0.1:{self.port}"

    def truth(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/stats", timeout=10) as reply:
            return dict(json.load(reply))


class Client(load.Client):
    """One connection that keeps enough of a reply to read a refusal."""

    seen = b""

    def send(self, request: bytes) -> None:
        self.seen = b""
        super().send(request)

    def data_received(self, data: bytes) -> None:
        if len(self.seen) < 4096:
            self.seen += data
        super().data_received(data)


@dataclass
class Race:
    """All slots of all companies, on one event loop."""

    system: System
    setting: Setting
    takes_what_fits: bool
    answers: Counter[str] = field(default_factory=Counter)
    still_asking: int = 0

    async def run(self) -> float:
        """Until every slot has been told that the budget is spent; the seconds that took."""
        started = time.monotonic()
        slots = [
            asyncio.create_task(self._slot(company, company * self.setting.streams + number))
            for company in range(self.setting.companies)
            for number in range(self.setting.streams)
        ]
        _, late = await asyncio.wait(slots, timeout=self.setting.most_seconds)
        self.still_asking = len(late)
        for task in late:
            task.cancel()
        await asyncio.gather(*slots)  # raises what stopped a slot
        return time.monotonic() - started

    async def _slot(self, company: int, number: int) -> None:
        loop, chance = asyncio.get_running_loop(), random.Random(number)
        port = self.system.ports[number % len(self.system.ports)]
        most, client = self.setting.max_tokens, None
        try:
            while True:
                if client is None or client.transport.is_closing():
                    _, client = await loop.create_connection(lambda: Client(_finished), "127.0.0.1", port)
                client.reply = loop.create_future()
                client.send(self._request(company, port, most))
                kind = self.system.kind_of(await client.reply, client.seen)
                self.answers[kind] += 1
                if kind == "over":
                    fits = FITS.search(client.seen) if self.takes_what_fits else None
                    if fits is None or not 0 < int(fits[1]) < most:
                        return
                    most = int(fits[1])
                elif kind != "passed":
                    await asyncio.sleep(BUSY_SECONDS * (0.75 + chance.random() / 2))
        except asyncio.CancelledError:
            return
        finally:
            if client is not None:
                client.transport.close()

    def _request(self, company: int, port: int, most: int) -> bytes:
        body = {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": QUESTION}],
            "max_tokens": most,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        sent = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        head += f"authorization: Bearer {self.system.keys[company]}\r\ncontent-length: {len(sent)}\r\n\r\n"
        return head.encode() + sent


def _finished(client: Client, status: int, first: bytes) -> None:
    if not client.reply.done():
        client.reply.set_result(status)


def measure(build: Callable[[Path, Any, Setting], System], setting: Setting, *, takes_what_fits: bool = False) -> Row:
    """Start one system before a provider of its own, let all race, and count when everything is at rest."""
    folder = Path(tempfile.mkdtemp(prefix="tk-overshoot-"))
    provider = Provider(folder / "provider.log", setting.pace_ms)
    system = build(folder, provider, setting)
    try:
        system.start()
        race = Race(system, setting, takes_what_fits)
        seconds = uvloop.run(race.run())
        while provider.truth()["open"]:
            time.sleep(0.2)
        system.come_to_rest()
        truth, booked = provider.truth(), system.booked()
    finally:
        system.stop()
        provider.stop()
        shutil.rmtree(folder, ignore_errors=True)
    truth.pop("open")
    spent = {name: system.value(one["input_tokens"], one["output_tokens"]) for name, one in truth.items()}
    shares = [amount / system.budget * 100 for amount in spent.values()]
    return Row(
        title=system.title + (", clients take what fits" if takes_what_fits else ""),
        worst_over=max(shares) - 100,
        usable=statistics.mean(min(share, 100.0) for share in shares),
        worst_usable=min(shares),
        cut=sum(one["cut"] for one in truth.values()) / len(truth),
        whole=sum(one["whole"] for one in truth.values()) / len(truth),
        answers=dict(race.answers),
        still_asking=race.still_asking,
        books_off=max(abs(booked[name] - amount) / amount * 100 for name, amount in spent.items()),
        seconds=seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overshoot", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 companies, 24 streams each, a quarter of the budget")
    parser.add_argument("--only", default="", help=f"some systems, comma-separated: {', '.join(SYSTEMS)}")
    parser.add_argument("--pace", type=float, default=50.0, help="milliseconds between a stream's tokens")
    parser.add_argument("--save", action="store_true", help="write the table into docs/benchmarks.md")
    options = parser.parse_args()
    setting = Setting(pace_ms=options.pace)
    if options.quick:
        setting = Setting(companies=2, streams=24, budget_tokens=5_000, pace_ms=10.0, most_seconds=90.0)
    rows = []
    for name in options.only.split(",") if options.only else SYSTEMS:
        build = SYSTEMS[name]
        if wanting := build.missing():
            print(f"left out: {name} (not installed: {wanting})", flush=True)
            continue
        for takes_what_fits in (False, True) if issubclass(build, Ours) else (False,):
            print(f"{name} ...", flush=True)
            rows.append(measure(build, setting, takes_what_fits=takes_what_fits))
            print(table(rows[-1:]), flush=True)
    print(f"\n{table(rows)}", flush=True)
    if options.save:
        save(ROOT / "docs" / "benchmarks.md", rows, setting)


if __name__ == "__main__":
    main()
