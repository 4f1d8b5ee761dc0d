"""Responses, completions, embeddings, moderations and Gemini: field for field, and whatever is thrown at them."""

from __future__ import annotations

import base64
import struct
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.requests import NOW, WEATHER_SCHEMA, body_of, json_of
from tokonomics.sandbox.instructions import HEADER
from tokonomics.sandbox.reply import Ending, Reply
from tokonomics.sandbox.router import answer

CONTENTS = [{"role": "user", "parts": [{"text": "Name some plants."}]}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/responses": {"model": "gpt-5-mini", "instructions": "Be brief.", "input": "Name some plants."},
    "/v1/responses/input_tokens": {"model": "gpt-5-mini", "instructions": "Be brief.", "input": "Name some plants."},
    "/v1/completions": {"model": "gpt-3.5-turbo-instruct", "prompt": "Some plants are"},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": ["some", "plants"]},
    "/v1/moderations": {"input": ["peace", "violence"]},
    "/v1beta/models/gemini-2.5-flash:generateContent": {"contents": CONTENTS},
    "/v1beta/models/gemini-2.5-flash:streamGenerateContent": {"contents": CONTENTS},
    "/v1beta/models/gemini-2.5-flash:countTokens": {"contents": CONTENTS},
    "/v1beta/models/gemini-embedding-001:embedContent": {"content": CONTENTS[0]},
    "/v1beta/models/gemini-embedding-001:batchEmbedContents": {"requests": [{"content": CONTENTS[0]}] * 2},
}
RESPONSES, COUNT, COMPLETIONS, EMBEDDINGS, MODERATIONS, GENERATE, STREAM, COUNT_TOKENS, EMBED, BATCH = BODIES
STREAMS = [(RESPONSES, ""), (COMPLETIONS, ""), (STREAM, "alt=sse"), (STREAM, "")]


def ask(path: str, orders: str = "", query: str = "", /, **fields: Any) -> Reply:
    body = orjson.dumps({**BODIES[path], **fields})
    return answer("POST", path, {HEADER: orders}, body, now=NOW, query=query)


def streamed(path: str, instructions: str, query: str) -> Reply:
    fields = {} if path == STREAM else {"stream": True}
    return ask(path, instructions, query, **fields)


def events_of(reply: Reply | bytes) -> list[Any]:
    """The `data` of all events of a reply, or of its body; lines may end either way."""
    body = reply if isinstance(reply, bytes) else body_of(reply)
    blocks = body.replace(b"\r\n", b"\n").strip().split(b"\n\n")
    data = [line[6:] for block in blocks for line in block.split(b"\n") if line.startswith(b"data: ")]
    assert len(data) == len(blocks)
    return [orjson.loads(each) for each in data if each != b"[DONE]"]


# --- Responses


def test_a_plain_response() -> None:
    reply = ask(RESPONSES, "output=6; cached=3; cache_write=2; cache_write_1h=1; reasoning=2", store=False)
    response = json_of(reply)
    reasoning, message = response["output"]
    assert (response["object"], response["status"], response["store"]) == ("response", "completed", False)
    assert (response["created_at"], response["model"], response["service_tier"]) == (NOW, "gpt-5-mini", "default")
    assert (reasoning["type"], message["role"], message["status"]) == ("reasoning", "assistant", "completed")
    (part,) = message["content"]
    assert (part["type"], len(part["text"].split())) == ("output_text", 4)
    assert response["usage"] == {
        "input_tokens": 11,
        "input_tokens_details": {
            "cached_tokens": 3,
            "cache_write_tokens": 3,
            "cache_write_tokens_details": {"ttl_30m_tokens": 2, "ttl_12h_tokens": 1},
        },
        "output_tokens": 6,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 17,
    }


def test_the_events_of_a_response_are_numbered_and_their_names_are_their_types() -> None:
    reply = ask(RESPONSES, "output=6; reasoning=2; chunk_tokens=2", stream=True)
    body = body_of(reply)
    events = events_of(body)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    names = [line[7:].decode() for line in body.split(b"\n") if line.startswith(b"event: ")]
    assert names == [event["type"] for event in events]
    assert names == [
        "response.created", "response.in_progress", "response.output_item.added", "response.output_item.done",
        "response.output_item.added", "response.content_part.added", "response.output_text.delta",
        "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert (events[0]["response"]["usage"], events[0]["response"]["output"]) == (None, [])
    said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert said == events[-1]["response"]["output"][1]["content"][0]["text"]
    assert events[-1]["response"]["usage"]["output_tokens"] == 6


def test_a_response_that_reaches_its_limit_is_incomplete() -> None:
    response = json_of(ask(RESPONSES, "output=99", max_output_tokens=20))
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response["usage"]["output_tokens"] == 20
    assert (
        events_of(ask(RESPONSES, "output=99", max_output_tokens=20, stream=True))[-1]["type"] == "response.incomplete"
    )
    assert json_of(ask(RESPONSES, max_output_tokens=15))["error"]["param"] == "max_output_tokens"


def test_a_response_calls_a_function_when_told_to() -> None:
    tools = [{"type": "web_search"}, {"type": "function", "name": "weather", "parameters": WEATHER_SCHEMA}]
    (call,) = json_of(ask(RESPONSES, "tool=1; output=4", tools=tools))["output"]
    assert (call["type"], call["name"], call["status"]) == ("function_call", "weather", "completed")
    assert orjson.loads(call["arguments"]).keys() == {"unit", "city", "days"}
    events = events_of(ask(RESPONSES, "tool=1; output=4", tools=tools, stream=True))
    deltas = [event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta"]
    assert len(deltas) == 4 and "city" in orjson.loads("".join(deltas))
    assert json_of(ask(RESPONSES, "tool=1", tools=tools, tool_choice="none"))["output"][0]["type"] == "message"


def test_input_items_of_every_kind_are_billed() -> None:
    one = json_of(ask(RESPONSES))["usage"]["input_tokens"]
    items = [
        {"role": "user", "content": "Name some plants."},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "https://x/y.png"}]},
        {"type": "function_call_output", "call_id": "c", "output": "x" * 400},
    ]
    assert json_of(ask(RESPONSES, input=items))["usage"]["input_tokens"] >= one + 85 + 100
    assert json_of(ask(COUNT)) == {"object": "response.input_tokens", "input_tokens": one}


# --- Completions, embeddings, moderations


def test_a_completion_takes_sixteen_tokens_unless_told_and_bills_what_it_tried() -> None:
    completion = json_of(ask(COMPLETIONS, "output=99", prompt=["a", "b"], n=2, best_of=3))
    assert [choice["index"] for choice in completion["choices"]] == [0, 1, 2, 3]
    assert {choice["finish_reason"] for choice in completion["choices"]} == {"length"}
    assert completion["usage"] == {"prompt_tokens": 2, "completion_tokens": 2 * 3 * 16, "total_tokens": 98}
    assert json_of(ask(COMPLETIONS, "output=5", max_tokens=0))["usage"]["completion_tokens"] == 0


def test_a_streamed_completion_shows_its_usage_if_asked() -> None:
    *chunks, last = events_of(ask(COMPLETIONS, "output=3", stream=True, stream_options={"include_usage": True}))
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 3)
    assert b"usage" not in body_of(ask(COMPLETIONS, "output=3", stream=True))
    assert body_of(ask(COMPLETIONS, "output=3", stream=True)).endswith(b"data: [DONE]\n\n")


def test_a_completion_echoes_its_prompt() -> None:
    (choice,) = json_of(ask(COMPLETIONS, "output=3", echo=True))["choices"]
    assert choice["text"].startswith("Some plants are")


def test_an_embedding_is_of_the_length_asked_for_in_either_form() -> None:
    plain = json_of(ask(EMBEDDINGS, dimensions=8))
    assert [each["index"] for each in plain["data"]] == [0, 1]
    assert plain["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    packed = json_of(ask(EMBEDDINGS, dimensions=8, encoding_format="base64"))
    numbers = struct.unpack("<8f", base64.b64decode(packed["data"][0]["embedding"]))
    assert numbers == pytest.approx(plain["data"][0]["embedding"], abs=1e-6)
    assert sum(number * number for number in numbers) == pytest.approx(1)
    assert len(json_of(ask(EMBEDDINGS))["data"][0]["embedding"]) == 1536


@pytest.mark.parametrize("value", ["", [], {}, 5, [""], [[]], [1.5], None])
def test_what_is_no_prompt_cannot_be_embedded(value: Any) -> None:
    assert ask(EMBEDDINGS, input=value).status == 400


def test_moderations_cost_nothing() -> None:
    reply = ask(MODERATIONS)
    assert reply.tokens is None
    assert [result["flagged"] for result in json_of(reply)["results"]] == [False, True]


# --- Gemini


def test_a_plain_content_leaves_out_zeros() -> None:
    reply = json_of(ask(GENERATE, "output=6"))
    (candidate,) = reply["candidates"]
    assert (candidate["finishReason"], candidate["index"], candidate["content"]["role"]) == ("STOP", 0, "model")
    assert len(candidate["content"]["parts"][0]["text"].split()) == 6
    assert reply["modelVersion"] == "gemini-2.5-flash"
    assert reply["usageMetadata"] == {
        "promptTokenCount": 9,
        "candidatesTokenCount": 6,
        "totalTokenCount": 15,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
    }


def test_thoughts_and_cached_tokens_are_told_apart() -> None:
    usage = json_of(ask(GENERATE, "output=6; reasoning=6; cached=4"))["usageMetadata"]
    assert (usage["thoughtsTokenCount"], usage["cachedContentTokenCount"], usage["totalTokenCount"]) == (6, 4, 15)
    assert "candidatesTokenCount" not in usage


def test_both_forms_of_a_stream_hold_the_same_chunks() -> None:
    told = "output=5; reasoning=2; chunk_tokens=2"
    events, array = ask(STREAM, told, "alt=sse"), ask(STREAM, told)
    assert dict(events.headers)["content-type"].startswith("text/event-stream")
    assert dict(array.headers)["content-type"].startswith("application/json")
    chunks = json_of(array)
    assert events_of(events) == chunks
    assert [chunk["candidates"][0].get("finishReason") for chunk in chunks] == [None, "STOP"]
    assert [chunk["usageMetadata"]["totalTokenCount"] for chunk in chunks] == [9 + 4, 9 + 5]


def test_every_candidate_of_a_stream_finishes() -> None:
    chunks = events_of(ask(STREAM, "output=2", "alt=sse", generationConfig={"candidateCount": 2}))
    finished = [chunk["candidates"][0]["index"] for chunk in chunks if "finishReason" in chunk["candidates"][0]]
    assert finished == [0, 1]
    assert chunks[-1]["usageMetadata"]["candidatesTokenCount"] == 4


def test_a_content_that_reaches_its_limit_says_so() -> None:
    reply = json_of(ask(GENERATE, "output=99", generationConfig={"maxOutputTokens": 7}))
    assert reply["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert reply["usageMetadata"]["candidatesTokenCount"] == 7


@pytest.mark.parametrize("field", ["parameters", "parametersJsonSchema", "parameters_json_schema"])
def test_a_function_is_called_when_told_to(field: str) -> None:
    schema = {**WEATHER_SCHEMA, "type": "OBJECT"}
    tools = [{"functionDeclarations": [{"name": "weather", field: schema}]}]
    (part,) = json_of(ask(GENERATE, "tool=1; output=4", tools=tools))["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["name"] == "weather"
    assert part["functionCall"]["args"].keys() == {"unit", "city", "days"}
    off = {"functionCallingConfig": {"mode": "NONE"}}
    (part,) = json_of(ask(GENERATE, "tool=1", tools=tools, toolConfig=off))["candidates"][0]["content"]["parts"]
    assert "text" in part


def test_contents_are_embedded_and_counted() -> None:
    one, two = json_of(ask(EMBED, outputDimensionality=8)), json_of(ask(BATCH))
    assert (len(one["embedding"]["values"]), len(two["embeddings"])) == (8, 2)
    assert two["usageMetadata"]["promptTokenCount"] == 2 * one["usageMetadata"]["promptTokenCount"]
    assert json_of(ask(COUNT_TOKENS))["totalTokens"] == 9
    assert json_of(ask(COUNT_TOKENS, generateContentRequest={"contents": CONTENTS}))["totalTokens"] == 9


def test_googles_errors_have_googles_shape() -> None:
    reply = ask(GENERATE, "fault=status:429")
    assert json_of(reply)["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert json_of(ask(GENERATE, contents=[]))["error"]["code"] == 400
    unknown = answer("POST", "/v1beta/models/gemini-2.5-flash:predict", {}, b"{}", now=NOW)
    assert (unknown.status, json_of(unknown)["error"]["status"]) == (404, "NOT_FOUND")


def test_each_family_lists_its_models_in_its_own_shape() -> None:
    for path, headers in (("/v1beta/models", {}), ("/v1/models", {"x-goog-api-key": "x"})):
        listed = json_of(answer("GET", path, headers, b"", now=NOW))
        assert "models/gemini-2.5-flash" in [model["name"] for model in listed["models"]]
    assert "data" in json_of(answer("GET", "/v1/models", {}, b"", now=NOW))


# --- Faults


@pytest.mark.parametrize(("path", "query"), STREAMS)
def test_a_stream_can_be_cut_anywhere(path: str, query: str) -> None:
    whole = [chunk.data for chunk in streamed(path, "output=9", query).chunks]
    reply = streamed(path, "output=9; fault=cut:2", query)
    assert ([chunk.data for chunk in reply.chunks], reply.ending) == (whole[:2], Ending.CUT)


@pytest.mark.parametrize(("path", "query"), STREAMS)
def test_the_chunks_of_a_stream_tell_the_tokens_that_were_made(path: str, query: str) -> None:
    reply = streamed(path, "output=9" if path == COMPLETIONS else "output=9; reasoning=3", query)
    assert sum(chunk.output_tokens for chunk in reply.chunks) == 9


@pytest.mark.parametrize(
    ("path", "query", "found"),
    [
        (RESPONSES, "", {"type": "error", "code": "server_error"}),
        (
            STREAM,
            "alt=sse",
            {"error": {"code": 500, "status": "INTERNAL", "message": "An internal error has occurred."}},
        ),
    ],
)
def test_an_error_inside_a_stream_is_the_format_s_own(path: str, query: str, found: dict[str, Any]) -> None:
    last = events_of(streamed(path, "fault=error_event:2", query))[-1]
    assert found.items() <= last.items()


@pytest.mark.parametrize("path", [RESPONSES, COMPLETIONS, EMBEDDINGS, GENERATE, EMBED, BATCH])
def test_usage_can_be_kept_back_emptied_and_falsified(path: str) -> None:
    name = "usageMetadata" if path.startswith("/v1beta") else "usage"
    healthy = ask(path)
    assert json_of(healthy)[name]
    assert not json_of(ask(path, "fault=no_usage")).get(name)
    zero = json_of(ask(path, "fault=zero_usage"))[name]
    assert {value for value in zero.values() if isinstance(value, int)} == {0}
    absurd = json_of(ask(path, "fault=absurd_usage"))[name]
    assert any(isinstance(value, int) and value < 0 for value in absurd.values())
    assert healthy.tokens == ask(path, "fault=no_usage").tokens == ask(path, "fault=absurd_usage").tokens


# --- Anything


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=5)
    | st.sampled_from(["function", "message", "input_text", "none", "OBJECT", "string", "base64"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            [
                "type", "role", "content", "parts", "text", "name", "parameters", "properties", "required",
                "functionDeclarations", "inlineData", "functionCall", "contents", "format", "mode",
                "functionCallingConfig", "allowedFunctionNames", "maxOutputTokens", "candidateCount",
            ]
        )
        | st.text(max_size=3),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
_fields = st.sampled_from(
    [
        "model", "input", "instructions", "tools", "tool_choice", "text", "reasoning", "max_output_tokens", "metadata",
        "service_tier", "prompt", "n", "best_of", "echo", "max_tokens", "stream_options", "dimensions",
        "encoding_format", "contents", "systemInstruction", "generationConfig", "toolConfig", "content", "requests",
        "outputDimensionality", "generateContentRequest",
    ]
)  # fmt: skip


@settings(deadline=None)
@given(
    path=st.sampled_from([*BODIES]),
    fields=st.dictionaries(_fields, _json, max_size=4),
    stream=st.booleans(),
    query=st.sampled_from(["", "alt=sse", "alt=json&key=x"]),
)
def test_whatever_a_client_sends_gets_a_reply_and_never_an_exception(
    path: str, fields: dict[str, Any], stream: bool, query: str
) -> None:
    reply = ask(path, "tool=1; output=3", query, **fields, stream=stream)
    assert body_of(reply)
    assert reply.status in (200, 400)


# --- pictures, speech, transcriptions


def _form(**fields: str | bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body; bytes are a file."""
    parts = []
    for name, value in fields.items():
        file = '; filename="a.wav"' if isinstance(value, bytes) else ""
        data = value if isinstance(value, bytes) else value.encode()
        parts.append(f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n")
    return {"content-type": "multipart/form-data; boundary=b"}, b"".join(parts) + b"--b--\r\n"


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"quality": "low"}, 196), ({"quality": "high"}, 7_024), ({"size": "1536x1024", "quality": "high"}, 5_488),
        ({"size": "auto"}, 1_756), ({"n": 3, "quality": "low"}, 588), ({"model": "gpt-image-1", "quality": "low"}, 272),
    ],
)  # fmt: skip
def test_pictures_are_counted_as_the_price_calculator_counts_them(fields: dict[str, Any], tokens: int) -> None:
    body = orjson.dumps({"model": "gpt-image-2", "prompt": "An otter.", **fields})
    reply = json_of(answer("POST", "/v1/images/generations", {}, body, now=NOW))
    assert reply["usage"]["output_tokens"] == tokens
    assert len(reply["data"]) == fields.get("n", 1)
    assert base64.b64decode(reply["data"][0]["b64_json"]).startswith(b"\x89PNG")


def test_an_edit_counts_the_pictures_that_it_is_shown() -> None:
    headers, body = _form(model="gpt-image-2", prompt="A cat.", image=b"x", mask=b"y")
    usage = json_of(answer("POST", "/v1/images/edits", headers, body, now=NOW))["usage"]
    assert usage["input_tokens_details"]["image_tokens"] == 2 * 1_024
    refused = answer("POST", "/v1/images/edits", {}, b"{}", now=NOW)
    assert refused.status == 400


def test_speech_is_a_sound_and_a_transcription_knows_its_length() -> None:
    body = orjson.dumps({"model": "tts-1", "voice": "alloy", "input": "Good day."})
    spoken = answer("POST", "/v1/audio/speech", {}, body, now=NOW)
    sound = body_of(spoken)
    assert (dict(spoken.headers)["content-type"], sound[:4]) == ("audio/wav", b"RIFF")
    headers, body = _form(model="whisper-1", file=sound)
    heard = json_of(answer("POST", "/v1/audio/transcriptions", headers, body, now=NOW))
    assert heard["usage"] == {"type": "duration", "seconds": 1}
    headers, body = _form(model="gpt-4o-transcribe", file=sound, stream="true")
    events = events_of(answer("POST", "/v1/audio/transcriptions", headers, body, now=NOW))
    assert [event["type"] for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[-1]["usage"]["input_token_details"] == {"audio_tokens": 10, "text_tokens": 0}
