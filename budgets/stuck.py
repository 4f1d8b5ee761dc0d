"""A journal entry that no row can be made of, and how an operator takes it out of the way of those behind it.

Its bytes are kept in the database. Its money stays on the counters, and where it can still be read what it cost and
whose it was, a bare row says so in the ledger, with the flag `set_aside`: so the audit stays exact.
"""

import base64
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from budgets import journal, keyspace
from budgets.journal import Entry, RawEntry, Stuck
from budgets.models import JournalCursor, SetAsideEntry, UsageStatus
from tenants.audit import Actor, record
from tenants.models import ApiKey, Tenant

FLAG = "set_aside"
MOST = 2**53  # as in the scripts: nothing larger is an amount, or a time


@dataclass(frozen=True, slots=True)
class Found:
    """Where a tenant's journal stands still."""

    entry_id: str
    fields: dict[bytes, bytes]
    why: str
    behind: int
    """How many entries wait for it."""


class NotStuck(Exception):
    """That entry is not the one that the journal stands at."""


def look(tenant_id: str) -> Found | None:
    """Drain as far as it goes; the entry that stops it, if one does. Raises StoreUnavailable."""
    try:
        journal.drain(tenant_id)
    except Stuck as stuck:
        [(_, fields), *_] = journal.raw(tenant_id, _before(stuck.entry_id), 1)
        return Found(stuck.entry_id, fields, str(stuck), journal.lag(tenant_id) - 1)
    return None


def set_aside(*, tenant: Tenant, entry_id: str, actor: Actor) -> SetAsideEntry:
    """Keep the entry at which the journal stands, and move its cursor past it. Raises NotStuck, StoreUnavailable."""
    found = look(tenant.pk)
    if found is None or found.entry_id != entry_id:
        raise NotStuck(f"the journal of {tenant.slug} does not stand at {entry_id}")
    entry = _legible(tenant.pk, (entry_id.encode(), found.fields))
    with transaction.atomic():
        cursor = JournalCursor.objects.select_for_update().get_or_create(tenant=tenant)[0]
        if keyspace.stream_id(cursor.last_id) >= keyspace.stream_id(entry_id):
            raise NotStuck(f"somebody else has moved the journal of {tenant.slug} past {entry_id}")
        batch = _bare_row(tenant.pk, entry)
        kept = SetAsideEntry.objects.create(
            tenant=tenant,
            entry_id=entry_id,
            fields={_text(name): base64.b64encode(value).decode() for name, value in found.fields.items()},
            why=_word(found.why, 2_000),
            cost=entry.spent if entry else None,
            has_row=batch is not None,
        )
        cursor.last_id = entry_id
        cursor.save()
        record(tenant, actor, "journal_entry.set_aside", target_id=entry_id, target=entry_id)
    journal.acknowledge(tenant.pk, entry_id, [])
    if batch is not None:
        journal.take_back_repeats(batch)
    return kept


def _before(entry_id: str) -> str:
    """The id after which it is the first."""
    milliseconds, sequence = keyspace.stream_id(entry_id)
    return f"{milliseconds}-{sequence - 1}" if sequence else f"{milliseconds - 1}-{2**64 - 1}"


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _bare_row(tenant_id: str, entry: Entry | None) -> journal.Batch | None:
    """What the ledger can take of it, within the caller's transaction; None where it takes nothing."""
    if entry is None:
        return None
    try:
        with transaction.atomic():
            return journal.write(tenant_id, [entry])
    except Exception:  # whatever else is wrong with it: its bytes are kept, and the audit shows what it moved
        return None


# --- What can be read of it -------------------------------------------------------------------------------------------


def _legible(tenant_id: str, raw: RawEntry) -> Entry | None:
    """The entry with nothing in it but what decides where its money belongs; None where that cannot be read."""
    entry = next(filter(None, map(_decoded, (raw, _without_ending(raw), _without_meta(raw)))), None)
    if entry is None or max(abs(entry.cost), entry.amount, entry.at_ms) > MOST:
        return None
    if len(entry.hold) > 32 or not (entry.hold or entry.kind == "refused"):
        return None
    key = ApiKey.objects.filter(tenant_id=tenant_id, pk=_key_id(entry)).first()
    if key is None:
        return None
    meta: dict[str, Any] = {name: _word(entry.meta.get(name), most) for name, most in TEXTS.items()}
    meta |= {"key": key.pk, "mode": key.mode, "price": {}, "stream": bool(entry.meta.get("stream"))}
    status = entry.ending.get("status")
    ending = {"status": status if status in UsageStatus.values else UsageStatus.SETTLED, "flags": [FLAG]}
    return replace(entry, meta=meta, ending=ending)


TEXTS = {"provider": 32, "model": 128, "endpoint": 64, "user": 32}
"""What of an entry's meta becomes a column of text, and how long that may be."""


def _decoded(raw: RawEntry) -> Entry | None:
    try:
        entry = Entry.decode(*raw)
    except (KeyError, ValueError, TypeError):
        return None
    return entry if isinstance(entry.meta, dict) and isinstance(entry.ending, dict) else None


def _without_ending(raw: RawEntry) -> RawEntry:
    entry_id, fields = raw
    return entry_id, fields | {b"u": b""}


def _without_meta(raw: RawEntry) -> RawEntry:
    entry_id, fields = _without_ending(raw)
    lines = fields.get(b"r", b"").split(b"\n", 5)
    return entry_id, fields | {b"m": b"{}", b"r": b"\n".join([*lines[:5], b"{}"])} if len(lines) == 6 else fields


def _key_id(entry: Entry) -> str:
    """As its meta says, or else as the names of its counters do."""
    named = [name.partition(":key:")[2].partition(":")[0] for name in entry.counters if ":key:" in name]
    return next((text for text in (entry.meta.get("key"), *named) if isinstance(text, str) and text), "")


def _word(value: Any, most: int) -> str:
    """What a column of text takes of it."""
    return "".join(filter(str.isprintable, value))[:most] if isinstance(value, str) else ""
