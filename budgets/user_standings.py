"""What the end users of a key have spent and hold in the windows of now, by hash: for pages and the API, to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Sum

from budgets import end_users, live
from budgets.end_users import ANONYMOUS, EndUserCaps
from budgets.live import Place, Standing
from budgets.models import DailySpend
from budgets.windows import Window, windows_at
from tenants.models import ApiKey


@dataclass(frozen=True, slots=True)
class UserStanding:
    """One end user of a key. `named`: it has caps of its own, in the place of what each has.

    Where the key does not count its end users, nothing is held, and `spent` is what the database knows.
    """

    end_user: str
    month: Standing
    day: Standing
    named: bool


def of(key: ApiKey, users: Sequence[str]) -> list[UserStanding]:
    """How these end users stand, by hash (ANONYMOUS: the requests that name nobody), in their order."""
    caps = end_users.caps_of(key.pk)
    windows = windows_at(live.now())
    places = [Place(window, key.mode, key.pk, user) for user in users for window in (windows.month, windows.day)]
    standings = _look(key, places, caps)
    return [
        UserStanding(user, standings[2 * n], standings[2 * n + 1], named=caps is not None and user in caps.named)
        for n, user in enumerate(users)
    ]


def most_spent(key: ApiKey, count: int) -> list[str]:
    """Who has spent most this month, by what the database knows; then whoever has caps of its own."""
    month = windows_at(live.now()).month
    spent = list(_by_user(key, month).order_by("-total", "end_user").values_list("end_user", flat=True)[:count])
    caps = end_users.caps_of(key.pk)
    named = sorted(caps.named) if caps else []
    return list(dict.fromkeys([*(user or ANONYMOUS for user in spent), *named]))[:count]


def _look(key: ApiKey, places: Sequence[Place], caps: EndUserCaps | None) -> list[Standing]:
    counted = (
        live.counters_at(key.tenant_id, [place.key(key.tenant_id) for place in places]) if places and caps else None
    )
    if counted is None:
        counted = [(spent, None if caps else 0, False) for spent in _from_database(key, places)]
        is_live = caps is None
    else:
        is_live = True
    return [
        Standing(
            place,
            None if caps is None else caps.of(place.end_user, str(place.window.kind)),
            hard=True,
            spent=spent,
            held=held,
            refused=refused,
            live=is_live,
        )
        for place, (spent, held, refused) in zip(places, counted, strict=True)
    ]


def _from_database(key: ApiKey, places: Sequence[Place]) -> list[int]:
    users = {place.end_user.replace(ANONYMOUS, "") for place in places}
    sums: dict[Window, Mapping[str, int]] = {
        window: dict(_by_user(key, window).filter(end_user__in=users).values_list("end_user", "total"))
        for window in {place.window for place in places}
    }
    return [sums[place.window].get(place.end_user.replace(ANONYMOUS, ""), 0) for place in places]


def _by_user(key: ApiKey, window: Window) -> QuerySet[Any, Any]:
    rows = DailySpend.objects.filter(api_key=key, day__range=(window.first_day, window.last_day))
    return rows.order_by().values("end_user").annotate(total=Sum("cost"))
