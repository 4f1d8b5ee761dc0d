from __future__ import annotations

import pytest

from tests.sandbox.requests import (
    ANTHROPIC_PROMPT_TOKENS,
    OPENAI_PROMPT_TOKENS,
    OPENAI_TOOLS,
    body_of,
    json_of,
    reply_to,
)
from tokonomics.sandbox.generation import VOCABULARY
from tokonomics.sandbox.tokens import PromptSize, Tokens

DIALECTS = ["openai", "anthropic"]


def test_the_vocabulary_is_a_prime_number_of_different_words() -> None:
    size = len(VOCABULARY)
    assert len(set(VOCABULARY)) == size
    assert all(size % divisor for divisor in range(2, size))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_the_same_request_gets_the_same_reply_and_another_one_another(dialect: str, stream: bool) -> None:
    first, second = reply_to(dialect, stream=stream), reply_to(dialect, stream=stream)
    assert body_of(first) == body_of(second)
    other = reply_to(dialect, stream=stream, metadata={"user_id": "2"})
    assert body_of(other) != body_of(reply_to(dialect, stream=stream))
    assert first.headers == second.headers != other.headers


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_output_that_nobody_ordered_is_20_to_120_tokens_long(dialect: str) -> None:
    outputs = {reply_to(dialect, metadata={"user_id": str(user)}).tokens.output for user in range(200)}  # type: ignore[union-attr]
    assert min(outputs) >= 20 and max(outputs) <= 120
    assert len(outputs) > 50


@pytest.mark.parametrize("stream", [False, True])
def test_each_output_token_is_one_word(stream: bool) -> None:
    text = json_of(reply_to("anthropic", "output=75"))["content"][0]["text"]
    assert len(text.split()) == 75
    reply = reply_to("anthropic", "output=75; chunk_tokens=4", stream=True)
    assert sum(chunk.output_tokens for chunk in reply.chunks) == 75


@pytest.mark.parametrize("limit_field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("stream", [False, True])
def test_openai_output_never_exceeds_the_request_s_limit(limit_field: str, stream: bool) -> None:
    reply = reply_to("openai", "output=500", stream=stream, **{limit_field: 7})
    assert reply.tokens == Tokens(prompt=OPENAI_PROMPT_TOKENS, output=7)
    assert b'"finish_reason":"length"' in body_of(reply)


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_output_never_exceeds_the_request_s_limit(stream: bool) -> None:
    reply = reply_to("anthropic", "output=500", stream=stream, max_tokens=7)
    assert reply.tokens == Tokens(prompt=ANTHROPIC_PROMPT_TOKENS, output=7)
    assert b'"stop_reason":"max_tokens"' in body_of(reply)


def test_an_output_of_exactly_the_limit_is_not_cut_short() -> None:
    assert b'"finish_reason":"stop"' in body_of(reply_to("openai", "output=7", max_tokens=7))


def test_reasoning_is_billed_as_output_and_not_shown() -> None:
    reply = reply_to("openai", "output=10; reasoning=4")
    assert reply.tokens == Tokens(prompt=OPENAI_PROMPT_TOKENS, output=10, reasoning=4)
    assert len(json_of(reply)["choices"][0]["message"]["content"].split()) == 6


def test_a_limit_can_be_used_up_by_reasoning_alone() -> None:
    reply = reply_to("openai", "output=10; reasoning=8", max_completion_tokens=5)
    assert reply.tokens == Tokens(prompt=OPENAI_PROMPT_TOKENS, output=5, reasoning=5)
    assert json_of(reply)["choices"][0]["message"]["content"] == ""


def test_every_choice_is_billed() -> None:
    reply = reply_to("openai", "output=10; reasoning=2", n=3)
    assert reply.tokens == Tokens(prompt=OPENAI_PROMPT_TOKENS, output=30, reasoning=6)
    texts = {choice["message"]["content"] for choice in json_of(reply)["choices"]}
    assert len(texts) == 3


def test_choices_together_stay_within_the_bound_on_output() -> None:
    refused = reply_to("openai", "output=32768", n=2)
    assert refused.status == 400
    assert "n=2" in json_of(refused)["error"]["message"]


def test_cached_tokens_are_part_of_the_prompt() -> None:
    reply = reply_to("openai", "cached=9; cache_write=4; output=1")
    assert reply.tokens == Tokens(prompt=OPENAI_PROMPT_TOKENS, output=1, cached=9, cache_write_5m=4)
    refused = reply_to("openai", f"cached={OPENAI_PROMPT_TOKENS + 1}")
    assert refused.status == 400
    assert f"exceeds the prompt's {OPENAI_PROMPT_TOKENS}" in json_of(refused)["error"]["message"]


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ("", 1 + 4),
        ("four", 1 + 4),
        ("fives", 2 + 4),
        ("ééé", 2 + 4),  # six bytes
        ([{"type": "text", "text": "four"}, {"type": "text", "text": "four"}], 2 + 4),
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], 1 + 4 + 85),
        ([{"type": "tool_result", "content": [{"type": "text", "text": "fives"}]}], 2 + 4),
        (None, 1 + 4),
    ],
)
def test_a_prompt_is_counted_by_the_bytes_of_its_text(content: object, tokens: int) -> None:
    size = PromptSize()
    size.add_message({"role": "user", "content": content})
    assert size.tokens == tokens


def test_tools_belong_to_the_prompt() -> None:
    assert reply_to("openai", tools=OPENAI_TOOLS).tokens.prompt > OPENAI_PROMPT_TOKENS + 40  # type: ignore[union-attr]


def test_a_stream_left_early_is_billed_for_what_was_made_reasoning_first() -> None:
    whole = Tokens(prompt=10, output=20, reasoning=5)
    assert whole.produced(3) == Tokens(prompt=10, output=3, reasoning=3)
    assert whole.produced(12) == Tokens(prompt=10, output=12, reasoning=5)


def test_pace_is_in_the_reply_for_whoever_plays_it() -> None:
    reply = reply_to("openai", "delay=2; chunk_delay=0.5", stream=True)
    assert (reply.delay, reply.chunk_delay) == (2, 0.5)
