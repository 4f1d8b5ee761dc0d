"""The audit log as the page reads it: chosen by its address, newest first, a page at a time by key, or whole as CSV."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from tenants.database import in_thread
from tenants.models import AuditEvent, Tenant
from tokonomics.console import audit_words
from tokonomics.console.audit_words import Change

PAGE = 50
BATCH = 500
WHAT = {
    "budget": "Budgets and caps",
    "keys": "Keys",
    "people": "People",
    "providers": "Providers",
    "tokens": "Management tokens",
    "alerts": "Alerts",
    "settings": "Settings",
}
_ACTIONS = {
    "budget": ("cap.",),
    "keys": ("api_key.",),
    "people": ("member.", "invitation."),
    "providers": ("provider.",),
    "tokens": ("management_token.",),
    "alerts": ("alert", "delivery."),
    "settings": ("tenant.",),
}
HEADER = ("time", "who", "from_address", "action", "target_id", "target", "field", "before", "after")


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address asks for; what cannot be read is left out. `before`: the id after which the page begins."""

    what: str = ""
    who: str = ""
    since: date | None = None
    until: date | None = None
    before: str = ""

    @classmethod
    def of(cls, params: Mapping[str, str]) -> "Choice":
        return cls(
            what=params.get("what", "") if params.get("what") in WHAT else "",
            who=params.get("who", "")[:254],
            since=_day(params.get("from", "")),
            until=_day(params.get("to", "")),
            before=params.get("before", "")[:40],
        )

    @property
    def is_all(self) -> bool:
        return replace(self, before="") == Choice()

    def address(self, before: str = "") -> str:
        """The query of this choice; `before` for the page that begins there."""
        given = {"what": self.what, "who": self.who, "from": self.since, "to": self.until, "before": before}
        return urlencode({name: str(value) for name, value in given.items() if value})

    def filtered(self, events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        if self.what:
            starts = Q()
            for start in _ACTIONS[self.what]:
                starts |= Q(action__startswith=start)
            events = events.filter(starts)
        if self.who:
            events = events.filter(actor_label=self.who)
        if self.since:
            events = events.filter(created_at__gte=_midnight(self.since))
        if self.until:
            events = events.filter(created_at__lt=_midnight(self.until) + timedelta(days=1))
        return events


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    at: datetime
    who: str
    address: str
    did: str
    target: str
    href: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """`older`: the query of the next page, empty on the last."""

    rows: tuple[Row, ...]
    older: str


def look(tenant: Tenant, choice: Choice) -> Page:
    events = choice.filtered(AuditEvent.objects.filter(tenant=tenant))
    found = list(_after(events, choice.before)[: PAGE + 1])
    rows = tuple(_row(event, f"/t/{tenant.slug}/") for event in found[:PAGE])
    return Page(rows, choice.address(before=found[PAGE - 1].pk) if len(found) > PAGE else "")


def who_changed(tenant: Tenant) -> list[str]:
    """Everybody who is in the log, as they were called."""
    return list(
        AuditEvent.objects.filter(tenant=tenant)
        .values_list("actor_label", flat=True)
        .distinct()
        .order_by("actor_label")
    )


def _after(events: QuerySet[AuditEvent], before: str) -> QuerySet[AuditEvent]:
    """By key, not by offset: what is added meanwhile neither repeats nor hides a row."""
    start = AuditEvent.objects.filter(pk=before).first() if before else None
    events = events.order_by("-created_at", "-id")
    if start is None:
        return events
    return events.filter(Q(created_at__lt=start.created_at) | Q(created_at=start.created_at, id__lt=start.pk))


def _row(event: AuditEvent, home: str) -> Row:
    is_key = event.action.startswith("api_key.") or (
        event.action == "cap.changed" and event.target_id.startswith("key_")
    )
    return Row(
        id=event.pk,
        at=event.created_at,
        who=event.actor_label,
        address=event.address or "",
        did=audit_words.did(event.action, event.changes),
        target=audit_words.target_said(event.action, event.target_label),
        href=f"{home}keys/{event.target_id}/" if is_key else "",
        changes=tuple(audit_words.changed(event.changes)),
    )


# --- CSV -------------------------------------------------------------------------------------------------------------


async def as_csv(tenant: Tenant, choice: Choice) -> AsyncIterator[bytes]:
    """A line a changed field, as it is stored; an event without any has one line. Batch by batch, of any length."""
    yield _lines([HEADER])
    last = ""
    while batch := await in_thread(_batch, tenant, choice, last):
        yield _lines(line for event in batch for line in _cells(event))
        last = batch[-1].pk


def _batch(tenant: Tenant, choice: Choice, last: str) -> list[AuditEvent]:
    return list(_after(choice.filtered(AuditEvent.objects.filter(tenant=tenant)), last)[:BATCH])


def _cells(event: AuditEvent) -> Iterator[tuple[str, ...]]:
    start = (event.created_at.isoformat(), event.actor_label, event.address or "", event.action, event.target_id)
    for field, (before, after) in event.changes.items() or [("", ("", ""))]:
        yield (*start, event.target_label, field, _cell(before), _cell(after))


def _cell(value: object) -> str:
    if value is None:
        return ""
    return " ".join(str(each) for each in value) if isinstance(value, list) else str(value)


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([[_harmless(cell) for cell in row] for row in rows])
    return out.getvalue().encode()


def _harmless(text: str) -> str:
    """Spreadsheets take a cell that begins so for a formula; what people named must not be one."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
