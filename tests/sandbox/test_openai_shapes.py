"""OpenAI's wire format, field for field."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.sandbox.requests import NOW, OPENAI_TOOLS, body_of, events_of, json_of, reply_to
from tokonomics.sandbox.router import answer

NO_AUDIO = {"audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}


def test_a_plain_completion() -> None:
    reply = reply_to("openai", "output=6; cached=3; cache_write=2; reasoning=2")
    assert reply.status == 200
    assert dict(reply.headers) == {
        "content-type": "application/json",
        "x-request-id": "req_f5a93b7f504e8bbbd470476e641da9a9",
        "openai-organization": "tokonomics-sandbox",
        "openai-processing-ms": "12",
        "openai-version": "2020-10-01",
    }
    message = {"role": "assistant", "content": "Moon dew heath mist", "refusal": None, "annotations": []}
    assert json_of(reply) == {
        "id": "chatcmpl-b2ca23889321b5c0da83c37f3d1dd",
        "object": "chat.completion",
        "created": NOW,
        "model": "gpt-4o-mini",
        "service_tier": "default",
        "system_fingerprint": "fp_sandbox0001",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 15,
            "completion_tokens": 6,
            "total_tokens": 21,
            "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 2, **NO_AUDIO},
        },
    }


def test_a_streamed_completion_with_its_usage() -> None:
    reply = reply_to("openai", "output=3; reasoning=1", stream=True, stream_options={"include_usage": True})
    assert ("content-type", "text/event-stream; charset=utf-8") in reply.headers
    events = events_of(body_of(reply))
    assert events.pop() == "[DONE]"
    common = {
        "id": "chatcmpl-99ed02dc305bf9223794ec4531c94",
        "object": "chat.completion.chunk",
        "created": NOW,
        "model": "gpt-4o-mini",
        "service_tier": "default",
        "system_fingerprint": "fp_sandbox0001",
        "obfuscation": "cffa7f70",
    }
    usage = {
        "prompt_tokens": 15,
        "completion_tokens": 3,
        "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 1, **NO_AUDIO},
    }

    def shown(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**common, "choices": [choice], "usage": None}

    assert events == [
        shown({"role": "assistant", "content": "", "refusal": None}),
        shown({"content": "Deep"}),
        shown({"content": " loam"}),
        shown({}, "stop"),
        {**common, "choices": [], "usage": usage},
    ]


def test_a_stream_says_nothing_of_usage_unless_asked() -> None:
    body = body_of(reply_to("openai", "output=3", stream=True))
    assert b"usage" not in body
    assert body.endswith(b"data: [DONE]\n\n")


def test_obfuscation_can_be_switched_off() -> None:
    assert b"obfuscation" not in body_of(reply_to("openai", stream=True, stream_options={"include_obfuscation": False}))


def test_choices_of_a_stream_take_turns() -> None:
    events = events_of(body_of(reply_to("openai", "output=3; chunk_tokens=2", stream=True, n=2)))
    order = [(event["choices"][0]["index"], event["choices"][0]["finish_reason"]) for event in events[:-1]]
    assert order == [(0, None), (1, None)] * 3 + [(0, "stop"), (1, "stop")]
    plain = json_of(reply_to("openai", "output=3; chunk_tokens=2", n=2))
    assert [choice["index"] for choice in plain["choices"]] == [0, 1]


def test_a_tool_is_called_when_told_to() -> None:
    choice = json_of(reply_to("openai", "output=3; tool=1", tools=OPENAI_TOOLS))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call.keys() == {"id", "type", "function"}
    assert call["function"]["name"] == "weather"
    arguments = orjson.loads(call["function"]["arguments"])
    assert arguments == {"unit": "celsius", "city": "Cedar grain moss", "days": 7}


def test_a_tool_s_arguments_arrive_in_pieces_of_a_stream() -> None:
    events = events_of(body_of(reply_to("openai", "output=9; tool=1; chunk_tokens=2", tools=OPENAI_TOOLS, stream=True)))
    calls = [delta["tool_calls"][0] for event in events[:-1] if (delta := event["choices"][0]["delta"])]
    assert calls[0].keys() == {"index", "id", "type", "function"}
    assert len(calls) == 1 + 5
    arguments = orjson.loads("".join(call["function"]["arguments"] for call in calls))
    assert arguments.keys() == {"unit", "city", "days"}
    assert events[-2]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("instructions", "fields"),
    [("", {"tools": OPENAI_TOOLS}), ("tool=1", {}), ("tool=1", {"tools": OPENAI_TOOLS, "tool_choice": "none"})],
)
def test_no_tool_is_called_without_a_word_or_a_tool(instructions: str, fields: dict[str, Any]) -> None:
    assert json_of(reply_to("openai", instructions, **fields))["choices"][0]["finish_reason"] == "stop"


def test_the_tool_that_the_request_insists_on_is_called() -> None:
    tools = [*OPENAI_TOOLS, {"type": "function", "function": {"name": "clock"}}]
    choice = {"type": "function", "function": {"name": "clock"}}
    message = json_of(reply_to("openai", "tool=1", tools=tools, tool_choice=choice))["choices"][0]["message"]
    assert message["tool_calls"][0]["function"] == {"name": "clock", "arguments": "{}"}


@pytest.mark.parametrize(("asked", "served"), [(None, "default"), ("auto", "default"), ("flex", "flex")])
def test_the_service_tier_is_reported(asked: str | None, served: str) -> None:
    assert json_of(reply_to("openai", service_tier=asked))["service_tier"] == served


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": True}, "max_completion_tokens"),
        ({"n": 129}, "n"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": "yes"}, "stream_options"),
    ],
)
def test_a_request_that_the_provider_would_refuse_is_refused(fields: dict[str, Any], param: str) -> None:
    reply = reply_to("openai", **fields)
    error = json_of(reply)["error"]
    assert reply.status == 400
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


def test_a_body_that_is_no_json_is_refused() -> None:
    for body in (b"", b"{", b"[]", b'{"model": "\\ud800"}'):
        reply = answer("POST", "/v1/chat/completions", {}, body, now=NOW)
        assert reply.status == 400, body


def test_the_list_of_models() -> None:
    listed = json_of(answer("GET", "/v1/models", {}, b"", now=NOW))
    assert listed["object"] == "list"
    assert {"id": "gpt-4o-mini", "object": "model", "created": 1_735_689_600, "owned_by": "sandbox"} in listed["data"]


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "invalid_request_error", None),
        (401, "invalid_request_error", "invalid_api_key"),
        (404, "invalid_request_error", "model_not_found"),
        (429, "requests", "rate_limit_exceeded"),
        (500, "server_error", None),
        (503, "server_error", None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_status_comes_with_a_complete_error(status: int, kind: str, code: str | None, stream: bool) -> None:
    reply = reply_to("openai", f"fault=status:{status}", stream=stream)
    error = json_of(reply)["error"]
    assert (reply.status, reply.tokens) == (status, None)
    assert (error["type"], error["code"], error["param"]) == (kind, code, None)
    assert ("retry-after" in dict(reply.headers)) == (status == 429)


def test_an_unknown_route_is_not_found() -> None:
    for method, path in (("GET", "/v1/chat/completions"), ("POST", "/v1/images/variations"), ("GET", "/")):
        reply = answer(method, path, {}, b"{}", now=NOW)
        assert reply.status == 404
        assert json_of(reply)["error"]["code"] == "unknown_url"
