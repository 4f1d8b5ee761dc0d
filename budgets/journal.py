"""From the journal in Redis to rows in the database: records, rollups, crossings and the cursor in one transaction.

Rollups are raised only for rows that were really new, so a batch that is read twice counts once. The journal is trimmed
after the commit; a crash between the two only makes the next drain read entries that its cursor already covers.
"""

import logging
from dataclasses import dataclass, field
from datetime import date
from operator import itemgetter
from typing import Any

import redis
from django.db import DataError, Error, IntegrityError, transaction
from django.db.models import F

from budgets import crossings, feed, keyspace, rows, scripts
from budgets.end_users import counting_keys
from budgets.entries import FINAL, Facts, correct, facts
from budgets.entries import Entry as Entry
from budgets.entries import RawEntry as RawEntry
from budgets.models import DailySpend, JournalCursor, UsageRecord
from tenants import store

log = logging.getLogger(__name__)

BATCH = 500
Rollup = tuple[date, str, str, str, str, str]
"""Of one tenant, what ROLLED_UP says."""
ROLLED_UP = ("day", "api_key_id", "mode", "provider", "model", "end_user")
_rollup_of = itemgetter(*ROLLED_UP)
_NOTHING = (0, 0, 0, 0)


class Stuck(Exception):
    """An entry that no row can be made of: nothing behind it is written until it is set aside (budgets/stuck.py)."""

    def __init__(self, tenant_id: str, entry_id: bytes, why: Exception) -> None:
        super().__init__(f"entry {entry_id.decode()} of the journal of {tenant_id}: {type(why).__name__}: {why}")
        self.tenant_id, self.entry_id = tenant_id, entry_id.decode()


@dataclass(slots=True)
class Batch:
    """What one transaction writes."""

    tenant_id: str
    new: dict[str, Facts] = field(default_factory=dict)
    changed: dict[str, UsageRecord] = field(default_factory=dict)
    rollups: dict[Rollup, list[int]] = field(default_factory=dict)
    refusals: list[Entry] = field(default_factory=list)
    repeated: list[Entry] = field(default_factory=list)

    def raise_rollup(self, key: Rollup, *amounts: int) -> None:
        """Cost, requests, tokens in and out."""
        self.rollups[key] = [
            before + more for before, more in zip(self.rollups.get(key, _NOTHING), amounts, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Drained:
    """What one transaction took off a journal. `more`: whether more may have been there."""

    count: int
    more: bool


def drain(tenant_id: str) -> int:
    """Turn everything that is in a tenant's journal into rows; how many entries that were. Raises StoreUnavailable, and
    Stuck at an entry that cannot be one, when all before it are.

    What comes while it runs is left to the next nudge: each look costs a transaction, and a drain that chased a busy
    journal would make one for every two or three entries, without end.
    """
    total, most = 0, BATCH
    try:
        while True:
            drained = _drain_some(tenant_id, most)
            total += drained.count
            if not drained.more:
                return total
            most = min(2 * drained.count, BATCH) if drained.count else most
    finally:
        if total:
            feed.announce(tenant_id)


def _drain_some(tenant_id: str, most: int) -> Drained:
    """A batch; where one of its entries cannot be written, as much as stands before that. Raises Stuck at it."""
    while True:
        try:
            return _drain_batch(tenant_id, most)
        except store.StoreUnavailable:
            raise
        except Exception as error:  # whatever is wrong with an entry: those before it need not wait
            if isinstance(error, Error) and not isinstance(error, DataError | IntegrityError):
                raise  # the database's own trouble
            if most == 1 and (first := raw(tenant_id, _cursor(tenant_id), 1)):
                raise Stuck(tenant_id, first[0][0], error) from error
            most = max(1, most // 2)


def read(tenant_id: str, after: str, count: int | None = None) -> list[Entry]:
    """The entries after a cursor, oldest first."""
    return [Entry.decode(entry_id, fields) for entry_id, fields in raw(tenant_id, after, count)]


def raw(tenant_id: str, after: str, count: int | None = None) -> list[RawEntry]:
    """The same as they stand there."""
    try:
        found: Any = store.client().xrange(keyspace.journal(tenant_id), min=f"({after}", max="+", count=count)
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error
    return list(found)


def lag(tenant_id: str) -> int:
    """How many entries wait to be drained."""
    try:
        return int(store.client().xlen(keyspace.journal(tenant_id)))
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error


def _cursor(tenant_id: str) -> str:
    return JournalCursor.objects.filter(tenant_id=tenant_id).values_list("last_id", flat=True).first() or "0-0"


def _drain_batch(tenant_id: str, most: int) -> Drained:
    cursor = _cursor(tenant_id)
    entries = read(tenant_id, cursor, most)
    if not entries:
        return Drained(0, more=False)
    with transaction.atomic():
        JournalCursor.objects.get_or_create(tenant_id=tenant_id)
        locked = JournalCursor.objects.select_for_update().get(tenant_id=tenant_id)
        if locked.last_id != cursor:
            return Drained(0, more=True)  # another drain was here meanwhile: look again
        batch = write(tenant_id, entries)
        locked.last_id = entries[-1].id
        locked.save()
    acknowledge(tenant_id, entries[-1].id, [entry.hold for entry in entries if entry.kind in FINAL])
    take_back_repeats(batch)
    return Drained(len(entries), more=len(entries) == most)


def write(tenant_id: str, entries: list[Entry]) -> Batch:
    """Rows, rollups and crossings, in the transaction that moves the cursor; `take_back_repeats` is for after it."""
    batch = _collect(tenant_id, entries)
    _write(batch)
    return batch


def acknowledge(tenant_id: str, cursor: str, holds: list[str]) -> None:
    """Trim the journal up to the cursor; the tombstones of these holds, whose end is final, may go soon."""
    store.run(
        scripts.ACK,
        [keyspace.policy(tenant_id), keyspace.journal(tenant_id), keyspace.graves(tenant_id)],
        [cursor, keyspace.hold_prefix(tenant_id), *holds],
    )


def _collect(tenant_id: str, entries: list[Entry]) -> Batch:
    batch = Batch(tenant_id)
    known = UsageRecord.objects.in_bulk(rows.known({entry.hold for entry in entries if entry.hold}))
    counting = counting_keys(tenant_id)
    for entry in entries:
        row = batch.new.get(entry.hold) or known.get(entry.hold)
        if entry.kind == "refused":
            batch.refusals.append(entry)
        elif row is None:
            row = facts(tenant_id, entry)
            row["user_uncounted"] = row["api_key_id"] in counting and not any(
                map(keyspace.is_user_counter, entry.counters)
            )
            batch.new[entry.hold] = row
            batch.raise_rollup(_rollup_of(row), row["cost"], 1, row["input_tokens"], row["output_tokens"])
        elif entry.kind == "corrected":
            _correct(batch, row, entry)
        else:
            batch.repeated.append(entry)
    return batch


def _correct(batch: Batch, row: UsageRecord | Facts, entry: Entry) -> None:
    """A settle or release that came after the lease had ended: the row takes the truth, the rollup the difference."""
    truth = facts(batch.tenant_id, entry)
    before = vars(row) if isinstance(row, UsageRecord) else row
    more = [truth[name] - before[name] for name in ("cost", "input_tokens", "output_tokens")]
    batch.raise_rollup(_rollup_of(before), more[0], 0, more[1], more[2])
    correct(row, truth)
    if isinstance(row, UsageRecord):
        batch.changed[row.id] = row


def _write(batch: Batch) -> None:
    rows.insert(batch.new.values())
    for row in batch.changed.values():
        row.save()
    for key, (cost, requests, tokens_in, tokens_out) in sorted(batch.rollups.items()):
        where: dict[str, Any] = dict(zip(ROLLED_UP, key, strict=True))
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


def take_back_repeats(batch: Batch) -> None:
    """A hold that was charged again by a store that had forgotten it: the row stands once, so must the counters."""
    for entry in batch.repeated:
        log.warning("hold %s was charged twice in the store; taking %d nanodollars back", entry.hold, entry.spent)
        for key in entry.counters:
            store.run(scripts.MEND, [keyspace.policy(batch.tenant_id), key], ["spent", -entry.spent])
