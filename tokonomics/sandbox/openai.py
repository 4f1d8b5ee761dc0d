"""OpenAI's wire formats but one: its routes, chat completions, and the list of models."""

from __future__ import annotations

from typing import Any

import orjson

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
from tokonomics.sandbox.generation import generate
from tokonomics.sandbox.openai_chat import Completion, chosen_tool
from tokonomics.sandbox.openai_completions import create_completion
from tokonomics.sandbox.openai_embeddings import create_embeddings
from tokonomics.sandbox.openai_media import create_image, create_speech, create_transcription, edit_image
from tokonomics.sandbox.openai_moderations import create_moderation
from tokonomics.sandbox.openai_replies import error, headers
from tokonomics.sandbox.reply import Reply, plain, stream
from tokonomics.sandbox.tokens import PromptSize

MODELS = ("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini", "gpt-5", "gpt-5-mini", "o3", "o4-mini")
MODELS_CREATED = 1_735_689_600
MAX_CHOICES = 128


def chat_completion(request: Request) -> Reply:
    document = request.json()
    model = required(document, "model", str)
    generation = generate(
        request.body,
        prompt_tokens=prompt_tokens(document),
        limit=_output_limit(document),
        instructions=request.instructions,
        choices=whole_number(document, "n", high=MAX_CHOICES) or 1,
    )
    completion = Completion(
        model=model,
        generation=generation,
        instructions=request.instructions,
        created=request.now,
        tier=document.get("service_tier"),
        tool=chosen_tool(document, request.instructions.tool),
        options=_stream_options(document),
        form=document.get("response_format"),
    )
    if document.get("stream"):
        return stream(completion.events(), headers=headers(request), tokens=generation.tokens)
    return plain(completion.document(), headers=headers(request), tokens=generation.tokens)


def prompt_tokens(document: dict[str, Any]) -> int:
    size = PromptSize()
    for message in messages_of(document):
        size.add_message(message)
    if document.get("tools"):
        size.add_json(document["tools"])
    return size.tokens


def _output_limit(document: dict[str, Any]) -> int | None:
    limits = [whole_number(document, name) for name in ("max_completion_tokens", "max_tokens")]
    return min((limit for limit in limits if limit is not None), default=None)


def _stream_options(document: dict[str, Any]) -> dict[str, Any]:
    options = optional_object(document, "stream_options")
    if options and not document.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise RequestError(400, message, param="stream_options")
    return options


def list_models(request: Request) -> Reply:
    models = [{"id": name, "object": "model", "created": MODELS_CREATED, "owned_by": "sandbox"} for name in MODELS]
    return plain({"object": "list", "data": models}, headers=headers(request))


ERROR_EVENT = b"data: " + orjson.dumps(
    {
        "error": {
            "message": "The server had an error while processing your request. Sorry about that!",
            "type": "server_error",
            "param": None,
            "code": None,
        }
    }
) + b"\n\n"  # fmt: skip

ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/chat/completions"): chat_completion,
    ("POST", "/v1/completions"): create_completion,
    ("POST", "/v1/embeddings"): create_embeddings,
    ("POST", "/v1/moderations"): create_moderation,
    ("POST", "/v1/images/generations"): create_image,
    ("POST", "/v1/images/edits"): edit_image,
    ("POST", "/v1/audio/speech"): create_speech,
    ("POST", "/v1/audio/transcriptions"): create_transcription,
    ("POST", "/v1/audio/translations"): create_transcription,
    ("GET", "/v1/models"): list_models,
}

OPENAI = Dialect(
    name="openai",
    speaks=lambda request: request.path.startswith("/v1/"),
    handler=lambda request: ROUTES.get((request.method, request.path)),
    error=error,
    error_event=ERROR_EVENT,
)
