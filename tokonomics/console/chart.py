"""Spend by day, drawn by the server: amounts become the geometry that `console/_chart.html` writes down. Pure integers.

Bars stand for amounts a day, stacked; the whole window is on x, so that what is to come has room: forecast bars, the
day on which the cap is reached as a wall, the days behind it shaded. x is in percent of the width, y in pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from budgets.money import NANO, ceil_div
from tokonomics.console import presentation as show
from tokonomics.console.meter_labels import percent
from tokonomics.console.reading import Reading

TOP, FLOOR = 8, 198  # pixels: the highest grid line and the ground
HEIGHT = 232
MOST_SERIES = 5
_WHOLE = 100_000
_MULTIPLES = (1, 2, 4, 5)


@dataclass(frozen=True, slots=True)
class Series:
    """One part of each bar: `amounts` a day, nanodollars. `css` is `1` to `5`, `6` for the rest together."""

    name: str
    css: str
    amounts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.amounts)


@dataclass(frozen=True, slots=True)
class Bar:
    css: str
    x: str
    width: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A word or a line: of the axes, of the wall."""

    at: str
    text: str
    anchor: str = "middle"
    css: str = ""


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day of the table: its amounts in the order of the series, and together."""

    day: date
    amounts: tuple[int, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is to come: one bar a day up to the window's end or the wall."""

    bars: tuple[Bar, ...]
    a_day: int
    wall: str = ""
    wall_text: str = ""
    shaded_x: str = ""
    shaded_width: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    label: str
    series: tuple[Series, ...]
    bars: tuple[Bar, ...]
    grid: tuple[Mark, ...]
    days: tuple[Mark, ...]
    rows: tuple[DayRow, ...]
    even_y: str
    even: int
    ahead: Ahead | None
    slots: int

    @property
    def total(self) -> int:
        return sum(row.total for row in self.rows)

    @property
    def long_axis(self) -> bool:
        """Whether its amounts need more room beside it: `$4,000,000`, `$0.000004`."""
        return any(len(line.text) > 6 for line in self.grid)


@dataclass(frozen=True, slots=True)
class Span:
    """The days on x: `first` and how many; `today` is among them, or past their end."""

    first: date
    days: int
    today: date

    @property
    def known(self) -> int:
        """How many days have begun."""
        return max(0, min(self.days, (self.today - self.first).days + 1))

    def day(self, index: int) -> date:
        return self.first + timedelta(days=index)

    def left(self, index: int) -> int:
        return index * _WHOLE // self.days

    def middle(self, index: int) -> int:
        return (2 * index + 1) * _WHOLE // (2 * self.days)

    def bar(self, index: int) -> tuple[str, str]:
        """x and width of a day's bar, 68 hundredths of its slot."""
        slot = _WHOLE // self.days
        return percent(self.left(index) + slot * 16 // 100), percent(slot * 68 // 100)


def chart(span: Span, series: Sequence[Series], *, what: str, month: Reading | None = None) -> Chart:
    """`what` is by what it is stacked ("key"); `month`: the reading of the cap over all of it, if there is one."""
    rows = tuple(
        DayRow(span.day(n), tuple(each.amounts[n] for each in series), sum(each.amounts[n] for each in series))
        for n in range(span.known)
    )
    highest = max((row.total for row in rows), default=0)
    even = month.cap // span.days if month is not None and month.cap else 0
    a_day = month.forecast.a_day() if month is not None and month.forecast is not None else 0
    reach = max(highest, a_day, even if even <= 3 * highest else 0)
    scale = Scale.up_to(reach)
    return Chart(
        label=_label(span, rows, what),
        series=tuple(series),
        bars=tuple(bar for n in range(span.known) for bar in _stack(span, series, scale, n)),
        grid=tuple(scale.lines()),
        days=tuple(_day_marks(span)),
        rows=rows,
        even_y=scale.y(even) if even and even <= scale.end else "",
        even=even,
        ahead=_ahead(span, scale, month) if month is not None else None,
        slots=span.days,
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """Nanodollars to pixels; three or four grid lines above the ground, at round amounts."""

    step: int
    count: int

    @property
    def end(self) -> int:
        return self.step * self.count

    @classmethod
    def up_to(cls, amount: int) -> "Scale":
        step = next(step for step in _round_steps() if step * 4 >= amount)
        return cls(step, max(3, ceil_div(amount, step)))

    def tenths(self, amount: int) -> int:
        return min(amount, self.end) * (FLOOR - TOP) * 10 // self.end

    def y(self, amount: int) -> str:
        return _pixels(FLOOR * 10 - self.tenths(amount))

    def lines(self) -> Iterator[Mark]:
        for n in range(self.count + 1):
            yield Mark(self.y(n * self.step), _axis(n * self.step, self.step))


def _round_steps() -> Iterator[int]:
    ten = 1
    while True:
        for multiple in _MULTIPLES:
            yield multiple * ten
        ten *= 10


def _axis(amount: int, step: int) -> str:
    if amount == 0:
        return "$0"
    return f"${amount // NANO:,}" if step >= NANO else show.exact(amount)


def _pixels(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}"


def _stack(span: Span, series: Sequence[Series], scale: Scale, index: int) -> Iterator[Bar]:
    """The parts of one day from the ground up, a pixel of paper between them; what is there can be seen."""
    x, width = span.bar(index)
    below = 0
    for each in series:
        amount = each.amounts[index]
        if amount <= 0:
            continue
        start, end = scale.tenths(below), scale.tenths(below + amount)
        gap = 10 if below and end - start > 20 else 0
        height = max(end - start - gap, 10)
        yield Bar(each.css, x, width, _pixels(FLOOR * 10 - start - gap - height), _pixels(height))
        below += amount


def _day_marks(span: Span) -> Iterator[Mark]:
    """The first and the last day with their month, every fifth between, and today, which nothing stands beside."""
    last, today = span.days - 1, (span.today - span.first).days
    wanted = (
        {0, last, *(n for n in range(span.days) if span.day(n).day % 5 == 0)} if span.days > 8 else {*range(span.days)}
    )
    for n in sorted(wanted):
        beside_today = 0 <= today <= last and abs(n - today) < max(1, span.days // 10)
        if beside_today or 0 < last - n < span.days // 12:
            continue
        anchor = "start" if n == 0 else "end" if n == last else "middle"
        at = 0 if n == 0 else _WHOLE if n == last else span.middle(n)
        yield Mark(percent(at), _short(span.day(n)) if n in (0, last) else str(span.day(n).day), anchor)
    if 0 <= today <= last:
        anchor = "start" if today == 0 else "end" if today == last else "middle"
        at = 0 if today == 0 else _WHOLE if today == last else span.middle(today)
        yield Mark(percent(at), "Today", anchor, "t-ink")


def _ahead(span: Span, scale: Scale, month: Reading) -> Ahead | None:
    if month.stopping and month.hard:
        wall = span.left(span.known)
        return _behind(wall, "Cap reached", (), 0)
    forecast = month.forecast
    if forecast is None:
        return None
    length = month.window.end - month.window.start
    wall = _WHOLE
    if forecast.reached_at is not None and month.hard:
        wall = (forecast.reached_at - month.window.start) * _WHOLE // length
    height = max(10, scale.tenths(forecast.a_day()))
    bars = []
    for n in range(span.known, span.days):
        left, slot = span.left(n), _WHOLE // span.days
        start, width = left + slot * 16 // 100, min(slot * 68 // 100, wall - left - slot * 16 // 100)
        if width > slot // 5:
            bars.append(Bar("", percent(start), percent(width), _pixels(FLOOR * 10 - height), _pixels(height)))
    if wall == _WHOLE:
        return Ahead(tuple(bars), forecast.a_day())
    day = show.short_day(show.at(forecast.reached_at or 0))
    return _behind(wall, f"Cap reached {day}", tuple(bars), forecast.a_day())


def _behind(wall: int, text: str, bars: tuple[Bar, ...], a_day: int) -> Ahead:
    return Ahead(bars, a_day, percent(wall), text, percent(wall), percent(_WHOLE - wall))


def _label(span: Span, rows: Sequence[DayRow], what: str) -> str:
    highest = max(rows, key=lambda row: row.total, default=None)
    head = f"Spend by day, in US dollars, by {what}."
    if highest is None or not highest.total:
        return f"{head} Nothing was spent from {_short(span.first)} to {_short(span.day(span.days - 1))}."
    return f"{head} Most on {highest.day:%A} {highest.day.day} {highest.day:%B}: {show.spent(highest.total)}."


def _short(day: date) -> str:
    return f"{day.day} {day:%b}"


def stacked(amounts: Sequence[tuple[str, int, int]], days: int, names: Sequence[tuple[str, str]]) -> list[Series]:
    """Series from (group, day's index, nanodollars). `names`: (group, shown name), the dearest first: five have
    a colour of their own in that order, the rest are "Other"."""
    own = {group: position for position, (group, _) in enumerate(names[:MOST_SERIES])}
    table = [[0] * days for _ in range(min(len(names), MOST_SERIES + 1))]
    for group, index, amount in amounts:
        table[own.get(group, MOST_SERIES)][index] += amount
    shown = [name for _, name in names[:MOST_SERIES]] + (["Other"] if len(names) > MOST_SERIES else [])
    return [Series(name, str(n), tuple(row)) for n, (name, row) in enumerate(zip(shown, table, strict=True), 1)]
