"""A road to a server that can be slow, or swallow what comes back: a TCP proxy on loopback in the test's own loop."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Road:
    """Requests arrive, unless it is `deaf`: then they are `lost`. `delay`: seconds that each piece of a reply takes.
    `cut`: the next reply is thrown away and the connection reset, when the server has done what was asked. `silent`:
    replies are thrown away, connections stay.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.delay, self.cut, self.silent, self.deaf = 0.0, False, False, False
        self.cuts, self.lost = 0, b""
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        there: Ends = await asyncio.open_unix_connection(str(self._socket))
        try:
            onward = asyncio.create_task(self._carry(reader, there[1]))
            await self._bring_back(there[0], writer)
            onward.cancel()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            for end in (writer, there[1]):
                end.transport.abort()
                with suppress(OSError):
                    await end.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.deaf:
                self.lost += data
            else:
                writer.write(data)

    async def _bring_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.cut:
                self.cut = False
                self.cuts += 1
                return
            if self.delay:
                await asyncio.sleep(self.delay)
            if not self.silent:
                writer.write(data)


@contextmanager
def road_of_its_own(socket: Path) -> Iterator[Road]:
    """The same for a test that has no loop: in a thread."""
    ready, done = threading.Event(), threading.Event()
    road = Road(socket)

    async def keep_open() -> None:
        async with road:
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(keep_open(),), name="road", daemon=True)
    thread.start()
    assert ready.wait(10), "the road did not open"
    try:
        yield road
    finally:
        done.set()
        thread.join(10)
