"""A reply, broken on purpose. What a fault does to `usage` is the dialect's to say; the rest is the same for all."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice

from tokonomics.sandbox.dialect import Dialect
from tokonomics.sandbox.instructions import Fault, FaultKind, InstructionError
from tokonomics.sandbox.reply import Chunk, Ending, Reply

GARBAGE = b"\x00\xff<html>this is neither an event nor JSON</html>\x7f"
_GZIP = ("content-encoding", "gzip")


def broken(reply: Reply, fault: Fault | None, dialect: Dialect) -> Reply:
    """The reply with the fault done to it. Raises InstructionError where it makes no sense for this kind of reply."""
    match fault:
        case Fault(FaultKind.CUT, number):
            return replace(reply, chunks=_first(reply, number), ending=Ending.CUT)
        case Fault(FaultKind.HANG, number):
            return replace(reply, chunks=_first(reply, number), ending=Ending.HANG)
        case Fault(FaultKind.GARBAGE, number):
            return _followed_by(reply, number, GARBAGE)
        case Fault(FaultKind.ERROR_EVENT, number):
            if not reply.is_stream:
                raise InstructionError(f"fault=error_event:{number}", "needs a streamed request")
            return _followed_by(reply, number, dialect.error_event)
        case Fault(FaultKind.GZIP):
            return _compressed(reply)
        case _:
            return reply


def _first(reply: Reply, number: int) -> Iterable[Chunk]:
    """The first events of a stream, or the first bytes of a body (whose tokens were made all the same)."""
    if reply.is_stream:
        return islice(reply.chunks, number)
    return tuple(replace(chunk, data=chunk.data[:number]) for chunk in reply.chunks)


def _followed_by(reply: Reply, number: int, data: bytes) -> Reply:
    chunks = chain(_first(reply, number), (Chunk(data),))
    if reply.is_stream:
        return replace(reply, chunks=chunks)
    whole = tuple(chunks)
    return replace(reply, chunks=whole, content_length=sum(len(chunk.data) for chunk in whole))


def _compressed(reply: Reply) -> Reply:
    headers = (*reply.headers, _GZIP)
    if reply.is_stream:
        return replace(reply, headers=headers, chunks=_gzip_events(reply.chunks))
    chunks = tuple(replace(chunk, data=gzip.compress(chunk.data, mtime=0)) for chunk in reply.chunks)
    return replace(reply, headers=headers, chunks=chunks, content_length=sum(len(chunk.data) for chunk in chunks))


def _gzip_events(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """One gzip stream over all events, flushed after each so that a reader can decode it at once."""
    compressor = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    for chunk in chunks:
        yield replace(chunk, data=compressor.compress(chunk.data) + compressor.flush(zlib.Z_SYNC_FLUSH))
    yield Chunk(compressor.flush(zlib.Z_FINISH))
