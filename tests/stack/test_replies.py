"""What the client gets is what the provider sent, to the byte, and what the ledger has is what it costs, exactly."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.support.bills import PRICES
from tests.support.dialects import ANTHROPIC, OPENAI, Dialect, Recording
from tests.support.office import Company
from tests.support.provider import GATE, Chunk, RecordedRequest
from tests.support.stack import ProductStack
from tests.support.wire import Wire, WireReply

NANO = 1_000_000_000
LONG_TEXT = "All that grows in the garden. " * 100  # 3,000 bytes: 750 tokens to the mock
CACHED_FOR_AN_HOUR = {"type": "ephemeral", "ttl": "1h"}


def ask(stack: ProductStack, company: Company, dialect: Dialect, **fields: Any) -> WireReply:
    with Wire(stack.base_url) as wire:
        wire.send(dialect.request(company.key, **fields))
        return wire.reply()


def usd(nanodollars: int) -> str:
    """As DESIGN section 6 has it: at least two decimals, at most nine, no trailing zeros past two."""
    whole, fraction = divmod(nanodollars, NANO)
    digits = f"{fraction:09d}"
    return f"{whole}.{digits[:2]}{digits[2:].rstrip('0')}"


def in_pieces_of(size: int, recording: Recording) -> list[Chunk]:
    body = recording.body
    return [Chunk(body[start : start + size]) for start in range(0, len(body), size)]


# --- Bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gzip", [False, True], ids=["identity", "gzip"])
def test_a_plain_reply_arrives_byte_for_byte(
    stack: ProductStack, company: Company, dialect: Dialect, gzip: bool
) -> None:
    recording = dialect.record("output=40")
    odd = recording.body.replace(b'","', b'" ,\n\t"')  # as no serialiser of ours would write it
    assert orjson.loads(odd) == orjson.loads(recording.body)
    stack.provider.script(lambda _request: recording.behaviour(odd, gzip=gzip))
    reply = ask(stack, company, dialect)
    assert (reply.status, reply.body) == (200, odd)
    assert "content-encoding" not in reply.headers
    assert stack.provider.requests[0].headers["accept-encoding"] == "identity"
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("settled", PRICES[dialect.model].bill(recording.tokens))


@pytest.mark.parametrize("gzip", [False, True], ids=["identity", "gzip"])
@pytest.mark.parametrize("size", [7, 4096], ids=["in small pieces", "in large pieces"])
def test_a_stream_arrives_byte_for_byte(
    stack: ProductStack, company: Company, dialect: Dialect, size: int, gzip: bool
) -> None:
    recording = dialect.record("output=40; chunk_tokens=2", stream=True)
    pieces = in_pieces_of(size, recording)
    stack.provider.script(lambda _request: recording.behaviour(*pieces, gzip=gzip, by_chunk=False))
    wanted = {"stream_options": {"include_usage": True}} if dialect is OPENAI else {}
    reply = ask(stack, company, dialect, stream=True, **wanted)
    assert (reply.status, reply.body) == (200, recording.body)
    assert "content-encoding" not in reply.headers
    assert reply.headers["content-type"] == recording.headers["content-type"]
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("settled", PRICES[dialect.model].bill(recording.tokens))


@pytest.mark.parametrize("gzip", [False, True], ids=["identity", "gzip"])
@pytest.mark.parametrize("size", [1, 7, 4096], ids="in pieces of {}".format)
def test_only_the_usage_chunk_that_we_asked_for_is_taken_out(
    stack: ProductStack, company: Company, size: int, gzip: bool
) -> None:
    recording = OPENAI.record("output=12", stream=True)
    pieces = in_pieces_of(size, recording)
    stack.provider.script(lambda _request: recording.behaviour(*pieces, gzip=gzip, by_chunk=False))
    reply = ask(stack, company, OPENAI, stream=True)
    ours = [event.data for event in recording.events if OPENAI.is_usage_chunk(event.data)]
    assert len(ours) == 1
    assert reply.body == recording.body.replace(ours[0], b"")
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("settled", PRICES["gpt-4o"].bill(recording.tokens))


def test_a_chunk_reaches_the_client_while_the_provider_still_writes(
    stack: ProductStack, company: Company, dialect: Dialect
) -> None:
    recording = dialect.record("output=3", stream=True)
    first, *rest = recording.events
    stack.provider.gate.clear()
    stack.provider.script(lambda _request: recording.behaviour(first, GATE, *rest))
    with Wire(stack.base_url) as wire:
        wire.send(dialect.request(company.key, stream=True))
        assert wire.piece() == first.data
        assert stack.provider.stats()["in_flight"] == 1
        stack.provider.gate.set()
        while wire.piece():
            pass
    company.rows(1)


# --- What the provider gets ------------------------------------------------------------------------------------------


def sent_for(stack: ProductStack, company: Company, dialect: Dialect, **fields: Any) -> RecordedRequest:
    reply = ask(stack, company, dialect, **fields)
    assert reply.status == 200, reply.body
    return stack.provider.requests[-1]


def test_the_provider_gets_the_client_s_request_and_what_makes_its_bound_true(
    stack: ProductStack, company: Company
) -> None:
    fields: dict[str, Any] = {"temperature": 0.25, "metadata": {"team": "plants"}, "user": "u-17"}
    assert sent_for(stack, company, OPENAI, **fields).json() == OPENAI.body(**fields) | {"service_tier": "default"}
    plain = sent_for(stack, company, OPENAI, output=None).json()
    assert plain["max_completion_tokens"] == 16_384
    streamed = sent_for(stack, company, OPENAI, stream=True).json()
    assert streamed["stream_options"] == {"include_usage": True}
    message = sent_for(stack, company, ANTHROPIC, temperature=0.25).json()
    assert message == ANTHROPIC.body(temperature=0.25) | {"service_tier": "standard_only"}


def test_the_provider_gets_the_company_s_own_key_and_nothing_of_ours(
    stack: ProductStack, company: Company, dialect: Dialect
) -> None:
    private = {"cookie": "session=1", "x-forwarded-for": "10.0.0.1", "x-tokonomics-sandbox": "output=3"}
    with Wire(stack.base_url) as wire:
        request = dialect.request(company.key)
        extra = "".join(f"{name}: {value}\r\n" for name, value in private.items()).encode()
        wire.send(request.replace(b"\r\n", b"\r\n" + extra, 1))
        assert wire.reply().status == 200
    headers = stack.provider.requests[0].headers
    assert f"sk-mock-{dialect.name}" in (headers.get("authorization", "") + headers.get("x-api-key", ""))
    assert "tk_live_" not in str(headers)
    assert not headers.keys() & private.keys()


# --- Costs -----------------------------------------------------------------------------------------------------------

COSTS = {
    "plain": (OPENAI, "gpt-4o", "output=321", {}),
    "cached input": (OPENAI, "gpt-4o", "output=321; cached=517", {}),
    "reasoning is output": (OPENAI, "gpt-4o-mini", "output=400; reasoning=250; cached=1", {}),
    "two choices": (OPENAI, "gpt-4o-mini", "output=55", {"n": 2}),
    "a message": (ANTHROPIC, "claude-sonnet-4-6", "output=321", {}),
    "cache written and read": (
        ANTHROPIC,
        "claude-sonnet-4-6",
        "output=77; cached=101; cache_write=203; cache_write_1h=99",
        {"cache_control": CACHED_FOR_AN_HOUR},
    ),
    "cache written for five minutes": (
        ANTHROPIC,
        "claude-haiku-4-5",
        "output=1; cache_write=611",
        {"cache_control": {"type": "ephemeral"}},
    ),
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("case", COSTS.values(), ids=COSTS.keys())
def test_the_ledger_has_usage_times_price_to_the_nanodollar(
    stack: ProductStack, company: Company, case: tuple[Dialect, str, str, dict[str, Any]], stream: bool
) -> None:
    known, model, instructions, fields = case
    dialect = replace(known, model=model)
    recording = dialect.record(instructions, stream=stream, text=LONG_TEXT, **fields)
    bill = PRICES[model].bill(recording.tokens)
    stack.provider.script(lambda _request: recording.behaviour())
    reply = ask(stack, company, dialect, output=4096, text=LONG_TEXT, stream=stream, **fields)
    assert reply.status == 200, reply.body
    (row,) = company.rows(1)
    assert (row.status, row.cost, row.flags) == ("settled", bill, [])
    assert bill <= row.held
    assert (row.input_tokens, row.output_tokens) == (recording.tokens.prompt, recording.tokens.output)
    if not stream:
        assert reply.headers["x-tokonomics-cost-usd"] == usd(bill)


def test_usage_of_zero_is_charged_zero(stack: ProductStack, company: Company, dialect: Dialect) -> None:
    recording = dialect.record("fault=zero_usage")
    stack.provider.script(lambda _request: recording.behaviour())
    assert ask(stack, company, dialect).headers["x-tokonomics-cost-usd"] == "0.00"
    (row,) = company.rows(1)
    assert (row.status, row.cost, row.flags) == ("settled", 0, [])
    assert row.held > 0


# --- Headers of ours -------------------------------------------------------------------------------------------------


def test_every_answer_has_a_request_id_and_an_admitted_one_says_what_is_left(
    stack: ProductStack, company: Company, dialect: Dialect
) -> None:
    replies = [
        ask(stack, company, dialect),
        ask(stack, company, dialect, stream=True),
        ask(stack, company, dialect, n=0),
    ]
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert len(set(ids)) == 3
    assert [reply.headers.get("request-id") for reply in replies] == (ids if dialect is ANTHROPIC else [None] * 3)
    plain, streamed, refused = replies
    first, second = company.rows(2)
    assert plain.headers["x-tokonomics-budget-remaining-usd"] == usd(50 * NANO - first.held)
    assert streamed.headers["x-tokonomics-budget-remaining-usd"] == usd(50 * NANO - first.cost - second.held)
    assert "x-tokonomics-cost-usd" not in streamed.headers
    assert refused.status == 400
    assert not {name for name in refused.headers if name.startswith("x-tokonomics-")}
    theirs = {request.path for request in stack.provider.requests}
    assert theirs == {dialect.path}
    assert plain.headers["x-tokonomics-provider-request-id"] not in ids


def test_what_is_left_is_that_of_the_tightest_cap(stack: ProductStack, company: Company) -> None:
    company.do("set_key_cap", key_id=company.key_id, window="day", cap="0.75")
    reply = ask(stack, company, OPENAI)
    (row,) = company.rows(1)
    assert reply.headers["x-tokonomics-budget-remaining-usd"] == usd(750_000_000 - row.held)
