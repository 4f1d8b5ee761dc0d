"""The provider of `benchmarks.overshoot`: paced streams of log-normal length, and the truth of what they cost.

A company is known by the key that its requests carry (`Bearer sk-up-3`), or by the header that the peer adds. Lengths
are drawn company by company from one seed, in the order of the requests, so that every system meets the same ones.
What counts as generated is what was written to the connection: when the proxy hangs up, generation stops there, as
with the providers that bill so. Input is counted as the peer estimates it (four characters a token), so that it is
never wrong about that.

    python -m benchmarks.overshoot_provider [--pace MS] [--seed N]    prints its port; GET /stats tells the truth
"""

import argparse
import asyncio
import json
import math
import random
import re
import signal
from dataclasses import asdict, dataclass, field
from typing import Any

import uvloop

from benchmarks.provider import EVENT_START, LENGTH, STREAM_HEAD, delta, http_chunk

MEDIAN, SIGMA = 150.0, 0.8
# Four characters, which the peer counts as one token, and about what one is in English.
CHUNK = {wanted: delta(b"tok ", usage_wanted=wanted) for wanted in (False, True)}
COMPANY = re.compile(rb"\r\n(?:x-hardcap-tenant: *|authorization: *Bearer sk-up-)([\w-]+)", re.IGNORECASE)


@dataclass
class Truth:
    """What one company's requests came to. `cut`: streams that were to be longer than what was generated of them."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cut: int = 0
    whole: int = 0


@dataclass
class Books:
    """Every company's, and where the next length of each is drawn from."""

    seed: int
    pace: float
    companies: dict[str, Truth] = field(default_factory=dict)
    chances: dict[str, random.Random] = field(default_factory=dict)
    open: int = 0

    def truth(self, company: str) -> Truth:
        return self.companies.setdefault(company, Truth())

    def length(self, company: str) -> int:
        """How long the model would make the next reply of a company if nobody stopped it."""
        chance = self.chances.setdefault(company, random.Random(f"{self.seed} {company}"))
        return max(1, round(math.exp(chance.gauss(math.log(MEDIAN), SIGMA))))

    def told(self) -> bytes:
        return json.dumps({"open": self.open, **{name: asdict(one) for name, one in self.companies.items()}}).encode()


class Connection(asyncio.Protocol):
    """One client: requests one after the other."""

    def __init__(self, books: Books) -> None:
        self._books, self._loop, self._buffer = books, asyncio.get_running_loop(), b""
        self._left = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._left:
            self._truth.cut += 1
            self._ended()

    def data_received(self, data: bytes) -> None:
        self._buffer = data = self._buffer + data
        end = data.find(b"\r\n\r\n")
        length = LENGTH.search(data, 0, end + 2) if end > 0 else None
        if end < 0 or (length and len(data) - end - 4 < int(length[1])):
            return
        self._buffer = b""
        if data.startswith(b"GET"):
            told = self._books.told()
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(told), told))
        else:
            self._answer(data[: end + 2], json.loads(data[end + 4 :]))

    def _answer(self, head: bytes, body: dict[str, Any]) -> None:
        found = COMPANY.search(head)
        assert found is not None, head
        company = found[1].decode()
        self._truth = truth = self._books.truth(company)
        limit = body.get("max_completion_tokens") or body["max_tokens"]
        wish = min(self._books.length(company), 1024)
        self._short = wish > limit
        self._input = sum(4 + max(1, round(len(message["content"]) / 4)) for message in body["messages"]) + 3
        truth.requests += 1
        truth.input_tokens += self._input
        self._total = self._left = min(wish, limit)
        self._wanted = bool((body.get("stream_options") or {}).get("include_usage"))
        self._books.open += 1
        self._transport.write(STREAM_HEAD)
        self._due = self._loop.time()
        self._next()

    def _next(self) -> None:
        if self._transport.is_closing():
            return
        if self._left:
            self._transport.write(CHUNK[self._wanted])
            self._truth.output_tokens += 1
            self._left -= 1
            self._due += self._books.pace
            self._loop.call_at(self._due, self._next)
        else:
            self._finish()

    def _finish(self) -> None:
        null = b',"usage":null' if self._wanted else b""
        last = [EVENT_START + b'[{"index":0,"delta":{},"finish_reason":"stop"}]' + null + b"}\n\n"]
        if self._wanted:
            counts = (self._input, self._total, self._input + self._total)
            usage = b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}' % counts
            last.append(EVENT_START + b'[],"usage":' + usage + b"}\n\n")
        self._truth.cut += self._short
        self._truth.whole += not self._short
        self._transport.write(b"".join(http_chunk(event) for event in [*last, b"data: [DONE]\n\n"]) + b"0\r\n\r\n")
        self._ended()

    def _ended(self) -> None:
        self._left = 0
        self._books.open -= 1


async def serve(books: Books) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    server = await loop.create_server(lambda: Connection(books), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overshoot_provider")
    parser.add_argument("--pace", type=float, default=50.0, help="milliseconds between tokens")
    parser.add_argument("--seed", type=int, default=19)
    options = parser.parse_args()
    uvloop.run(serve(Books(options.seed, options.pace / 1000)))


if __name__ == "__main__":
    main()
