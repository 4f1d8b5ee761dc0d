"""ProviderMock: the server's thread, the script, and the default answers."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import orjson

from tests.support.provider.behaviour import Behaviour, Framing, head
from tests.support.provider.connection import Connection
from tests.support.provider.record import Record, RecordedRequest
from tokonomics.sandbox.instructions import HEADER
from tokonomics.sandbox.reply import Ending, Reply
from tokonomics.sandbox.router import answer
from tokonomics.sandbox.tokens import Tokens

_Key = tuple[str, str, bytes, bytes, bool]
Script = Callable[[RecordedRequest], Behaviour | None]

_INSTRUCTIONS = HEADER.encode()
_MODEL_IN_PATH = re.compile(r"/models/([^/:]+):")
READY_ANSWERS = 1024  # default answers that are kept serialised
READY_CHUNKS = 256  # of them, in the longest one
START_TIMEOUT = 10.0


class Gate:
    """Holds back every behaviour at its GATE step until `set()`. For threads on both sides."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened = asyncio.Event()

    def set(self) -> None:
        self._open.set()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._opened.set)

    def clear(self) -> None:
        self._open.clear()

    async def wait(self) -> None:
        """On the server's loop."""
        self._loop = asyncio.get_running_loop()
        while not self._open.is_set():
            self._opened.clear()
            if not self._open.is_set():  # else it was set between the two looks
                await self._opened.wait()


class ProviderMock:
    """`keep` bounds how many requests are remembered (None: all); `loop_factory` gives another event loop."""

    def __init__(
        self,
        *,
        port: int = 0,
        keep: int | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        self.port = port
        self.gate = Gate()
        self.record = Record(keep)
        self.connections: set[Connection] = set()
        self.failures: list[BaseException] = []
        self._loop_factory = loop_factory
        self._script: Script | None = None
        self._ready_answers: dict[_Key, _Ready] = {}
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="provider-mock", daemon=True)

    # -- for the test

    @property
    def base_url_openai(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def base_url_anthropic(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[RecordedRequest]:
        return self.record.requests

    @property
    def count(self) -> int:
        return self.record.count

    def usage_total(self) -> list[Tokens]:
        """What was billed, in the order of the requests; a request still being answered is not in it yet."""
        return self.record.usage_total()

    def stats(self) -> dict[str, Any]:
        """Counts of all that was seen and billed, as `GET /__stats__` answers them."""
        return self.record.stats()

    def script(self, behaviours: Script | Iterable[Behaviour] | None) -> None:
        """From now on ask the callable (on the server's thread), or use up the list. None: the default answers."""
        if behaviours is None or callable(behaviours):
            self._script = behaviours
        else:
            queue = deque(behaviours)
            self._script = lambda _request: queue.popleft() if queue else None

    def wait_for(self, count: int = 1, timeout: float = 10.0) -> list[RecordedRequest]:
        """Block until `count` requests have arrived. Raises TimeoutError. In async tests: `await mock.arrived(...)`."""
        return self.record.wait_for(count, timeout)

    def wait_idle(self, timeout: float = 10.0) -> None:
        """Block until no request is being answered. Raises TimeoutError. In async tests: `await mock.idle()`."""
        self.record.wait_idle(timeout)

    async def arrived(self, count: int = 1, timeout: float = 10.0) -> list[RecordedRequest]:
        return await asyncio.to_thread(self.wait_for, count, timeout)

    async def idle(self, timeout: float = 10.0) -> None:
        await asyncio.to_thread(self.wait_idle, timeout)

    def default_reply(self, request: RecordedRequest, instructions: str | None = None) -> Reply:
        """The sandbox's reply to a request, with the request's own instructions or these."""
        headers = request.headers if instructions is None else {**request.headers, HEADER: instructions}
        return answer(request.method, request.path, headers, request.body, now=int(time.time()), query=request.query)

    # -- the server's thread

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(START_TIMEOUT):
            raise RuntimeError("the provider mock did not start")
        if self.failures:
            raise self.failures[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_TIMEOUT)
        if kind is None and self.failures:
            raise self.failures[0]

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                runner.run(self._serve())
        except OSError as exc:  # the port is taken: said in the thread that asked for it
            self.failures.append(exc)
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(lambda: Connection(self), "127.0.0.1", self.port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        tasks = [connection.task for connection in self.connections if connection.task is not None]
        for connection in list(self.connections):
            connection.end()
        await asyncio.sleep(0)
        if tasks:
            await asyncio.wait(tasks)

    # -- for a connection

    def begin(self, request: RecordedRequest) -> bytes | Behaviour:
        if self._script is not None:
            try:
                behaviour = self._script(request)
            except Exception as exc:  # raised again when the test leaves the mock
                self.failures.append(exc)
                return Behaviour.json({"error": {"message": f"the test's script failed: {exc!r}"}}, status=500)
            if behaviour is not None:
                return behaviour
        return self._default(request)

    async def wait_for_gate(self) -> None:
        await self.gate.wait()

    def control(self, method: str, target: str) -> bytes | None:
        if not target.startswith("/__"):
            return None
        if (method, target) == ("POST", "/__reset__"):
            self.record.reset()
        body = orjson.dumps(self.record.stats())
        return head(200, (("content-type", "application/json"),), len(body), Framing.LENGTH) + body

    def _default(self, request: RecordedRequest) -> bytes | Behaviour:
        key = _ready_key(request)
        ready = self._ready_answers.get(key)
        if ready is None:
            ready = _Ready.of(self.default_reply(request), _model_of(request))
            if len(self._ready_answers) >= READY_ANSWERS:
                self._ready_answers.clear()
            if ready.length <= READY_CHUNKS:
                self._ready_answers[key] = ready
        request.model = ready.model
        if ready.data is None:
            return Behaviour.of(ready.reply)
        request.status, request.usage = ready.reply.status, ready.reply.tokens
        return ready.data


@dataclass(frozen=True, slots=True)
class _Ready:
    """A default answer, serialised once: whole as `data` where nothing has to be played, else as chunks."""

    reply: Reply
    model: str
    length: int  # in chunks
    data: bytes | None

    @classmethod
    def of(cls, reply: Reply, model: str) -> _Ready:
        chunks = tuple(reply.chunks)
        reply = replace(reply, chunks=chunks)
        if reply.is_stream or reply.delay or reply.ending is not Ending.COMPLETE:
            return cls(reply, model, len(chunks), None)
        top = head(reply.status, reply.headers, reply.content_length, Framing.LENGTH)
        return cls(reply, model, len(chunks), top + b"".join(chunk.data for chunk in chunks))


def _ready_key(request: RecordedRequest) -> _Key:
    """All that a reply of the sandbox depends on, read without building the headers' dict."""
    instructions, anthropic = b"", False
    for name, value in request.raw_headers:
        lower = name.lower()
        if lower == _INSTRUCTIONS:
            instructions = value
        elif lower == b"anthropic-version":
            anthropic = True
    return request.method, request.target, request.body, instructions, anthropic


def _model_of(request: RecordedRequest) -> str:
    if (named := _MODEL_IN_PATH.search(request.path)) is not None:
        return named[1]
    try:
        return str(request.json()["model"])
    except (orjson.JSONDecodeError, KeyError, TypeError):  # a request without a model; its reply says so
        return ""
