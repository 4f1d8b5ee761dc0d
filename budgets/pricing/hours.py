"""Prices that change within a day: which hours (UTC) have a price list of their own.

The price data says so by `TimeOfDateConstraint`; DeepSeek's peak hours are the case (api-docs.deepseek.com/quick_start/
pricing). Each window becomes a service tier of the model, named by its hours: a hold takes the dearest, since nobody
knows when the reply will be whole, and a reply that lies within one list is settled at it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from genai_prices.types import ModelInfo, ModelPrice, TimeOfDateConstraint


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` to before `end`, both UTC, over midnight where `end` is the earlier one."""

    start: time
    end: time

    @property
    def tier(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M} UTC"

    def hold(self, moment: time) -> bool:
        if self.start < self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end


def windows_of(info: ModelInfo) -> list[tuple[Hours, ModelPrice]]:
    """Each window and its prices, in the order of the data: of two that overlap, the later one counts."""
    dated = () if isinstance(info.prices, ModelPrice) else info.prices
    return [
        (Hours(_plain(each.constraint.start_time), _plain(each.constraint.end_time)), each.prices)
        for each in dated
        if isinstance(each.constraint, TimeOfDateConstraint)
    ]


def moment_of(info: ModelInfo, on: date) -> datetime:
    """A moment of that day outside every window, where there is one: the one that the standard prices are read at."""
    windows = [hours for hours, _ in windows_of(info)]
    candidates = (time(), *(hours.end for hours in windows))
    free = next((each for each in candidates if not any(hours.hold(each) for hours in windows)), time())
    return datetime.combine(on, free, UTC)


def tier_between(windows: Iterable[Hours], began: float, ended: float) -> str:
    """The tier of what began and ended at these epoch seconds; `standard` outside all windows, `mixed` across an edge:
    a tier that no model names, so that the dearest list counts.
    """
    first, last = (_tier_at(tuple(windows), moment) for moment in (began, ended))
    return first if first == last else "mixed"


def _tier_at(windows: tuple[Hours, ...], epoch: float) -> str:
    moment = datetime.fromtimestamp(epoch, UTC).time()
    return next((hours.tier for hours in reversed(windows) if hours.hold(moment)), "standard")


def _plain(moment: time) -> time:
    """The data writes UTC into it."""
    return moment.replace(tzinfo=None)
