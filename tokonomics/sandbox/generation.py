"""What the sandbox says: lengths, words and ids, all derived from a hash of the request's body."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tokonomics.sandbox.instructions import MAX_OUTPUT_TOKENS, InstructionError, Instructions
from tokonomics.sandbox.tokens import Tokens

SHORTEST_OUTPUT, LONGEST_OUTPUT = 20, 120  # tokens, where nobody says how many

# A prime number of words: any stride walks through all of them before it repeats.
_WORDS = (
    "amber bay birch blue bold bright brook calm cedar chalk clay clear cloud coast coral crisp dawn deep dew drift "
    "dune dusk elm ember fair fern field fjord foam fog frost gale glade gold grain grove gulf hazel heath hill "
    "ice iris isle ivy jade kelp lake lark leaf light lime linen loam maple marsh mead mild mint mist moon "
    "moss"
)
VOCABULARY = tuple(_WORDS.split())


@dataclass(frozen=True, slots=True)
class Generation:
    """One answer: who it is (`digest`), how long each choice is (`output`, of which `reasoning`), and its bill."""

    digest: str
    choices: int
    output: int
    reasoning: int
    reached_limit: bool
    tokens: Tokens

    @property
    def visible(self) -> int:
        """Output tokens that a choice shows; each is one word."""
        return self.output - self.reasoning

    def words(self, count: int, choice: int = 0) -> list[str]:
        """`count` tokens as text; joined with nothing they read as words between spaces."""
        size = len(VOCABULARY)
        start = int(self.digest[:8], 16) + choice * 7
        stride = 1 + int(self.digest[8:16], 16) % (size - 1)
        words = [" " + VOCABULARY[(start + position * stride) % size] for position in range(count)]
        if words:
            words[0] = words[0].strip().capitalize()
        return words

    def identifier(self, prefix: str, length: int, part: str = "") -> str:
        """An id like `chatcmpl-...`, the same for the same request. `part` tells ids of one reply apart."""
        return prefix + hashlib.sha256(f"{self.digest}{prefix}{part}".encode()).hexdigest()[:length]


def digest_of(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def generate(
    body: bytes, *, prompt_tokens: int, limit: int | None, instructions: Instructions, choices: int = 1
) -> Generation:
    """Decide on an answer. `limit` is the request's own, for each choice. Raises InstructionError."""
    digest = digest_of(body)
    wanted = instructions.output
    if wanted is None:
        span = LONGEST_OUTPUT - SHORTEST_OUTPUT + 1
        wanted = SHORTEST_OUTPUT + int(digest[16:24], 16) % span + instructions.reasoning
    output = wanted if limit is None else min(wanted, limit)
    reasoning = min(instructions.reasoning, output)
    if choices > 1 and choices * output > MAX_OUTPUT_TOKENS:
        raise InstructionError(f"output={output}", f"for n={choices} choices exceeds {MAX_OUTPUT_TOKENS} in all")
    from_cache = instructions.cached + instructions.cache_write + instructions.cache_write_1h
    if from_cache > prompt_tokens:
        raise InstructionError(
            f"cached={instructions.cached}", f"(with cache writes: {from_cache}) exceeds the prompt's {prompt_tokens}"
        )
    tokens = Tokens(
        prompt=prompt_tokens,
        output=choices * output,
        cached=instructions.cached,
        cache_write_5m=instructions.cache_write,
        cache_write_1h=instructions.cache_write_1h,
        reasoning=choices * reasoning,
    )
    return Generation(digest, choices, output, reasoning, wanted > output, tokens)
