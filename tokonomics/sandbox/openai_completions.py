"""OpenAI's legacy completions: texts continued, whole or as the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tokonomics.sandbox.dialect import Request, RequestError, optional_object, required, whole_number
from tokonomics.sandbox.generation import Generation, generate
from tokonomics.sandbox.openai_chat import DONE, reported_usage
from tokonomics.sandbox.openai_prompts import Prompt, prompts_of, tokens_of
from tokonomics.sandbox.openai_replies import headers
from tokonomics.sandbox.reply import Chunk, Reply, plain, stream

USUAL_LIMIT = 16
MAX_CHOICES = 128


def create_completion(request: Request) -> Reply:
    document = request.json()
    required(document, "model", str)
    prompts = prompts_of(document["prompt"], "prompt") if document.get("prompt") is not None else [""]
    shown = whole_number(document, "n", high=MAX_CHOICES) or 1
    tried = max(shown, whole_number(document, "best_of", high=MAX_CHOICES) or 1)
    if tried > shown and document.get("stream"):
        raise RequestError(400, "'best_of' cannot be used with 'stream'.", param="best_of")
    limit = whole_number(document, "max_tokens", low=0)
    generation = generate(
        request.body,
        prompt_tokens=sum(tokens_of(prompt) for prompt in prompts),
        limit=USUAL_LIMIT if limit is None else limit,
        instructions=request.instructions,
        choices=tried * len(prompts),
    )
    completion = _Completion(request, document, generation, [prompt for prompt in prompts for _ in range(shown)])
    if document.get("stream"):
        return stream(completion.events(), headers=headers(request), tokens=generation.tokens)
    return plain(completion.document(), headers=headers(request), tokens=generation.tokens)


class _Completion:
    """`prompts`: one for each choice that is shown."""

    def __init__(
        self, request: Request, document: dict[str, Any], generation: Generation, prompts: list[Prompt]
    ) -> None:
        self.generation = generation
        self.prompts = prompts
        self.echo = bool(document.get("echo"))
        self.step = request.instructions.chunk_tokens
        usage = reported_usage(generation.tokens, request.instructions)
        counts = ("prompt_tokens", "completion_tokens", "total_tokens")
        self.usage = None if usage is None else {name: usage[name] for name in counts}
        self.usage_wanted = bool(optional_object(document, "stream_options").get("include_usage"))
        self.common = {
            "id": generation.identifier("cmpl-", 29),
            "object": "text_completion",
            "created": request.now,
            "model": document["model"],
        }

    def document(self) -> dict[str, Any]:
        choices = [
            self._choice(index, self._echoed(index) + "".join(self._words(index)), self._finish)
            for index in range(len(self.prompts))
        ]
        reply = {**self.common, "choices": choices}
        return reply if self.usage is None else {**reply, "usage": self.usage}

    def events(self) -> Iterator[Chunk]:
        """The words of each choice, and its finish; then usage if asked for; then [DONE]."""
        for index in range(len(self.prompts)):
            if self.echo:
                yield self._chunk([self._choice(index, self._echoed(index), None)])
            words = self._words(index)
            for first in range(0, len(words), self.step):
                part = words[first : first + self.step]
                yield self._chunk([self._choice(index, "".join(part), None)], len(part))
            yield self._chunk([self._choice(index, "", self._finish)])
        if self.usage_wanted and self.usage is not None:
            yield self._chunk([], usage=self.usage)
        yield Chunk(DONE)

    @property
    def _finish(self) -> str:
        return "length" if self.generation.reached_limit else "stop"

    def _words(self, index: int) -> list[str]:
        return self.generation.words(self.generation.output, index)

    def _echoed(self, index: int) -> str:
        prompt = self.prompts[index]
        return prompt if self.echo and isinstance(prompt, str) else ""

    def _choice(self, index: int, text: str, finish: str | None) -> dict[str, Any]:
        return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}

    def _chunk(self, choices: list[dict[str, Any]], tokens: int = 0, usage: dict[str, Any] | None = None) -> Chunk:
        shown = {"usage": usage} if self.usage_wanted else {}
        return Chunk(b"data: " + orjson.dumps({**self.common, "choices": choices, **shown}) + b"\n\n", tokens)
