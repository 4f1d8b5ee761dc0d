"""Refused requests, for the pages: how many of which kind a day, and the last few in full.

They cost the proxy next to nothing (a storm at the cap is counted in memory and written twice a second), and they
decide nothing: what is lost with a worker is half a second of counts.
"""

from collections import Counter, defaultdict
from dataclasses import asdict
from datetime import date
from typing import Any

import orjson
import redis

from budgets import keyspace
from budgets.reach import AnyLane
from budgets.values import value
from tenants import store

KEPT_DAYS = 40
RECENT = 200
RECENT_A_FLUSH = 20


@value
class Refused:
    """One refused request. `code` as the client got it, `reason` and `scope` where a cap refused it, else ''."""

    at_ms: int
    request_id: str
    key_id: str
    mode: str
    code: str
    reason: str
    scope: str
    model: str
    message: str
    end_user: str = ""
    """Whose cap refused it, by hash."""


class Tally:
    """What one event loop has refused since the last flush."""

    def __init__(self, lane: AnyLane) -> None:
        self._lane = lane
        self._start_over()

    def _start_over(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._recent: defaultdict[str, list[Refused]] = defaultdict(list)

    def count(self, tenant_id: str, code: str, key_id: str) -> bool:
        """One more; whether it is wanted in full as well. In a storm the first few of each half second are."""
        self._counts[tenant_id][f"{code}:{key_id}"] += 1
        return len(self._recent[tenant_id]) < RECENT_A_FLUSH

    def keep(self, tenant_id: str, refused: Refused) -> None:
        self._recent[tenant_id].append(refused)

    def flush(self, day: date) -> list[str]:
        """Put it on its way; the tenants that it was about."""
        counts, recent = self._counts, self._recent
        self._start_over()
        for tenant_id, tally in counts.items():
            key = keyspace.refusals(tenant_id, day.isoformat())
            for name, count in tally.items():
                self._lane.command("HINCRBY", key, name, count)
            self._lane.command("EXPIRE", key, KEPT_DAYS * 86_400)
            for refused in recent[tenant_id]:
                line = orjson.dumps(asdict(refused))
                self._lane.command("XADD", keyspace.recent_refusals(tenant_id), "MAXLEN", "~", RECENT, "*", "r", line)
        return list(counts)


def recent(tenant_id: str, count: int = 50) -> list[Refused]:
    """The last refused requests, newest first. Raises StoreUnavailable."""
    try:
        entries: Any = store.client().xrevrange(keyspace.recent_refusals(tenant_id), count=count)
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error
    return [Refused(**orjson.loads(fields[b"r"])) for _, fields in entries]


def counts(tenant_id: str, days: list[date]) -> dict[str, dict[str, int]]:
    """How many were refused on these days, by code and key id. Raises StoreUnavailable."""
    found: dict[str, dict[str, int]] = {}
    try:
        client = store.client()
        hashes: list[Any] = [client.hgetall(keyspace.refusals(tenant_id, day.isoformat())) for day in days]
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error
    for tally in hashes:
        for name, count in tally.items():
            code, key_id = name.decode().split(":", 1)
            by_key = found.setdefault(code, {})
            by_key[key_id] = by_key.get(key_id, 0) + int(count)
    return found
