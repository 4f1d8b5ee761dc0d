"""The end users of a key as lines of a page: what each has spent, and may."""

from collections.abc import Sequence
from dataclasses import dataclass

from budgets import user_standings
from budgets.end_users import ANONYMOUS, EndUserCaps
from budgets.live import Standing
from budgets.user_standings import UserStanding
from tenants.models import ApiKey
from tokonomics.console import presentation as show
from tokonomics.console.meter import Meter, Size, meter
from tokonomics.console.reading import Reading
from tokonomics.console.standings import Snapshot

SHOWN_DIGITS = 12  # of a hash: enough to tell a company's end users apart at a glance


@dataclass(frozen=True, slots=True)
class Window:
    """One window's cell: the amount, what it is of, and the row meter where there is a cap."""

    name: str
    amount: str
    exact: str
    of: str
    meter: Meter | None


@dataclass(frozen=True, slots=True)
class Line:
    """`named`: it has caps of its own. `state` empty: nothing stops it."""

    end_user: str
    shown: str
    full: str
    href: str
    named: bool
    day: Window
    month: Window
    state: str

    @property
    def windows(self) -> tuple[Window, Window]:
        """In the order of the table of keys."""
        return self.month, self.day


def lines(key: ApiKey, seen: Snapshot, users: Sequence[str]) -> list[Line]:
    return [_line(key, seen, each) for each in user_standings.of(key, users)]


def _line(key: ApiKey, seen: Snapshot, of: UserStanding) -> Line:
    is_named = of.end_user != ANONYMOUS
    shown = f"user {of.end_user[:SHOWN_DIGITS]}" if is_named else "no end user named"
    mode = "&mode=test" if key.mode == "test" else ""
    return Line(
        end_user=of.end_user,
        shown=shown,
        full=of.end_user if is_named else "",
        href=f"/t/{seen.tenant.slug}/usage/?key={key.pk}&end_user={of.end_user}{mode}" if is_named else "",
        named=of.named,
        day=_window(of.day, seen, shown, f"day-{of.end_user}"),
        month=_window(of.month, seen, shown, f"month-{of.end_user}"),
        state="Blocked" if _stops(of.month) else "Blocked today" if _stops(of.day) else "",
    )


def _stops(standing: Standing) -> bool:
    """Nothing is left: by what is spent, not by what a request in flight holds."""
    return standing.cap is not None and standing.spent >= standing.cap


def _window(standing: Standing, seen: Snapshot, shown: str, ident: str) -> Window:
    window, cap = standing.place.window, standing.cap
    name = "this month" if window.kind == "month" else "today"
    reading = Reading(
        window=window,
        now=int(seen.now),
        spent=standing.spent,
        held=standing.held or 0,
        cap=cap,
        refusing=_stops(standing),
        stale_since=seen.stale_since,
    )
    return Window(
        name=name,
        amount=show.spent(standing.spent),
        exact=show.exact(standing.spent),
        of="" if cap is None else f"of {show.cap(cap)}",
        meter=None if cap is None else meter(reading, Size.ROW, label=f"{shown}, {name}", ident=ident),
    )


def each_may(caps: EndUserCaps | None) -> str:
    """`Each end user may spend $1.00 a day and $20.00 a month through this key.`"""
    amounts = [f"{show.cap(caps.each[kind])} a {kind}" for kind in ("day", "month") if caps and kind in caps.each]
    if amounts:
        return f"Each end user may spend {' and '.join(amounts)} through this key."
    if caps is not None:
        return "End users have no cap, but for those with one of their own."
    return "End users have no cap: one of them may spend all that the key may."
