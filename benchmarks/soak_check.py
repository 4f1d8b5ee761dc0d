"""After a soak, at rest: counters against ledger, ledger against the providers' bills, and what the processes hold."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.soak_load import Bill, Books
from tests.support.bills import PRICES, Price
from tests.support.office import Audit, Company
from tests.support.provider import Tokens

FLASH = Price(input="0.30", output="2.50", cached="0.03")
AT_REST_SECONDS = 120.0
MOST_THREADS = 32  # the pools of a web process, filled
UNKNOWN = ("charged_at_hold", "lease_ended", "cut_short")
"""How rows end whose usage nobody reported."""


def bill_of(bill: Bill) -> int:
    model, prompt, output = bill
    return {**PRICES, "gemini-2.5-flash": FLASH}[model].bill(Tokens(prompt=prompt, output=output))


@dataclass(frozen=True)
class Account:
    """One company at rest, nanodollars. `charged`: what rows without a reported usage came to, and `billed_of_those`:
    what the providers billed for the same requests."""

    company: str
    rows: int
    ledger: int
    provider: int
    charged_rows: int
    charged: int
    billed_of_those: int
    wrong: list[str]

    @property
    def higher(self) -> int:
        return self.ledger - self.provider


def at_rest(companies: list[Company]) -> dict[str, Audit]:
    """Wait until nothing is held and everything is drained. Raises AssertionError."""
    deadline = time.monotonic() + AT_REST_SECONDS
    while True:
        audits = {company.id: company.audit() for company in companies}
        restless = {name: one for name, one in audits.items() if not one.nothing_held or one.journal_lag}
        if not restless:
            return audits
        assert time.monotonic() < deadline, f"not at rest after {AT_REST_SECONDS:.0f} s: {restless}"
        time.sleep(0.5)


def account(company: Company, number: str, audit: Audit, books: Books) -> Account:
    """Compare a company's rows with what the providers billed it for."""
    rows = company.do("rows")
    billed, wrong = books.bills[number], []
    known = Counter(
        (row["model"], row["input_tokens"], row["output_tokens"])
        for row in rows
        if row["status"] == "settled" and row["usage"]
    )
    unknown = [row for row in rows if row["status"] in UNKNOWN]
    if made_up := known - billed:
        wrong.append(f"settled, and billed by nobody: {dict(made_up)}")
    # What the product never learnt of (its process was killed right then) is charged at the hold too.
    left = billed - known
    unheard = max(0, books.errors[number] - sum(row["status"] == "provider_error" for row in rows))
    if sum(left.values()) + unheard > len(unknown):
        wrong.append(f"{sum(left.values())} bills and {unheard} errors have no row, {len(unknown)} rows are for such")
    charged, owed = sum(row["cost"] for row in unknown), sum(bill_of(bill) * times for bill, times in left.items())
    if owed > charged:
        wrong.append(f"the providers billed {owed} for what was charged {charged}")
    ledger, provider = sum(row["cost"] for row in rows), sum(bill_of(bill) * times for bill, times in billed.items())
    if ledger != audit.spent:
        wrong.append(f"the ledger has {ledger}, the counter {audit.spent}")
    if ledger - provider != charged - owed:
        wrong.append(f"the ledger is higher by {ledger - provider}, not by the {charged - owed} of its holds")
    if len(rows) < books.arrivals[number]:
        wrong.append(f"{books.arrivals[number]} requests arrived, {len(rows)} rows were written")
    return Account(company.id, len(rows), ledger, provider, len(unknown), charged, owed, wrong)


# --- What the processes hold -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Holding:
    """One process: resident memory that is its own, open files and sockets, threads."""

    kb: int
    files: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Holding":
        process = Path(f"/proc/{pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        kb = int(status["RssAnon"].split()[0])
        return cls(kb, len(list((process / "fd").iterdir())), int(status["Threads"]))


@dataclass(frozen=True)
class Footprint:
    """The processes that live from beginning to end, and Redis's clients."""

    processes: dict[str, Holding]
    redis_clients: int
    tasks: int
    """Of the event loops of all web processes; -1 where they do not tell."""

    def grown(self, before: "Footprint") -> list[str]:
        """What has grown by more than a moment's difference."""
        found = []
        for name, now in self.processes.items():
            then = before.processes[name]
            if now.kb > then.kb * 1.25 + 12_000:
                found.append(f"{name}: {then.kb:,} KB before, {now.kb:,} KB after")
            if now.files > then.files + 12 or now.threads > max(then.threads, MOST_THREADS):
                found.append(f"{name}: {then.files} files and {then.threads} threads, then {now.files}, {now.threads}")
        if self.redis_clients > before.redis_clients + 12:
            found.append(f"{before.redis_clients} clients of Redis before, {self.redis_clients} after")
        if self.tasks > before.tasks + 20:
            found.append(f"{before.tasks} tasks before, {self.tasks} after")
        return found

    def told(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            name: f"{one.kb / 1024:.0f} MB, {one.files} files, {one.threads} threads"
            for name, one in self.processes.items()
        }
        return {**shown, "redis clients": self.redis_clients, "tasks": self.tasks}
