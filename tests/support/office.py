"""Companies of a running stack, and a process beside its web workers that changes them and reads their ledger.

with Office(stack) as office:
    acme = office.company(cap="0.50")
    ...
    acme.do("set_cap", cap="0.10")    # returns once the change is made: the next request must obey it
    (row,) = acme.rows(1)             # waits for the ledger
"""

import itertools
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.support.stack import ROOT, ProductStack

PATIENCE = 45.0  # seconds, for a busy machine; what is waited for takes one or two


@dataclass(frozen=True, slots=True)
class Row:
    """One admitted request in the ledger; amounts in nanodollars."""

    id: str
    api_key_id: str
    provider: str
    model: str
    status: str
    flags: list[str]
    cost: int
    held: int
    usage: dict[str, int]
    input_tokens: int
    output_tokens: int
    stream: bool
    http_status: int | None


@dataclass(frozen=True, slots=True)
class Audit:
    """What `audit_ledger` sees of one company; `spent` and `held` of its month in nanodollars, `owners` `host:pid`."""

    ok: bool
    open_holds: int
    owners: list[str]
    journal_lag: int
    spent: int
    held: int
    held_on_all_counters: int
    differences: list[str]

    @property
    def nothing_held(self) -> bool:
        return self.ok and not (self.open_holds or self.held_on_all_counters)


class DeskGone(Exception):
    """The process ended before it answered."""


class Office:
    """One desk (`tests.support.desk`), asked by one thread at a time."""

    _numbers = itertools.count(1)

    def __init__(self, stack: ProductStack) -> None:
        self.stack = stack
        self._lock = threading.Lock()
        with (stack.folder / "desk.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.desk"],
                cwd=ROOT,
                env=stack.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def do(self, action: str, **rest: Any) -> Any:
        """Raises AssertionError with what went wrong there, DeskGone where nobody answers."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps({"do": action, **rest}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise DeskGone(action)
        answer = json.loads(line)
        assert "failed" not in answer, answer["failed"]
        return answer["answer"]

    def company(
        self,
        *,
        cap: str | None = "50.00",
        hard: bool = True,
        providers: tuple[str, ...] = ("openai", "anthropic"),
    ) -> "Company":
        """A company of its own name, with keys at these providers."""
        secrets = {provider: f"sk-mock-{provider}" for provider in providers}
        facts = self.do("found", name=f"Company {next(self._numbers)}", cap=cap, hard=hard, providers=secrets)
        return Company(self, **facts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@dataclass(frozen=True, slots=True)
class Company:
    office: Office = field(repr=False)
    id: str
    slug: str
    key: str
    key_id: str
    test_key: str
    management_token: str

    def do(self, action: str, **rest: Any) -> Any:
        return self.office.do(action, tenant=self.id, **rest)

    def audit(self) -> Audit:
        return Audit(**self.do("audit"))

    def rows(self, count: int) -> list[Row]:
        """The ledger, once it is at rest: exactly `count` rows, oldest first, and Redis agrees with them."""
        deadline = time.monotonic() + PATIENCE
        while True:
            audit, found = self.audit(), self.do("rows")
            if audit.nothing_held and not audit.journal_lag and len(found) >= count:
                break
            assert time.monotonic() < deadline, f"not at rest: {audit}, {len(found)} rows of {count}: {found}"
            time.sleep(0.1)
        assert len(found) == count, found
        rows = [Row(**row) for row in found]
        assert audit.spent == sum(row.cost for row in rows), (audit, rows)
        return rows

    def untouched(self) -> None:
        """Nothing was ever held or spent."""
        audit = self.audit()
        assert audit.nothing_held and audit.spent == 0, audit
        assert self.do("rows") == []

    def refused(self, code: str, count: int) -> None:
        """Wait until exactly `count` requests are on record as refused with `code`."""
        deadline = time.monotonic() + PATIENCE
        while (seen := self.do("refused").get(code, 0)) < count:
            assert time.monotonic() < deadline, f"{seen} of {count} refusals {code}"
            time.sleep(0.1)
        assert seen == count
