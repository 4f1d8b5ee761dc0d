"""A message as it streams, while less is held for it than it may cost: how much it shows, and how to end it."""

from typing import Any

import orjson

from proxy.providers.base import text_bytes
from proxy.sse import Event


class AnthropicWatch:
    """Keeps which block of content is open: an ending has to close it."""

    __slots__ = ("_block", "_request_id", "_started")

    end = b""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._started = False
        self._block: int | None = None

    def note(self, event: Event) -> int:
        """The most tokens that one event can carry. Each delta counts as one at least: it may be one without a text."""
        data = event.data
        if not data:
            return 0
        try:
            said = orjson.loads(data)
        except orjson.JSONDecodeError:
            return len(data)
        match said.get("type") if type(said) is dict else None:
            case "message_start":
                self._started = True
                return 1
            case "content_block_start":
                self._block = said.get("index")
                return max(1, text_bytes(said.get("content_block")))
            case "content_block_delta":
                return max(1, text_bytes(said.get("delta")))
            case "content_block_stop":
                self._block = None
        return 0

    def length_ending(self, tokens: int) -> bytes:
        """The last events of a message that has reached its limit. `tokens`: what it is charged for."""
        ending = b""
        if not self._started:
            usage = {"input_tokens": 0, "output_tokens": 0}
            message: dict[str, Any] = {"id": self._request_id, "type": "message", "role": "assistant", "model": ""}
            message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
            ending += _event("message_start", message=message)
        if self._block is not None:
            ending += _event("content_block_stop", index=self._block)
        delta = {"stop_reason": "max_tokens", "stop_sequence": None}
        ending += _event("message_delta", delta=delta, usage={"output_tokens": tokens})
        return ending + _event("message_stop")


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **fields}) + b"\n\n"
