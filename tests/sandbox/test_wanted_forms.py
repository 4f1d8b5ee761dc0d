"""What a request insists on: a tool that has to be called, a reply that has to fit a schema. No header is needed."""

from typing import Any

import orjson
import pytest

from tests.sandbox.requests import ANTHROPIC_MESSAGE, NOW, OPENAI_CHAT, OPENAI_TOOLS, WEATHER_SCHEMA, json_of
from tokonomics.sandbox.instructions import HEADER
from tokonomics.sandbox.router import answer
from tokonomics.sandbox.toolcall import arguments_for, json_for

FLASH = "/v1beta/models/gemini-2.5-flash:generateContent"
DECLARED = {"name": "weather", "description": "Tells the weather"}
CITY: dict[str, Any] = {
    "$ref": "#/$defs/City",
    "$defs": {
        "City": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "place": {"$ref": "#/$defs/Place"}},
            "required": ["city", "place"],
        },
        "Place": {
            "type": "object",
            "properties": {"east": {"type": "number"}, "districts": {"type": "array", "items": {"$ref": "#/$defs/No"}}},
            "required": ["east", "districts"],
        },
    },
}
GOOGLES = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}


def ask(path: str, **body: Any) -> Any:
    reply = answer("POST", path, {}, orjson.dumps(body), now=NOW)
    assert reply.status == 200, reply
    return json_of(reply)


def chat(**fields: Any) -> Any:
    return ask("/v1/chat/completions", **OPENAI_CHAT, **fields)["choices"][0]["message"]


def response(**fields: Any) -> Any:
    return ask("/v1/responses", model="gpt-5-mini", input="hi", **fields)["output"][0]


def message(**fields: Any) -> Any:
    return ask("/v1/messages", **ANTHROPIC_MESSAGE, **fields)["content"][0]


def content(**fields: Any) -> Any:
    turn = {"role": "user", "parts": [{"text": "hi"}]}
    return ask(FLASH, contents=[turn], **fields)["candidates"][0]["content"]["parts"][0]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_openai_a_forced_tool_is_called(choice: Any) -> None:
    (call,) = chat(tools=OPENAI_TOOLS, tool_choice=choice)["tool_calls"]
    assert call["function"]["name"] == "weather"
    assert "tool_calls" not in chat(tools=OPENAI_TOOLS, tool_choice="auto")


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "weather"}])
def test_a_response_calls_a_forced_function(choice: Any) -> None:
    tools = [{"type": "function", **DECLARED, "parameters": WEATHER_SCHEMA}]
    assert response(tools=tools, tool_choice=choice)["name"] == "weather"
    assert response(tools=tools)["type"] == "message"


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "weather"}])
def test_anthropic_a_forced_tool_is_called(choice: Any) -> None:
    tools = [{**DECLARED, "input_schema": WEATHER_SCHEMA}]
    assert message(tools=tools, tool_choice=choice)["name"] == "weather"
    assert message(tools=tools, tool_choice={"type": "auto"})["type"] == "text"


def test_google_a_forced_function_is_called() -> None:
    tools = [{"functionDeclarations": [{**DECLARED, "parameters": GOOGLES}]}]
    forced = {"functionCallingConfig": {"mode": "ANY"}}
    assert content(tools=tools, toolConfig=forced)["functionCall"]["args"].keys() == {"city"}
    assert "text" in content(tools=tools)


def test_a_reply_fits_the_schema_that_the_request_wants() -> None:
    named = {"name": "city", "schema": CITY}
    form = {"type": "json_schema", **named}
    replies = [
        chat(response_format={"type": "json_schema", "json_schema": named})["content"],
        response(text={"format": form})["content"][0]["text"],
        message(output_config={"format": {"type": "json_schema", "schema": CITY}})["text"],
        message(output_format={"type": "json_schema", "schema": CITY})["text"],
        content(generationConfig={"responseMimeType": "application/json", "responseJsonSchema": CITY})["text"],
    ]
    for reply in replies:
        city = orjson.loads(reply)
        assert type(city["city"]) is str and city["place"] == {"east": 7, "districts": []}
    google = content(generationConfig={"responseMimeType": "application/json", "responseSchema": GOOGLES})
    assert orjson.loads(google["text"]).keys() == {"city"}


def test_a_reply_is_an_object_where_any_json_will_do() -> None:
    assert orjson.loads(chat(response_format={"type": "json_object"})["content"]).keys() == {"answer"}
    assert orjson.loads(content(generationConfig={"responseMimeType": "application/json"})["text"]).keys() == {"answer"}
    assert not chat(response_format={"type": "text"})["content"].startswith("{")


def test_a_streamed_reply_in_a_form_is_the_same_in_pieces() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
    body = orjson.dumps({**OPENAI_CHAT, "response_format": form, "stream": True})
    chunks = [chunk.data for chunk in answer("POST", "/v1/chat/completions", {}, body, now=NOW).chunks]
    deltas = [orjson.loads(chunk[6:])["choices"][0]["delta"] for chunk in chunks if b"[DONE]" not in chunk]
    assert orjson.loads("".join(delta.get("content", "") for delta in deltas))["place"]["east"] == 7


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/Loop", "$defs": {"Loop": {"$ref": "#/$defs/Loop"}}},
        {"$ref": "#/nowhere"},
        {
            "type": "object",
            "properties": {name: {"$ref": "#"} for name in "abc"},
            "required": ["a", "b", "c"],
        },
        {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string"}, "minItems": 10**9},
            "minItems": 10**9,
        },
    ],
)
def test_a_schema_without_an_end_has_a_small_answer(schema: dict[str, Any]) -> None:
    assert len(orjson.dumps(arguments_for(schema, "words"))) < 20_000
    assert len(json_for(schema, "words")) < 20_000


def test_reasoning_comes_sealed_where_the_client_is_to_keep_it() -> None:
    def item(**fields: Any) -> Any:
        body = orjson.dumps({"model": "gpt-5-mini", "input": "hi", **fields})
        return json_of(answer("POST", "/v1/responses", {HEADER: "reasoning=4; output=8"}, body, now=NOW))["output"][0]

    assert item(include=["reasoning.encrypted_content"])["encrypted_content"]
    assert "encrypted_content" not in item()
