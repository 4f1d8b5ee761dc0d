"""What a request is billed for, and how the prompt's share is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

BYTES_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4  # role and separators, which every chat template adds
TOKENS_PER_IMAGE = 85


@dataclass(frozen=True, slots=True)
class Tokens:
    """Counts of tokens, in the providers' own sense of a bill.

    `prompt` includes `cached` and both cache writes; `output` includes `reasoning` and is summed over all choices.
    """

    prompt: int
    output: int
    cached: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def uncached(self) -> int:
        return self.prompt - self.cached - self.cache_write

    def produced(self, output: int) -> Tokens:
        """The bill of a stream that was left after `output` tokens. Reasoning comes first."""
        return replace(self, output=output, reasoning=min(self.reasoning, output))


@dataclass(slots=True)
class PromptSize:
    """Adds up a prompt: UTF-8 bytes of its text, messages, images."""

    text_bytes: int = 0
    messages: int = 0
    images: int = 0

    @property
    def tokens(self) -> int:
        text = max(1, -(-self.text_bytes // BYTES_PER_TOKEN))
        return text + self.messages * TOKENS_PER_MESSAGE + self.images * TOKENS_PER_IMAGE

    def add_message(self, message: Mapping[str, Any]) -> None:
        self.messages += 1
        self.add_content(message.get("content"))
        for call in message.get("tool_calls") or ():
            self.add_json(call)

    def add_content(self, content: Any) -> None:
        """A string, a content part of either dialect, or a list of them."""
        if isinstance(content, str):
            self.text_bytes += len(content.encode())
        elif isinstance(content, Sequence):
            for part in content:
                self.add_content(part)
        elif isinstance(content, Mapping):
            self._add_part(content)

    def _add_part(self, part: Mapping[str, Any]) -> None:
        kind = str(part.get("type", ""))
        if "image" in kind:
            self.images += 1
        elif kind == "tool_use":
            self.add_json({"name": part.get("name"), "input": part.get("input")})
        else:
            self.add_content(part.get("text", part.get("content", part.get("thinking"))))

    def add_json(self, value: Any) -> None:
        """Anything that a model is shown as JSON: a tool's declaration, the arguments of a call."""
        self.text_bytes += len(orjson.dumps(value))
