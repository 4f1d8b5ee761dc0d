"""A web worker that is killed at the two moments that matter most: held and not sent, answered and not settled.

Nothing of the product is told to stop there. What the worker says to Redis, and hears of it, goes over a road that the
test closes one way and then the other; a provider that takes no more connections keeps a request after its reserve.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.stack.conftest import Rough
from tests.support.bills import PRICES
from tests.support.dialects import ANTHROPIC, OPENAI, Dialect
from tests.support.office import PATIENCE, Company, Row
from tests.support.processes import wait_until
from tests.support.provider import GATE
from tests.support.road import Road, road_of_its_own
from tests.support.web import WebProcess
from tests.support.wire import Wire


@dataclass(frozen=True)
class Case:
    """One company with two requests in flight at a process that was killed. Amounts in nanodollars."""

    cap: int
    held: int
    """For both, as it was killed."""
    refused: str
    """What another process said to a third one then: there was no room for it."""
    most: int
    """The highest `spent + held` that was seen from then on."""
    rows: list[Row]
    exit_code: int
    """Of `audit_ledger`, at rest."""


@dataclass(frozen=True)
class Scene:
    """`unsent`: one waits for a connection to its provider; of the other the reserve was done, and its answer is on the
    way. `unsettled`: of both the client has the last byte, a stream's and a plain reply's."""

    unsent: Case
    unsettled: Case
    heard: int
    """How many requests the provider was sent."""
    billed: int


@contextmanager
def address_that_takes_nobody() -> Iterator[str]:
    """A server whose queue is full: who connects to it waits."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as second:
        for guest in (first, second):
            guest.setblocking(False)
            guest.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


@pytest.fixture(scope="module")
def scene(rough_product: Rough) -> Iterator[Scene]:
    rough = rough_product
    openai, anthropic = bound_of(rough, OPENAI), bound_of(rough, ANTHROPIC)
    caps = [wanted + wanted // 8 for wanted in (openai + anthropic, 2 * openai)]
    unsent, unsettled = companies = [rough.office.company(cap=f"0.{cap:09d}") for cap in caps]
    rough.provider.record.reset()
    with road_of_its_own(rough.valkey.embedded.socket) as road, address_that_takes_nobody() as nobody:
        changed = {"REDIS_URL": road.url, "TOKONOMICS_LEDGER_TIMEOUT": "60", "TOKONOMICS_ANTHROPIC_BASE_URL": nobody}
        with WebProcess(rough.stack, **changed) as doomed:
            answered = admitted(rough, doomed, unsettled)
            waiting = held_and_not_sent(road, doomed, unsent)
            road.deaf = True
            rough.provider.gate.set()
            assert [wire.reply().status for wire in answered] == [200, 200]
            held = [company.audit().held for company in companies]
            doomed.kill()
            for wire in (*answered, *waiting):
                wire.close()
    refused = [refusal(rough, company) for company in companies]
    most = watched(companies)
    cases = [
        Case(cap, at_kill, code, seen, company.rows(2), rough.stack.audit("--tenant", company.id)[0])
        for cap, at_kill, code, seen, company in zip(caps, held, refused, most, companies, strict=True)
    ]
    billed = sum(PRICES[OPENAI.model].bill(tokens) for tokens in rough.provider.usage_total())
    yield Scene(*cases, rough.provider.count, billed)


def bound_of(rough: Rough, dialect: Dialect) -> int:
    """What is held for one of its requests."""
    scout = rough.office.company()
    with Wire(rough.base_url) as wire:
        wire.send(dialect.request(scout.key))
        assert wire.reply().status == 200
    return scout.rows(1)[0].held


def admitted(rough: Rough, doomed: WebProcess, company: Company) -> list[Wire]:
    """A stream, the first chunk of which is at the client, and a plain call: the provider keeps the rest back."""
    stream, plain = OPENAI.record("output=9", stream=True), OPENAI.record("output=9")
    rough.provider.gate.clear()
    behaviours = [stream.behaviour(stream.events[0], GATE, *stream.events[1:]), plain.behaviour(gated=True)]
    rough.provider.script(behaviours)
    wires = []
    for count, streamed in enumerate((True, False), 1):
        wires.append(Wire(doomed.base_url))
        wires[-1].send(OPENAI.request(company.key, stream=streamed))
        rough.provider.wait_for(count)
    assert wires[0].head()[0] == 200
    return wires


def held_and_not_sent(road: Road, doomed: WebProcess, company: Company) -> list[Wire]:
    """One that waits for its provider; and one whose reserve Redis has done, without the worker hearing of it."""
    wires = []
    for count, dialect in enumerate((ANTHROPIC, OPENAI), 1):
        road.silent = dialect is OPENAI
        wires.append(Wire(doomed.base_url))
        wires[-1].send(dialect.request(company.key))
        wait_until(lambda count=count: company.audit().open_holds == count, what=f"{count} held")
    return wires


def refusal(rough: Rough, company: Company) -> str:
    with Wire(rough.base_url) as wire:
        wire.send(OPENAI.request(company.key))
        return str(wire.reply().json()["error"]["code"])


def watched(companies: list[Company]) -> list[int]:
    """Until nothing is held; the most that was ever spent and held together."""
    most, deadline = [0] * len(companies), time.monotonic() + PATIENCE
    while True:
        audits = [company.audit() for company in companies]
        assert all(audit.ok for audit in audits), audits
        most = [max(before, audit.spent + audit.held) for before, audit in zip(most, audits, strict=True)]
        if all(audit.nothing_held for audit in audits):
            return most
        assert time.monotonic() < deadline, audits
        time.sleep(0.25)


def charged_once_at_their_holds(case: Case) -> bool:
    assert [(row.status, row.flags, row.cost) for row in case.rows] == [
        ("lease_ended", [], row.held) for row in case.rows
    ]
    assert case.held == sum(row.cost for row in case.rows) == case.most <= case.cap
    return case.exit_code == 0


@pytest.mark.fault("web worker: killed between reserve and forward", promises=("P1", "P2", "P3", "P6"))
def test_what_was_held_and_not_sent_is_charged_once_when_its_lease_ends(rough: Rough, scene: Scene) -> None:
    """Whether it was sent is a thing that nobody is left to know."""
    assert scene.heard == 2, "of those that were answered"
    assert charged_once_at_their_holds(scene.unsent)
    assert scene.unsent.refused == "budget_held"


@pytest.mark.fault("web worker: killed between the last byte and its settle", promises=("P1", "P3", "P6"))
def test_what_was_answered_and_not_settled_is_charged_once_when_its_lease_ends(rough: Rough, scene: Scene) -> None:
    assert charged_once_at_their_holds(scene.unsettled)
    assert 0 < scene.billed < scene.unsettled.held, "the provider's bill is covered"
    assert scene.unsettled.refused == "budget_held"
