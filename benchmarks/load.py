"""The load generator: raw HTTP/1.1 on asyncio protocols, so that it costs less than what it measures.

    python -m benchmarks.load '{"port": 8000, ...}'      one JSON object in, one JSON object out (see Plan and Result)

Three kinds of load. `closed`: so many connections, each sends its next request when it has its reply. `open`: requests
start at fixed moments whatever became of the earlier ones, and a reply's time counts from the moment that its request
was due (so a stall is seen by all that it delayed). `paced`: so many streams at once whose chunks the provider writes
at a steady pace with the moment in each, and what is measured is how much later, and how unevenly, they arrive.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvloop

STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
STAMP = re.compile(rb'"content": ?"(\d{10,}) ')
LAST_CHUNK = b"0\r\n\r\n"
MOST_WARM_UP = 600.0


@dataclass(frozen=True)
class Plan:
    port: int
    path: str
    body: str
    headers: dict[str, str]
    kind: str = "closed"
    connections: int = 64
    seconds: float = 5.0
    warm_up: float = 1.0
    rate: float = 0.0
    """Requests a second, for `open`."""
    expect: int = 200
    keys_file: str = ""
    """API keys, one a line: each request takes the next in `authorization`; else `headers` have it."""
    every_key_first: bool = False
    """Go on warming up until each key was used once."""
    shares: float = 0.0
    """Of the requests, what share takes the first key of the file (one tenant taking most)."""


@dataclass
class Result:
    replies: int = 0
    wrong: int = 0
    """Replies with another status, and connections that broke."""
    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    sample: str = ""
    """The start of the first reply that was wrong."""
    latencies_ms: dict[str, float] = field(default_factory=dict)
    added_ms: dict[str, float] = field(default_factory=dict)
    """`paced`: from a chunk's writing to its arrival."""
    gap_ms: dict[str, float] = field(default_factory=dict)
    """`paced`: how much longer the pause before a chunk was on arrival than at its writing."""
    late_starts: int = 0


class Requests:
    """The bytes of the next request. All of them are made before the first is sent."""

    def __init__(self, plan: Plan) -> None:
        keys = Path(plan.keys_file).read_text().split() if plan.keys_file else [""]
        body = plan.body.encode()
        self._made = []
        for key in keys:
            headers = {"host": f"127.0.0.1:{plan.port}", "content-type": "application/json", **plan.headers}
            if key:
                headers["authorization"] = f"Bearer {key}"
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = f"POST {plan.path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
            self._made.append(head.encode() + body)
        self._next, self.taken, self._share = 0, 0, plan.shares

    @property
    def all_used(self) -> bool:
        return self.taken >= len(self._made)

    def next(self) -> bytes:
        self.taken += 1
        if self._share and self.all_used and (self.taken * 7919) % 1000 < self._share * 1000:
            return self._made[0]
        self._next = (self._next + 1) % len(self._made)
        return self._made[self._next]


class Client(asyncio.Protocol):
    """One connection, one request at a time; `finished(self, status)` when its reply is whole, 0 when it broke."""

    def __init__(self, finished: Any, on_stamp: Any = None) -> None:
        self._finished, self._on_stamp = finished, on_stamp
        self._busy = False
        self.since = 0.0
        self.last: tuple[int, int] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._busy:
            self._end(0, b"connection lost")

    def send(self, request: bytes) -> None:
        self._busy = True
        self._status, self._need, self._chunked, self._parts = 0, -1, False, b""
        self.last = None
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._need < 0 and not self._chunked:
            data = self._parts + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._parts = data
                return
            self._status = int(data[9:12])
            self._first = data[:600]
            if length := LENGTH.search(data, 0, end + 2):
                self._need = int(length[1]) - (len(data) - end - 4)
            else:
                self._chunked = True
                self._tail = b""
        else:
            self._need -= len(data)
        if self._chunked:
            if self._on_stamp is not None:
                for stamp in STAMP.findall(data):
                    self._on_stamp(self, int(stamp))
            self._tail = data[-5:] if len(data) >= 5 else (self._tail + data)[-5:]
            if self._tail == LAST_CHUNK:
                self._end(self._status, self._first)
        elif self._need <= 0:
            self._end(self._status, self._first)

    def _end(self, status: int, first: bytes) -> None:
        self._busy = False
        self._finished(self, status, first)


class Tally:
    """Counts replies between two moments."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.result = plan, Result()
        self.counting = False
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []

    def note(self, status: int, first: bytes, latency: float) -> None:
        if status != self.plan.expect:
            self.result.wrong += 1
            self.result.sample = self.result.sample or first.decode("latin-1")
        if self.counting:
            self.statuses[status] += 1
            self.latencies.append(latency)

    def close(self, seconds: float) -> Result:
        result = self.result
        result.seconds = seconds
        result.replies = len(self.latencies)
        result.statuses = {str(status): count for status, count in self.statuses.items()}
        result.latencies_ms = quantiles(self.latencies, 1000)
        return result


def quantiles(values: list[float], scale: float) -> dict[str, float]:
    if not values:
        return {}
    ordered = sorted(values)
    marks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
    found = {name: ordered[min(len(ordered) - 1, int(mark * len(ordered)))] * scale for name, mark in marks.items()}
    return found | {"max": ordered[-1] * scale}


async def measure(tally: Tally, requests: Requests) -> float:
    """Wait out the warm-up and the measured time; the seconds really measured. Says `begin` and `end` on stderr."""
    patience = time.monotonic() + MOST_WARM_UP
    await asyncio.sleep(tally.plan.warm_up)
    while tally.plan.every_key_first and not requests.all_used and time.monotonic() < patience:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    tally.counting, started = True, time.monotonic()
    print("begin", file=sys.stderr, flush=True)
    await asyncio.sleep(tally.plan.seconds)
    tally.counting, ended = False, time.monotonic()
    print("end", file=sys.stderr, flush=True)
    return ended - started


async def closed(plan: Plan) -> Result:
    loop = asyncio.get_running_loop()
    requests, tally, stopped = Requests(plan), Tally(plan), asyncio.Event()
    reconnecting: set[asyncio.Task[None]] = set()

    def finished(client: Client, status: int, first: bytes) -> None:
        now = time.monotonic()
        tally.note(status, first, now - client.since)
        if stopped.is_set():
            return
        if client.transport.is_closing():
            reconnecting.add(loop.create_task(begin()))
        else:
            client.since = now
            client.send(requests.next())

    async def begin() -> None:
        _, client = await loop.create_connection(lambda: Client(finished), "127.0.0.1", plan.port)
        client.since = time.monotonic()
        client.send(requests.next())

    for _ in range(plan.connections):
        await begin()
    seconds = await measure(tally, requests)
    stopped.set()
    return tally.close(seconds)


async def open_loop(plan: Plan) -> Result:
    loop = asyncio.get_running_loop()
    requests, tally = Requests(plan), Tally(plan)
    idle: deque[Client] = deque()
    waiting: deque[float] = deque()
    reconnecting: set[asyncio.Task[None]] = set()

    def finished(client: Client, status: int, first: bytes) -> None:
        tally.note(status, first, time.monotonic() - client.since)
        if client.transport.is_closing():
            reconnecting.add(loop.create_task(connect()))
        elif waiting:
            client.since = waiting.popleft()
            client.send(requests.next())
        else:
            idle.append(client)

    async def connect() -> None:
        _, client = await loop.create_connection(lambda: Client(finished), "127.0.0.1", plan.port)
        idle.append(client)

    for _ in range(plan.connections):
        await connect()
    measuring = loop.create_task(measure(tally, requests))
    due = time.monotonic()
    while not measuring.done():
        while due <= time.monotonic():
            if idle:
                client = idle.popleft()
                client.since = due
                client.send(requests.next())
            else:
                waiting.append(due)
                tally.result.late_starts += 1
            due += 1 / plan.rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    return tally.close(measuring.result())


async def paced(plan: Plan) -> Result:
    loop = asyncio.get_running_loop()
    requests, tally, stopped = Requests(plan), Tally(plan), asyncio.Event()
    added: list[float] = []
    gaps: list[float] = []
    chunks = 0

    def on_stamp(client: Client, written: int) -> None:
        nonlocal chunks
        now = time.monotonic_ns()
        last, client.last = client.last, (written, now)
        if tally.counting:
            chunks += 1
            added.append((now - written) / 1e9)
            if last is not None:
                gaps.append(((now - last[1]) - (written - last[0])) / 1e9)

    def finished(client: Client, status: int, first: bytes) -> None:
        tally.note(status, first, time.monotonic() - client.since)
        if not stopped.is_set() and not client.transport.is_closing():
            client.since = time.monotonic()
            client.send(requests.next())

    for number in range(plan.connections):
        _, client = await loop.create_connection(lambda: Client(finished, on_stamp), "127.0.0.1", plan.port)
        client.since = time.monotonic()
        client.send(requests.next())
        if number % 10 == 9:
            await asyncio.sleep(0.02)  # not all at once: their chunks then come spread over time, as in life
    seconds = await measure(tally, requests)
    stopped.set()
    result = tally.close(seconds)
    result.replies = chunks
    result.added_ms, result.gap_ms = quantiles(added, 1000), quantiles(gaps, 1000)
    return result


KINDS = {"closed": closed, "open": open_loop, "paced": paced}


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    print(json.dumps(asdict(uvloop.run(KINDS[plan.kind](plan)))))


if __name__ == "__main__":
    main()
