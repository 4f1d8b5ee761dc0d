"""The requests that the tests of this folder send, and the sandbox's replies to them without any network."""

from __future__ import annotations

from typing import Any

import orjson

from tokonomics.sandbox.instructions import HEADER
from tokonomics.sandbox.reply import Reply
from tokonomics.sandbox.router import answer

NOW = 1_790_000_000

OPENAI_CHAT: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name some plants."}],
}
OPENAI_PROMPT_TOKENS = 15  # 26 bytes of text are 7 tokens, and 4 for each of two messages

ANTHROPIC_MESSAGE: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 1000,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Name some plants."}],
}
ANTHROPIC_PROMPT_TOKENS = 11

WEATHER_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
        "note": {"type": "string"},
    },
    "required": ["unit", "city", "days"],
}
OPENAI_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER_SCHEMA}}]
ANTHROPIC_TOOLS = [{"name": "weather", "description": "Tells the weather", "input_schema": WEATHER_SCHEMA}]

PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
BODIES = {"openai": OPENAI_CHAT, "anthropic": ANTHROPIC_MESSAGE}


def reply_to(dialect: str, instructions: str = "", **fields: Any) -> Reply:
    """The reply to the dialect's usual request with other fields."""
    body = orjson.dumps({**BODIES[dialect], **fields})
    return answer("POST", PATHS[dialect], {HEADER: instructions}, body, now=NOW)


def body_of(reply: Reply) -> bytes:
    return b"".join(chunk.data for chunk in reply.chunks)


def json_of(reply: Reply) -> Any:
    return orjson.loads(body_of(reply))


def events_of(body: bytes) -> list[Any]:
    """The `data` of all events of a whole stream; `[DONE]` as a string."""
    assert body.endswith(b"\n\n")
    lines = [block.splitlines()[-1] for block in body.strip().split(b"\n\n")]
    assert all(line.startswith(b"data: ") for line in lines)
    return ["[DONE]" if line == b"data: [DONE]" else orjson.loads(line[6:]) for line in lines]
