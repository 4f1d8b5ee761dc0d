"""Many at once, on both workers: what the provider bills never passes the cap, and everything comes to rest."""

import threading
import time
from collections import Counter

import pytest

from tests.support.bills import bill_of
from tests.support.dialects import ANTHROPIC, BOTH, OPENAI
from tests.support.office import Company, Office
from tests.support.provider import Behaviour, RecordedRequest
from tests.support.stack import ProductStack
from tests.support.wire import Wire, WireReply, serving_pid, wires_to_each

NANO = 1_000_000_000
REQUESTS = 200
PART = 60  # how many the cap affords at their full price
OUTPUT = 200
REFUSALS = {"budget_cap_exceeded", "budget_held"}


def slow_and_half_as_long(stack: ProductStack, request: RecordedRequest) -> Behaviour:
    """Each answer takes a while, so that many are in flight, and costs half of what had to be held for it."""
    pace = "chunk_tokens=25; chunk_delay=0.05" if request.json().get("stream") else "delay=0.3"
    return Behaviour.of(stack.provider.default_reply(request, f"output={OUTPUT // 2}; {pace}"))


def spread_over(stack: ProductStack, count: int) -> list[Wire]:
    """Open connections, a fair share of them with each worker."""
    pids = stack.worker_pids()
    wires = list(wires_to_each(stack.base_url, pids).values())
    shares = Counter(serving_pid(wire, pids) for wire in wires)
    while len(wires) < count:
        wire = Wire(stack.base_url)
        shares[serving_pid(wire, pids)] += 1
        wires.append(wire)
    assert min(shares.values()) >= 1 and len(shares) == len(pids)
    return wires


class Watch:
    """Looks at the ledger again and again while the storm lasts."""

    def __init__(self, company: Company, cap: int) -> None:
        self.owners: set[str] = set()
        self.most_held = self.looks = 0
        self._company, self._cap = company, cap
        self._over = threading.Event()
        self._broken: list[str] = []
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()
        assert not self._broken

    def _look(self) -> None:
        while not self._over.is_set():
            audit = self._company.audit()
            self.looks += 1
            self.owners |= set(audit.owners)
            self.most_held = max(self.most_held, audit.held)
            if not audit.ok or audit.spent + audit.held > self._cap:
                self._broken.append(str(audit))
            time.sleep(0.02)


@pytest.mark.fault("load: many at once on several workers", promises=("P1", "P2", "P3", "P6"))
def test_two_hundred_at_once_never_cost_more_than_the_cap(stack: ProductStack, office: Office) -> None:
    scout = office.company()
    with Wire(stack.base_url) as wire:
        for dialect in BOTH:
            wire.send(dialect.request(scout.key, output=OUTPUT))
            assert wire.reply().status == 200
    dearest = max(row.held for row in scout.rows(2))
    cap = PART * dearest
    company = office.company(cap=f"{cap // NANO}.{cap % NANO:09d}")

    stack.provider.record.reset()
    stack.provider.script(lambda request: slow_and_half_as_long(stack, request))
    wires = spread_over(stack, REQUESTS)
    requests = [
        (OPENAI if number % 2 else ANTHROPIC).request(company.key, output=OUTPUT, stream=number % 4 < 2)
        for number in range(REQUESTS)
    ]
    with Watch(company, cap) as watch:
        for wire, request in zip(wires, requests, strict=True):
            wire.send(request)
        replies: list[WireReply] = [wire.reply() for wire in wires]
    for wire in wires:
        wire.close()

    admitted = [reply for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status != 200]
    assert {(reply.status, reply.json()["error"]["code"]) for reply in refused} <= {(429, code) for code in REFUSALS}
    assert PART <= len(admitted) < REQUESTS
    assert stack.provider.count == len(admitted), "a refused request never reaches a provider"
    bill = bill_of(stack.provider.requests)
    assert bill <= cap
    assert len(watch.owners) == 2 and watch.most_held > 0, "both workers held money at once"
    rows = company.rows(len(admitted))
    assert sum(row.cost for row in rows) == bill
    assert {(row.status, *row.flags) for row in rows} == {("settled",)}

    status, audit = stack.audit("--tenant", company.slug)
    assert (status, audit["ok"], audit["open_holds"], audit["journal_lag"]) == (0, True, 0, 0)
    assert {scope["held_usd"] for scope in audit["scopes"]} == {"0.00"}
    assert {scope["difference_nanodollars"] for scope in audit["scopes"]} == {0}
