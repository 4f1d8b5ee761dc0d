"""A store at another time: the ledger's own scripts, but for the line that asks Redis what time it is.

The real server keeps running by the real clock; `TIME` in the scripts is replaced by a key that the test sets. Times
have to lie in the future, for Redis would drop at once what expires in the past.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime
from types import ModuleType

import pytest

from budgets import scripts
from budgets.lanes import Lane
from tenants import store
from tenants.store import Script
from tests.support.valkey import ValkeyServer

KEY = "tests:clock"  # milliseconds
ASKS = "call('TIME')"
TELLS = f"{{math.floor(redis.call('GET', '{KEY}') / 1000), (redis.call('GET', '{KEY}') % 1000) * 1000}}"


class Clock:
    """What time it is in the store. `at()` is the moment as the product reckons it, epoch seconds."""

    def __init__(self, server: ValkeyServer) -> None:
        self._server = server
        self.ms = 0

    def set(self, moment: str) -> None:
        """`2031-12-31T23:59:59.500`, UTC."""
        self.ms = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)
        self._server.cli("SET", KEY, self.ms)

    def step(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)
        self._server.cli("SET", KEY, self.ms)

    def at(self) -> float:
        return self.ms / 1000

    def tell(self, lane: Lane, *, off_by: float = 0.0) -> None:
        """A worker learns the time, as it does when it connects; `off_by` seconds wrong."""
        lane.set_time(self.ms + int(off_by * 1000))


def _at_another_time(script: Script) -> Script:
    changed = copy(script)
    assert script.source.count(ASKS) == 1, script.name
    changed.source = script.source.replace(ASKS, TELLS)
    changed.sha = "0" * 40  # never known to the server: sent as source each time
    return changed


@contextmanager
def clock_of(server: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock(server)
    module: ModuleType = scripts
    for name, value in list(vars(module).items()):
        if isinstance(value, Script):
            monkeypatch.setattr(module, name, _at_another_time(value))

    def now(key: str = "") -> float:
        return clock.at()

    def forever(key: str) -> float:
        return 1e9

    monkeypatch.setattr(store, "now", now)
    monkeypatch.setattr(store, "age", forever)
    yield clock
