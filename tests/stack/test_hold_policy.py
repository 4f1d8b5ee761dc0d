"""Streams that begin on a part of their hold, on the whole product: granted, refused midway, many at once, cut."""

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.support.bills import bill_of
from tests.support.dialects import ANTHROPIC, OPENAI, Dialect, Recording
from tests.support.office import Company, Office
from tests.support.provider import GATE, Behaviour, Pause
from tests.support.stack import ProductStack
from tests.support.wire import Wire

TIMEOUT = 45.0
LIMIT = 4096
# gpt-4o: 10.00 a million output tokens, in nanodollars.
TOKEN = 10_000
FIRST = 512 * TOKEN
WHOLE = LIMIT * TOKEN


def paced(recording: Recording, seconds: float = 0.004) -> Behaviour:
    """As fast as a quick model makes tokens: the mock bills what it had sent when it was left."""
    return recording.behaviour(*[step for event in recording.events for step in (event, Pause(seconds))])


@pytest.fixture
def wire(stack: ProductStack) -> Iterator[Wire]:
    with Wire(stack.base_url) as connection:
        yield connection


def gpt(stack: ProductStack, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key=key, timeout=TIMEOUT, max_retries=0)


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


def test_a_stream_that_is_refused_midway_ends_as_at_its_limit(stack: ProductStack, office: Office) -> None:
    recording = OPENAI.record("output=1000", stream=True)
    stack.provider.script(lambda _request: paced(recording))
    company = office.company(cap="0.0105")
    pieces: list[Any] = []
    with gpt(stack, company.key) as client, pytest.raises(openai.APIError) as caught:
        for piece in client.chat.completions.create(**OPENAI.body(output=LIMIT), stream=True):
            pieces.append(piece)
    assert caught.value.code == "budget_cap_exceeded"
    assert pieces[-1].choices[0].finish_reason == "length"
    assert {piece.id for piece in pieces} == {pieces[0].id}
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert len(text.split()) > 60
    (row,) = company.rows(1)
    assert (row.status, row.flags) == ("cut_short", ["budget_cap_exceeded"])
    assert bill_of(stack.provider.requests) <= row.cost <= row.held <= 10_500_000
    assert stack.provider.requests[0].client_closed_early
