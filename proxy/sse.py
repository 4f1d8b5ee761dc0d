"""A decoder of server-sent events without any I/O: bytes in, events out, every byte of the stream accounted for.

The raw bytes of the events, one after the other, with what `flush` returns, are the stream: whoever passes events on
can pass them byte for byte.
"""

import re

MAX_EVENT = 16 * 1024 * 1024

# Atomic groups: the CR of a CRLF must never be taken for a line end of its own.
_BOUNDARY = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """An event is longer than the decoder is willing to hold."""


class Event:
    """One event as it came, its terminating blank line included. The fields are read only when asked for."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __repr__(self) -> str:
        return f"Event({self.raw!r})"

    @property
    def data(self) -> bytes:
        """The `data` lines joined by newlines; empty where there are none (a comment, a heartbeat)."""
        return b"\n".join(self._values(b"data"))

    @property
    def name(self) -> str:
        """The `event` field, `message` where there is none, as the standard has it."""
        names = self._values(b"event")
        return (names[-1].decode("utf-8", "replace") if names else "") or "message"

    def _values(self, field: bytes) -> list[bytes]:
        values = []
        for line in _LINE_END.split(self.raw.removeprefix(_BOM)):
            name, _, value = line.partition(b":")
            if name == field:
                values.append(value.removeprefix(b" "))
        return values


class Decoder:
    """Splits a stream into events, however its pieces are cut.

    An event is complete at its blank line. Where that ends in a CR at the end of what has come so far, its LF may still
    follow: the event waits for one more byte, so that every way to cut a stream gives the same events.
    """

    __slots__ = ("_buffer", "_limit", "_scanned")

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._limit = limit

    @property
    def pending(self) -> bytearray:
        """What has come of the event that is not complete yet. Not to be changed by the caller."""
        return self._buffer

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes.

        Raises EventTooLarge where one event outgrows the limit; `flush` then gives all that was not returned before.
        """
        buffer = self._buffer
        buffer += data
        boundary = self._boundary if b"\r" in buffer else self._plain_boundary
        events: list[Event] = []
        start = 0
        while (end := boundary(buffer, max(start, self._scanned))) is not None:
            events.append(Event(bytes(buffer[start:end])))
            self._check_length(end - start)
            start = self._scanned = end
        self._check_length(len(buffer) - start)
        del buffer[:start]
        # A boundary is at most four bytes long: three of them may have come already.
        self._scanned = max(0, len(buffer) - 3)
        return events

    def flush(self) -> bytes:
        """The tail that no blank line has ended, and an empty decoder."""
        tail = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        return tail

    def _check_length(self, length: int) -> None:
        if length > self._limit:
            raise EventTooLarge(f"an event is longer than {self._limit} bytes")

    @staticmethod
    def _plain_boundary(buffer: bytearray, start: int) -> int | None:
        """The same where all lines end in LF, as nearly everybody writes them: found ten times as fast."""
        found = buffer.find(b"\n\n", start)
        return found + 2 if found >= 0 else None

    @staticmethod
    def _boundary(buffer: bytearray, start: int) -> int | None:
        """Where the first complete event ends, or None."""
        match = _BOUNDARY.search(buffer, start)
        if match is None:
            return None
        end = match.end()
        if end == len(buffer) and buffer[-1] == 0x0D:
            return None
        return end
