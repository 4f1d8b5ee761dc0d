"""A chat completion as it streams, while less is held for it than it may cost: how much it shows, and how to end it."""

import time
from typing import Any

import orjson

from proxy.providers.base import text_bytes
from proxy.sse import Event

_SHARED = ("id", "created", "model", "system_fingerprint", "service_tier")


class OpenAIWatch:
    """`request_id`: what the reply is called should it end before its first event."""

    __slots__ = ("_request_id", "_shared")

    end = b"data: [DONE]\n\n"

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._shared: dict[str, Any] = {}

    def note(self, event: Event) -> int:
        """The most tokens that one event can carry. Each delta counts as one at least: it may be one without a text."""
        raw = event.raw
        plain = raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2  # one line, as nearly all of them are
        data = raw[6:-2] if plain else event.data
        if not data or data == b"[DONE]":
            return 0
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            return len(data)
        choices = chunk.get("choices") if type(chunk) is dict else None
        if type(choices) is not list:
            return 0
        if not self._shared:
            self._shared = {name: chunk[name] for name in _SHARED if name in chunk}
        return sum(max(1, text_bytes(choice.get("delta"))) for choice in choices if type(choice) is dict)

    def length_ending(self, tokens: int) -> bytes:
        """The last chunk of a reply that has reached its limit."""
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"}
        made_up = {"id": self._request_id, "created": int(time.time()), "model": ""}
        chunk = {**made_up, **self._shared, "object": "chat.completion.chunk", "choices": [choice]}
        return b"data: " + orjson.dumps(chunk) + b"\n\n"
