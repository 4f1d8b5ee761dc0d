"""What is in flight now: the open holds of a company, as Redis has them. For looking at; nothing is decided by it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import redis

from budgets import holds as kept
from budgets import keyspace
from tenants import store
from tokonomics.console import presentation as show

MOST = 200


@dataclass(frozen=True, slots=True)
class Hold:
    """One request in flight. `amount`: the most that it can cost, nanodollars."""

    id: str
    at: datetime
    amount: int
    key_id: str
    mode: str
    provider: str
    model: str
    endpoint: str
    stream: bool


@dataclass(frozen=True, slots=True)
class InFlight:
    """`holds`: newest first, at most `MOST` of the `total`."""

    holds: tuple[Hold, ...] = ()
    total: int = 0

    def of(self, mode: str) -> tuple[Hold, ...]:
        return tuple(hold for hold in self.holds if hold.mode == mode)

    def count(self, mode: str) -> int:
        """How many of a mode; of more than could be looked at, all are taken for it."""
        return len(self.of(mode)) if self.total <= MOST else self.total


def open_holds(tenant_id: str) -> InFlight:
    """Raises StoreUnavailable."""
    try:
        with store.client().pipeline(transaction=False) as pipe:
            pipe.zcard(keyspace.holds(tenant_id))
            pipe.zrevrange(keyspace.holds(tenant_id), 0, MOST - 1)
            total, ids = pipe.execute()
            texts: Any = store.client().mget([keyspace.hold(tenant_id, each.decode()) for each in ids]) if ids else []
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error
    found = [(hold_id.decode(), kept.read(text)) for hold_id, text in zip(ids, texts, strict=True)]
    holds = [_hold(hold_id, hold) for hold_id, hold in found if hold is not None]
    return InFlight(tuple(sorted(holds, key=lambda hold: hold.at, reverse=True)), int(total))


def find(tenant_id: str, hold_id: str) -> Hold | None:
    """One request, if it is in flight. Raises StoreUnavailable."""
    try:
        text: Any = store.client().mget([keyspace.hold(tenant_id, hold_id)])[0]
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error
    hold = kept.read(text)
    return _hold(hold_id, hold) if hold is not None else None


def _hold(hold_id: str, hold: kept.OpenHold) -> Hold:
    meta = orjson.loads(hold.meta)
    return Hold(
        id=hold_id,
        at=show.at(hold.at_ms // 1000),
        amount=hold.amount,
        key_id=meta["key"],
        mode=meta["mode"],
        provider=meta["provider"],
        model=meta["model"],
        endpoint=meta["endpoint"],
        stream=meta["stream"],
    )
