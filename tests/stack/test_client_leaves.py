"""Whenever and however a client leaves, its request ends in one row, at what it really cost, and nothing stays held."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.stack.conftest import DRAIN, Rough
from tests.support.bills import PRICES
from tests.support.dialects import ANTHROPIC, BOTH, OPENAI, Dialect, Recording
from tests.support.office import Company
from tests.support.processes import wait_until
from tests.support.provider import GATE, Behaviour, Chunk, Pause
from tests.support.provider.behaviour import Step
from tests.support.stack import ProductStack
from tests.support.wire import Wire

BEFORE_THE_HEAD = -1
POINTS = {
    "before the provider answers": BEFORE_THE_HEAD,
    "before the first chunk": 0,
    "after one chunk": 1,
    "after five": 5,
}
# Where, how, and in which dialect. Closing everywhere; the other ways at one point each.
LEAVINGS = [
    *((point, "close", dialect) for point in POINTS for dialect in BOTH),
    *(
        (point, way, OPENAI)
        for point in ("before the provider answers", "after one chunk")
        for way in ("reset", "half_close")
    ),
]
PLAIN = [("close", OPENAI), ("reset", ANTHROPIC), ("half_close", OPENAI)]
NOTICED = 0.3  # seconds, for the worker to see it; if it takes longer, the proof is a weaker one, not a false one


def stopping_at(point: int, recording: Recording) -> Behaviour:
    """The provider waits for the gate there, then goes on to the end."""
    if point == BEFORE_THE_HEAD:
        return recording.behaviour(gated=True)
    return recording.behaviour(*recording.events[:point], GATE, *recording.events[point:])


def leave_at(point: int, way: str, wire: Wire, recording: Recording) -> None:
    if point > 0:
        wanted = len(b"".join(event.data for event in recording.events[:point]))
        seen = 0
        while seen < wanted:
            seen += len(wire.piece())
    elif point == 0:
        assert wire.head()[0] == 200
    getattr(wire, way)()


@pytest.mark.fault("client: leaves", promises=("P1", "P3", "P6"))
@pytest.mark.parametrize(("where", "way", "dialect"), LEAVINGS, ids=str)
def test_a_stream_that_its_client_leaves_is_settled_at_its_real_cost(
    stack: ProductStack, company: Company, dialect: Dialect, where: str, way: str
) -> None:
    point = POINTS[where]
    recording = dialect.record("output=30", stream=True)
    stack.provider.gate.clear()
    stack.provider.script(lambda _request: stopping_at(point, recording))
    wire = Wire(stack.base_url)
    wire.send(dialect.request(company.key, stream=True))
    stack.provider.wait_for(1)
    leave_at(point, way, wire, recording)
    time.sleep(NOTICED)
    assert company.audit().open_holds == 1, "it is held for while nobody knows what it costs"
    stack.provider.gate.set()
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("settled", PRICES[dialect.model].bill(recording.tokens))
    assert set(row.flags) <= {"client_gone"}
    assert stack.provider.count == 1
    wire.close()


@pytest.mark.fault("client: leaves", promises=("P3", "P6"))
@pytest.mark.parametrize(("way", "dialect"), PLAIN, ids=str)
def test_a_plain_request_that_its_client_leaves_is_settled_at_its_real_cost(
    stack: ProductStack, company: Company, dialect: Dialect, way: str
) -> None:
    recording = dialect.record("output=30")
    stack.provider.gate.clear()
    stack.provider.script(lambda _request: recording.behaviour(gated=True))
    wire = Wire(stack.base_url)
    wire.send(dialect.request(company.key))
    stack.provider.wait_for(1)
    getattr(wire, way)()
    time.sleep(NOTICED)
    stack.provider.gate.set()
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("settled", PRICES[dialect.model].bill(recording.tokens))
    assert stack.provider.count == 1
    wire.close()


class Flood:
    """A stream that is padded with comments until the test has seen it come to a stop."""

    PAD = b": " + b"." * 16_000 + b"\n\n"

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.padding = True

    def behaviour(self) -> Behaviour:
        return replace(self.recording.behaviour(by_chunk=False), body=self._steps())

    def _steps(self) -> Iterator[Chunk]:
        first, *rest = self.recording.events
        yield first
        while self.padding:
            yield Chunk(self.PAD)
        yield from rest


def wait_until_blocked(stack: ProductStack) -> int:
    """Until the provider gets nothing more off its hands; how many bytes it had sent."""
    seen = [-1]

    def stands_still() -> bool:
        seen.append(stack.provider.requests[0].bytes_sent)
        return seen[-1] == seen[-2] > len(Flood.PAD)

    stack.provider.wait_for(1)
    deadline = time.monotonic() + 45
    while not stands_still():
        assert time.monotonic() < deadline, seen
        time.sleep(0.4)
    return seen[-1]


@pytest.mark.fault("client: leaves", promises=("P3", "P6"))
@pytest.mark.parametrize(("way", "dialect"), PLAIN[:2], ids=str)
def test_a_client_that_leaves_while_a_send_to_it_is_blocked(
    stack: ProductStack, company: Company, dialect: Dialect, way: str
) -> None:
    flood = Flood(dialect.record("output=30", stream=True))
    stack.provider.script(lambda _request: flood.behaviour())
    wire = Wire(stack.base_url, receive_buffer=4096)
    wire.send(dialect.request(company.key, stream=True))
    wait_until_blocked(stack)
    assert company.audit().open_holds == 1
    getattr(wire, way)()
    flood.padding = False
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("settled", PRICES[dialect.model].bill(flood.recording.tokens))
    assert row.flags == ["client_gone"]
    assert not stack.provider.requests[0].client_closed_early


@pytest.mark.fault("client: slow", promises=("P3",))
def test_a_slow_client_holds_the_provider_back_instead_of_filling_memory(stack: ProductStack, company: Company) -> None:
    dialect = OPENAI
    flood = Flood(dialect.record("output=30", stream=True))
    stack.provider.script(lambda _request: flood.behaviour())
    with Wire(stack.base_url, receive_buffer=4096) as wire:
        wire.send(dialect.request(company.key, stream=True))
        assert wait_until_blocked(stack) < 32 * 1024 * 1024  # what the kernel's buffers of three sockets can take
        flood.padding = False
        body = b"".join(iter(wire.piece, b""))
    wanted = b"".join(event.data for event in flood.recording.events if not dialect.is_usage_chunk(event.data))
    assert body.replace(Flood.PAD, b"") == wanted
    (row,) = company.rows(1)
    assert (row.status, row.flags) == ("settled", [])


# --- Past the bound --------------------------------------------------------------------------------------------------


def going_on_after(point: int, recording: Recording) -> Behaviour:
    """So many events, then something now and then, without end."""

    def steps() -> Iterator[Step]:
        yield from recording.events[:point]
        while True:
            yield Pause(0.2)
            yield b": beat\n\n"

    return replace(recording.behaviour(by_chunk=False), body=steps())


@pytest.mark.fault("client: leaves", promises=("P3",))
@pytest.mark.parametrize(
    ("point", "dialect"),
    [(0, OPENAI), (1, ANTHROPIC), (5, OPENAI)],
    ids=["before the first chunk", "after one", "after five"],
)
def test_a_provider_that_does_not_end_is_left_and_the_hold_charged(rough: Rough, dialect: Dialect, point: int) -> None:
    """Listened to for DRAIN seconds, no longer, although it is never silent for long."""
    company = rough.office.company()
    recording = dialect.record("output=30", stream=True)
    rough.provider.script(lambda _request: going_on_after(point, recording))
    wire = Wire(rough.base_url)
    wire.send(dialect.request(company.key, stream=True))
    leave_at(point, "close", wire, recording)
    left = time.monotonic()
    wait_until(lambda: rough.provider.stats()["in_flight"] == 0, what="the provider was left")
    assert time.monotonic() - left > DRAIN * 0.8
    assert rough.provider.requests[0].client_closed_early
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("charged_at_hold", row.held)
    assert "client_gone" in row.flags
