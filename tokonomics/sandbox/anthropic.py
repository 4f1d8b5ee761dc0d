"""Anthropic's wire format: messages, plain and streamed, the count of tokens, and the list of models."""

from __future__ import annotations

from typing import Any

import orjson

from tokonomics.sandbox.anthropic_messages import Message, chosen_tool
from tokonomics.sandbox.dialect import (
    Dialect,
    Handler,
    Request,
    RequestError,
    messages_of,
    optional_object,
    required,
    whole_number,
)
from tokonomics.sandbox.generation import digest_of, generate
from tokonomics.sandbox.reply import Headers, Reply, plain, stream
from tokonomics.sandbox.tokens import PromptSize

MODELS = (
    ("claude-opus-4-5", "Claude Opus 4.5"),
    ("claude-sonnet-4-5", "Claude Sonnet 4.5"),
    ("claude-haiku-4-5", "Claude Haiku 4.5"),
)
MODELS_CREATED = "2025-01-01T00:00:00Z"

_ERRORS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def _request_id(request: Request) -> str:
    return "req_01" + digest_of(request.body)[:22]


def _headers(request: Request) -> Headers:
    return (
        ("request-id", _request_id(request)),
        ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),
    )


def create_message(request: Request) -> Reply:
    document = request.json()
    model = required(document, "model", str)
    required(document, "max_tokens", int)
    generation = generate(
        request.body,
        prompt_tokens=prompt_tokens(document),
        limit=whole_number(document, "max_tokens"),
        instructions=request.instructions,
    )
    message = Message(
        model=model,
        generation=generation,
        instructions=request.instructions,
        tool=chosen_tool(document, request.instructions.tool),
        form=document.get("output_format") or optional_object(document, "output_config").get("format"),
    )
    if document.get("stream"):
        return stream(message.events(), headers=_headers(request), tokens=generation.tokens)
    return plain(message.document(), headers=_headers(request), tokens=generation.tokens)


def prompt_tokens(document: dict[str, Any]) -> int:
    size = PromptSize()
    size.add_content(document.get("system"))
    for message in messages_of(document):
        size.add_message(message)
    if document.get("tools"):
        size.add_json(document["tools"])
    return size.tokens


def count_tokens(request: Request) -> Reply:
    document = request.json()
    required(document, "model", str)
    return plain({"input_tokens": prompt_tokens(document)}, headers=_headers(request))


def list_models(request: Request) -> Reply:
    models = [
        {"type": "model", "id": name, "display_name": shown, "created_at": MODELS_CREATED} for name, shown in MODELS
    ]
    page = {"data": models, "has_more": False, "first_id": MODELS[0][0], "last_id": MODELS[-1][0]}
    return plain(page, headers=_headers(request))


def error(request: Request, problem: RequestError) -> Reply:
    usual = "api_error" if problem.status >= 500 else "invalid_request_error"
    detail = {"type": _ERRORS.get(problem.status, usual), "message": problem.message}
    headers = _headers(request)
    if problem.status == 429:
        headers = (*headers, ("retry-after", "1"), ("anthropic-ratelimit-requests-remaining", "0"))
    document = {"type": "error", "error": detail, "request_id": _request_id(request)}
    return plain(document, headers=headers, status=problem.status)


ERROR_EVENT = (
    b"event: error\ndata: "
    + orjson.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    + b"\n\n"
)

ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/messages"): create_message,
    ("POST", "/v1/messages/count_tokens"): count_tokens,
    ("GET", "/v1/models"): list_models,
}

ANTHROPIC = Dialect(
    name="anthropic",
    speaks=lambda request: request.path.startswith("/v1/messages") or "anthropic-version" in request.headers,
    handler=lambda request: ROUTES.get((request.method, request.path)),
    error=error,
    error_event=ERROR_EVENT,
)
