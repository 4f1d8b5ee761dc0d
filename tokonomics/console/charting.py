"""From rollups to the chart of a span of days: who spent what, in the order that gives each its colour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from django.db.models import QuerySet, Sum

from budgets.models import DailySpend
from budgets.windows import Window
from tokonomics.console.chart import Chart, Span, chart, stacked
from tokonomics.console.reading import Reading


class Stack(StrEnum):
    """By what spend is told apart. The value is how the address says it."""

    KEY = "key"
    MODEL = "model"
    END_USER = "end_user"

    @classmethod
    def of(cls, text: str) -> "Stack":
        return next((stack for stack in cls if stack == text), cls.KEY)

    @property
    def label(self) -> str:
        return {"key": "Key", "model": "Model", "end_user": "End user"}[self]

    @property
    def column(self) -> str:
        return {"key": "api_key_id", "model": "model", "end_user": "end_user"}[self]

    @property
    def filter(self) -> str:
        """The usage page's filter that leads to one of them."""
        return str(self)


@dataclass(frozen=True, slots=True)
class Group:
    """A key, a model or an end user, and what it spent in the span."""

    id: str
    name: str
    total: int


@dataclass(frozen=True, slots=True)
class Spend:
    """`groups`: the dearest first. `amounts`: (group, day's index, nanodollars). `requests`: of all together."""

    first: date
    days: int
    groups: tuple[Group, ...]
    amounts: tuple[tuple[str, int, int], ...]
    requests: int


def spend(rollups: QuerySet[DailySpend], window: Window, by: Stack, names: Mapping[str, str]) -> Spend:
    days = (window.last_day - window.first_day).days + 1
    return spend_between(rollups, window.first_day, days, by, names)


def spend_between(rollups: QuerySet[DailySpend], first: date, days: int, by: Stack, names: Mapping[str, str]) -> Spend:
    """One query. `names`: what keys are called."""
    last = date.fromordinal(first.toordinal() + days - 1)
    rows = rollups.filter(day__range=(first, last)).values_list(by.column, "day")
    sums = list(rows.annotate(cost=Sum("cost"), requests=Sum("requests")).order_by())
    totals: dict[str, int] = {}
    for group, _, cost, _ in sums:
        totals[group] = totals.get(group, 0) + cost
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    return Spend(
        first=first,
        days=days,
        groups=tuple(Group(group, _name(by, group, names), total) for group, total in ordered),
        amounts=tuple((group, (day - first).days, cost) for group, day, cost, _ in sums),
        requests=sum(requests for *_, requests in sums),
    )


def _name(by: Stack, group: str, names: Mapping[str, str]) -> str:
    if by == Stack.END_USER:
        return f"user {group[:8]}" if group else "no end user named"
    return names.get(group, group)


def of_window(found: Spend, month: Reading, today: date, by: Stack) -> Chart | None:
    """The whole month, with what is to come; None where nothing was ever spent in it."""
    return _chart(found, today, by, month)


def of_days(found: Spend, today: date, by: Stack) -> Chart | None:
    """A span of days, without a cap over it."""
    return _chart(found, today, by, None)


def _chart(found: Spend, today: date, by: Stack, month: Reading | None) -> Chart | None:
    if not found.requests:
        return None
    names: Sequence[tuple[str, str]] = [(group.id, group.name) for group in found.groups]
    series = stacked(found.amounts, found.days, names)
    return chart(Span(found.first, found.days, today), series, what=by.label.lower(), month=month)
