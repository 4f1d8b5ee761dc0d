"""OpenAI's Responses API: responses, plain and streamed, and the count of their input tokens."""

from __future__ import annotations

from typing import Any

import orjson

from tokonomics.sandbox import toolcall
from tokonomics.sandbox.dialect import Dialect, Handler, Request, required, whole_number
from tokonomics.sandbox.generation import generate
from tokonomics.sandbox.openai_replies import error, headers
from tokonomics.sandbox.openai_response import Response
from tokonomics.sandbox.reply import Reply, plain, stream
from tokonomics.sandbox.tokens import PromptSize
from tokonomics.sandbox.toolcall import Tool, objects_in

LEAST_OUTPUT = 16  # tokens: the API takes no smaller limit


def create_response(request: Request) -> Reply:
    document = request.json()
    required(document, "model", str)
    generation = generate(
        request.body,
        prompt_tokens=prompt_tokens(document),
        limit=whole_number(document, "max_output_tokens", low=LEAST_OUTPUT),
        instructions=request.instructions,
    )
    response = Response(
        document=document,
        generation=generation,
        instructions=request.instructions,
        created=request.now,
        tool=chosen_tool(document, request.instructions.tool),
    )
    if document.get("stream"):
        return stream(response.events(), headers=headers(request), tokens=generation.tokens)
    return plain(response.document(), headers=headers(request), tokens=generation.tokens)


def prompt_tokens(document: dict[str, Any]) -> int:
    size = PromptSize()
    size.add_content(document.get("instructions"))
    asked = required(document, "input", (str, list))
    if isinstance(asked, str):
        size.add_message({"content": asked})
    for item in objects_in(asked):
        if item.get("type", "message") == "message":
            size.add_message(item)
        else:
            size.add_json(item)
    if document.get("tools"):
        size.add_json(document["tools"])
    return size.tokens


def chosen_tool(document: dict[str, Any], told: bool) -> Tool | None:
    """The function to call: the one that `tool_choice` names, else the first; None where there is none to call. Where
    the request leaves the choice to the model it is `told`.
    """
    choice = document.get("tool_choice")
    named = choice if isinstance(choice, dict) and choice.get("type") == "function" else {}
    if choice == "none" or not (told or choice == "required" or named):
        return None
    functions = [tool for tool in objects_in(document.get("tools")) if tool.get("type") == "function"]
    tools = [Tool.declared(function, "parameters") for function in functions]
    return toolcall.choose(tools, named.get("name"))


def count_input_tokens(request: Request) -> Reply:
    counted = {"object": "response.input_tokens", "input_tokens": prompt_tokens(request.json())}
    return plain(counted, headers=headers(request))


ERROR_EVENT = b"event: error\ndata: " + orjson.dumps(
    {
        "type": "error",
        "sequence_number": 0,
        "code": "server_error",
        "message": "The server had an error while processing your request. Sorry about that!",
        "param": None,
    }
) + b"\n\n"  # fmt: skip

ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/responses"): create_response,
    ("POST", "/v1/responses/input_tokens"): count_input_tokens,
}

OPENAI_RESPONSES = Dialect(
    name="openai-responses",
    speaks=lambda request: request.path == "/v1/responses" or request.path.startswith("/v1/responses/"),
    handler=lambda request: ROUTES.get((request.method, request.path)),
    error=error,
    error_event=ERROR_EVENT,
)
