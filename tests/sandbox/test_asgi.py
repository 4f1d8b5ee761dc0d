"""The ASGI layer, driven by hand where a real client cannot see what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import orjson
import pytest

from tests.sandbox.requests import BODIES, PATHS
from tokonomics.sandbox import asgi

DIALECTS = ["openai", "anthropic"]


class Exchange:
    """One request put to the application. `leave()` is the client closing its connection."""

    def __init__(self, path: str, body: bytes, instructions: str = "", *, pieces: int = 1) -> None:
        headers = [(b"x-tokonomics-sandbox", instructions.encode())]
        self.scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        self.sent: list[dict[str, Any]] = []
        self._left = asyncio.Event()
        self._progress = asyncio.Event()
        size = -(-len(body) // pieces)
        self._pieces = [body[first : first + size] for first in range(0, len(body), size)]

    def leave(self) -> None:
        self._left.set()

    async def receive(self) -> dict[str, Any]:
        if self._pieces:
            return {"type": "http.request", "body": self._pieces.pop(0), "more_body": bool(self._pieces)}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        self._progress.set()

    async def has_sent(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.sent) < count:
                self._progress.clear()
                await self._progress.wait()

    def run(self) -> Awaitable[None]:
        return asyncio.wait_for(asgi.app(self.scope, self.receive, self.send), 5)

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


def request(dialect: str, instructions: str, **fields: Any) -> Exchange:
    return Exchange(PATHS[dialect], orjson.dumps({**BODIES[dialect], **fields}), instructions)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("instructions", ["delay=30", "chunk_delay=30", "fault=hang:2"])
async def test_a_client_that_leaves_ends_the_work_at_once(dialect: str, instructions: str) -> None:
    exchange = request(dialect, instructions, stream=True)
    running = asyncio.ensure_future(exchange.run())
    if instructions != "delay=30":
        await exchange.has_sent(2)
    sent_before = len(exchange.sent)
    exchange.leave()
    await running  # within the five seconds of `run`
    assert len(exchange.sent) == sent_before


async def test_an_undelayed_stream_stops_when_its_client_leaves() -> None:
    exchange = request("openai", "output=32768", stream=True)
    running = asyncio.ensure_future(exchange.run())
    await exchange.has_sent(10)
    exchange.leave()
    await running
    assert len(exchange.sent) < 32_768
    assert exchange.sent[-1]["more_body"] is True


async def test_a_body_may_arrive_in_pieces() -> None:
    body = orjson.dumps(BODIES["openai"])
    exchange = Exchange(PATHS["openai"], body, pieces=7)
    await exchange.run()
    assert exchange.sent[0]["status"] == 200


@pytest.mark.parametrize(("dialect", "kind"), [("openai", "invalid_request_error"), ("anthropic", "request_too_large")])
async def test_a_body_that_is_too_long_is_refused_in_the_dialect(
    dialect: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "MAX_BODY_BYTES", 1000)
    exchange = Exchange(PATHS[dialect], b"x" * 1001, pieces=3)
    await exchange.run()
    assert exchange.sent[0]["status"] == 413
    assert orjson.loads(exchange.body)["error"]["type"] == kind


async def test_a_hang_is_cut_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "LONGEST_HANG", 0.1)
    exchange = request("openai", "fault=hang:2", stream=True)
    await exchange.run()
    assert len(exchange.sent) == 1 + 2
    assert exchange.sent[-1]["more_body"] is True


async def test_lifespan_is_answered() -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await asgi.app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
