"""A reading of one cap in one window: what the meter draws and the sentences say. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from budgets import forecast as pace
from budgets.forecast import Forecast
from budgets.windows import Window, WindowKind
from tokonomics.console import presentation as show


class State(StrEnum):
    """What a scope's money does now; the first that holds wins, in this order."""

    NONE = "none"  # no budget set yet
    STALE = "stale"  # the ledger is out of reach: last known figures
    ZERO = "zero"  # a hard cap of 0: a wall at the left edge
    BLOCKED = "blocked"  # the wall is stopping requests
    OVER = "over"  # past a soft budget; nothing is blocked
    HELD = "held"  # what is left is less than what requests in flight hold
    NEARLY = "nearly"  # nine tenths are spent
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A percentage at which people are told. `note` says what was sent and when, once it was: `e-mail sent 16 Nov`."""

    percent: int
    crossed: bool | None = None  # None: decided by what is spent
    note: str = ""


DEFAULT_THRESHOLDS = (Threshold(50), Threshold(80), Threshold(95))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Amounts in nanodollars, times in epoch seconds.

    cap               None: no budget yet
    hard              requests that would break it are refused; else it only alerts
    refusing          the cap has refused a request in this window and has not been raised since
    refused           how many it refused in this window
    least_refused     what the smallest of those needed
    waiting           requests wait now for what others hold
    stale_since       since when the ledger cannot be reached; the figures are then the last known
    settled_requests  in this window; with `since` (when the spender began) for the forecast
    """

    window: Window
    now: int
    spent: int = 0
    held: int = 0
    cap: int | None = None
    hard: bool = True
    in_flight: int = 0
    refusing: bool = False
    refused: int = 0
    least_refused: int | None = None
    waiting: bool = False
    stale_since: int | None = None
    settled_requests: int = 0
    since: int | None = None
    thresholds: tuple[Threshold, ...] = field(default=DEFAULT_THRESHOLDS)

    @property
    def remaining(self) -> int:
        """Cap - spent - held; below zero past a soft budget. 0 without one."""
        return 0 if self.cap is None else self.cap - self.spent - self.held

    @property
    def over(self) -> int:
        """What is spent past the cap."""
        return 0 if self.cap is None else max(0, self.spent - self.cap)

    @property
    def begins(self) -> datetime:
        return show.at(self.window.start)

    @property
    def resets(self) -> datetime:
        return show.at(self.window.end)

    @property
    def today(self) -> datetime:
        return show.at(self.now)

    @property
    def is_month(self) -> bool:
        return self.window.kind == WindowKind.MONTH

    @cached_property
    def forecast(self) -> Forecast | None:
        if self.stale_since is not None:
            return None
        return pace.forecast(
            spent=self.spent,
            cap=self.cap,
            start=self.window.start,
            end=self.window.end,
            now=self.now,
            settled_requests=self.settled_requests,
            since=self.since,
        )

    @cached_property
    def state(self) -> State:
        if self.cap is None:
            return State.NONE
        if self.stale_since is not None:
            return State.STALE
        if self.hard:
            return self._hard_state(self.cap)
        if self.spent > self.cap:
            return State.OVER
        return State.NEARLY if self.spent * 10 >= self.cap * 9 and self.spent else State.QUIET

    def _hard_state(self, cap: int) -> State:
        if cap == 0:
            return State.ZERO
        if self.refusing or self.spent >= cap:
            return State.BLOCKED
        if self.waiting or (self.held > self.remaining and self.remaining * 20 <= cap):
            return State.HELD
        return State.NEARLY if self.spent * 10 >= cap * 9 else State.QUIET

    @property
    def stopping(self) -> bool:
        """The wall stops something at this moment: where it is drawn red at row size."""
        return self.state in (State.BLOCKED, State.ZERO)

    def crossed(self, threshold: Threshold) -> bool:
        if threshold.crossed is not None:
            return threshold.crossed
        return self.cap is not None and self.spent > 0 and self.spent * 100 >= self.cap * threshold.percent

    @property
    def even_pace(self) -> int:
        """What would be spent by now if the cap were used evenly over the window."""
        length = self.window.end - self.window.start
        return 0 if self.cap is None else self.cap * (self.now - self.window.start) // length
