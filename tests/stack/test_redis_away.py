"""Redis frozen, down, emptied or restored from an older state: refused in time, and then every cap holds as before."""

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.stack.conftest import Rough
from tests.support.bills import PRICES, bill_of
from tests.support.dialects import BOTH, OPENAI, Dialect, Recording
from tests.support.office import Company, Row
from tests.support.processes import send
from tests.support.provider import GATE, Pause
from tests.support.provider.behaviour import Step
from tests.support.wire import Wire, WireReply, serving_pid, wires_to_each

NANO = 1_000_000_000
AFFORDED = 4
SPENT_BEFORE = 2
IN_TIME = 2.0  # seconds until a refusal, while Redis is away


@pytest.fixture
def workers(rough: Rough) -> Iterator[list[Wire]]:
    """A connection to each web process."""
    wires = wires_to_each(rough.base_url, rough.stack.worker_pids())
    yield list(wires.values())
    for wire in wires.values():
        wire.close()


def ask(wire: Wire, company: Company, dialect: Dialect = OPENAI) -> WireReply:
    wire.send(dialect.request(company.key))
    return wire.reply()


def code_of(reply: WireReply) -> str:
    return "" if reply.status == 200 else str(reply.json()["error"]["code"])


def steady(rough: Rough) -> tuple[int, int]:
    """From now on every call costs the same; the hold of one and its cost."""
    recordings = {
        (dialect.path, stream): dialect.record("output=50", stream=stream)
        for dialect in BOTH
        for stream in (False, True)
    }
    rough.provider.script(lambda request: recordings[request.path, bool(request.json().get("stream"))].behaviour())
    scout = rough.office.company()
    with Wire(rough.base_url) as wire:
        assert ask(wire, scout).status == 200
    (row,) = scout.rows(1)
    return row.held, row.cost


def company_that_affords(rough: Rough, calls: int) -> Company:
    hold, cost = steady(rough)
    cap = (calls - 1) * cost + hold
    return rough.office.company(cap=f"{cap // NANO}.{cap % NANO:09d}")


def ask_until_it_is_let_in(wires: list[Wire], company: Company) -> None:
    """One call that passes, as soon as the ledger is back: until then nothing but `ledger_unavailable` is answered."""
    deadline = time.monotonic() + 45
    while True:
        for wire in wires:
            reply = ask(wire, company)
            if reply.status == 200:
                return
            assert code_of(reply) == "ledger_unavailable", reply
        assert time.monotonic() < deadline, "the ledger did not come back"
        time.sleep(0.1)


def assert_the_rest_is_as_before(rough: Rough, workers: list[Wire], company: Company) -> None:
    """After two calls of four, and whatever happened: two more, and not one beyond."""
    for _ in range(AFFORDED - SPENT_BEFORE):
        ask_until_it_is_let_in(workers, company)
    refused = [ask(wire, company) for wire in workers]
    assert [code_of(reply) for reply in refused] == ["budget_cap_exceeded"] * len(workers)
    rows = company.rows(AFFORDED)
    assert refused[0].json()["error"]["held_usd"] == "0.00"
    assert len({row.cost for row in rows}) == 1
    assert {(row.status) for row in rows} == {"settled"}


def assert_refused_in_time(rough: Rough, workers: list[Wire], company: Company) -> None:
    """By both workers, in both dialects, for streams too; no provider hears of it."""
    before = rough.provider.count
    for wire in workers:
        for dialect in BOTH:
            started = time.monotonic()
            reply = ask(wire, company, dialect)
            assert time.monotonic() - started < IN_TIME
            assert (reply.status, code_of(reply)) == (503, "ledger_unavailable")
            assert (reply.headers["retry-after"], reply.headers["x-should-retry"]) == ("1", "true")
    assert rough.provider.count == before


# --- Away ------------------------------------------------------------------------------------------------------------

Accident = Callable[[Rough], None]


def freeze(rough: Rough) -> None:
    rough.valkey.freeze()


def thaw(rough: Rough) -> None:
    rough.valkey.thaw()


def crash(rough: Rough) -> None:
    rough.valkey.kill()


def start(rough: Rough) -> None:
    rough.valkey.start()


@pytest.mark.fault("Redis: frozen or slow", promises=("P1", "P2", "P4"))
@pytest.mark.fault("Redis: killed", promises=("P1", "P2", "P4"))
@pytest.mark.parametrize(("away", "back"), [(freeze, thaw), (crash, start)], ids=["frozen", "crashed"])
def test_while_redis_is_away_nothing_passes_and_afterwards_the_cap_holds_as_before(
    rough: Rough, workers: list[Wire], away: Accident, back: Accident
) -> None:
    company = company_that_affords(rough, AFFORDED)
    for _ in range(SPENT_BEFORE):
        assert ask(workers[0], company).status == 200
    away(rough)
    assert_refused_in_time(rough, workers, company)
    back(rough)
    assert_the_rest_is_as_before(rough, workers, company)


@pytest.mark.fault("Redis: frozen or slow", promises=("P2", "P4"))
def test_a_company_that_the_workers_do_not_know_yet_is_refused_too(rough: Rough, workers: list[Wire]) -> None:
    company = company_that_affords(rough, AFFORDED)
    rough.valkey.freeze()
    assert_refused_in_time(rough, workers, company)
    rough.valkey.thaw()
    ask_until_it_is_let_in(workers, company)
    company.rows(1)


# --- Forgetful -------------------------------------------------------------------------------------------------------


def flush(rough: Rough) -> None:
    rough.valkey.flushall()


def lose_the_disk(rough: Rough) -> None:
    rough.valkey.kill()
    shutil.rmtree(rough.valkey.folder / "valkey")
    rough.valkey.start()


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P1", "P3", "P6"))
@pytest.mark.parametrize(
    ("forget", "drained"),
    [(flush, True), (flush, False), (lose_the_disk, False)],
    ids=["flushed after the drain", "flushed before the drain", "disk lost before the drain"],
)
def test_a_store_that_forgot_everything_is_told_what_was_spent(
    rough: Rough, workers: list[Wire], forget: Accident, drained: bool
) -> None:
    """Also what was not in the database yet: the workers remember it."""
    company = company_that_affords(rough, AFFORDED)
    with stopped_drain(rough, yes=not drained):
        for number in range(SPENT_BEFORE):
            assert ask(workers[number % 2], company).status == 200
        if drained:
            company.rows(SPENT_BEFORE)
        forget(rough)
        for _ in range(AFFORDED - SPENT_BEFORE):
            ask_until_it_is_let_in(workers, company)
        refused = [ask(wire, company) for wire in workers]
        assert [code_of(reply) for reply in refused] == ["budget_cap_exceeded"] * 2
    rows = company.rows(AFFORDED)
    assert len({row.cost for row in rows}) == 1


@contextmanager
def stopped_drain(rough: Rough, *, yes: bool) -> Iterator[None]:
    """The task worker sleeps: what is settled stays in the journal."""
    pids = rough.stack.pids("worker") if yes else []
    for pid in pids:
        send(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            send(pid, signal.SIGCONT)


@pytest.mark.fault("Redis: restored from an older snapshot", promises=("P1", "P6"))
def test_a_store_restored_from_an_older_snapshot_does_not_give_money_back(
    rough: Rough, workers: list[Wire], tmp_path: Path
) -> None:
    company = company_that_affords(rough, AFFORDED)
    rough.valkey.save_snapshot(tmp_path / "older")
    for _ in range(SPENT_BEFORE):
        ask_until_it_is_let_in(workers, company)
    company.rows(SPENT_BEFORE)
    rough.valkey.restore_snapshot(tmp_path / "older")
    assert_the_rest_is_as_before(rough, workers, company)


@pytest.mark.fault("Redis: restored from an older snapshot", promises=("P3", "P6"))
def test_a_snapshot_with_holds_of_requests_long_ended_comes_to_rest(
    rough: Rough, workers: list[Wire], tmp_path: Path
) -> None:
    """The restored state has a hold open whose row was written since."""
    company = rough.office.company()
    recording = OPENAI.record("output=9", stream=True)
    rough.provider.gate.clear()
    rough.provider.script(lambda _request: recording.behaviour(GATE, *recording.events))
    with Wire(rough.base_url) as wire:
        wire.send(OPENAI.request(company.key, stream=True))
        rough.provider.wait_for(1)
        rough.valkey.save_snapshot(tmp_path / "older")
        rough.provider.gate.set()
        assert wire.reply().status == 200
    (row,) = company.rows(1)
    rough.valkey.restore_snapshot(tmp_path / "older")
    assert company.rows(1) == [row]
    ask_until_it_is_let_in(workers, company)
    company.rows(2)


# --- With requests in flight -----------------------------------------------------------------------------------------


def open_streams(rough: Rough, workers: list[Wire], company: Company) -> list[Recording]:
    """One stream of each worker, with its first chunk at the client and the rest behind the gate."""
    recordings = [dialect.record("output=9", stream=True) for dialect in BOTH]
    by_path = dict(zip((dialect.path for dialect in BOTH), recordings, strict=True))
    rough.provider.gate.clear()
    rough.provider.script(
        lambda request: by_path[request.path].behaviour(
            by_path[request.path].events[0], GATE, *by_path[request.path].events[1:]
        )
    )
    for wire, dialect, recording in zip(workers, BOTH, recordings, strict=True):
        wire.send(dialect.request(company.key, stream=True))
        assert wire.piece() == recording.events[0].data
    return recordings


def assert_whole(workers: list[Wire], recordings: list[Recording]) -> None:
    for wire, dialect, recording in zip(workers, BOTH, recordings, strict=True):
        rest = b"".join(iter(wire.piece, b""))
        wanted = [event.data for event in recording.events[1:] if not dialect.is_usage_chunk(event.data)]
        assert rest == b"".join(wanted)


def assert_settled_at_usage(rows: list[Row], recordings: list[Recording]) -> None:
    bills = {
        dialect.name: PRICES[dialect.model].bill(found.tokens) for dialect, found in zip(BOTH, recordings, strict=True)
    }
    assert {row.provider: row.cost for row in rows} == bills
    assert {row.status for row in rows} == {"settled"}


@pytest.mark.fault("Redis: frozen or slow", promises=("P3", "P6"))
@pytest.mark.fault("Redis: killed", promises=("P3", "P6"))
@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P3", "P6"))
@pytest.mark.parametrize(
    ("away", "back"),
    [(freeze, thaw), (crash, start), (flush, thaw), (lose_the_disk, thaw)],
    ids=["frozen", "crashed", "flushed", "disk lost"],
)
def test_streams_in_flight_go_on_and_are_settled_once_redis_is_back(
    rough: Rough, workers: list[Wire], away: Accident, back: Accident
) -> None:
    company = rough.office.company()
    recordings = open_streams(rough, workers, company)
    away(rough)
    rough.provider.gate.set()
    assert_whole(workers, recordings)
    time.sleep(0.7)  # longer than a call to Redis is waited for
    back(rough)
    assert_settled_at_usage(company.rows(2), recordings)
    rough.provider.wait_idle()


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P1", "P4"))
def test_a_flushed_store_holds_for_what_is_still_in_flight(rough: Rough, workers: list[Wire]) -> None:
    """A hold that Redis forgot counts against the cap again before anybody else is let in."""
    hold, _ = steady(rough)
    cap = hold + hold // 2
    company = rough.office.company(cap=f"0.{cap:09d}")
    recording = OPENAI.record("output=50", stream=True)
    ended = threading.Event()

    def going_on() -> Iterator[Step]:
        yield recording.events[0]
        while not ended.is_set():
            yield Pause(0.2)
            yield b": beat\n\n"
        yield from recording.events[1:]

    rough.provider.script(lambda _request: replace(recording.behaviour(by_chunk=False), body=going_on()))
    streaming, other = workers
    streaming.send(OPENAI.request(company.key, stream=True))
    assert streaming.piece() == recording.events[0].data
    rough.valkey.flushall()
    codes = [code_of(ask(other, company))]
    deadline = time.monotonic() + 45
    while codes[-1] == "ledger_unavailable":
        assert time.monotonic() < deadline, "the ledger did not come back"
        codes.append(code_of(ask(other, company)))
    assert codes[-1] == "budget_held"
    ended.set()
    while streaming.piece():
        pass
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("settled", PRICES["gpt-4o"].bill(recording.tokens))


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P1", "P6"))
def test_a_storm_through_which_everything_is_forgotten_stays_below_the_cap(rough: Rough) -> None:
    """Streams are held for, answers come in, the store is emptied, the storm goes on: the provider bills no more."""
    hold, cost = steady(rough)
    room = 8
    company = rough.office.company(cap=f"0.{room * hold:09d}")
    recording = OPENAI.record("output=50", stream=True)
    flushed = threading.Event()

    def slow() -> Iterator[Step]:
        for number, event in enumerate(recording.events):
            if number == 1:
                yield Pause(1.0)
            yield event

    rough.provider.record.reset()
    rough.provider.script(lambda _request: replace(recording.behaviour(by_chunk=False), body=slow()))
    wires = [Wire(rough.base_url) for _ in range(12)]
    pids = rough.stack.worker_pids()
    assert {serving_pid(wire, pids) for wire in wires} == set(pids)

    def client(wire: Wire) -> None:
        for _ in range(40):
            wire.send(OPENAI.request(company.key, stream=True))
            reply = wire.reply()
            if code_of(reply) == "budget_cap_exceeded" and flushed.is_set():
                break
            time.sleep(0 if reply.status == 200 else 0.1)

    threads = [threading.Thread(target=client, args=(wire,)) for wire in wires]
    for thread in threads:
        thread.start()
    rough.provider.wait_for(room)
    rough.valkey.flushall()
    flushed.set()
    for thread in threads:
        thread.join()
    for wire in wires:
        wire.close()
    rough.provider.wait_idle()
    assert rough.provider.count > room, "some were let in after it"
    assert bill_of(rough.provider.requests) == rough.provider.count * cost <= room * hold
    rows = company.rows(rough.provider.count)
    assert {(row.status, row.cost) for row in rows} == {("settled", cost)}
