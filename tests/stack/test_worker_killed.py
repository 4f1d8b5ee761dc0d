"""A web worker that is killed with requests in flight: they are charged when their leases end, once each."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.stack.conftest import LEASE, Rough
from tests.support.bills import PRICES
from tests.support.dialects import BOTH, OPENAI, Dialect
from tests.support.office import Audit, Company
from tests.support.processes import send
from tests.support.provider import GATE
from tests.support.web import WebProcess
from tests.support.wire import Wire, wires_to_each


def plain_answers(rough: Rough) -> int:
    """From now on every plain call costs the same; what it costs."""
    recording = OPENAI.record("output=9")
    rough.provider.script(lambda _request: recording.behaviour())
    return PRICES["gpt-4o"].bill(recording.tokens)


def ask(base_url: str, key: str) -> str:
    """'' for a call that passed, else its error's code."""
    with Wire(base_url) as wire:
        wire.send(OPENAI.request(key))
        reply = wire.reply()
        return "" if reply.status == 200 else str(reply.json()["error"]["code"])


def open_stream(rough: Rough, base_url: str, company: Company, dialect: Dialect) -> Wire:
    """With its first chunk at the client, and the rest behind the gate."""
    recording = dialect.record("output=9", stream=True)
    rough.provider.gate.clear()
    rough.provider.script(lambda _request: recording.behaviour(recording.events[0], GATE, *recording.events[1:]))
    wire = Wire(base_url)
    wire.send(dialect.request(company.key, stream=True))
    assert wire.piece() == recording.events[0].data
    return wire


@dataclass(frozen=True)
class Scene:
    """One process is started and killed; three companies had to do with it. Audits of `streaming`, then and after."""

    pid: int
    killed_at: float
    first_code: str
    finished: Company
    streaming: Company
    before: Audit
    after: Audit
    clients_saw: list[bytes]
    tight: Company
    tight_codes: list[str]
    asked_of_the_provider: int


@pytest.fixture(scope="module")
def scene(rough_product: Rough) -> Iterator[Scene]:
    rough = rough_product
    expired = rough.office.company().do("create_key", lives_seconds=0.1)["secret"]
    finished, streaming, scout = (rough.office.company() for _ in range(3))
    with WebProcess(rough.stack) as doomed:
        first_code = ask(doomed.base_url, expired)
        plain_answers(rough)
        assert [ask(doomed.base_url, finished.key) for _ in range(5)] == [""] * 5
        assert ask(rough.base_url, scout.key) == ""
        hold = scout.rows(1)[0].held
        tight = rough.office.company(cap=f"0.{hold * 3 // 2:09d}")
        asked = rough.provider.count
        clients = [open_stream(rough, doomed.base_url, streaming, dialect) for dialect in BOTH]
        open_stream(rough, doomed.base_url, tight, OPENAI).close()
        before = streaming.audit()
        doomed.kill()
        killed_at = time.monotonic()
        after = streaming.audit()
        saw = [client.piece() for client in clients]
        codes = until_capped(rough, tight)
        asked = rough.provider.count - asked
        for client in clients:
            client.close()
    rough.provider.gate.set()
    yield Scene(doomed.pid, killed_at, first_code, finished, streaming, before, after, saw, tight, codes, asked)


def until_capped(rough: Rough, company: Company) -> list[str]:
    """Both workers are asked until one says that the money is spent; all answers."""
    wires = wires_to_each(rough.base_url, rough.stack.worker_pids())
    codes: list[str] = []
    deadline = time.monotonic() + 45
    while "budget_cap_exceeded" not in codes:
        assert time.monotonic() < deadline, codes
        for wire in wires.values():
            wire.send(OPENAI.request(company.key))
            codes.append(wire.reply().json()["error"]["code"])
    for wire in wires.values():
        wire.close()
    return codes


@pytest.mark.fault("web worker: killed", promises=("P1",))
def test_its_streams_stay_held_and_their_clients_see_them_break(rough: Rough, scene: Scene) -> None:
    assert scene.before.owners and scene.before.owners[0].endswith(f":{scene.pid}")
    assert (scene.before.open_holds, scene.before.spent) == (2, 0)
    assert (scene.after.ok, scene.after.open_holds) == (True, 2)
    assert scene.after.held == scene.before.held > 0, "nobody knows yet what they cost"
    assert scene.clients_saw == [b"", b""]


@pytest.mark.fault("web worker: killed", promises=("P3", "P6"))
def test_its_streams_are_charged_at_their_holds_when_the_leases_end(rough: Rough, scene: Scene) -> None:
    rows = scene.streaming.rows(2)
    assert time.monotonic() - scene.killed_at < LEASE + 25
    assert {(row.status, *row.flags) for row in rows} == {("lease_ended",)}
    assert sum(row.cost for row in rows) == sum(row.held for row in rows) == scene.before.held


@pytest.mark.fault("web worker: killed", promises=("P1", "P2"))
def test_its_holds_count_against_the_cap_until_then_and_their_charge_from_then_on(rough: Rough, scene: Scene) -> None:
    assert scene.tight_codes[0] == "budget_held"
    assert set(scene.tight_codes) == {"budget_held", "budget_cap_exceeded"}
    assert scene.asked_of_the_provider == 3, "the streams that were open, and nothing after the kill"
    assert [row.status for row in scene.tight.rows(1)] == ["lease_ended"]


@pytest.mark.fault("web worker: killed", promises=("P3",))
def test_what_it_had_settled_is_not_lost(rough: Rough, scene: Scene) -> None:
    """The settle is in Redis before the client has its last byte, so that a kill right after cannot undo it."""
    cost = plain_answers(rough)
    assert {(row.status, row.cost) for row in scene.finished.rows(5)} == {("settled", cost)}


def test_an_expired_key_does_not_pass_as_the_first_request_of_a_process(rough: Rough, scene: Scene) -> None:
    """The clock that keys expire by is Redis's, which a fresh process has not seen yet."""
    assert scene.first_code == "api_key_expired"


@pytest.mark.fault("web worker: paused past its lease", promises=("P3", "P6"))
def test_a_worker_that_only_slept_corrects_the_charge(rough: Rough) -> None:
    """Frozen past its lease, then awake again: the row takes the truth, and what was charged too much goes back."""
    company = rough.office.company()
    recording = OPENAI.record("output=9", stream=True)
    with WebProcess(rough.stack, TOKONOMICS_UPSTREAM_IDLE_TIMEOUT="60") as sleeper:
        with open_stream(rough, sleeper.base_url, company, OPENAI) as wire:
            send(sleeper.pid, signal.SIGSTOP)
            (charged,) = company.rows(1)
            assert (charged.status, charged.cost) == ("lease_ended", charged.held)
            rough.provider.gate.set()
            send(sleeper.pid, signal.SIGCONT)
            while wire.piece():
                pass
        deadline = time.monotonic() + 45
        while (corrected := company.rows(1)[0]).status == "lease_ended":
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert (corrected.status, corrected.flags) == ("settled", ["corrected"])
    assert corrected.cost == PRICES["gpt-4o"].bill(recording.tokens) < charged.cost
