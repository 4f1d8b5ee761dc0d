"""The `input` of embeddings and the `prompt` of completions: a text, texts, tokens, or lists of tokens."""

from __future__ import annotations

from typing import Any

from tokonomics.sandbox.dialect import RequestError
from tokonomics.sandbox.tokens import BYTES_PER_TOKEN

Prompt = str | list[int]


def prompts_of(value: Any, name: str) -> list[Prompt]:
    """Raises RequestError."""
    if _is_prompt(value):
        return [value]
    if not isinstance(value, list) or not value or not all(_is_prompt(item) for item in value):
        raise RequestError(400, f"'{name}' must be a string, tokens, or a list of either.", param=name)
    return value


def tokens_of(prompt: Prompt) -> int:
    return max(1, -(-len(prompt.encode()) // BYTES_PER_TOKEN)) if isinstance(prompt, str) else len(prompt)


def _is_prompt(value: Any) -> bool:
    if isinstance(value, str):
        return value != ""
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)
