"""Fixtures on disk and requests in short."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.providers.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.providers.base import Meter, ParsedRequest, RequestRefused
from proxy.providers.gemini_embed import GEMINI_BATCH_EMBED, GEMINI_EMBED
from proxy.providers.gemini_generate import GEMINI_GENERATE, GEMINI_STREAM
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_completions import OPENAI_COMPLETIONS
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.providers.openai_images import OPENAI_IMAGES
from proxy.providers.openai_responses import OPENAI_RESPONSES
from proxy.providers.openai_transcriptions import OPENAI_TRANSCRIPTIONS
from tests.proxy.providers.forms import HEADERS, form
from tests.proxy.providers.sounds import wav

FIXTURES = Path(__file__).parent / "fixtures"
MESSAGES = [{"role": "user", "content": "hi"}]
CONTENTS = [{"role": "user", "parts": [{"text": "hi"}]}]
FLASH = GEMINI_GENERATE.at("v1beta", "gemini-2.5-flash", "")
FLASH_EVENTS = GEMINI_STREAM.at("v1beta", "gemini-2.5-flash", "alt=sse")
FLASH_ARRAY = GEMINI_STREAM.at("v1beta", "gemini-2.5-flash", "")
EMBED = GEMINI_EMBED.at("v1beta", "gemini-embedding-001", "")
BATCH_EMBED = GEMINI_BATCH_EMBED.at("v1", "gemini-embedding-001", "")


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def encode(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode()  # takes integers of any size


def openai(**fields: Any) -> ParsedRequest:
    body = encode({"model": "gpt-4o", "messages": MESSAGES, **fields})
    return OPENAI_CHAT.parse(body, {}, frozenset())


def responses(**fields: Any) -> ParsedRequest:
    return OPENAI_RESPONSES.parse(encode({"model": "gpt-5-mini", "input": "hi", **fields}), {}, frozenset())


def completions(**fields: Any) -> ParsedRequest:
    body = encode({"model": "gpt-3.5-turbo-instruct", "prompt": "hi", **fields})
    return OPENAI_COMPLETIONS.parse(body, {}, frozenset())


def embeddings(**fields: Any) -> ParsedRequest:
    return OPENAI_EMBEDDINGS.parse(
        encode({"model": "text-embedding-3-small", "input": "hi", **fields}), {}, frozenset()
    )


def gemini(**fields: Any) -> ParsedRequest:
    return FLASH.parse(encode({"contents": CONTENTS, **fields}), {}, frozenset())


def anthropic(**fields: Any) -> ParsedRequest:
    body = encode({"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": MESSAGES, **fields})
    return ANTHROPIC_MESSAGES.parse(body, {}, frozenset())


def refusal(parse: Any, *args: Any, **fields: Any) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        parse(*args, **fields)
    return caught.value


def meter_for(name: str, *, wanted: bool = True) -> Meter:
    """By the name of a fixture or of a family; `wanted`: whether the client asked for usage."""
    options = {"stream_options": {"include_usage": True}} if wanted else {}
    if name.startswith("openai"):
        return OPENAI_CHAT.meter(openai(stream=True, **options))
    if name.startswith("completion"):
        return OPENAI_COMPLETIONS.meter(completions(stream=True, **options))
    if name.startswith("responses"):
        return OPENAI_RESPONSES.meter(responses(stream=True))
    if name.startswith("embedding"):
        return OPENAI_EMBEDDINGS.meter(embeddings())
    if name.startswith("images"):
        body = {"model": "gpt-image-2", "prompt": "x", "quality": "high", "size": "3840x2160", "stream": True}
        return OPENAI_IMAGES.meter(OPENAI_IMAGES.parse(encode(body), {}, frozenset()))
    if name.startswith("transcription"):
        fields = {
            "model": "gpt-4o-transcribe" if "tokens" in name or "stream" in name else "whisper-1",
            "stream": "true",
        }
        body = form({**fields, "file": ("a.wav", wav(9))})
        return OPENAI_TRANSCRIPTIONS.meter(OPENAI_TRANSCRIPTIONS.parse(body, HEADERS, frozenset()))
    if name.startswith("gemini_embed"):
        return EMBED.meter(EMBED.parse(encode({"content": CONTENTS[0]}), {}, frozenset()))
    if name.startswith("gemini"):
        adapter = FLASH_ARRAY if name.endswith(".json") and "stream" in name else FLASH_EVENTS
        return adapter.meter(adapter.parse(encode({"contents": CONTENTS}), {}, frozenset()))
    return ANTHROPIC_MESSAGES.meter(anthropic(stream=True))


def run(meter: Meter, *pieces: bytes) -> bytes:
    """What the client gets of these pieces."""
    return b"".join([*(meter.feed(piece) for piece in pieces), meter.finish()])
