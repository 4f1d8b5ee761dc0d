"""Fixtures on disk and requests in short."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.providers.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.providers.base import Meter, ParsedRequest, RequestRefused
from proxy.providers.openai_chat import OPENAI_CHAT

FIXTURES = Path(__file__).parent / "fixtures"
MESSAGES = [{"role": "user", "content": "hi"}]


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def _encode(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode()  # takes integers of any size


def openai(**fields: Any) -> ParsedRequest:
    body = _encode({"model": "gpt-4o", "messages": MESSAGES, **fields})
    return OPENAI_CHAT.parse(body, {}, frozenset())


def anthropic(**fields: Any) -> ParsedRequest:
    body = _encode({"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": MESSAGES, **fields})
    return ANTHROPIC_MESSAGES.parse(body, {}, frozenset())


def refusal(parse: Any, *args: Any, **fields: Any) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        parse(*args, **fields)
    return caught.value


def meter_for(name: str, *, wanted: bool = True) -> Meter:
    """By the name of a fixture or of a family; `wanted`: whether the client asked for usage."""
    if name.startswith("openai"):
        options = {"stream_options": {"include_usage": True}} if wanted else {}
        return OPENAI_CHAT.meter(openai(stream=True, **options))
    return ANTHROPIC_MESSAGES.meter(anthropic(stream=True))


def run(meter: Meter, *pieces: bytes) -> bytes:
    """What the client gets of these pieces."""
    return b"".join([*(meter.feed(piece) for piece in pieces), meter.finish()])
