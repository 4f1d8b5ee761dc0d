"""One line of the journal: what the scripts write at the end of a request, and the row that it becomes."""

from dataclasses import field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from budgets.models import UsageRecord, UsageStatus
from budgets.values import value

FINAL = ("settled", "corrected")
"""Kinds of entries after which nothing more happens to a hold; one whose lease ended may yet be corrected."""
RawEntry = tuple[bytes, dict[bytes, bytes]]
Facts = dict[str, Any]
"""A UsageRecord to be, by its attributes."""
_EPOCH = date(1970, 1, 1)
_DAY_MS = 86_400_000


@value
class Entry:
    """`amount` is the hold; of a refusal, the cap that refused. `at_ms`: of the reservation; `now_ms`: of the entry
    itself. Both by Redis's clock. `meta` and `counters` belong to all entries that are alike: nobody changes them."""

    id: str
    kind: str
    hold: str
    cost: int
    amount: int
    counters: tuple[str, ...]
    at_ms: int
    now_ms: int
    meta: dict[str, Any] = field(hash=False)
    ending: dict[str, Any] = field(hash=False)

    @classmethod
    def decode(cls, entry_id: bytes, fields: dict[bytes, bytes]) -> "Entry":
        cost = int(fields[b"c"])
        if (hold := fields.get(b"r")) is not None:  # what stood in the hold (budgets/lua/_prelude.lua)
            amount, counters, at, _, _, meta = hold.split(b"\n", 5)
        else:  # written before 2026-11-24, and not drained since
            amount, counters, at, meta = fields[b"a"], fields[b"k"], fields[b"at"], fields[b"m"]
        return cls(
            entry_id.decode(),
            fields[b"t"].decode(),
            fields[b"h"].decode(),
            cost,
            int(amount),
            _names(counters),
            int(at),
            int(entry_id.partition(b"-")[0]),
            _meta(meta),
            orjson.loads(fields[b"u"]) if fields[b"u"] else {},
        )

    @property
    def day(self) -> date:
        return _day(self.at_ms // _DAY_MS)

    @property
    def spent(self) -> int:
        """What this entry added to the counters' `spent`."""
        return self.cost - self.amount if self.kind == "corrected" else self.cost


# Most entries of a batch are of few keys and models: what they have in common is read once.


@lru_cache(maxsize=1024)
def _meta(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(text)
    return found


@lru_cache(maxsize=1024)
def _names(text: bytes) -> tuple[str, ...]:
    return tuple(text.decode().split())


@lru_cache(maxsize=64)
def _day(number: int) -> date:
    return _EPOCH + timedelta(days=number)


def facts(tenant_id: str, entry: Entry) -> Facts:
    """The row that an entry becomes. What its ending does not say is as in a new record."""
    meta, ending = entry.meta, entry.ending
    return {
        "id": entry.hold,
        "tenant_id": tenant_id,
        "api_key_id": meta["key"],
        "mode": meta["mode"],
        "provider": meta["provider"],
        "model": meta["model"][:128],
        "endpoint": meta["endpoint"],
        "end_user": meta["user"],
        "status": str(UsageStatus.LEASE_ENDED) if entry.kind == "lapsed" else ending.get("status", "settled"),
        "flags": ending.get("flags", []),
        "cost": entry.cost,
        "held": entry.amount,
        "input_tokens": ending.get("in", 0),
        "output_tokens": ending.get("out", 0),
        "usage": ending.get("usage", {}),
        "price": ending.get("price", meta["price"]),
        "price_source": meta.get("source", "")[:80],
        "price_since": date.fromisoformat(meta["since"]) if meta.get("since") else None,
        "own_price": meta.get("own", ""),
        "service_tier": ending.get("tier", "")[:32],
        "bound": ending.get("bound", {}),
        "request_id": ending.get("rid", "")[:40],
        "first_byte_ms": ending.get("fb"),
        "stream": meta["stream"],
        "http_status": ending.get("http"),
        "duration_ms": ending.get("ms", 0),
        "day": entry.day,
        "reserved_at": datetime.fromtimestamp(entry.at_ms / 1000, UTC),
        "settled_at": datetime.fromtimestamp(entry.now_ms / 1000, UTC),
        "user_uncounted": False,
    }


CORRECTED = (
    *("status", "flags", "cost", "input_tokens", "output_tokens", "usage", "price", "service_tier", "bound"),
    *("request_id", "first_byte_ms", "http_status", "duration_ms", "settled_at"),
)
"""What a settle or release that came after the lease had ended knows better than the row that the lease made."""


def correct(row: UsageRecord | Facts, truth: Facts) -> None:
    """The truth takes the place of what the lease had charged, with a flag that says so."""
    known = {name: truth[name] for name in CORRECTED} | {"flags": [*truth["flags"], "corrected"]}
    if isinstance(row, UsageRecord):
        for name, fact in known.items():
            setattr(row, name, fact)
    else:
        row.update(known)
