"""Streams that begin on a part of their hold: which ones may, and that what is held always covers what can be made."""

from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets.pricing import catalogue
from budgets.pricing.bound import Quote, quote
from budgets.pricing.rates import Model
from proxy.partial_holds import FIRST, LEAD, MARGIN, STEP, Steps, first_step, terms_of
from proxy.partial_stream import WatchedMeter
from proxy.providers.anthropic_watch import AnthropicWatch
from proxy.providers.base import ParsedRequest
from proxy.providers.openai_meter import OpenAIMeter
from proxy.providers.openai_watch import OpenAIWatch
from proxy.sse import Event
from tests.proxy.providers.support import anthropic, openai

TODAY = date(2026, 11, 24)


def model(name: str = "gpt-4o", provider: str = "openai") -> Model:
    found = catalogue.find(provider, name, TODAY)
    assert found is not None
    return found


def quoted(limit: int = 4096, input_tokens: int = 100) -> Quote:
    return quote(model(), input_tokens=input_tokens, client_limit=limit, default_limit=limit, floor=1)


# --- Which streams ---------------------------------------------------------------------------------------------------


def may(parsed: ParsedRequest, name: str = "gpt-4o", *, sandbox: bool = False) -> bool:
    return terms_of("/chat/completions", parsed, model(name), sandbox=sandbox) is not None


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4-turbo", "gpt-4o-2024-08-06"])
def test_plain_text_of_models_without_hidden_reasoning_may(name: str) -> None:
    assert may(openai(model=name, stream=True, temperature=0.3), name)


@pytest.mark.parametrize("name", ["o3", "gpt-5-mini", "gpt-5.1", "gpt-audio"])
def test_models_that_make_tokens_that_nobody_sees_may_not(name: str) -> None:
    assert not may(openai(model=name, stream=True), name)


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
NOT_PLAIN: dict[str, dict[str, Any]] = {
    "no stream": {"stream": False},
    "two replies": {"n": 2},
    "tools": {"tools": [TOOL]},
    "a stop sequence, which is made and not shown": {"stop": ["."]},
    "a prediction": {"prediction": {"type": "content", "content": "x"}},
    "another tier": {"service_tier": "auto"},
    "reasoning": {"reasoning_effort": "low"},
    "logprobs": {"logprobs": True},
}


@pytest.mark.parametrize("fields", NOT_PLAIN.values(), ids=NOT_PLAIN.keys())
def test_whatever_could_make_tokens_that_no_text_shows_may_not(fields: dict[str, Any]) -> None:
    assert not may(openai(**{"stream": True, **fields}))


def test_anthropic_may_in_the_sandbox_alone() -> None:
    parsed, claude = anthropic(model="claude-sonnet-4-6", max_tokens=4096, stream=True), "claude-sonnet-4-6"
    told = {"path": "/v1/messages", "parsed": parsed, "model": model(claude, "anthropic")}
    assert terms_of(**told, sandbox=True) is not None
    assert terms_of(**told, sandbox=True, hidden=True) is None
    assert terms_of(**told, sandbox=False) is None
    thinking = anthropic(
        model=claude, max_tokens=4096, stream=True, thinking={"type": "enabled", "budget_tokens": 2000}
    )
    assert terms_of("/v1/messages", thinking, model(claude, "anthropic"), sandbox=True) is None


def test_every_line_of_the_table_says_why_and_since_when() -> None:
    terms = terms_of("/chat/completions", openai(stream=True), model(), sandbox=False)
    assert terms is not None and terms.reason and terms.source and terms.checked <= date.today()


# --- The steps -------------------------------------------------------------------------------------------------------


def test_a_short_limit_is_held_whole_from_the_start() -> None:
    short = quoted(FIRST)
    assert first_step(short) == short.most
    assert Steps(short, short.most).full


def test_the_first_step_is_the_input_and_a_little_output() -> None:
    asked = quoted(4096, input_tokens=100)
    assert first_step(asked) == 100 * 2_500 + FIRST * 10_000 < asked.most
    steps = Steps(asked, first_step(asked))
    assert (steps.covered, steps.full, steps.due, steps.outrun) == (FIRST, False, False, False)


def test_more_is_asked_for_ahead_of_need_and_never_more_than_the_bound() -> None:
    asked = quoted(4096)
    steps = Steps(asked, first_step(asked))
    steps.seen = FIRST - MARGIN - LEAD - 1
    assert not steps.due
    steps.seen += 1
    assert steps.due and not steps.outrun
    least, most = steps.ask()
    assert 0 < least < most == (STEP) * 10_000
    steps.seen = 4000
    assert steps.held + steps.ask()[1] == asked.most == steps.held + steps.ask_all()[0]


def test_at_the_brink_the_margin_is_still_held() -> None:
    asked = quoted(4096)
    steps = Steps(asked, first_step(asked))
    steps.seen = FIRST - MARGIN
    assert not steps.outrun and steps.shown() == steps.held
    steps.seen += 1
    assert steps.outrun and steps.shown() == steps.held, "never charged above the hold"


@given(
    pieces=st.lists(st.integers(0, 200), max_size=60),
    grants=st.lists(st.booleans(), min_size=60, max_size=60),
    limit=st.integers(1, 9_000),
)
def test_a_stream_that_is_not_outrun_never_costs_more_than_it_holds(
    pieces: list[int], grants: list[bool], limit: int
) -> None:
    """Whatever is granted and whatever comes: as long as it goes on, all that can have been made is held for."""
    asked = quoted(limit)
    steps = Steps(asked, first_step(asked))
    for piece, granted in zip(pieces, grants, strict=False):
        steps.seen += piece
        if steps.due and granted:
            least, most = steps.ask()
            assert 0 < least <= most
            steps.grown(steps.held + most)
        assert steps.held <= asked.most
        if steps.outrun:
            break
        made = min(steps.seen + MARGIN, asked.most_output)
        assert asked.at(made) <= steps.held
        assert steps.shown() == asked.at(made)


# --- What the wire shows ---------------------------------------------------------------------------------------------


def chunk(delta: dict[str, Any], **rest: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return (
        b"data: "
        + orjson.dumps({"id": "chatcmpl-1", "created": 7, "model": "m", "choices": [choice], **rest})
        + b"\n\n"
    )


@pytest.mark.parametrize(
    ("event", "tokens"),
    [
        (chunk({"role": "assistant", "content": ""}), 1),
        (chunk({"content": " amber"}), 6),
        (chunk({"content": "né"}), 3),
        (chunk({"refusal": "I cannot"}), 8),
        (chunk({"content": None, "something_new": ["abc", {"d": "ef"}]}), 5),
        (chunk({"content": "x"}, obfuscation="aaaaaaaaaaaaaaaa"), 1),
        (b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n', 0),
        (b"data: [DONE]\n\n", 0),
        (b": a comment\n\n", 0),
        (b"data: no json\n\n", 7),
    ],
)
def test_no_event_of_a_chat_carries_more_tokens_than_its_bytes_of_text(event: bytes, tokens: int) -> None:
    assert OpenAIWatch("rq_1").note(Event(event)) == tokens


def test_the_events_of_a_message_are_counted_alike() -> None:
    watch = AnthropicWatch("rq_1")

    def note(**event: Any) -> int:
        return watch.note(Event(b"event: x\ndata: " + orjson.dumps(event) + b"\n\n"))

    assert note(type="message_start", message={}) == 1
    assert note(type="content_block_start", index=0, content_block={"type": "text", "text": ""}) == 1
    assert note(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "Bay birch"}) == 9
    assert note(type="ping") == 0
    ending = watch.length_ending(25)
    kinds = [line[7:] for line in ending.decode().splitlines() if line.startswith("event: ")]
    assert kinds == ["content_block_stop", "message_delta", "message_stop"]
    assert b'"stop_reason":"max_tokens"' in ending and b'"output_tokens":25' in ending


def watched(limit: int = 4096) -> tuple[WatchedMeter, Steps]:
    asked = quoted(limit)
    steps = Steps(asked, first_step(asked))
    return WatchedMeter(OpenAIMeter(openai(stream=True)), OpenAIWatch("rq_1"), steps), steps


@given(cuts=st.lists(st.integers(0, 700), max_size=8))
def test_however_a_stream_is_cut_whole_events_go_on_and_each_is_counted_once(cuts: list[int]) -> None:
    stream = chunk({"role": "assistant", "content": ""}) + chunk({"content": "Ember"}) + chunk({"content": " fjord"})
    stream += chunk({}) + b"data: [DONE]\n\n"
    meter, steps = watched()
    passed, start = b"", 0
    for end in sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)}):
        piece = meter.feed(stream[start:end])
        assert not piece or piece.endswith(b"\n\n")
        passed, start = passed + piece, end
    assert passed + meter.finish() == stream
    assert steps.seen == 1 + 5 + 6 + 1
    assert meter.complete


def test_an_event_that_does_not_end_counts_as_it_grows() -> None:
    meter, steps = watched()
    assert meter.feed(b"data: " + b"x" * 3_000) == b""
    assert steps.made == MARGIN
    meter.feed(b"x" * 3_000)
    assert steps.made > 6_000 and steps.outrun
