"""The two families of clients, as far as tests treat them alike: what they send, what their provider answers."""

from dataclasses import dataclass
from typing import Any

import orjson

from tests.sandbox.requests import PATHS, reply_to
from tests.support.provider import Behaviour, Chunk, Framing, Tokens
from tests.support.wire import post


@dataclass(frozen=True, slots=True)
class Recording:
    """A reply of a provider, fixed to the byte. `events` are its chunks; of a plain reply there is one."""

    events: tuple[Chunk, ...]
    headers: dict[str, str]
    tokens: Tokens
    stream: bool

    @property
    def body(self) -> bytes:
        return b"".join(event.data for event in self.events)

    def behaviour(self, *steps: Any, **rest: Any) -> Behaviour:
        """The mock plays it; `steps` instead of its events, if given."""
        framing = Framing.CHUNKED if self.stream else Framing.LENGTH
        rest = {"framing": framing, "usage": self.tokens, "by_chunk": self.stream, **rest}
        return Behaviour(headers=self.headers, body=steps or self.events, **rest)


@dataclass(frozen=True, slots=True)
class Dialect:
    name: str
    path: str
    model: str
    limit_field: str

    def __str__(self) -> str:
        return self.name

    def headers(self, key: str) -> dict[str, str]:
        if self.name == "anthropic":
            return {"x-api-key": key, "anthropic-version": "2023-06-01", "content-type": "application/json"}
        return {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def body(self, *, output: int | None = 100, text: str = "Name some plants.", **fields: Any) -> dict[str, Any]:
        """A request that may have at most `output` tokens as its answer; None names no limit."""
        limit = {} if output is None else {self.limit_field: output}
        return {"model": self.model, "messages": [{"role": "user", "content": text}], **limit, **fields}

    def request(self, key: str, **fields: Any) -> bytes:
        """The same as bytes for a Wire."""
        return post(self.path, orjson.dumps(self.body(**fields)), self.headers(key))

    def record(self, instructions: str = "", *, stream: bool = False, **fields: Any) -> Recording:
        """What the provider answers to such a request, with the sandbox's instructions; a stream with its usage."""
        if stream and self.name == "openai":
            fields.setdefault("stream_options", {"include_usage": True})
        fields = self.body(**{"output": 4096, **fields}) | {"stream": stream}
        reply = reply_to(self.name, instructions, **fields)
        assert reply.status == 200 and reply.tokens is not None, reply
        return Recording(tuple(reply.chunks), dict(reply.headers), reply.tokens, stream)

    def is_usage_chunk(self, event: bytes) -> bool:
        """The one event that an OpenAI client gets only if it asks."""
        return self.name == "openai" and b'"choices":[]' in event


OPENAI = Dialect("openai", PATHS["openai"], "gpt-4o", "max_completion_tokens")
ANTHROPIC = Dialect("anthropic", PATHS["anthropic"], "claude-sonnet-4-6", "max_tokens")
BOTH = (OPENAI, ANTHROPIC)
