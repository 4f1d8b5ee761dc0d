"""What the mock does with one request, byte by byte."""

from __future__ import annotations

import enum
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

import orjson

from tokonomics.sandbox.reply import Chunk, Ending, Reply
from tokonomics.sandbox.tokens import Tokens


class Gate(enum.Enum):
    """A step that waits until the test sets `mock.gate`."""

    GATE = "gate"


GATE = Gate.GATE


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


Step = bytes | Chunk | Pause | Gate


class Framing(enum.Enum):
    """How the client learns where the body ends."""

    LENGTH = "length"
    CHUNKED = "chunked"  # each step is one chunk
    CLOSE = "close"  # by the end of the connection


class After(enum.Enum):
    """What happens to the connection once the last step is done."""

    KEEP = "keep"  # the reply is complete; the connection serves the next request
    CLOSE = "close"  # closed without completing the reply
    RESET = "reset"  # the same, with a TCP reset
    HANG = "hang"  # nothing more is sent, until the client leaves


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One scripted answer.

    body            steps: bytes (or a Chunk, which tells its output tokens), Pause(seconds), GATE
    gzip            compress the body, and say so
    content_length  with Framing.LENGTH: what the header says; None for the truth
    cut_after       at most this many bytes of the (uncompressed: as sent) body; then `after`, CLOSE unless told
    delay           seconds before the first byte
    gated           wait for the gate before the first byte
    never_answer    read the request, send nothing, wait for the client to leave
    raw             these bytes instead of any HTTP reply, then `after`; b"" with CLOSE drops the connection
    usage           what is billed for it; of a stream left early only the output tokens of the chunks that were sent
    by_chunk        bill what the chunks tell even if the stream is not left early
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[Step] = ()
    framing: Framing = Framing.LENGTH
    gzip: bool = False
    content_length: int | None = None
    cut_after: int | None = None
    after: After = After.KEEP
    delay: float = 0.0
    gated: bool = False
    never_answer: bool = False
    raw: bytes | None = None
    usage: Tokens | None = None
    by_chunk: bool = False

    @classmethod
    def json(cls, document: object, *, status: int = 200, **rest: object) -> Behaviour:
        headers = {"content-type": "application/json"}
        return replace(cls(status=status, headers=headers, body=(orjson.dumps(document),)), **rest)  # type: ignore[arg-type]

    @classmethod
    def sse(cls, *steps: Step, **rest: object) -> Behaviour:
        headers = {"content-type": "text/event-stream; charset=utf-8"}
        return replace(cls(headers=headers, body=steps, framing=Framing.CHUNKED), **rest)  # type: ignore[arg-type]

    @classmethod
    def of(cls, reply: Reply, *, gate_before: int | None = None) -> Behaviour:
        """A reply of the sandbox. `gate_before=N` waits for the gate before its Nth chunk, counted from 0."""
        endings = {Ending.COMPLETE: After.KEEP, Ending.CUT: After.CLOSE, Ending.HANG: After.HANG}
        return cls(
            status=reply.status,
            headers=dict(reply.headers),
            body=_steps_of(reply, gate_before),
            framing=Framing.CHUNKED if reply.is_stream else Framing.LENGTH,
            content_length=reply.content_length,
            delay=reply.delay,
            after=endings[reply.ending],
            usage=reply.tokens,
            by_chunk=reply.is_stream,
        )

    def prepared(self) -> Behaviour:
        """The same with its body compressed and measured, where that has to be known before the first byte."""
        ready = replace(self, body=tuple(_gzipped(self.body)), gzip=False) if self.gzip else self
        if self.gzip:
            ready = replace(ready, headers={**self.headers, "content-encoding": "gzip"})
        if ready.framing is Framing.LENGTH and ready.content_length is None:
            body = tuple(ready.body)
            ready = replace(ready, body=body, content_length=sum(len(data_of(step)) for step in body))
        return ready

    def head(self) -> bytes:
        """Status line and headers of a prepared behaviour."""
        return head(self.status, self.headers.items(), self.content_length, self.framing)


def head(status: int, headers: Iterable[tuple[str, str]], content_length: int | None, framing: Framing) -> bytes:
    known = {int(member) for member in HTTPStatus}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase if status in known else ''}"]
    lines += [f"{name}: {value}" for name, value in headers]
    match framing:
        case Framing.LENGTH:
            lines.append(f"content-length: {content_length}")
        case Framing.CHUNKED:
            lines.append("transfer-encoding: chunked")
        case Framing.CLOSE:
            lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def data_of(step: Step) -> bytes:
    if isinstance(step, Chunk):
        return step.data
    return step if isinstance(step, bytes) else b""


def _steps_of(reply: Reply, gate_before: int | None) -> Iterable[Step]:
    pace: Sequence[Step] = (Pause(reply.chunk_delay),) if reply.chunk_delay else ()

    def steps() -> Iterator[Step]:
        for position, chunk in enumerate(reply.chunks):
            if position == gate_before:
                yield GATE
            yield chunk
            yield from pace

    return steps() if reply.is_stream else tuple(steps())


def _gzipped(steps: Iterable[Step]) -> Iterator[Step]:
    compressor = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    for step in steps:
        if isinstance(step, Pause | Gate):
            yield step
        else:
            tokens = step.output_tokens if isinstance(step, Chunk) else 0
            yield Chunk(compressor.compress(data_of(step)) + compressor.flush(zlib.Z_SYNC_FLUSH), tokens)
    yield compressor.flush(zlib.Z_FINISH)
