"""Google's wire format: generated content, plain and streamed, embeddings, counts of tokens, and the list of models."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

import orjson

from tokonomics.sandbox.dialect import Dialect, Handler, Request, RequestError, optional_object, required, whole_number
from tokonomics.sandbox.gemini_content import Content, chosen_tool, reported_usage, wanted_schema
from tokonomics.sandbox.generation import digest_of, generate
from tokonomics.sandbox.openai_embeddings import vector_of
from tokonomics.sandbox.reply import Headers, Reply, plain, stream
from tokonomics.sandbox.tokens import PromptSize, Tokens
from tokonomics.sandbox.toolcall import objects_in

MODELS = ("gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-3.8-flash", "gemini-embedding-001")
MAX_CANDIDATES = 8
USUAL_DIMENSIONS = 3072

_PATH = re.compile(r"/v1(?:beta)?/models/([^/:]+):(\w+)")
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _headers(request: Request) -> Headers:
    return (("x-request-id", digest_of(request.body)), ("server-timing", "gfet4t7; dur=12"))


def _model(request: Request) -> str:
    found = _PATH.fullmatch(request.path)
    return found[1] if found else ""


def generate_content(request: Request) -> Reply:
    content = _generated(request)
    return plain(content.document(), headers=_headers(request), tokens=content.generation.tokens)


def stream_generate_content(request: Request) -> Reply:
    content = _generated(request)
    tokens = content.generation.tokens
    if parse_qs(request.query).get("alt") == ["sse"]:
        return stream(content.events(), headers=_headers(request), tokens=tokens)
    headers = (("content-type", "application/json; charset=UTF-8"), *_headers(request))
    return Reply(200, headers, content.elements(), tokens=tokens)


def _generated(request: Request) -> Content:
    document = request.json()
    config = optional_object(document, "generationConfig")
    generation = generate(
        request.body,
        prompt_tokens=prompt_tokens(document),
        limit=whole_number(config, "maxOutputTokens"),
        instructions=request.instructions,
        choices=whole_number(config, "candidateCount", high=MAX_CANDIDATES) or 1,
    )
    return Content(
        model=_model(request),
        generation=generation,
        instructions=request.instructions,
        tool=chosen_tool(document, request.instructions.tool),
        schema=wanted_schema(config),
    )


def prompt_tokens(document: dict[str, Any]) -> int:
    size = PromptSize()
    _add_content(document.get("systemInstruction"), size)
    contents = objects_in(required(document, "contents", list))
    if not contents:
        raise RequestError(400, "* GenerateContentRequest.contents: contents is not specified")
    for content in contents:
        size.messages += 1
        _add_content(content, size)
    if document.get("tools"):
        size.add_json(document["tools"])
    return size.tokens


def _add_content(content: Any, size: PromptSize) -> None:
    for part in objects_in(content.get("parts")) if isinstance(content, dict) else ():
        if "inlineData" in part:
            size.images += 1
        elif isinstance(part.get("text"), str):
            size.add_content(part["text"])
        else:
            size.add_json(part)


def embed_content(request: Request) -> Reply:
    document = request.json()
    tokens = Tokens(prompt=_embedded_tokens(document), output=0)
    return _embedded(request, {"embedding": _embedding(document)}, tokens)


def batch_embed_contents(request: Request) -> Reply:
    requests = objects_in(required(request.json(), "requests", list))
    tokens = Tokens(prompt=sum(map(_embedded_tokens, requests)), output=0)
    return _embedded(request, {"embeddings": [_embedding(each) for each in requests]}, tokens)


def _embedded(request: Request, document: dict[str, Any], tokens: Tokens) -> Reply:
    usage = reported_usage(tokens, request.instructions)
    if usage is not None:
        document["usageMetadata"] = usage
    return plain(document, headers=_headers(request), tokens=tokens)


def _embedded_tokens(document: dict[str, Any]) -> int:
    size = PromptSize()
    _add_content(required(document, "content", dict), size)
    return size.tokens


def _embedding(document: dict[str, Any]) -> dict[str, Any]:
    size = whole_number(document, "outputDimensionality", high=USUAL_DIMENSIONS) or USUAL_DIMENSIONS
    said = orjson.dumps(required(document, "content", dict).get("parts")).decode()
    return {"values": [round(value, 7) for value in vector_of(said, size)]}


def count_tokens(request: Request) -> Reply:
    document = request.json()
    counted = prompt_tokens(optional_object(document, "generateContentRequest") or document)
    details = [{"modality": "TEXT", "tokenCount": counted}]
    return plain({"totalTokens": counted, "promptTokensDetails": details}, headers=_headers(request))


def list_models(request: Request) -> Reply:
    models = [
        {
            "name": f"models/{name}",
            "version": "001",
            "displayName": name,
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["embedContent" if "embedding" in name else "generateContent", "countTokens"],
        }
        for name in MODELS
    ]
    return plain({"models": models}, headers=_headers(request))


def _problem(problem: RequestError) -> dict[str, Any]:
    status = _STATUSES.get(problem.status, "UNKNOWN")
    return {"error": {"code": problem.status, "message": problem.message, "status": status}}


def error(request: Request, problem: RequestError) -> Reply:
    return plain(_problem(problem), headers=_headers(request), status=problem.status)


ERROR_EVENT = b"data: " + orjson.dumps(_problem(RequestError(500, "An internal error has occurred."))) + b"\r\n\r\n"

METHODS: dict[str, Handler] = {
    "generateContent": generate_content,
    "streamGenerateContent": stream_generate_content,
    "embedContent": embed_content,
    "batchEmbedContents": batch_embed_contents,
    "countTokens": count_tokens,
}


def speaks(request: Request) -> bool:
    """Newer clients ask below /v1, where two other families are at home too."""
    if request.path == "/v1/models":
        return "x-goog-api-key" in request.headers
    return request.path.startswith("/v1beta/") or _PATH.fullmatch(request.path) is not None


def handler(request: Request) -> Handler | None:
    if request.method == "GET" and request.path in ("/v1beta/models", "/v1/models"):
        return list_models
    found = _PATH.fullmatch(request.path)
    return METHODS.get(found[2]) if found and request.method == "POST" else None


GEMINI = Dialect(
    name="gemini",
    speaks=speaks,
    handler=handler,
    error=error,
    error_event=ERROR_EVENT,
)
