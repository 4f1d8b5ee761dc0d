"""The `input` of embeddings and the `prompt` of completions: a text, texts, tokens, or lists of tokens."""

from dataclasses import dataclass
from typing import Any

from budgets.pricing.bound import text_bound
from proxy.providers import fields

_MOST = 2_048


@dataclass(frozen=True, slots=True)
class Prompts:
    """How many prompts there are, and the most tokens of all of them and of the longest."""

    count: int
    tokens: int
    longest: int


def read(value: Any, where: str, tokenizer: str = "byte_bpe") -> Prompts:
    """Raises RequestRefused unless it is one of the four forms, with at least one prompt in it. `tokenizer` as in
    `text_bound`."""
    if type(value) is str or _are_tokens(value):
        value = [value]
    if type(value) is not list or not 0 < len(value) <= _MOST:
        fields.refuse(where, f"`{where}` must be a string, a list of up to {_MOST:,} of them, or the same in tokens.")
    sizes = [_tokens(prompt, f"{where}[{index}]", tokenizer) for index, prompt in enumerate(value)]
    return Prompts(len(sizes), sum(sizes), max(sizes))


def _tokens(prompt: Any, where: str, tokenizer: str) -> int:
    """With one more for a mark that the provider may set at an end."""
    if type(prompt) is str:
        return text_bound([prompt], tokenizer) + 1
    if not _are_tokens(prompt):
        fields.refuse(where, "Each prompt must be a string or a list of tokens.")
    return len(prompt) + 1


def _are_tokens(value: Any) -> bool:
    return type(value) is list and bool(value) and all(type(token) is int and token >= 0 for token in value)
