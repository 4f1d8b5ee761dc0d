"""A reply as it goes over the wire: chunks, a pace and an ending. Whoever plays it adds nothing of its own."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from tokonomics.sandbox.tokens import Tokens

Headers = tuple[tuple[str, str], ...]

JSON_TYPE = ("content-type", "application/json")
SSE_TYPE = ("content-type", "text/event-stream; charset=utf-8")


class Ending(enum.Enum):
    """What happens after the last chunk."""

    COMPLETE = "complete"
    CUT = "cut"  # the connection is closed, the reply unfinished
    HANG = "hang"  # nothing more is sent, the connection stays open


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that are sent at once, and the output tokens that were made for them."""

    data: bytes
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply.

    `content_length` None means chunked transfer encoding (a stream). `chunks` of a stream can be walked once.
    `delay` and `chunk_delay` are seconds: before the first byte, and after each chunk.
    `tokens` is what a provider would bill for the whole of it; None where it bills nothing.
    """

    status: int
    headers: Headers
    chunks: Iterable[Chunk]
    content_length: int | None = None
    tokens: Tokens | None = None
    delay: float = 0.0
    chunk_delay: float = 0.0
    ending: Ending = Ending.COMPLETE

    @property
    def is_stream(self) -> bool:
        return self.content_length is None


def plain(document: object, *, headers: Headers = (), status: int = 200, tokens: Tokens | None = None) -> Reply:
    """A whole JSON document as one chunk."""
    body = orjson.dumps(document)
    chunk = Chunk(body, tokens.output if tokens else 0)
    return Reply(status, (JSON_TYPE, *headers), (chunk,), content_length=len(body), tokens=tokens)


def stream(events: Iterable[Chunk], *, headers: Headers, tokens: Tokens) -> Reply:
    """Server-sent events, one chunk each."""
    return Reply(200, (SSE_TYPE, ("cache-control", "no-cache"), *headers), events, tokens=tokens)
