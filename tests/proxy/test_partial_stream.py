"""A stream on a part of its hold, piece by piece: read ahead of its client, cut where it must be, settled once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from budgets.claims import Counter, Reservation
from budgets.ledger_errors import CapExceeded, HoldGone, LedgerUnavailable
from budgets.windows import windows_at
from proxy import partial_stream
from proxy.partial_holds import FIRST, Steps, first_step
from proxy.partial_stream import PartialStream
from proxy.providers.base import ErrorBody
from proxy.providers.openai_errors import OPENAI_ERRORS
from proxy.providers.openai_meter import OpenAIMeter
from proxy.providers.openai_watch import OpenAIWatch
from proxy.settlement import Settlement
from proxy.upstream import Decoder
from tests.proxy.providers.support import openai
from tests.proxy.test_partial_holds import chunk, model, quoted

MONTH = Counter("tenant", windows_at(1_790_000_000).month, "budget:{t}:m", 10**9, True)
CAPPED = CapExceeded(MONTH, spent=10**9, held=0, cap=10**9, held_only=False)
DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":30}}\n\n'
Event = asyncio.Event


class FakeReply:
    """The provider's side: gives what it is given, in order; an Event is waited for first."""

    status = 200
    headers: list[tuple[bytes, bytes]] = []

    def __init__(self, *script: bytes | Event) -> None:
        self.script, self.complete, self.closed, self.read = list(script), False, False, 0

    async def next_chunk(self) -> bytes | None:
        while self.script:
            step = self.script.pop(0)
            if isinstance(step, bytes):
                self.read += len(step)
                return step
            await step.wait()
        self.complete = True
        return None

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class FakeLedger:
    """`answers`: what each extension meets, an exception or None for yes; the last one for ever."""

    steps: Steps
    hold: Reservation
    answers: list[Exception | None]
    asked: list[tuple[int, int]] = field(default_factory=list)
    slow: float = 0.0
    under_way: int = 0

    async def by(self, amounts: Callable[[], tuple[int, int]]) -> int:
        assert self.under_way == 0 or not self.slow, "one question at a time"
        self.under_way += 1
        try:
            await asyncio.sleep(self.slow)
            self.asked.append(amounts())
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer is not None:
                raise answer
            self.hold.held += self.asked[-1][1]
            return self.hold.held
        finally:
            self.under_way -= 1


@dataclass
class Ends:
    """What the settlement tells the ledger."""

    ends: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def settle(self, hold: Reservation, cost: int, ending: bytes) -> None:
        self.ends.append((cost, orjson.loads(ending)))


@dataclass
class Case:
    stream: PartialStream
    reply: FakeReply
    steps: Steps
    ledger: FakeLedger
    ends: Ends

    @property
    def ended(self) -> tuple[int, str, list[str]]:
        ((cost, ending),) = self.ends.ends
        return cost, ending["status"], ending.get("flags", [])

    async def all(self) -> bytes:
        return b"".join([piece async for piece in self.stream])


def case(
    *script: bytes | Event, answers: tuple[Exception | None, ...] = (None,), limit: int = 4096, slow: float = 0.0
) -> Case:
    asked = quoted(limit)
    steps = Steps(asked, first_step(asked))
    hold = Reservation("req_1", "ten_1", (MONTH,), steps.held, 0, None, b"")
    ends, reply, ledger = Ends(), FakeReply(*script), FakeLedger(steps, hold, list(answers), slow=slow)
    settlement = Settlement(hold, model(), ends)  # type: ignore[arg-type]

    stream = PartialStream(
        *(reply, OpenAIMeter(openai(stream=True)), Decoder([]), settlement, OPENAI_ERRORS, "rq_1"),
        steps=steps,
        watch=OpenAIWatch("rq_1"),
        extender=ledger,  # type: ignore[arg-type]
        explain=lambda error: ErrorBody(429, "budget_cap_exceeded", "Reached."),
        drain_seconds=0.2,
        drain_bytes=10**6,
    )
    return Case(stream, reply, steps, ledger, ends)


def words(count: int) -> list[bytes]:
    """Events of ten bytes of text each."""
    return [chunk({"content": "nine bytes"}) for _ in range(count)]


@pytest.fixture(autouse=True)
async def nothing_left_running() -> AsyncIterator[None]:
    yield
    await asyncio.sleep(0)
    ours = [task for task in asyncio.all_tasks() if "PartialStream" in repr(task)]
    assert ours == []


async def test_what_is_granted_goes_on_to_its_end_and_costs_what_the_reply_says() -> None:
    one = case(*words(200), USAGE, DONE)
    body = await one.all()
    await one.stream.aclose()
    assert body == b"".join([*words(200), DONE])
    assert one.ended[1:] == ("settled", [])
    assert len(one.ledger.asked) in (3, 4) and not one.steps.full


async def test_what_is_refused_ends_at_the_brink_with_whole_events() -> None:
    one = case(*words(100), USAGE, DONE, answers=(CAPPED,))
    body = await one.all()
    await one.stream.aclose()
    shown = body.count(b"nine bytes")
    assert shown * 10 > FIRST - 128 >= (shown - 1) * 10
    events = body.removesuffix(b"\n\n").split(b"\n\n")
    assert orjson.loads(events[-3][6:])["choices"][0]["finish_reason"] == "length"
    assert orjson.loads(events[-2][6:])["error"]["code"] == "budget_cap_exceeded"
    assert events[-1] == b"data: [DONE]"
    assert one.ended == (one.steps.held, "cut_short", ["budget_cap_exceeded"])
    assert one.reply.closed


async def test_an_answer_that_is_late_is_waited_for_a_moment_and_not_longer() -> None:
    in_time = case(*words(100), USAGE, DONE, slow=partial_stream.ANSWER_SECONDS / 4)
    await in_time.all()
    await in_time.stream.aclose()
    assert in_time.ended[1] == "settled"
    too_late = case(*words(100), USAGE, DONE, slow=partial_stream.ANSWER_SECONDS * 20)
    await too_late.all()
    await too_late.stream.aclose()
    assert too_late.ended[1:] == ("cut_short", ["ledger_unavailable"])


async def test_a_ledger_that_comes_back_in_time_is_asked_again() -> None:
    gate = Event()
    asyncio.get_running_loop().call_later(partial_stream.RETRY_SECONDS * 2.5, gate.set)
    away = LedgerUnavailable("no answer")
    one = case(*words(30), gate, *words(70), USAGE, DONE, answers=(away, away, None))
    await one.all()
    await one.stream.aclose()
    assert one.ended[1] == "settled" and len(one.ledger.asked) >= 3


async def test_a_hold_that_has_ended_ends_the_stream_at_once() -> None:
    gate = Event()
    asyncio.get_running_loop().call_later(0.05, gate.set)
    one = case(*words(27), gate, *words(100), USAGE, DONE, answers=(HoldGone("ended"),))
    body = await one.all()
    await one.stream.aclose()
    assert one.ended[1:] == ("cut_short", ["hold_ended"])
    assert body.count(b"nine bytes") == 28, "not only at the brink, which is 11 further on"
    assert len(one.ledger.asked) == 1


async def test_a_burst_past_the_hold_is_not_passed_off_as_covered() -> None:
    one = case(b"".join(words(300)), USAGE, DONE, answers=(CAPPED,))
    await one.all()
    await one.stream.aclose()
    assert one.ended == (one.steps.held, "cut_short", ["budget_cap_exceeded"])


async def test_the_provider_is_read_ahead_of_a_client_that_takes_nothing() -> None:
    one = case(*words(25), USAGE, DONE)
    await asyncio.sleep(0.05)
    assert one.reply.complete and one.ended[1] == "settled", "before a byte was taken"
    await one.stream.aclose()


async def test_reading_pauses_for_a_slow_client_only_with_the_whole_bound_held() -> None:
    padding = [b": " + b"." * 65_000 + b"\n\n"] * 20
    one = case(*words(1), *padding, USAGE, DONE)
    await asyncio.sleep(0.05)
    assert one.steps.full
    assert one.reply.read < 8 * 65_000
    await one.all()
    await one.stream.aclose()
    assert one.ended[1] == "settled"
    refused = case(*words(1), *padding, USAGE, DONE, answers=(CAPPED,))
    await asyncio.sleep(0.05)
    assert refused.ended[1:] == ("cut_short", ["budget_cap_exceeded"]) and refused.reply.closed
    assert (await refused.all()).endswith(DONE)
    await refused.stream.aclose()


async def test_a_client_that_leaves_is_listened_on_for_and_no_longer_than_told() -> None:
    one = case(*words(5), USAGE, DONE)
    await one.stream.aclose()
    assert one.ended[1:] == ("settled", ["client_gone"])
    silent = case(*words(5), Event())
    closing = asyncio.create_task(silent.stream.aclose())
    await asyncio.sleep(0.3)
    assert silent.reply.closed, "its patience was at an end"
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    assert silent.ended[1:] == ("charged_at_hold", ["client_gone"])


async def test_a_fault_of_ours_is_seen_and_charged_at_the_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    one = case(*words(5), USAGE, DONE)

    def fails(data: bytes) -> bytes:
        raise RuntimeError("a fault")

    monkeypatch.setattr(one.stream._meter, "feed", fails)
    with pytest.raises(RuntimeError):
        await one.all()
    with pytest.raises(RuntimeError):
        await one.stream.aclose()
    assert one.ended[1] == "charged_at_hold"


async def test_what_cannot_be_read_cannot_be_counted() -> None:
    """A compression that nobody asked for: the whole is held, or it ends."""
    asked = quoted(4096)
    steps = Steps(asked, first_step(asked))
    ends, reply = Ends(), FakeReply(b"\x8b\x00" * 50)
    hold = Reservation("req_1", "ten_1", (MONTH,), steps.held, 0, None, b"")
    stream = PartialStream(
        *(reply, OpenAIMeter(openai(stream=True)), Decoder([(b"content-encoding", b"br")])),
        *(Settlement(hold, model(), ends), OPENAI_ERRORS, "rq_1"),  # type: ignore[arg-type]
        steps=steps,
        watch=OpenAIWatch("rq_1"),
        extender=FakeLedger(steps, hold, [CAPPED]),  # type: ignore[arg-type]
        explain=lambda error: ErrorBody(429, "budget_cap_exceeded", "Reached."),
        drain_seconds=0.2,
        drain_bytes=10**6,
    )
    assert b"budget_cap_exceeded" in b"".join([piece async for piece in stream])
    await stream.aclose()
    assert ends.ends[0][1]["status"] == "cut_short"
