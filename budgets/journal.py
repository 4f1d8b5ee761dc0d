"""From the journal in Redis to rows in the database: records, rollups, crossings and the cursor in one transaction.

Rollups are raised only for rows that were really new, so a batch that is read twice counts once. The journal is trimmed
after the commit; a crash between the two only makes the next drain read entries that its cursor already covers.
"""

import logging
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import orjson
import redis
from django.db import transaction
from django.db.models import F

from budgets import crossings, feed, keyspace, rows, scripts
from budgets.end_users import counting_keys
from budgets.models import DailySpend, JournalCursor, UsageRecord, UsageStatus
from tenants import store

log = logging.getLogger(__name__)

BATCH = 500
FINAL = ("settled", "corrected")
"""Kinds of entries after which nothing more happens to a hold; one whose lease ended may yet be corrected."""
Rollup = tuple[date, str, str, str, str, str]  # day, api_key, mode, provider, model, end_user


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal, decoded. `amount` is the hold; of a refusal, the cap that refused. `at_ms`: of the
    reservation; `now_ms`: of the entry itself. Both by Redis's clock."""

    id: str
    kind: str
    hold: str
    cost: int
    amount: int
    counters: tuple[str, ...]
    at_ms: int
    now_ms: int
    meta: dict[str, Any]
    ending: dict[str, Any]

    @classmethod
    def decode(cls, entry_id: bytes, fields: dict[bytes, bytes]) -> "Entry":
        cost = int(fields[b"c"])
        if (hold := fields.get(b"r")) is not None:  # what stood in the hold (budgets/lua/_prelude.lua)
            amount, counters, at, _, _, meta = hold.split(b"\n", 5)
        else:  # written before 2026-11-24, and not drained since
            amount, counters, at, meta = fields[b"a"], fields[b"k"], fields[b"at"], fields[b"m"]
        return cls(
            id=entry_id.decode(),
            kind=fields[b"t"].decode(),
            hold=fields[b"h"].decode(),
            cost=cost,
            amount=int(amount),
            counters=tuple(counters.decode().split()),
            at_ms=int(at),
            now_ms=int(entry_id.partition(b"-")[0]),
            meta=orjson.loads(meta),
            ending=orjson.loads(fields[b"u"]) if fields[b"u"] else {},
        )

    @property
    def day(self) -> date:
        return datetime.fromtimestamp(self.at_ms / 1000, UTC).date()

    @property
    def spent(self) -> int:
        """What this entry added to the counters' `spent`."""
        return self.cost - self.amount if self.kind == "corrected" else self.cost


@dataclass(slots=True)
class Batch:
    """What one transaction writes."""

    tenant_id: str
    new: dict[str, UsageRecord] = field(default_factory=dict)
    changed: dict[str, UsageRecord] = field(default_factory=dict)
    rollups: dict[Rollup, list[int]] = field(default_factory=dict)
    refusals: list[Entry] = field(default_factory=list)
    repeated: list[Entry] = field(default_factory=list)

    def raise_rollup(self, row: UsageRecord, cost: int, requests: int, tokens_in: int, tokens_out: int) -> None:
        key = (row.day, row.api_key_id, row.mode, row.provider, row.model, row.end_user)
        sums = self.rollups.setdefault(key, [0, 0, 0, 0])
        for index, amount in enumerate((cost, requests, tokens_in, tokens_out)):
            sums[index] += amount


def drain(tenant_id: str) -> int:
    """Turn everything that is in a tenant's journal into rows; how many entries that were. Raises StoreUnavailable."""
    total = 0
    while drained := _drain_batch(tenant_id):
        total += drained
    if total:
        feed.announce(tenant_id)
    return total


def read(tenant_id: str, after: str, count: int | None = None) -> list[Entry]:
    """The entries after a cursor, oldest first."""
    try:
        raw: Any = store.client().xrange(keyspace.journal(tenant_id), min=f"({after}", max="+", count=count)
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error
    return [Entry.decode(entry_id, fields) for entry_id, fields in raw]


def lag(tenant_id: str) -> int:
    """How many entries wait to be drained."""
    try:
        return int(store.client().xlen(keyspace.journal(tenant_id)))
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error


def _drain_batch(tenant_id: str) -> int:
    cursor = JournalCursor.objects.filter(tenant_id=tenant_id).values_list("last_id", flat=True).first() or "0-0"
    entries = read(tenant_id, cursor, BATCH)
    if not entries:
        return 0
    with transaction.atomic():
        JournalCursor.objects.get_or_create(tenant_id=tenant_id)
        locked = JournalCursor.objects.select_for_update().get(tenant_id=tenant_id)
        if locked.last_id != cursor:
            return len(entries)  # another drain was here meanwhile: look again
        batch = _collect(tenant_id, entries)
        _write(batch)
        locked.last_id = entries[-1].id
        locked.save()
    acknowledge(tenant_id, entries[-1].id, [entry.hold for entry in entries if entry.kind in FINAL])
    _take_back_repeats(batch)
    return len(entries)


def acknowledge(tenant_id: str, cursor: str, holds: list[str]) -> None:
    """Trim the journal up to the cursor; the tombstones of these holds, whose end is final, may go soon."""
    store.run(
        scripts.ACK,
        [keyspace.policy(tenant_id), keyspace.journal(tenant_id)],
        [cursor, keyspace.hold_prefix(tenant_id), *holds],
    )


def _collect(tenant_id: str, entries: list[Entry]) -> Batch:
    batch = Batch(tenant_id)
    known = UsageRecord.objects.in_bulk([entry.hold for entry in entries if entry.hold])
    counting = counting_keys(tenant_id)
    for entry in entries:
        row = batch.new.get(entry.hold) or known.get(entry.hold)
        if entry.kind == "refused":
            batch.refusals.append(entry)
        elif row is None:
            row = _record(tenant_id, entry)
            row.user_uncounted = row.api_key_id in counting and not any(map(keyspace.is_user_counter, entry.counters))
            batch.new[row.id] = row
            batch.raise_rollup(row, row.cost, 1, row.input_tokens, row.output_tokens)
        elif entry.kind == "corrected":
            _correct(batch, row, entry)
        else:
            batch.repeated.append(entry)
    return batch


def _record(tenant_id: str, entry: Entry) -> UsageRecord:
    meta, ending = entry.meta, entry.ending
    usage = ending.get("usage", {})
    status = UsageStatus.LEASE_ENDED if entry.kind == "lapsed" else ending.get("status", UsageStatus.SETTLED)
    return UsageRecord(
        id=entry.hold,
        tenant_id=tenant_id,
        api_key_id=meta["key"],
        mode=meta["mode"],
        provider=meta["provider"],
        model=meta["model"][:128],
        endpoint=meta["endpoint"],
        end_user=meta["user"],
        status=status,
        flags=ending.get("flags", []),
        cost=entry.cost,
        held=entry.amount,
        input_tokens=ending.get("in", 0),
        output_tokens=ending.get("out", 0),
        usage=usage,
        price=ending.get("price", meta["price"]),
        price_source=meta.get("source", "")[:80],
        price_since=date.fromisoformat(meta["since"]) if meta.get("since") else None,
        own_price=meta.get("own", ""),
        service_tier=ending.get("tier", "")[:32],
        bound=ending.get("bound", {}),
        request_id=ending.get("rid", "")[:40],
        first_byte_ms=ending.get("fb"),
        stream=meta["stream"],
        http_status=ending.get("http"),
        duration_ms=ending.get("ms", 0),
        day=entry.day,
        reserved_at=datetime.fromtimestamp(entry.at_ms / 1000, UTC),
        settled_at=datetime.fromtimestamp(entry.now_ms / 1000, UTC),
    )


def _correct(batch: Batch, row: UsageRecord, entry: Entry) -> None:
    """A settle or release that came after the lease had ended: the row takes the truth, the rollup the difference."""
    truth = _record(batch.tenant_id, entry)
    batch.raise_rollup(
        row, truth.cost - row.cost, 0, truth.input_tokens - row.input_tokens, truth.output_tokens - row.output_tokens
    )
    for name in (
        "status",
        "cost",
        "input_tokens",
        "output_tokens",
        "usage",
        "http_status",
        "duration_ms",
        "settled_at",
        "price",
        "service_tier",
        "bound",
        "request_id",
        "first_byte_ms",
    ):
        setattr(row, name, getattr(truth, name))
    row.flags = [*truth.flags, "corrected"]
    if row.id not in batch.new:
        batch.changed[row.id] = row


def _write(batch: Batch) -> None:
    rows.insert(batch.new.values())
    for row in batch.changed.values():
        row.save()
    for key, (cost, requests, tokens_in, tokens_out) in sorted(batch.rollups.items()):
        where: dict[str, Any] = dict(
            zip(("day", "api_key_id", "mode", "provider", "model", "end_user"), key, strict=True)
        )
        rollup, _ = DailySpend.objects.get_or_create(tenant_id=batch.tenant_id, **where)
        DailySpend.objects.filter(pk=rollup.pk).update(
            cost=F("cost") + cost,
            requests=F("requests") + requests,
            input_tokens=F("input_tokens") + tokens_in,
            output_tokens=F("output_tokens") + tokens_out,
        )
    _note_crossings(batch)


def _note_crossings(batch: Batch) -> None:
    touched = {(day, key_id, mode) for day, key_id, mode, *_ in batch.rollups}
    touched |= {(entry.day, entry.meta["key"], entry.meta["mode"]) for entry in batch.refusals}
    refused_at = {key: entry.amount for entry in batch.refusals for key in entry.counters}
    crossings.record(batch.tenant_id, touched, refused_at)


def _take_back_repeats(batch: Batch) -> None:
    """A hold that was charged again by a store that had forgotten it: the row stands once, so must the counters."""
    for entry in batch.repeated:
        log.warning("hold %s was charged twice in the store; taking %d nanodollars back", entry.hold, entry.spent)
        for key in entry.counters:
            store.run(scripts.MEND, [keyspace.policy(batch.tenant_id), key], ["spent", -entry.spent])
