"""The keys of a company as lines of a page: what each may spend and has spent, its state, when it was last used."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from budgets.models import UsageRecord
from tenants.models import ApiKey, KeyMode, Tenant
from tenants.roles import Action, may, may_manage_key
from tenants.store import StoreUnavailable
from tokonomics.console import presentation as show
from tokonomics.console.in_flight import open_holds
from tokonomics.console.meter import Meter, Size, meter
from tokonomics.console.reading import Reading, State
from tokonomics.console.standings import Snapshot

SEARCH_FROM = 15  # keys: fewer are seen at a glance
MOST_MODELS = 3
MOST_PAST = 200


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: what they may do decides what their page offers."""

    role: str
    user_id: int

    @property
    def may_make(self) -> bool:
        return may(self.role, Action.MANAGE_OWN_KEYS)

    @property
    def may_cap(self) -> bool:
        return may(self.role, Action.MANAGE_KEYS)

    def may_change(self, key: ApiKey) -> bool:
        return may_manage_key(self.role, own=key.created_by_id == self.user_id)


@dataclass(frozen=True, slots=True)
class Use:
    """When a key was last used and last refused, as far as is known."""

    at: datetime | None = None
    refused_at: datetime | None = None

    @property
    def was_refused(self) -> bool:
        """The last thing that happened to it."""
        return self.refused_at is not None and (self.at is None or self.refused_at >= self.at)

    @property
    def last(self) -> datetime | None:
        return self.refused_at if self.was_refused else self.at

    def ago(self, now: datetime) -> str:
        """`4 s ago`, `18 Nov 10:42`; empty: never."""
        return show.ago(self.last, now) if self.last else ""


@dataclass(frozen=True, slots=True)
class Spending:
    """One window's cell: the amount, what it is of, and the row meter where there is a cap of its own."""

    window: str
    amount: str
    exact: str
    of: str
    meter: Meter | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of the Keys page. `tone` is its chip's; empty for plain text. `detail` stands under the state."""

    key: ApiKey
    href: str
    shown: str
    mode: str
    month: Spending
    day: Spending
    models: str
    all_models: str
    state: str
    tone: str
    detail: str
    used: Use
    may_change: bool
    may_cap: bool
    order: tuple[bool, int, str]


@dataclass(frozen=True, slots=True)
class Keyring:
    """`note`: `5 live, 2 of them blocked · 2 test`. `total`: before the search. `past`: revoked or expired ones."""

    lines: tuple[Line, ...]
    note: str
    total: int
    past: int

    @property
    def is_long(self) -> bool:
        return self.total >= SEARCH_FROM


def keys_of(tenant: Tenant) -> QuerySet[ApiKey]:
    """With when each was last used (`used_at`): by the ledger, whose rows are a moment behind."""
    uses = UsageRecord.objects.filter(api_key=OuterRef("pk")).order_by("-reserved_at").values("reserved_at")[:1]
    return ApiKey.objects.filter(tenant=tenant).select_related("created_by").annotate(used_at=Subquery(uses))


def look(tenant: Tenant, *, past: bool = False) -> Snapshot:
    """The keys that work, or the newest of those that do no more."""
    is_past = Q(revoked_at__isnull=False) | Q(expires_at__lte=timezone.now())
    keys = keys_of(tenant).filter(is_past) if past else keys_of(tenant).exclude(is_past)
    return Snapshot.take(tenant, list(keys[:MOST_PAST] if past else keys))


def keyring(seen: Snapshot, viewer: Viewer, *, search: str = "") -> Keyring:
    """The keys that `look` saw: what is blocked first, then by spend."""
    uses = uses_of(seen)
    lines = [line_of(key, viewer, seen, uses) for key in seen.keys]
    working = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    return Keyring(
        lines=tuple(sorted((line for line in lines if _matches(line.key, search)), key=lambda line: line.order)),
        note=_note(lines),
        total=len(lines),
        past=ApiKey.objects.filter(tenant=seen.tenant).exclude(working).count(),
    )


def _matches(key: ApiKey, search: str) -> bool:
    """In its name, the beginning and end of its secret, and who made it."""
    words = f"{key.name} {key.prefix} {key.last_four} {key.mode} {key.created_by or ''}".lower()
    return all(word in words for word in search.lower().split())


def _note(lines: Iterable[Line]) -> str:
    live = [line for line in lines if line.key.mode == KeyMode.LIVE]
    test = sum(line.key.mode == KeyMode.TEST for line in lines)
    blocked = sum(line.tone == "wall" for line in live)
    parts = [f"{len(live):,} live{_blocked(blocked, len(live))}"] if live else []
    return " · ".join([*parts, f"{test:,} test"] if test else parts)


def _blocked(part: int, whole: int) -> str:
    if not part:
        return ""
    return f", {part:,} of them blocked" if part < whole else ", all blocked" if whole > 1 else ", blocked"


# --- One line --------------------------------------------------------------------------------------------------------


def line_of(key: ApiKey, viewer: Viewer, seen: Snapshot, uses: dict[str, Use]) -> Line:
    standing, now = seen.key(key), show.at(int(seen.now))
    state, tone, detail = state_of(key, seen)
    used = uses.get(key.pk, Use())
    last = ("refused " if used.was_refused else "") + used.ago(now) if used.last else "never used"
    return Line(
        key=key,
        href=f"/t/{seen.tenant.slug}/keys/{key.pk}/",
        shown=f"{key.prefix}…{key.last_four}",
        mode=key.get_mode_display(),
        month=_spending(key, standing.month),
        day=_spending(key, standing.day),
        models=models_of(key.allowed_models),
        all_models=", ".join(key.allowed_models),
        state=state,
        tone=tone,
        detail=detail or last,
        used=used,
        may_change=key.revoked_at is None and viewer.may_change(key),
        may_cap=key.revoked_at is None and viewer.may_cap,
        order=(not tone, -standing.month.spent, key.name),
    )


def _spending(key: ApiKey, reading: Reading) -> Spending:
    window = "month" if reading.is_month else "day"
    label = f"{key.name}, {'month' if reading.is_month else 'today'}"
    capped = reading.cap is not None
    return Spending(
        window=window,
        amount=show.spent(reading.spent),
        exact=show.exact(reading.spent),
        of=_of(reading),
        meter=meter(reading, Size.ROW, label=label, ident=f"{window}-{key.pk}") if capped else None,
    )


def _of(reading: Reading) -> str:
    if reading.cap is None:
        return "no monthly cap" if reading.is_month else "no daily cap"
    return f"of {show.cap(reading.cap)}" + ("" if reading.hard else ", not blocking")


def models_of(names: Sequence[str]) -> str:
    """`any priced model`, `gpt-4o, gpt-4o-mini`, `gpt-4o, gpt-4o-mini, o3 and 4 more`."""
    if not names:
        return "any priced model"
    more = len(names) - MOST_MODELS
    return ", ".join(names[:MOST_MODELS]) + (f" and {more} more" if more > 0 else "")


def state_of(key: ApiKey, seen: Snapshot) -> tuple[str, str, str]:
    """(state, tone of its chip, what stands under it instead of the last use): the widest wall first."""
    if key.revoked_at is not None:
        return "Revoked", "", show.moment(key.revoked_at, show.at(int(seen.now)))
    if key.expires_at is not None and key.expires_at.timestamp() <= seen.now:
        return "Expired", "", f"since {show.moment(key.expires_at.astimezone(UTC), show.at(int(seen.now)))}"
    if key.paused_at is not None:
        return "Paused", "warn", f"since {show.moment(key.paused_at, show.at(int(seen.now)))}"
    month, own = seen.month(key.mode), seen.key(key).stopped_by
    if month.stopping:
        return "Blocked", "wall", "by the company's cap"
    if own is not None:
        return ("Blocked" if own.is_month else "Blocked today"), "wall", ""
    if month.state == State.NONE and key.mode == KeyMode.LIVE:
        return "No budget yet", "warn", ""
    return "Active", "", ""


# --- Last use --------------------------------------------------------------------------------------------------------


def uses_of(seen: Snapshot) -> dict[str, Use]:
    """By key: the ledger's last row, what is in flight now, and the last refusals that are remembered."""
    used = {key.pk: getattr(key, "used_at", None) for key in seen.keys}
    for key_id, at in _in_flight(seen):
        used[key_id] = max(at, used.get(key_id) or at)
    refused: dict[str, datetime] = {}
    for refusal in seen.recent_refusals:  # newest first
        refused.setdefault(refusal.key_id, show.at(refusal.at_ms // 1000))
    return {key.pk: Use(used.get(key.pk), refused.get(key.pk)) for key in seen.keys}


def in_flight_of(key: ApiKey, seen: Snapshot) -> int:
    return sum(key_id == key.pk for key_id, _ in _in_flight(seen))


def _in_flight(seen: Snapshot) -> list[tuple[str, datetime]]:
    if seen.stale_since is not None:
        return []
    try:
        return [(hold.key_id, hold.at) for hold in open_holds(seen.tenant.pk).holds]
    except StoreUnavailable:
        return []
