"""The mock's books: every request it saw and what it billed, safe to read from any thread."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from tokonomics.sandbox.tokens import Tokens


@dataclass(slots=True, eq=False)
class RecordedRequest:
    """One request. The second half fills up while it is answered; `done` is set when nothing will change any more,
    which is before a client can have the end of its reply.

    `connection` numbers the connections, so that a test sees which were reused. Times are `time.monotonic()`.
    `bytes_sent` counts what was written, headers included; `output_tokens_sent` the tokens of the chunks among them,
    where the behaviour tells. `usage` is what was billed; None: nothing.
    """

    number: int
    connection: int
    method: str
    target: str
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes
    received_at: float
    status: int | None = None
    bytes_sent: int = 0
    output_tokens_sent: int = 0
    client_closed_early: bool = False
    usage: Tokens | None = None
    finished_at: float | None = None
    model: str = ""
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; repeated ones joined with commas."""
        joined: dict[str, str] = {}
        for name, value in self.raw_headers:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            joined[key] = f"{joined[key]}, {text}" if key in joined else text
        return joined

    def json(self) -> Any:
        return orjson.loads(self.body)


class Record:
    """`keep` bounds how many requests stay in memory (None: all); the counts go on regardless."""

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        self._changed = threading.Condition()
        self.reset()

    def reset(self) -> None:
        with self._changed:
            self._requests: deque[RecordedRequest] = deque(maxlen=self._keep)
            self._bills: deque[tuple[int, Tokens]] = deque(maxlen=self._keep)
            self._by_path: Counter[str] = Counter()
            self._billed: Counter[tuple[str, Tokens]] = Counter()
            self._arrived = self._ended = self._left = self._bytes = self._connections = 0

    def connected(self) -> int:
        with self._changed:
            self._connections += 1
            return self._connections

    def arrived(
        self, connection: int, method: str, target: str, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> RecordedRequest:
        now = time.monotonic()
        with self._changed:
            request = RecordedRequest(self._arrived, connection, method, target, headers, body, now)
            self._arrived += 1
            self._by_path[request.path] += 1
            self._requests.append(request)
            self._changed.notify_all()
        return request

    def ended(self, request: RecordedRequest) -> None:
        request.finished_at = time.monotonic()
        with self._changed:
            self._ended += 1
            self._left += request.client_closed_early
            self._bytes += request.bytes_sent
            if request.usage is not None:
                self._bills.append((request.number, request.usage))
                self._billed[request.model, request.usage] += 1
            self._changed.notify_all()
        request.done.set()

    @property
    def requests(self) -> list[RecordedRequest]:
        with self._changed:
            return list(self._requests)

    @property
    def count(self) -> int:
        with self._changed:
            return self._arrived

    def usage_total(self) -> list[Tokens]:
        """What was billed, in the order of the requests. One that is still being answered is not in it yet."""
        with self._changed:
            return [usage for _, usage in sorted(self._bills, key=lambda bill: bill[0])]

    def stats(self) -> dict[str, Any]:
        with self._changed:
            return {
                "requests": self._arrived,
                "in_flight": self._arrived - self._ended,
                "client_closed_early": self._left,
                "connections": self._connections,
                "bytes_sent": self._bytes,
                "by_path": dict(self._by_path),
                "billed": self._billed_by_model(),
            }

    def _billed_by_model(self) -> dict[str, dict[str, int]]:
        models: dict[str, Counter[str]] = {}
        for (model, usage), times in self._billed.items():
            totals = models.setdefault(model, Counter())
            totals.update({name: count * times for name, count in asdict(usage).items()}, requests=times)
        return {model: dict(totals) for model, totals in models.items()}

    def wait_for(self, count: int, timeout: float) -> list[RecordedRequest]:
        """Block until `count` requests have arrived. Raises TimeoutError."""
        self._wait(lambda: self._arrived >= count, timeout, f"{count} requests")
        return self.requests

    def wait_idle(self, timeout: float) -> None:
        """Block until no request is being answered. Raises TimeoutError."""
        self._wait(lambda: self._arrived == self._ended, timeout, "the end of all requests")

    def _wait(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                seen = f"{self._arrived} arrived, {self._ended} ended"
                raise TimeoutError(f"the provider mock waited {timeout} s for {what}: {seen}")
