"""What a tenant and its keys have spent and hold in the windows of now: from Redis, else from the database.

Read only, for pages and the API; nothing is decided by these figures. Where Redis is out of reach they are the last
that the database knows, and say so: `held` is then unknown, for what is in flight only Redis can tell.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Sum

from budgets import keyspace, recovery
from budgets.models import Cap, DailySpend
from budgets.scripts import LOOK
from budgets.windows import Window, Windows, windows_at
from tenants import store
from tenants.models import ApiKey, KeyMode

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """One counter that can be looked at, in one window: the tenant's by mode (`key_id` None), a key's, or that of an
    end user of a key (`budgets.user_standings`), by hash."""

    window: Window
    mode: str = KeyMode.LIVE
    key_id: str | None = None
    end_user: str = ""

    @property
    def scope(self) -> str:
        """As refusals and alerts name it."""
        if self.end_user:
            return "end_user"
        return "tenant" if self.key_id is None else "api_key"

    def key(self, tenant_id: str) -> str:
        """Its name in Redis."""
        if self.key_id is None:
            return keyspace.tenant_counter(tenant_id, self.mode, self.window.suffix)
        if self.end_user:
            return keyspace.user_counter(tenant_id, self.end_user, self.key_id, self.window.suffix)
        return keyspace.key_counter(tenant_id, self.key_id, self.window.suffix)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one scope stands in its window. Amounts in nanodollars.

    cap      None: not capped
    held     by requests in flight; None where only Redis could say and does not
    refused  whether the cap has refused a request in this window
    live     read from Redis just now, rather than last known to the database
    """

    place: Place
    cap: int | None
    hard: bool
    spent: int
    held: int | None
    refused: bool
    live: bool

    @property
    def remaining(self) -> int | None:
        """Cap - spent - held; below zero past a soft budget. None without a cap, or where `held` is not known."""
        return None if self.cap is None or self.held is None else self.cap - self.spent - self.held


def tightest(standings: Iterable[Standing]) -> Standing | None:
    """The capped scope with the least left: the one that `x-tokonomics-budget-remaining-usd` speaks of."""
    capped = [standing for standing in standings if standing.cap is not None]
    return min(capped, key=lambda standing: (standing.cap or 0) - standing.spent - (standing.held or 0), default=None)


def now() -> float:
    """Epoch seconds by Redis's clock, which windows go by; by our own where it cannot be asked."""
    try:
        return store.now()
    except store.StoreUnavailable:
        return time.time()


def tenant_standings(tenant_id: str) -> dict[str, Standing]:
    """The tenant's month, by mode: live and test money are kept apart."""
    month = windows_at(now()).month
    return dict(zip(KeyMode.values, look(tenant_id, [Place(month, mode) for mode in KeyMode.values]), strict=True))


def key_standings(tenant_id: str, keys: Sequence[ApiKey]) -> dict[str, tuple[Standing, Standing]]:
    """(month, day) of each key, by its id; one look for all of them."""
    windows = windows_at(now())
    places = [Place(window, key.mode, key.pk) for key in keys for window in (windows.month, windows.day)]
    standings = look(tenant_id, places)
    return {key.pk: (standings[2 * index], standings[2 * index + 1]) for index, key in enumerate(keys)}


def standings_of(key: ApiKey) -> list[Standing]:
    """Every scope that a request of this key counts in, the widest first."""
    windows = windows_at(now())
    return look(key.tenant_id, _touched_by(key, windows))


def look(tenant_id: str, places: Sequence[Place]) -> list[Standing]:
    """How these scopes stand, in their order."""
    counters = _from_redis(tenant_id, places) if places else []
    live = counters is not None
    if counters is None:
        counters = [(spent, None, False) for spent in _from_database(tenant_id, places)]
    caps = {
        (cap.api_key_id, "" if cap.api_key_id else cap.mode, cap.window): cap
        for cap in Cap.objects.filter(tenant_id=tenant_id)
    }
    standings = []
    for place, (spent, held, refused) in zip(places, counters, strict=True):
        cap = caps.get((place.key_id, "" if place.key_id else place.mode, str(place.window.kind)))
        amount, hard = (cap.in_window(place.window).amount, cap.hard) if cap else (None, False)
        standings.append(Standing(place, amount, hard, spent, held, refused, live))
    return standings


def _touched_by(key: ApiKey, windows: Windows) -> list[Place]:
    return [
        Place(windows.month, key.mode),
        Place(windows.month, key.mode, key.pk),
        Place(windows.day, key.mode, key.pk),
    ]


def _from_redis(tenant_id: str, places: Sequence[Place]) -> list[tuple[int, int | None, bool]] | None:
    """(spent, held, refused) of each place, all at one moment; None where Redis cannot say. For `look` and its like."""
    return counters_at(tenant_id, [place.key(tenant_id) for place in places])


def counters_at(tenant_id: str, keys: Sequence[str]) -> list[tuple[int, int | None, bool]] | None:
    """The same by the counters' own names."""
    try:
        reply = _ask(tenant_id, keys)
        if reply[0] == b"COLD":
            # As the tenant's next request would: after a restart of Redis its counters are built before they are read.
            recovery.rebuild(tenant_id)
            reply = _ask(tenant_id, keys)
    except store.StoreUnavailable as error:
        log.warning("the spend of %s is shown as the database last knew it: %s", tenant_id, error)
        return None
    if reply[0] != b"OK":
        return None
    return [(int(spent), int(held), refused != b"") for spent, held, refused in reply[1]]


def _ask(tenant_id: str, keys: Sequence[str]) -> Any:
    return store.run(LOOK, [keyspace.policy(tenant_id), *keys], [])


def _from_database(tenant_id: str, places: Sequence[Place]) -> list[int]:
    """What is spent by the rollups; entries of the journal that wait to be drained are not in it yet."""
    first = min(place.window.first_day for place in places)
    last = max(place.window.last_day for place in places)
    rows = DailySpend.objects.filter(tenant_id=tenant_id, day__range=(first, last))
    days = list(rows.values_list("mode", "api_key_id", "day").annotate(total=Sum("cost")).order_by())
    return [
        sum(
            total
            for mode, key_id, day, total in days
            if place.window.first_day <= day <= place.window.last_day
            and (key_id == place.key_id if place.key_id else mode == place.mode)
        )
        for place in places
    ]
