"""Requests that would fit but for what others hold: they wait, in the order in which they came, for a while.

One worker's requests stand in one line for each wall (the counter that has no room). What this worker's own requests
give back wakes the first of its tenant's lines at once; what other workers' give back, it finds by asking again. A
newcomer does not overtake: where a line stands at one of its counters, it goes to the end of that.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

POLL_SECONDS = 0.1
MOST_IN_ALL = 2048

_Lines = dict[str, deque["Place"]]


class Place:
    """Where one request stands. `turn` is when to ask the ledger (again)."""

    __slots__ = ("_called", "_deadline", "_line")

    def __init__(self, line: deque["Place"], deadline: float) -> None:
        self._line, self._deadline = line, deadline
        self._called = asyncio.Event()

    @property
    def _first(self) -> bool:
        return self._line[0] is self

    def call(self) -> None:
        """Something was given back, or whoever stood in front has gone."""
        self._called.set()

    async def turn(self) -> bool:
        """Wait until it makes sense to ask; False once the request has waited for as long as it may."""
        loop = asyncio.get_running_loop()
        while (left := self._deadline - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, POLL_SECONDS) if self._first else left):
                    await self._called.wait()
            except TimeoutError:
                if self._first and left > POLL_SECONDS:
                    return True
            else:
                self._called.clear()
                if self._first:
                    return True
        return False


class WaitingRoom:
    """All lines of one event loop. `seconds`: how long one may wait; `most`: how many of one tenant at once."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._lines: dict[str, _Lines] = {}
        self._waiting: dict[str, int] = {}

    @property
    def waiting(self) -> int:
        return sum(self._waiting.values())

    def busy(self, tenant_id: str) -> bool:
        """Whether anybody waits at all."""
        return tenant_id in self._lines

    def wall_before(self, tenant_id: str, counters: Iterable[str]) -> str:
        """The counter that others wait at already; '' where none does."""
        lines = self._lines.get(tenant_id, {})
        return next((counter for counter in counters if counter in lines), "")

    def freed(self, tenant_id: str) -> None:
        """Something of this tenant was given back."""
        if lines := self._lines.get(tenant_id):
            for line in lines.values():
                line[0].call()

    @contextmanager
    def place(self, tenant_id: str, wall: str) -> Iterator[Place | None]:
        """A place at the end of the line, until the block is left in whatever way; None where too many wait."""
        count = self._waiting.get(tenant_id, 0)
        if count >= self._most or self.waiting >= MOST_IN_ALL:
            yield None
            return
        line = self._lines.setdefault(tenant_id, {}).setdefault(wall, deque())
        place = Place(line, asyncio.get_running_loop().time() + self._seconds)
        line.append(place)
        self._waiting[tenant_id] = count + 1
        try:
            yield place
        finally:
            self._leave(tenant_id, wall, line, place)

    def _leave(self, tenant_id: str, wall: str, line: deque[Place], place: Place) -> None:
        line.remove(place)
        if line:
            line[0].call()  # what is left may be enough for the next one
        else:
            del self._lines[tenant_id][wall]
        self._waiting[tenant_id] -= 1
        if not self._waiting[tenant_id]:
            del self._waiting[tenant_id], self._lines[tenant_id]
