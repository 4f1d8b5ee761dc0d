"""Anthropic's wire format, field for field."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.sandbox.requests import (
    ANTHROPIC_MESSAGE,
    ANTHROPIC_PROMPT_TOKENS,
    ANTHROPIC_TOOLS,
    NOW,
    body_of,
    events_of,
    json_of,
    reply_to,
)
from tokonomics.sandbox.router import answer


def test_a_plain_message() -> None:
    reply = reply_to("anthropic", "output=6; cached=3; cache_write=2; cache_write_1h=1")
    assert reply.status == 200
    assert dict(reply.headers) == {
        "content-type": "application/json",
        "request-id": "req_012c9fd14a057bd545b31b25",
        "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
    }
    assert json_of(reply) == {
        "model": "claude-haiku-4-5",
        "id": "msg_01c2df22a54494863094b3e8",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "Brook cloud dew fair frost gulf"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": ANTHROPIC_PROMPT_TOKENS - 6,  # what is cached is not counted here
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 3,
            "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 1},
            "output_tokens": 6,
            "service_tier": "standard",
        },
    }


def test_reasoning_is_a_thinking_block_of_its_own() -> None:
    message = json_of(reply_to("anthropic", "output=6; reasoning=2"))
    thinking, text = message["content"]
    assert thinking.keys() == {"type", "thinking", "signature"}
    assert (thinking["type"], len(thinking["thinking"].split())) == ("thinking", 2)
    assert (text["type"], len(text["text"].split())) == ("text", 4)
    assert message["usage"]["output_tokens_details"] == {"thinking_tokens": 2}


def test_a_streamed_message() -> None:
    body = body_of(reply_to("anthropic", "output=3; reasoning=1", stream=True))
    names = [block.splitlines()[0] for block in body.strip().split(b"\n\n")]
    events = events_of(body)
    assert names == [b"event: " + event["type"].encode() for event in events]
    counted = {"input_tokens": 11, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    start = events.pop(0)
    assert start == {
        "type": "message_start",
        "message": {
            "model": "claude-haiku-4-5",
            "id": "msg_01a21149714adfca84dc27b0",
            "type": "message",
            "role": "assistant",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                **counted,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": 1,
                "service_tier": "standard",
                "output_tokens_details": {"thinking_tokens": 1},
            },
        },
    }
    signature = events[3]["delta"]["signature"]
    assert signature.startswith("sandbox-")
    usage = {**counted, "output_tokens": 3, "output_tokens_details": {"thinking_tokens": 1}}
    thinking = {"type": "thinking", "thinking": "", "signature": ""}

    def delta(index: int, kind: str, field: str, value: str) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: value}}

    assert events == [
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": thinking},
        delta(0, "thinking_delta", "thinking", "Dune"),
        delta(0, "signature_delta", "signature", signature),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        delta(1, "text_delta", "text", "Coast"),
        delta(1, "text_delta", "text", " grove"),
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]


def test_a_tool_is_called_when_told_to() -> None:
    message = json_of(reply_to("anthropic", "output=3; tool=1", tools=ANTHROPIC_TOOLS))
    assert message["stop_reason"] == "tool_use"
    (block,) = message["content"]
    assert block.keys() == {"type", "id", "name", "input"}
    assert block["id"].startswith("toolu_")
    assert (block["name"], block["input"]["unit"], block["input"]["days"]) == ("weather", "celsius", 7)


def test_a_tool_s_input_arrives_in_pieces_of_a_stream() -> None:
    body = body_of(reply_to("anthropic", "output=9; tool=1; chunk_tokens=2", tools=ANTHROPIC_TOOLS, stream=True))
    events = events_of(body)
    block = next(event["content_block"] for event in events if event["type"] == "content_block_start")
    assert (block["type"], block["input"]) == ("tool_use", {})
    pieces = [event["delta"]["partial_json"] for event in events if event["type"] == "content_block_delta"]
    assert len(pieces) == 5
    assert orjson.loads("".join(pieces)).keys() == {"unit", "city", "days"}


@pytest.mark.parametrize(
    ("instructions", "fields"),
    [
        ("", {"tools": ANTHROPIC_TOOLS}),
        ("tool=1", {}),
        ("tool=1", {"tools": ANTHROPIC_TOOLS, "tool_choice": {"type": "none"}}),
    ],
)
def test_no_tool_is_called_without_a_word_or_a_tool(instructions: str, fields: dict[str, Any]) -> None:
    assert json_of(reply_to("anthropic", instructions, **fields))["stop_reason"] == "end_turn"


def test_a_limit_that_reasoning_used_up_leaves_no_text() -> None:
    message = json_of(reply_to("anthropic", "output=9; reasoning=8", max_tokens=4))
    assert [block["type"] for block in message["content"]] == ["thinking"]
    assert message["stop_reason"] == "max_tokens"
    events = events_of(body_of(reply_to("anthropic", "output=9; reasoning=8", max_tokens=4, stream=True)))
    assert [event["index"] for event in events if event["type"] == "content_block_start"] == [0]


def test_the_count_of_tokens_is_what_the_message_is_billed_for() -> None:
    body = orjson.dumps({name: value for name, value in ANTHROPIC_MESSAGE.items() if name != "max_tokens"})
    reply = answer("POST", "/v1/messages/count_tokens", {}, body, now=NOW)
    assert json_of(reply) == {"input_tokens": ANTHROPIC_PROMPT_TOKENS}
    assert reply.tokens is None


def test_the_list_of_models_speaks_the_dialect_of_who_asks() -> None:
    listed = json_of(answer("GET", "/v1/models", {"anthropic-version": "2023-06-01"}, b"", now=NOW))
    assert listed.keys() == {"data", "has_more", "first_id", "last_id"}
    assert listed["data"][0].keys() == {"type", "id", "display_name", "created_at"}


@pytest.mark.parametrize(
    "fields", [{"model": None}, {"max_tokens": None}, {"max_tokens": 0}, {"max_tokens": "9"}, {"messages": [7]}]
)
def test_a_request_that_the_provider_would_refuse_is_refused(fields: dict[str, Any]) -> None:
    reply = reply_to("anthropic", **fields)
    assert reply.status == 400
    assert json_of(reply)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_status_comes_with_a_complete_error(status: int, kind: str, stream: bool) -> None:
    reply = reply_to("anthropic", f"fault=status:{status}", stream=stream)
    document = json_of(reply)
    assert (reply.status, reply.tokens) == (status, None)
    assert document.keys() == {"type", "error", "request_id"}
    assert (document["type"], document["error"]["type"]) == ("error", kind)
    assert document["request_id"] == dict(reply.headers)["request-id"]
    assert ("retry-after" in dict(reply.headers)) == (status == 429)
