"""The windows that caps live in: the day and the calendar month, in UTC. Pure arithmetic on epoch seconds."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

# How long a window's counters outlive the window, so that requests in flight across its end settle where they reserved.
GRACE_SECONDS = 3 * 86_400


class WindowKind(StrEnum):
    MONTH = "month"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Window:
    """One day or month: `suffix` ends its Redis keys (`2026-11-24`, `2026-11`).

    `start` and `end` are epoch seconds, end exclusive.
    """

    kind: WindowKind
    suffix: str
    start: int
    end: int

    @property
    def expires_at(self) -> int:
        """When the counters of this window may leave Redis, epoch seconds."""
        return self.end + GRACE_SECONDS

    @property
    def reset_at(self) -> str:
        """When the window ends and the next begins, as the API writes it: `2026-12-01T00:00:00Z`."""
        return _stamp(self.end)

    @property
    def first_day(self) -> date:
        return datetime.fromtimestamp(self.start, UTC).date()

    @property
    def last_day(self) -> date:
        return datetime.fromtimestamp(self.end - 1, UTC).date()


@lru_cache(maxsize=64)
def _stamp(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Windows:
    """The day and the month that one moment lies in."""

    day: Window
    month: Window

    def of(self, kind: str) -> Window:
        return self.day if kind == WindowKind.DAY else self.month


_current: Windows | None = None


def windows_at(epoch_seconds: float) -> Windows:
    """The windows around a moment. The last answer is kept: in a running proxy it holds for all requests of a day."""
    global _current
    known = _current
    if known is not None and known.day.start <= epoch_seconds < known.day.end:
        return known
    around = _current = windows_of(datetime.fromtimestamp(epoch_seconds, UTC).date())
    return around  # not `_current`, which another thread may have moved on


def windows_of(day: date) -> Windows:
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return Windows(
        day=Window(WindowKind.DAY, day.isoformat(), _epoch(day), _epoch(day + timedelta(days=1))),
        month=Window(WindowKind.MONTH, f"{day:%Y-%m}", _epoch(first), _epoch(following)),
    )


def _epoch(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
