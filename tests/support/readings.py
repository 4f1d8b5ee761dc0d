"""Readings for tests and pictures: the same November everywhere, with today at its 19th, 10:42:07 UTC."""

from datetime import UTC, datetime
from typing import Any

from budgets.money import NANO
from budgets.windows import windows_of
from tokonomics.console.reading import Reading, Threshold

NOW = datetime(2026, 11, 19, 10, 42, 7, tzinfo=UTC)
MONTH = windows_of(NOW.date()).month
DAY = windows_of(NOW.date()).day


def usd(text: str) -> int:
    """`"842.17"` -> nanodollars."""
    whole, _, fraction = text.partition(".")
    return int(whole) * NANO + int((fraction + "0" * 9)[:9])


def reading(spent: str = "0", held: str = "0", cap: str | None = "1200", **rest: Any) -> Reading:
    """The month at NOW; amounts as text in USD. Enough settled requests for a forecast unless told otherwise."""
    rest = {"window": MONTH, "now": int(NOW.timestamp()), "settled_requests": 500, **rest}
    return Reading(spent=usd(spent), held=usd(held), cap=None if cap is None else usd(cap), **rest)


def at(day: int, hour: int = 0, minute: int = 0) -> int:
    """A moment of that November, epoch seconds."""
    return int(datetime(2026, 11, day, hour, minute, tzinfo=UTC).timestamp())


SENT = (Threshold(50, note="e-mail sent 16 Nov"), Threshold(80), Threshold(95))

# name, what it shows, the reading: every state that the meter can be in
STATES: tuple[tuple[str, Reading], ...] = (
    ("Quiet", reading("18.62", "0.40", "49", in_flight=2)),
    ("Ahead of the cap", reading("842.17", "6.38", in_flight=4, thresholds=SENT)),
    ("Nearly there", reading("46.06", "0.90", "49", in_flight=3)),
    ("Blocked", reading("48.97", "0", "49", refusing=True, refused=2914, least_refused=usd("0.012"))),
    ("Held", reading("37.50", "9.40", "49", in_flight=31)),
    ("Soft, ahead", reading("842.17", "6.38", hard=False, in_flight=4, thresholds=SENT)),
    ("Over, soft", reading("55.20", "0.40", "49", hard=False, in_flight=1)),
    ("Far over, soft", reading("155.20", "0.40", "49", hard=False, in_flight=1)),
    ("Ledger out of reach", reading("31.40", "0", "49", stale_since=int(NOW.timestamp()) - 55)),
    ("No budget yet", reading("0", "0", None)),
    ("A cap of 0", reading("0", "0", "0")),
    ("Too early to say", reading("3.10", "0.20", "49", now=at(2, 9), settled_requests=12, in_flight=1)),
    ("Forecast beside a threshold", reading("480", "2", "1000", now=at(19))),
    ("Far past the cap", reading("700", "2", "1000", now=at(6))),
)
