"""The lines of all parts on one output, each with the name of its part in front: `web.1  | ...`."""

import asyncio
import os
import queue
import threading

MAX_LINE = 64 * 1024
MAX_WAITING = 10_000  # lines


class LineWriter:
    """Writes whole lines from a thread of its own. Where nobody reads our output, lines are dropped and counted: a
    terminal that is paused must not pause the proxy."""

    def __init__(self, descriptor: int, *, width: int = 8) -> None:
        self._descriptor = descriptor
        self._width = width
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="log-writer", daemon=True)
        self._thread.start()

    def line(self, name: str, text: str) -> None:
        """Without a name: a line of our own, with nothing in front."""
        self._put(name, text.encode())

    async def follow(self, name: str, stream: asyncio.StreamReader) -> None:
        """Until the stream ends. A line longer than MAX_LINE is passed on in pieces."""
        rest = b""
        while chunk := await stream.read(MAX_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._put(name, line)
        if rest:
            self._put(name, rest)

    def close(self, timeout: float = 2.0) -> None:
        """Write what is waiting, for as long as somebody reads it."""
        try:
            self._waiting.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _put(self, name: str, line: bytes) -> None:
        try:
            if self._dropped:
                self._waiting.put_nowait(f"({self._dropped} lines were dropped: nobody read them)\n".encode())
                self._dropped = 0
            prefix = f"{name:<{self._width}} | " if name else ""
            self._waiting.put_nowait(prefix.encode() + line.rstrip(b"\r") + b"\n")
        except queue.Full:
            self._dropped += 1

    def _write(self) -> None:
        while (line := self._waiting.get()) is not None:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:  # the reader is gone for good: keep the product running, and the queue empty
                self._descriptor = os.open(os.devnull, os.O_WRONLY)
