"""Streams that begin on a part of their hold, on the whole product: granted, refused midway, many at once, cut."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from proxy.estimates import ENOUGH
from tests.stack.conftest import Rough
from tests.stack.test_client_leaves import Flood, wait_until_blocked
from tests.support.bills import PRICES, bill_of
from tests.support.dialects import ANTHROPIC, OPENAI, Recording
from tests.support.office import Office
from tests.support.processes import wait_until
from tests.support.provider import GATE, Behaviour, Pause, ProviderMock
from tests.support.stack import ProductStack
from tests.support.wire import Wire

TIMEOUT = 45.0
LIMIT = 4096
# gpt-4o: 10.00 a million output tokens, in nanodollars.
TOKEN = 10_000
FIRST = 512 * TOKEN
WHOLE = LIMIT * TOKEN


# Seconds a token, as a quick model makes them.
PACE = 0.004


def paced(recording: Recording, seconds: float = PACE) -> Behaviour:
    """The mock bills what it had sent when it was left."""
    return recording.behaviour(*[step for event in recording.events for step in (event, Pause(seconds))])


def stopping_after(provider: ProviderMock, count: int, recording: Recording) -> None:
    """It makes so many chunks and waits for the gate before it makes the rest."""
    steps: list[Any] = [step for event in recording.events for step in (event, Pause(PACE))]
    provider.gate.clear()
    provider.script(lambda _request: recording.behaviour(*steps[: 2 * count], GATE, *steps[2 * count :]))


@pytest.fixture
def wire(stack: ProductStack) -> Iterator[Wire]:
    with Wire(stack.base_url) as connection:
        yield connection


def gpt(stack: ProductStack, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key=key, timeout=TIMEOUT, max_retries=0)


@pytest.mark.fault("stream: outruns its hold", promises=("P1", "P3"))
def test_a_stream_that_outruns_its_first_step_is_granted_more(stack: ProductStack, office: Office) -> None:
    recording = OPENAI.record("output=250", stream=True)
    stack.provider.script(lambda _request: paced(recording))
    company = office.company(cap="0.03")
    with gpt(stack, company.key) as client:
        pieces = list(client.chat.completions.create(**OPENAI.body(output=LIMIT), stream=True))
    assert pieces[-1].choices[0].finish_reason == "stop"
    (row,) = company.rows(1)
    assert (row.status, row.flags) == ("settled", [])
    assert row.cost == bill_of(stack.provider.requests)
    assert FIRST < row.held < WHOLE


def test_while_there_is_plenty_the_whole_bound_is_held(stack: ProductStack, office: Office) -> None:
    recording = OPENAI.record("output=250", stream=True)
    stack.provider.script(lambda _request: paced(recording, 0.0))
    company = office.company(cap="1.00")
    with gpt(stack, company.key) as client:
        list(client.chat.completions.create(**OPENAI.body(output=LIMIT), stream=True))
    (row,) = company.rows(1)
    assert row.held >= WHOLE and row.cost == bill_of(stack.provider.requests)


@pytest.mark.fault("stream: outruns its hold", promises=("P1", "P3"))
def test_a_stream_that_is_refused_midway_ends_as_at_its_limit(stack: ProductStack, office: Office) -> None:
    recording = OPENAI.record("output=1000", stream=True)
    stack.provider.script(lambda _request: paced(recording))
    company = office.company(cap="0.0105")
    pieces: list[Any] = []
    with gpt(stack, company.key) as client, pytest.raises(openai.APIError) as caught:
        pieces.extend(client.chat.completions.create(**OPENAI.body(output=LIMIT), stream=True))
    assert caught.value.code == "budget_cap_exceeded"
    assert pieces[-1].choices[0].finish_reason == "length"
    assert {piece.id for piece in pieces} == {pieces[0].id}
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert len(text.split()) > 60
    (row,) = company.rows(1)
    assert (row.status, row.flags) == ("cut_short", ["budget_cap_exceeded"])
    assert bill_of(stack.provider.requests) <= row.cost <= row.held <= 10_500_000
    assert stack.provider.requests[0].client_closed_early


def test_where_no_first_step_fits_a_stream_gets_a_limit_that_does(
    stack: ProductStack, office: Office, wire: Wire
) -> None:
    """Who named no limit ends at it by the provider's own doing, at its real cost."""
    stack.provider.script(None)
    company = office.company(cap="0.005")  # the input and 475 tokens; a step is 512
    wire.send(OPENAI.request(company.key, output=None, stream=True))
    reply = wire.reply()
    assert reply.status == 200 and b"budget" not in reply.body
    assert stack.provider.requests[0].json()["max_completion_tokens"] == 256
    (row,) = company.rows(1)
    assert (row.status, row.flags, row.cost) == ("settled", [], bill_of(stack.provider.requests))


@pytest.mark.fault("stream: outruns its hold", promises=("P1", "P3"))
def test_the_same_in_the_other_dialect(stack: ProductStack, office: Office) -> None:
    """In the sandbox, whose terms are known for every dialect."""
    company = office.company()
    key = company.do("create_key", mode="test")
    company.do("set_key_cap", key_id=key["id"], window="month", cap="0.0155")
    told = {"x-tokonomics-sandbox": "output=1000; chunk_delay=0.004"}
    options: dict[str, Any] = {"base_url": stack.base_url, "api_key": key["secret"], "timeout": TIMEOUT}
    kinds: list[str] = []
    with anthropic.Anthropic(**options, max_retries=0, default_headers=told) as client:
        stream = client.messages.stream(**ANTHROPIC.body(output=LIMIT))
        with stream as events, pytest.raises(anthropic.APIStatusError) as caught:
            for event in events:
                kinds.append(event.type)
                message = events.current_message_snapshot
    assert caught.value.body["error"]["code"] == "budget_cap_exceeded"  # type: ignore[index]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert message.stop_reason == "max_tokens"
    wait_until(lambda: company.do("rows"), what="the row of a test key")
    (row,) = company.do("rows")
    assert (row["status"], row["flags"]) == ("cut_short", ["budget_cap_exceeded"])
    shown = len(message.content[0].text.split()) * 15_000
    assert shown < row["cost"] <= 15_500_000


@pytest.mark.fault("load: many at once on several workers", promises=("P1", "P3", "P6"))
async def test_thirty_streams_at_once_on_a_cap_that_holds_eight_bounds(stack: ProductStack, office: Office) -> None:
    stopping_after(stack.provider, 30, OPENAI.record("output=100", stream=True))
    company = office.company(cap="0.35")
    assert 30 * WHOLE > 3 * 350_000_000

    async def ask(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(**OPENAI.body(output=LIMIT), stream=True)
        return [piece.choices[0].finish_reason or "" async for piece in stream][-1]

    options: dict[str, Any] = {"base_url": f"{stack.base_url}/v1", "api_key": company.key, "timeout": TIMEOUT}
    async with openai.AsyncOpenAI(**options, max_retries=0) as client:
        asked = asyncio.gather(*[ask(client) for _ in range(30)])
        await asyncio.to_thread(stack.provider.wait_for, 30)
        audit = await asyncio.to_thread(company.audit)
        assert audit.open_holds == 30 and audit.held <= 350_000_000
        stack.provider.gate.set()
        assert await asked == ["stop"] * 30
    rows = await asyncio.to_thread(company.rows, 30)
    assert {row.status for row in rows} == {"settled"}
    assert sum(row.cost for row in rows) == bill_of(stack.provider.requests)


# --- Clients and ledgers that fail it --------------------------------------------------------------------------------


@pytest.mark.fault("client: slow", promises=("P1", "P3"))
def test_for_a_slow_client_the_full_bound_is_held_before_reading_pauses(stack: ProductStack, office: Office) -> None:
    flood = Flood(OPENAI.record("output=30", stream=True))
    stack.provider.script(lambda _request: flood.behaviour())
    company = office.company(cap="0.06")
    wire = Wire(stack.base_url, receive_buffer=4096)
    wire.send(OPENAI.request(company.key, stream=True, output=LIMIT))
    try:
        wait_until_blocked(stack)
    finally:
        flood.padding = False
    assert company.audit().held >= WHOLE, "it began with a step: 0.06 is no plenty"
    assert wire.reply().status == 200
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("settled", PRICES[OPENAI.model].bill(flood.recording.tokens))
    wire.close()


@pytest.mark.fault("client: slow", promises=("P1", "P3"))
def test_where_it_cannot_be_held_the_stream_of_a_slow_client_is_cut(stack: ProductStack, office: Office) -> None:
    flood = Flood(OPENAI.record("output=30", stream=True))
    stack.provider.script(lambda _request: flood.behaviour())
    company = office.company(cap="0.03")
    wire = Wire(stack.base_url, receive_buffer=4096)
    wire.send(OPENAI.request(company.key, stream=True, output=LIMIT))
    stack.provider.wait_for(1)
    try:
        wait_until(lambda: stack.provider.requests[0].client_closed_early, what="the provider is left")
    finally:
        flood.padding = False
    body = wire.reply().body
    assert b'"finish_reason":"length"' in body and body.endswith(b"data: [DONE]\n\n")
    (row,) = company.rows(1)
    assert (row.status, row.flags) == ("cut_short", ["budget_cap_exceeded"])
    wire.close()


@pytest.mark.fault("web worker: paused past its lease", promises=("P1", "P3"))
def test_a_stream_whose_hold_has_ended_is_cut(stack: ProductStack, office: Office, wire: Wire) -> None:
    stopping_after(stack.provider, 1, OPENAI.record("output=250", stream=True))
    company = office.company(cap="0.03")
    wire.send(OPENAI.request(company.key, stream=True, output=LIMIT))
    assert wire.piece()
    assert company.do("end_leases") == 1
    stack.provider.gate.set()
    body = wire.reply().body
    assert b'"code":"hold_ended"' in body and b'"finish_reason":"length"' in body
    (row,) = company.rows(1)
    assert (row.status, row.flags) == ("cut_short", ["hold_ended", "corrected"])
    assert bill_of(stack.provider.requests) <= row.cost <= row.held
    assert stack.provider.requests[0].client_closed_early


@pytest.mark.fault("change: made while requests flow", promises=("P1", "P5"))
def test_a_cap_that_is_lowered_binds_the_stream_that_runs(stack: ProductStack, office: Office, wire: Wire) -> None:
    stopping_after(stack.provider, 1, OPENAI.record("output=250", stream=True))
    company = office.company(cap="0.03")
    wire.send(OPENAI.request(company.key, stream=True, output=LIMIT))
    assert wire.piece()
    company.do("set_cap", cap="0.006")
    stack.provider.gate.set()
    assert b'"code":"budget_cap_exceeded"' in wire.reply().body
    (row,) = company.rows(1)
    assert row.status == "cut_short" and row.cost <= 6_000_000


def test_a_key_that_is_revoked_ends_its_stream_where_its_hold_ends(
    stack: ProductStack, office: Office, wire: Wire
) -> None:
    stopping_after(stack.provider, 1, OPENAI.record("output=250", stream=True))
    company = office.company(cap="0.03")
    wire.send(OPENAI.request(company.key, stream=True, output=LIMIT))
    assert wire.piece()
    company.do("revoke_key", key_id=company.key_id)
    stack.provider.gate.set()
    assert b'"code":"api_key_revoked"' in wire.reply().body
    (row,) = company.rows(1)
    assert (row.status, row.flags) == ("cut_short", ["api_key_revoked"]) and row.held <= FIRST * 2


@pytest.mark.fault("Redis: frozen or slow", promises=("P1", "P3"))
def test_while_the_ledger_is_away_a_stream_goes_on_within_its_hold_and_no_further(rough: Rough) -> None:
    stopping_after(rough.provider, 1, OPENAI.record("output=250", stream=True))
    company = rough.office.company(cap="0.03")
    with Wire(rough.base_url) as wire:
        wire.send(OPENAI.request(company.key, stream=True, output=LIMIT))
        assert wire.piece()
        rough.valkey.freeze()
        rough.provider.gate.set()
        body = wire.reply().body
        rough.valkey.thaw()
    assert b'"code":"ledger_unavailable"' in body and b'"finish_reason":"length"' in body
    assert len(body.split(b"\n\n")) > 60
    (row,) = company.rows(1)
    assert row.status == "cut_short" and row.flags[0] == "ledger_unavailable"
    assert bill_of(rough.provider.requests) <= row.cost <= row.held < WHOLE


@pytest.mark.fault("client: leaves", promises=("P3", "P6"))
def test_a_client_that_leaves_a_partial_stream_is_charged_what_it_really_cost(
    stack: ProductStack, office: Office
) -> None:
    recording = OPENAI.record("output=250", stream=True)
    stack.provider.script(lambda _request: paced(recording))
    company = office.company(cap="0.03")
    wire = Wire(stack.base_url)
    wire.send(OPENAI.request(company.key, stream=True, output=LIMIT))
    assert wire.piece()
    wire.close()
    (row,) = company.rows(1)
    assert (row.status, row.flags, row.cost) == ("settled", ["client_gone"], bill_of(stack.provider.requests))


# --- Holds that are learned ------------------------------------------------------------------------------------------


def test_an_estimate_is_learned_and_what_breaks_it_is_told_from_a_broken_bound(
    stack: ProductStack, office: Office, wire: Wire
) -> None:
    usual, dear, untold = (OPENAI.record(said) for said in ("output=20", "output=3000", "output=20; fault=no_usage"))
    company = office.company(cap="5.00")
    company.do("set_hold_policy", policy="estimate")

    def ask(recording: Recording) -> None:
        stack.provider.script(lambda _request: recording.behaviour())
        wire.send(OPENAI.request(company.key, output=LIMIT))
        assert wire.reply().status == 200
        time.sleep(0.003)  # rows of one millisecond come in any order

    for _ in range(ENOUGH):
        ask(usual)
    for recording in (usual, dear, untold):
        ask(recording)
    company.do("set_hold_policy", policy="bound")
    ask(usual)
    rows = company.rows(ENOUGH + 4)
    bound = rows[0].held
    assert {row.held for row in rows[:ENOUGH]} == {bound} and bound > WHOLE
    learned, broken, charged, again = rows[ENOUGH:]
    assert learned.cost < learned.held < bound // 20 and learned.flags == []
    assert broken.cost == PRICES[OPENAI.model].bill(dear.tokens) > broken.held
    assert (broken.status, broken.flags) == ("settled", ["estimate_breach"])
    assert (charged.status, charged.cost) == ("charged_at_hold", bound), "nobody knows: the most that it can have cost"
    assert charged.flags == ["usage_missing", "estimate_breach"]
    assert again.held == bound


# --- Waiting ---------------------------------------------------------------------------------------------------------


async def test_what_fits_one_after_the_other_waits_for_its_turn(stack: ProductStack, office: Office) -> None:
    recording = OPENAI.record("output=20")
    stack.provider.script(lambda _request: recording.behaviour(delay=0.05))
    company = office.company(cap="0.06")  # one bound, and what the others will have cost
    options: dict[str, Any] = {"base_url": f"{stack.base_url}/v1", "api_key": company.key, "timeout": TIMEOUT}
    async with openai.AsyncOpenAI(**options, max_retries=0) as client:
        replies = await asyncio.gather(*[client.chat.completions.create(**OPENAI.body(output=LIMIT)) for _ in range(8)])
    assert len(replies) == 8
    rows = await asyncio.to_thread(company.rows, 8)
    assert sum(row.cost for row in rows) == bill_of(stack.provider.requests)


def test_who_waited_in_vain_hears_what_would_fit_now(stack: ProductStack, office: Office, wire: Wire) -> None:
    recording = OPENAI.record("output=20")
    stack.provider.gate.clear()
    stack.provider.script(lambda _request: recording.behaviour(gated=True))
    company = office.company(cap="0.06")
    wire.send(OPENAI.request(company.key, output=LIMIT))
    stack.provider.wait_for(1)
    with Wire(stack.base_url) as other:
        began = time.monotonic()
        other.send(OPENAI.request(company.key, output=LIMIT))
        refused = other.reply()
        assert 1.8 < time.monotonic() - began < 10
        error = refused.json()["error"]
        assert (refused.status, error["code"], refused.headers["retry-after"]) == (429, "budget_held", "1")
        fits = error["fits_output_tokens"]
        assert 0 < fits < LIMIT
        other.send(OPENAI.request(company.key, output=fits))
        stack.provider.wait_for(2)
        stack.provider.gate.set()
        assert (wire.reply().status, other.reply().status) == (200, 200)
    company.rows(2)


def test_a_cap_that_is_raised_lets_those_pass_who_wait_for_it(stack: ProductStack, office: Office, wire: Wire) -> None:
    recording = OPENAI.record("output=20")
    stack.provider.gate.clear()
    stack.provider.script(lambda _request: recording.behaviour(gated=True))
    company = office.company(cap="0.06")
    wire.send(OPENAI.request(company.key, output=LIMIT))
    stack.provider.wait_for(1)
    with Wire(stack.base_url) as other:
        other.send(OPENAI.request(company.key, output=LIMIT))
        time.sleep(0.3)
        assert stack.provider.count == 1
        company.do("set_cap", cap="0.20")
        stack.provider.wait_for(2)
        stack.provider.gate.set()
        assert (wire.reply().status, other.reply().status) == (200, 200)
    company.rows(2)
