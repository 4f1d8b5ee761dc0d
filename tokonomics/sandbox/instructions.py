"""The header `X-Tokonomics-Sandbox`, parsed: `output=200; delay=1.5; chunk_delay=0.02; fault=cut:10`.

output=N          output tokens, reasoning among them; 0 to 32768
delay=S           seconds before the first byte; 0 to 60
chunk_delay=S     seconds after each chunk of a stream; 0 to 60
chunk_tokens=N    output tokens in a chunk of a stream; 1 to 32768
cached=N          prompt tokens that were read from the provider's cache
cache_write=N     prompt tokens that were written to it (for five minutes, where the dialect tells)
cache_write_1h=N  prompt tokens that were written to it for an hour
reasoning=N       output tokens that were spent on reasoning
tool=1            answer with a tool call, where the request brings tools
fault=F           one of `FaultKind`; those that take a number as `F:N`
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

HEADER = "x-tokonomics-sandbox"
MAX_OUTPUT_TOKENS = 32_768
MAX_DELAY_SECONDS = 60
MAX_PROMPT_TOKENS = 10_000_000
MAX_FAULT_POSITION = 10_000_000

_WHOLE = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?|\.[0-9]{1,9}")


class FaultKind(enum.StrEnum):
    """What goes wrong. A chunk is one event of a stream; in a plain reply N counts bytes of the body instead."""

    STATUS = "status"  # :NNN, a complete error of the provider with that status
    CUT = "cut"  # :N, at most N chunks, then the connection is closed with the reply unfinished
    HANG = "hang"  # :N, at most N chunks, then silence on an open connection
    GARBAGE = "garbage"  # :N, N chunks, then bytes that are no SSE (or no JSON), then the end
    ERROR_EVENT = "error_event"  # :N, N chunks, then the dialect's error event, then the end; streams only
    NO_USAGE = "no_usage"  # 200 without `usage`
    ZERO_USAGE = "zero_usage"  # `usage` present, every count 0
    ABSURD_USAGE = "absurd_usage"  # counts that are negative, fractional or no number
    GZIP = "gzip"  # compressed, although nobody asked for it


_WITHOUT_NUMBER = frozenset({FaultKind.NO_USAGE, FaultKind.ZERO_USAGE, FaultKind.ABSURD_USAGE, FaultKind.GZIP})


class InstructionError(ValueError):
    """An instruction that cannot be followed; `str()` names it and says what would do."""

    def __init__(self, instruction: str, problem: str) -> None:
        super().__init__(f"X-Tokonomics-Sandbox: {instruction!r} {problem}")


@dataclass(frozen=True, slots=True)
class Fault:
    kind: FaultKind
    number: int = 0  # a status, or a count of chunks or bytes; 0 for kinds that take none


@dataclass(frozen=True, slots=True)
class Instructions:
    """How to answer. `None` leaves the choice to the sandbox. Seconds are floats, tokens whole."""

    output: int | None = None
    delay: float = 0.0
    chunk_delay: float = 0.0
    chunk_tokens: int = 1
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    tool: bool = False
    fault: Fault | None = None

    def has_fault(self, kind: FaultKind) -> bool:
        return self.fault is not None and self.fault.kind is kind


PLAINLY = Instructions()


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def _seconds(text: str) -> float:
    if not _DECIMAL.fullmatch(text) or float(text) > MAX_DELAY_SECONDS:
        raise ValueError(f"must be seconds from 0 to {MAX_DELAY_SECONDS}, like 1.5")
    return float(text)


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("must be 0 or 1")
    return text == "1"


def _fault(text: str) -> Fault:
    name, colon, number = text.partition(":")
    try:
        kind = FaultKind(name)
    except ValueError:
        raise ValueError(f"is no fault; known are {', '.join(FaultKind)}") from None
    if kind in _WITHOUT_NUMBER:
        if colon:
            raise ValueError("takes no number")
        return Fault(kind)
    low, high = (400, 599) if kind is FaultKind.STATUS else (0, MAX_FAULT_POSITION)
    if not _WHOLE.fullmatch(number) or not low <= int(number) <= high:
        raise ValueError(f"needs a whole number from {low} to {high}, like {name}:{max(low, 10)}")
    return Fault(kind, int(number))


_READERS: dict[str, Callable[[str], Any]] = {
    "output": _whole(0, MAX_OUTPUT_TOKENS),
    "delay": _seconds,
    "chunk_delay": _seconds,
    "chunk_tokens": _whole(1, MAX_OUTPUT_TOKENS),
    "cached": _whole(0, MAX_PROMPT_TOKENS),
    "cache_write": _whole(0, MAX_PROMPT_TOKENS),
    "cache_write_1h": _whole(0, MAX_PROMPT_TOKENS),
    "reasoning": _whole(0, MAX_OUTPUT_TOKENS),
    "tool": _flag,
    "fault": _fault,
}


def parse(header: str) -> Instructions:
    """The instructions in a header's value (empty: none). Raises InstructionError, naming the first bad one."""
    found: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in header.split(";"))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        reader = _READERS.get(name)
        if reader is None:
            raise InstructionError(part, f"is no instruction; known are {', '.join(_READERS)}")
        if not equals:
            raise InstructionError(part, f"needs a value, as in {name}=...")
        if name in found:
            raise InstructionError(part, "is given twice")
        try:
            found[name] = reader(value)
        except ValueError as exc:
            raise InstructionError(part, str(exc)) from None
    instructions = Instructions(**found)
    if instructions.output is not None and instructions.reasoning > instructions.output:
        raise InstructionError(f"reasoning={instructions.reasoning}", f"exceeds output={instructions.output}")
    return instructions
