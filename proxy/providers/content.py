"""What a request puts in front of the model, gathered piece by piece, and the most input tokens that it can be."""

import binascii
from dataclasses import dataclass, field
from typing import Any

import orjson

from budgets.money import ceil_div
from budgets.pricing.bound import template_bound, text_bound
from proxy.providers import sound
from proxy.providers.base import Image

# Of sound: Google's rate (ai.google.dev/gemini-api/docs/tokens), the densest that is published. OpenAI's is 10.
_TOKENS_A_SECOND = 32


@dataclass(slots=True)
class Content:
    """Texts are counted as texts, images by formula; `fills_window` marks content that has none."""

    texts: list[str] = field(default_factory=list)
    messages: int = 0
    tools: int = 0
    images: list[Image] = field(default_factory=list)
    described: int = 0
    """Tokens of the provider's own descriptions of tools."""
    fills_window: bool = False
    audio: bool = False
    heard: int = 0
    """Tokens of sound."""

    def add_json(self, value: Any) -> None:
        """Structured text (schemas, calls): its JSON is at least as long as any form that a template gives it."""
        self.texts.append(orjson.dumps(value).decode())

    def add_sound(self, data: Any) -> None:
        """Sound in base64, by its length where its frames tell one; else it may fill the window."""
        self.audio = True
        length = sound.milliseconds(_decoded(data)) if type(data) is str else None
        if length is None:
            self.fills_window = True
        else:
            self.heard += _TOKENS_A_SECOND * ceil_div(length + 1, 1_000)

    def tokens(self, tokenizer: str) -> int:
        """`tokenizer` as in `budgets.pricing.bound.text_bound`."""
        template = template_bound(messages=self.messages, tools=self.tools)
        seen = sum(image.most for image in self.images)
        return text_bound(self.texts, tokenizer) + template + self.described + self.heard + seen


def _decoded(data: str) -> bytes:
    """Empty where it is no base64, of which every decoder makes the same."""
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        return b""
