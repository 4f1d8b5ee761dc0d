"""How a company and its keys stand, as readings: one look at Redis and the database for everything on a page.

`Snapshot.take(tenant)` costs three queries and two calls to Redis, however many keys there are; what only some pages
want (forecast, thresholds with what was sent) is asked for when it is used.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property

from django.db.models import Sum

from budgets import live, refusals
from budgets.live import Place, Standing
from budgets.models import Cap, Crossing, DailySpend
from budgets.refusals import Refused
from budgets.windows import Window, WindowKind, Windows, windows_at
from tenants.models import ApiKey, KeyMode, Tenant
from tenants.store import StoreUnavailable
from tokonomics.console import presentation as show
from tokonomics.console.reading import Reading, Threshold

CAP_CODE = "budget_cap_exceeded"
# One refusal may have been too large for much that is left; with less than this part of a cap, nothing fits.
LITTLE_LEFT = 20


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """A key with its month and its day."""

    key: ApiKey
    month: Reading
    day: Reading

    @property
    def stopped_by(self) -> Reading | None:
        """The cap of its own that stops it now, the wider one first."""
        return next((reading for reading in (self.month, self.day) if reading.stopping), None)


@dataclass(slots=True)
class Outage:
    """Since when this process has found the ledger out of reach, epoch seconds; None while it answers."""

    since: int | None = None

    def note(self, *, live: bool, now: float) -> int | None:
        self.since = None if live else (self.since or int(now))
        return self.since


outage = Outage()


@dataclass(kw_only=True)
class Snapshot:
    """One moment of a company. `keys`: those that were looked at; by default all that are not revoked, newest first."""

    tenant: Tenant
    now: float
    windows: Windows
    keys: Sequence[ApiKey]
    standings: Mapping[Place, Standing]
    caps: Mapping[tuple[str | None, str, str], Cap]
    stale_since: int | None
    _readings: dict[Place, Reading] = field(default_factory=dict)
    _refusals: dict[Window, dict[str, dict[str, int]]] = field(default_factory=dict)

    @classmethod
    def take(cls, tenant: Tenant, keys: Sequence[ApiKey] | None = None) -> "Snapshot":
        """`keys`: the keys to look at, if the page has them already (revoked ones too, where it shows them)."""
        now = live.now()
        windows = windows_at(now)
        if keys is None:
            keys = list(ApiKey.objects.filter(tenant=tenant, revoked_at=None))
        places = [Place(windows.month, mode) for mode in KeyMode.values]
        places += [Place(window, key.mode, key.pk) for key in keys for window in (windows.month, windows.day)]
        found = live.look(tenant.pk, places)
        return cls(
            tenant=tenant,
            now=now,
            windows=windows,
            keys=keys,
            standings=dict(zip(places, found, strict=True)),
            caps={
                (cap.api_key_id, "" if cap.api_key_id else cap.mode, cap.window): cap
                for cap in Cap.objects.filter(tenant=tenant)
            },
            stale_since=outage.note(live=found[0].live, now=time.time()),
        )

    # --- Readings ----------------------------------------------------------------------------------------------------

    def month(self, mode: str = KeyMode.LIVE) -> Reading:
        """The company's month: what the frame, the headline and the big meter speak of."""
        return self._reading(Place(self.windows.month, mode))

    def key(self, key: ApiKey) -> KeyStanding:
        month = self._reading(Place(self.windows.month, key.mode, key.pk))
        return KeyStanding(key, month, self._reading(Place(self.windows.day, key.mode, key.pk)))

    def blocked_keys(self, mode: str = KeyMode.LIVE) -> Iterator[KeyStanding]:
        """Keys of a mode that a cap of their own stops now."""
        for key in self.active_keys:
            standing = self.key(key)
            if key.mode == mode and standing.stopped_by is not None:
                yield standing

    @property
    def active_keys(self) -> list[ApiKey]:
        """Those that still open something: neither revoked nor expired."""
        return [key for key in self.keys if key.revoked_at is None and not self.is_expired(key)]

    def is_expired(self, key: ApiKey) -> bool:
        return key.expires_at is not None and key.expires_at.timestamp() <= self.now

    def cap_of(self, place: Place) -> Cap | None:
        return self.caps.get((place.key_id, "" if place.key_id else place.mode, str(place.window.kind)))

    def _reading(self, place: Place) -> Reading:
        if place not in self._readings:
            self._readings[place] = self._reckon(place, self.standings[place])
        return self._readings[place]

    def _reckon(self, place: Place, standing: Standing) -> Reading:
        refusing = self._is_refusing(place, standing)
        return Reading(
            window=place.window,
            now=int(self.now),
            spent=standing.spent,
            held=standing.held or 0,
            cap=standing.cap,
            hard=standing.hard,
            refusing=refusing,
            refused=self._refused_count(place) if refusing else 0,
            stale_since=self.stale_since,
            since=int(self.tenant.created_at.timestamp()),
        )

    # --- What refuses ------------------------------------------------------------------------------------------------

    def _is_refusing(self, place: Place, standing: Standing) -> bool:
        """Whether the cap stops everything: not one request that was too large for much that is left, and not a
        refusal from before the cap was raised."""
        cap = self.cap_of(place)
        if not standing.refused or not standing.hard or cap is None or not standing.live:
            return False
        last_ms = self._last_spent_refusals.get((place.scope, place.key_id or place.mode, str(place.window.kind)), 0)
        if last_ms > max(cap.updated_at.timestamp(), place.window.start) * 1000:
            return True
        cap = cap.in_window(place.window)
        little = (cap.amount - standing.spent) * LITTLE_LEFT < cap.amount
        return little and self._was_refused_at(cap, place.window)

    @cached_property
    def _last_spent_refusals(self) -> dict[tuple[str, str, str], int]:
        """When a cap last refused because nothing fits any more, ms: by scope, by key id or mode, and by window."""
        last: dict[tuple[str, str, str], int] = {}
        for refused in self.recent_refusals:
            if refused.reason == "spent":
                owner = refused.mode if refused.scope == "tenant" else refused.key_id
                kind = WindowKind.DAY if refused.message.startswith("Daily") else WindowKind.MONTH
                last.setdefault((refused.scope, owner, str(kind)), refused.at_ms)
        return last

    def _was_refused_at(self, cap: Cap, window: Window) -> bool:
        """A refusal of this very amount is on record in this window."""
        return any(
            crossing.cap_id == cap.pk and crossing.by_refusal and crossing.limit == cap.amount
            for crossing in self.crossings
            if crossing.window_start == window.first_day
        )

    @cached_property
    def recent_refusals(self) -> list[Refused]:
        """The last refused requests of both modes, newest first; none while the ledger is out of reach."""
        try:
            return refusals.recent(self.tenant.pk, refusals.RECENT)
        except StoreUnavailable:
            return []

    @cached_property
    def crossings(self) -> list[Crossing]:
        """The thresholds passed in the windows of now, of every cap."""
        starts = [self.windows.month.first_day, self.windows.day.first_day]
        return list(Crossing.objects.filter(tenant=self.tenant, window_start__in=starts))

    def refusals_of(self, window: Window) -> dict[str, dict[str, int]]:
        """How many were refused in a window up to now, by code and key id; nothing while the ledger is out of reach."""
        if window not in self._refusals:
            try:
                self._refusals[window] = refusals.counts(self.tenant.pk, _days(window, self.windows.day.first_day))
            except StoreUnavailable:
                self._refusals[window] = {}
        return self._refusals[window]

    def _refused_count(self, place: Place) -> int:
        by_key = self.refusals_of(place.window).get(CAP_CODE, {})
        if place.key_id:
            return by_key.get(place.key_id, 0)
        mine = {key.pk for key in self.keys if key.mode == place.mode}
        return sum(count for key_id, count in by_key.items() if key_id in mine)

    # --- For the pages that show where it is heading -----------------------------------------------------------------

    def in_full(self, place: Place, in_flight: int = 0) -> Reading:
        """The same reading with what its forecast and its thresholds need: two more queries a page."""
        return replace(
            self._reading(place),
            in_flight=in_flight,
            settled_requests=self._settled(place),
            thresholds=self._thresholds(place),
        )

    def month_place(self, mode: str = KeyMode.LIVE) -> Place:
        return Place(self.windows.month, mode)

    def _settled(self, place: Place) -> int:
        first, last = place.window.first_day, place.window.last_day
        rows = DailySpend.objects.filter(tenant=self.tenant, day__range=(first, last))
        rows = rows.filter(api_key_id=place.key_id) if place.key_id else rows.filter(mode=place.mode)
        return rows.aggregate(total=Sum("requests"))["total"] or 0

    def _thresholds(self, place: Place) -> tuple[Threshold, ...]:
        cap = self.cap_of(place)
        if cap is None:
            return ()
        passed = {
            crossing.threshold_percent: crossing
            for crossing in self.crossings
            if crossing.cap_id == cap.pk and crossing.window_start == place.window.first_day
        }
        return tuple(
            Threshold(percent, note=f"passed {show.short_day(passed[percent].created_at)}" if percent in passed else "")
            for percent in sorted(cap.thresholds)
            if percent < 100
        )


def _days(window: Window, today: date) -> list[date]:
    last = min(window.last_day, today)
    return [window.first_day + timedelta(days=n) for n in range((last - window.first_day).days + 1)]
