"""The sandbox as an ASGI application, `uvicorn tokonomics.sandbox.asgi:app`: reads a request, plays its reply."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tokonomics.sandbox.reply import Ending, Reply
from tokonomics.sandbox.router import answer, refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY_BYTES = 32 * 1024 * 1024
LONGEST_HANG = 600.0  # seconds; a client that waits longer than this sees the connection cut

_cutting: contextvars.ContextVar[bool] = contextvars.ContextVar("tokonomics_sandbox_cutting", default=False)


class _IntendedCut(logging.Filter):
    """Keeps uvicorn from reporting as our error the one thing that `fault=cut` is for: a reply left unfinished."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (_cutting.get() and "without completing response" in record.getMessage())


logging.getLogger("uvicorn.error").addFilter(_IntendedCut())


async def app(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    elif scope["path"] == "/healthz":
        await _play(Reply(200, (("content-type", "text/plain"),), (), content_length=0), receive, send)
    else:
        await _respond(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def _respond(scope: Message, receive: Receive, send: Send) -> None:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}; {text}" if key in headers else text
    method, path = scope["method"], scope["path"]
    body = await _read(receive)
    if body is None:
        reply = refusal(method, path, headers, 413, f"Request body exceeds {MAX_BODY_BYTES} bytes.")
    else:
        query = scope.get("query_string", b"").decode("latin-1")
        reply = answer(method, path, headers, body, now=int(time.time()), query=query)
    await _play(reply, receive, send)


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None where it is too long. What is too long is read to its end and dropped."""
    body, size = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] != "http.request":  # the client left in the middle of its request
            return bytes(body)
        size += len(message.get("body", b""))
        if size <= MAX_BODY_BYTES:
            body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body) if size <= MAX_BODY_BYTES else None


async def _play(reply: Reply, receive: Receive, send: Send) -> None:
    gone = asyncio.create_task(_disconnected(receive))
    try:
        await _send_reply(reply, gone, send)
    finally:
        gone.cancel()
        await asyncio.wait({gone})


async def _send_reply(reply: Reply, gone: asyncio.Task[None], send: Send) -> None:
    if await _left(gone, reply.delay):
        return
    headers = [(name.encode(), value.encode()) for name, value in reply.headers]
    if reply.content_length is not None:
        headers.append((b"content-length", b"%d" % reply.content_length))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    for chunk in reply.chunks:
        await send({"type": "http.response.body", "body": chunk.data, "more_body": True})
        if await _left(gone, reply.chunk_delay):
            return
    if reply.ending is Ending.HANG and await _left(gone, LONGEST_HANG):
        return
    if reply.ending is Ending.COMPLETE:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    else:
        _cutting.set(True)  # returning now makes the server close the connection; that is the cut


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _left(gone: asyncio.Task[None], seconds: float) -> bool:
    """Wait, and answer early and True if the client leaves meanwhile."""
    await asyncio.wait({gone}, timeout=seconds)
    return gone.done()
