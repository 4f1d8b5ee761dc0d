"""Where a window's spend is heading: one rule, so that every page, e-mail and API answer says the same. Pure, integers.

The pace is what was spent, divided by the time it took, and it goes on to the window's end. Counted from the window's
start that is `spent / elapsed x length`; for a tenant that began in the middle of it, from when it began. There is no
forecast before 48 hours and 20 settled requests are known: two requests on the first of the month say nothing.
"""

from dataclasses import dataclass

LEAST_SECONDS = 48 * 3600
LEAST_REQUESTS = 20


@dataclass(frozen=True, slots=True)
class Forecast:
    """Nanodollars and epoch seconds. `reached_at`: when this pace reaches the cap, None if not in the window."""

    amount: int
    reached_at: int | None
    spent: int
    elapsed: int

    def seconds_for(self, amount: int) -> int:
        """How long `amount` more lasts at this pace, in whole seconds, rounded down."""
        return max(0, amount) * self.elapsed // self.spent

    def a_day(self) -> int:
        """The pace in nanodollars a day, rounded down."""
        return self.spent * 86_400 // self.elapsed


def forecast(
    *, spent: int, cap: int | None, start: int, end: int, now: int, settled_requests: int, since: int | None = None
) -> Forecast | None:
    """What the window will have spent at its end. `since`: when the spender began, if later than the window's `start`.

    None while too little is known, when nothing was spent, and outside the window.
    """
    began = known_since(start, since)
    elapsed = now - began
    if spent <= 0 or elapsed < LEAST_SECONDS or settled_requests < LEAST_REQUESTS or now >= end:
        return None
    reached_at = None
    if cap is not None and cap > spent:
        moment = began - (-cap * elapsed // spent)
        reached_at = moment if moment < end else None
    return Forecast(amount=spent * (end - began) // elapsed, reached_at=reached_at, spent=spent, elapsed=elapsed)


def known_since(start: int, since: int | None) -> int:
    return start if since is None else max(start, since)


def appears_at(start: int, since: int | None = None) -> int:
    """The earliest moment at which a forecast can be made, epoch seconds."""
    return known_since(start, since) + LEAST_SECONDS
