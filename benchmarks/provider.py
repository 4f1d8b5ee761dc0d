"""The provider that every target of the benchmark talks to: as little work as a provider can make.

It answers OpenAI's chat completions and nothing else. A plain reply is some 500 bytes of JSON with usage; a stream is
`max_tokens` (or `max_completion_tokens`) chunks, each its own HTTP chunk and its own write, then usage if the request
asked for it, then `[DONE]`. `seed` paces a stream: so many milliseconds between chunks, and each chunk then carries the
moment that it was written (CLOCK_MONOTONIC, which all processes of a machine share), for the load generator to compare.

    python -m benchmarks.provider [--port P] [--tls CERT KEY]     prints its port on a line of its own
"""

import argparse
import asyncio
import re
import signal
import ssl
import time
from typing import Any

import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
LIMIT = re.compile(rb'"max_(?:completion_)?tokens": ?(\d+)')
PACE = re.compile(rb'"seed": ?(\d+)')
STREAM = re.compile(rb'"stream": ?true')
USAGE_WANTED = re.compile(rb'"include_usage": ?true')

USAGE = (
    b'{"prompt_tokens":25,"completion_tokens":50,"total_tokens":75,"prompt_tokens_details":{"cached_tokens":0,'
    b'"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}'
)
TEXT = b"A spending cap is only a cap if nothing passes it. " * 2
PLAIN = (
    b'{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1764000000,'
    b'"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"' + TEXT + b'",'
    b'"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":' + USAGE + b',"service_tier":"default",'
    b'"system_fingerprint":"fp_06737a9306"}'
)
PLAIN_REPLY = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\n"
    b"content-length: %d\r\n\r\n" % len(PLAIN)
) + PLAIN
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_bench\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
EVENT_START = (
    b'data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1764000000,'
    b'"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_06737a9306","choices":'
)


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def delta(content: bytes, *, usage_wanted: bool) -> bytes:
    """One event: with include_usage every chunk says `"usage":null`, as OpenAI's do."""
    usage = b',"usage":null' if usage_wanted else b""
    choice = b'[{"index":0,"delta":{"content":"%b"},"logprobs":null,"finish_reason":null}]' % content
    return http_chunk(EVENT_START + choice + usage + b"}\n\n")


def ending(*, usage_wanted: bool) -> bytes:
    usage = b',"usage":null' if usage_wanted else b""
    last = EVENT_START + b'[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]' + usage + b"}\n\n"
    totals = EVENT_START + b'[],"usage":' + USAGE + b"}\n\n" if usage_wanted else b""
    return b"".join(http_chunk(event) for event in (last, totals, b"data: [DONE]\n\n") if event) + b"0\r\n\r\n"


CHUNK = {wanted: delta(b" token", usage_wanted=wanted) for wanted in (False, True)}
ENDING = {wanted: ending(usage_wanted=wanted) for wanted in (False, True)}


class Connection(asyncio.Protocol):
    """One client: requests one after the other."""

    count = 0

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer = data = self._buffer + data if self._buffer else data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            return
        found = LENGTH.search(data, 0, head_end)
        if found:
            if len(data) - head_end - 4 < int(found[1]):
                return
        elif CHUNKED.search(data, 0, head_end) and not data.endswith(b"0\r\n\r\n"):
            return
        self._buffer = b""
        self._answer(data, head_end)

    def _answer(self, request: bytes, head_end: int) -> None:
        Connection.count += 1
        if not STREAM.search(request, head_end):
            self._transport.write(PLAIN_REPLY)
            return
        chunks = int(LIMIT.search(request, head_end)[1])  # type: ignore[index]
        pace = PACE.search(request, head_end)
        wanted = USAGE_WANTED.search(request, head_end) is not None
        self._transport.write(STREAM_HEAD)
        if pace:
            self._paced(chunks, int(pace[1]) / 1000, self._loop.time(), wanted)
        else:
            self._loop.call_soon(self._next, chunks, wanted)

    def _next(self, left: int, wanted: bool) -> None:
        if left:
            self._transport.write(CHUNK[wanted])
            self._loop.call_soon(self._next, left - 1, wanted)
        else:
            self._transport.write(ENDING[wanted])

    def _paced(self, left: int, pause: float, due: float, wanted: bool) -> None:
        if self._transport.is_closing():
            return
        if left:
            self._transport.write(delta(b"%d " % time.monotonic_ns(), usage_wanted=wanted))
            self._loop.call_at(due + pause, self._paced, left - 1, pause, due + pause, wanted)
        else:
            self._transport.write(ENDING[wanted])


async def serve(port: int, context: ssl.SSLContext | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    server = await loop.create_server(Connection, "127.0.0.1", port, ssl=context, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.provider")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    options = parser.parse_args()
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
    uvloop.run(serve(options.port, context))


if __name__ == "__main__":
    main()
