"""What a request puts in front of the model, gathered piece by piece, and the most input tokens that it can be."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from budgets.pricing.bound import template_bound, text_bound
from proxy.providers.base import Image


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

    def add_json(self, value: Any) -> None:
        """Structured text (schemas, calls): its JSON is at least as long as any form that a template gives it."""
        self.texts.append(orjson.dumps(value).decode())

    def tokens(self, tokenizer: str) -> int:
        """`tokenizer` as in `budgets.pricing.bound.text_bound`."""
        template = template_bound(messages=self.messages, tools=self.tools)
        return text_bound(self.texts, tokenizer) + template + self.described + sum(image.most for image in self.images)
