"""What goes over the wire between a client and the product: bytes are passed on as they are, and read on the way."""

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httptools
import orjson

PIECE = 65_536


@dataclass
class Exchange:
    """One request and its reply; times are `time.monotonic()`. `status` is 0 until a reply has begun."""

    method: str = ""
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    sent: bytearray = field(default_factory=bytearray)
    status: int = 0
    answered: bytearray = field(default_factory=bytearray)
    started: float = field(default_factory=time.monotonic)

    @property
    def request(self) -> dict[str, Any]:
        """The body that the client sent; empty where it is none."""
        return _object(bytes(self.sent))

    @property
    def problem(self) -> dict[str, Any]:
        """The error that was answered, in any dialect: `code` and `message` at least; empty where it went well."""
        if self.status < 400:
            return {}
        error = _object(bytes(self.answered)).get("error")
        error = error if isinstance(error, dict) else {}
        details = error.get("details")
        info = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
        return {**error, "code": info.get("reason", error.get("code"))}


class Tap:
    """Listens on a free port for the length of a `with`; `base_url` stands in for the product's."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.removeprefix("http://").rpartition(":")
        self._port = int(port)
        self.exchanges: list[Exchange] = []
        self.base_url = ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="tap", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def write(self, folder: Path) -> None:
        """One file an exchange."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, each in enumerate(self.exchanges, 1):
            head = "".join(f"{name}: {value}\n" for name, value in each.headers.items())
            text = f"{each.method} {each.path}\n{head}\n".encode() + each.sent
            answer = f"\n\n{each.status}\n".encode() + each.answered
            (folder / f"{number:04}.txt").write_bytes(text + answer)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._over.wait()
        server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(self._host, self._port)
        reading = _Conversation(self.exchanges)
        with contextlib.suppress(asyncio.CancelledError):  # the tap is closed before its last connections are
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass(reader, upstream_writer, reading.said))
                both.create_task(_pass(upstream_reader, writer, reading.heard))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Any) -> None:
    try:
        while data := await reader.read(PIECE):
            seen(data)
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # one side has left; the other is told so below
    writer.close()


class _Conversation:
    """One connection: its requests in order, and their replies in the same order."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        self._all = exchanges
        self._unanswered: list[Exchange] = []
        self._said = httptools.HttpRequestParser(_Requests(self))
        self._heard = httptools.HttpResponseParser(_Replies(self))

    def said(self, data: bytes) -> None:
        self._said.feed_data(data)

    def heard(self, data: bytes) -> None:
        self._heard.feed_data(data)

    def begin(self) -> None:
        self._unanswered.append(Exchange())

    @property
    def asking(self) -> Exchange:
        return self._unanswered[-1]

    @property
    def answering(self) -> Exchange:
        return self._unanswered[0]

    def asked(self) -> None:
        self.asking.method = self._said.get_method().decode()
        self._all.append(self.asking)

    def answered(self) -> None:
        self._unanswered.pop(0)

    def status(self) -> int:
        return int(self._heard.get_status_code())


class _Requests:
    def __init__(self, conversation: _Conversation) -> None:
        self._conversation = conversation

    def on_message_begin(self) -> None:
        self._conversation.begin()

    def on_url(self, url: bytes) -> None:
        self._conversation.asking.path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._conversation.asking.headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._conversation.asked()

    def on_body(self, body: bytes) -> None:
        self._conversation.asking.sent += body


class _Replies:
    def __init__(self, conversation: _Conversation) -> None:
        self._conversation = conversation

    def on_headers_complete(self) -> None:
        self._conversation.answering.status = self._conversation.status()

    def on_body(self, body: bytes) -> None:
        self._conversation.answering.answered += body

    def on_message_complete(self) -> None:
        self._conversation.answered()


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(value, list) and value:  # Google's streams are arrays
        value = value[0]
    return value if isinstance(value, dict) else {}
