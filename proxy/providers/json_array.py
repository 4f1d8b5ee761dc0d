"""A decoder of a JSON array that arrives bit by bit, without any I/O: bytes in, the array's elements out.

Google streams so where nobody asked for server-sent events: `[{...}`, then `,` and the next element, `]` at the end.
"""

import re

MAX_ELEMENT = 16 * 1024 * 1024

_MARK = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'["\\]')


class ElementTooLarge(ValueError):
    """An element is longer than the decoder is willing to hold."""


class ArrayDecoder:
    """Elements must be objects or arrays. What is no JSON gives no elements, or odd ones: whoever reads them parses."""

    __slots__ = ("_buffer", "_depth", "_quoted", "_scanned", "_start", "ended")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0  # up to here every mark has been seen
        self._depth = 0
        self._quoted = False  # within a string
        self._start = 0  # where the element under way begins
        self.ended = False
        """Whether the bracket that ends the array has come."""

    def feed(self, data: bytes) -> list[bytes]:
        """The elements that `data` completes. Raises ElementTooLarge."""
        self._buffer += data
        elements = []
        while (mark := (_IN_STRING if self._quoted else _MARK).search(self._buffer, self._scanned)) is not None:
            if mark[0] == b"\\":
                if mark.end() == len(self._buffer):  # what it escapes is still to come
                    self._scanned = mark.start()
                    break
                self._scanned = mark.end() + 1
                continue
            self._scanned = mark.end()
            if mark[0] == b'"':
                self._quoted = not self._quoted
            elif self._bracket(mark[0], mark.start()):
                elements.append(bytes(self._buffer[self._start : self._scanned]))
        else:
            self._scanned = len(self._buffer)
        self._forget()
        return elements

    def _bracket(self, sign: bytes, position: int) -> bool:
        """Whether it ends an element."""
        if sign in b"{[":
            self._depth += 1
            if self._depth == 2:
                self._start = position
            return False
        self._depth -= 1
        self.ended = self.ended or self._depth <= 0
        return self._depth == 1

    def _forget(self) -> None:
        """What lies before the element under way is done with."""
        done = self._start if self._depth >= 2 else self._scanned
        del self._buffer[:done]
        self._scanned -= done
        self._start = 0
        if len(self._buffer) > MAX_ELEMENT:
            raise ElementTooLarge(f"an element is longer than {MAX_ELEMENT} bytes")
