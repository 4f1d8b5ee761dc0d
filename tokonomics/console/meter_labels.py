"""Where the meter's words go: each threshold under its tick, the forecast under its ring, none over another.

Text cannot be measured on the server, so widths are estimated for a narrow page: labels that keep apart at the
reference width keep apart at any greater one, and the stylesheet hides the long ones below it (`t-note`, `t-wide`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tokonomics.console import presentation as show
from tokonomics.console.reading import Reading, State, Threshold

_CHARACTER = 7  # pixels, at 13 px
_PHONE, _NOTES, _WIDE = 330, 720, 520  # reference widths in pixels: ticks alone, with notes, with the forecast's words
_LINE = 17


@dataclass(frozen=True, slots=True)
class Tick:
    x: str
    on: bool


@dataclass(frozen=True, slots=True)
class Label:
    """`y` in pixels; `anchor` as SVG has it; `css` classes; `note` is a second part, shown where there is room."""

    x: str
    y: int
    text: str
    anchor: str = "middle"
    css: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """`cap` stands above the bar; the `y` of `labels` counts from its lower edge, and they need `below` pixels there,
    of which `spare` are for words that a narrow page does not show."""

    cap: Label | None = None
    ticks: tuple[Tick, ...] = ()
    labels: tuple[Label, ...] = ()
    below: int = 0
    spare: int = 0

    def moved(self, bar_bottom: int) -> tuple[Label, ...]:
        return tuple(replace(label, y=label.y + bar_bottom) for label in self.labels)


@dataclass(frozen=True, slots=True)
class _Span:
    """What a label covers of the axis, in thousandths of a percent."""

    start: int
    end: int

    def meets(self, others: "list[_Span]") -> bool:
        return any(self.start < other.end and other.start < self.end for other in others)


def percent(thousandths: int) -> str:
    """56145 -> `56.145%`."""
    return f"{thousandths // 1000}.{thousandths % 1000:03d}%"


def _span(x: int, text: str, width: int, anchor: str = "middle") -> _Span:
    long = (len(text) * _CHARACTER + 8) * 100_000 // width
    return _Span(x - long, x) if anchor == "end" else _Span(x - long // 2, x + long // 2)


def lay_out(reading: Reading, at: Callable[[int], int], *, wide: bool) -> Layout:
    """Ticks and labels of a reading that has a cap, on an axis where `at` gives an amount's place."""
    cap = reading.cap or 0
    places = [
        (at(cap * threshold.percent // 100), threshold)
        for threshold in sorted(reading.thresholds, key=lambda item: item.percent)
        if 0 < threshold.percent < 100 and cap
    ]
    ticks = tuple(Tick(percent(x), reading.crossed(threshold)) for x, threshold in places)
    named, taken = _threshold_labels(reading, places, wide=wide)
    forecast = _forecast_labels(reading, at, taken)
    short = 23 + 7 if named else 10
    below = max((label.y + 7 for label in forecast), default=short)
    return Layout(_cap_label(reading, at(cap)), ticks, (*named, *forecast), below, below - short)


def _cap_label(reading: Reading, x: int) -> Label:
    cap = reading.cap or 0
    text = (
        "Cap $0.00, everything is refused"
        if reading.state == State.ZERO
        else f"{'Cap' if reading.hard else 'Budget'} {show.cap_short(cap)}"
    )
    anchor = "start" if x < 8_000 else "end" if x > 94_000 else "middle"
    return Label(percent(x), 18, text, anchor, "t-cap")


def _threshold_labels(
    reading: Reading, places: list[tuple[int, Threshold]], *, wide: bool
) -> tuple[list[Label], list[_Span]]:
    """The newest crossed one first, then what is ahead, then the rest; those that would touch stay ticks."""
    crossed = [place for place in places if reading.crossed(place[1])]
    newest = crossed[-1:]
    order = newest + [place for place in places if place not in crossed] + crossed[:-1][::-1]
    kept: list[tuple[int, Threshold]] = []
    for x, threshold in order:
        others = [_span(other, f"{kept_threshold.percent}%", _PHONE) for other, kept_threshold in kept]
        if not _span(x, f"{threshold.percent}%", _PHONE).meets(others):
            kept.append((x, threshold))
    spans = [_span(x, f"{threshold.percent}%", _NOTES) for x, threshold in kept]
    noted = _room_for_note(newest, kept, spans) if wide else ""
    named = []
    for x, threshold in sorted(kept, key=lambda place: place[0]):
        on = reading.crossed(threshold)
        note = noted if newest and threshold is newest[0][1] else ""
        named.append(Label(percent(x), 23, f"{threshold.percent}%", "middle", "t-on" if on else "", note))
    return named, [_span(x, f"{threshold.percent}%", _WIDE) for x, threshold in kept]


def _room_for_note(newest: list[tuple[int, Threshold]], kept: list[tuple[int, Threshold]], spans: list[_Span]) -> str:
    if not newest or not newest[0][1].note:
        return ""
    x, threshold = newest[0]
    others = [span for place, span in zip(kept, spans, strict=True) if place[1] is not threshold]
    long = _span(x, f"{threshold.percent}% · {threshold.note}", _NOTES)
    return f" · {threshold.note}" if long.start > 0 and not long.meets(others) else ""


def _forecast_labels(reading: Reading, at: Callable[[int], int], taken: list[_Span]) -> list[Label]:
    """`about $1,370` over `without the cap` (past a hard one) or `by 30 Nov`; one row lower where a tick's label is."""
    ahead = reading.forecast
    if ahead is None or reading.stopping:
        return []
    past = reading.cap is not None and reading.hard and ahead.amount > reading.cap
    first, second = show.about(ahead.amount), "without the cap" if past else _by(reading)
    x = min(at(ahead.amount), 99_000)
    anchor, where = ("end", 100_000) if x > 92_000 else ("middle", x)
    span = _span(where, max(first, second, key=len), _WIDE, anchor)
    y = 23 + (_LINE if span.meets(taken) else 0)
    return [
        Label(percent(where), y, first, anchor, "t-on t-wide"),
        Label(percent(where), y + _LINE, second, anchor, "t-wide"),
    ]


def _by(reading: Reading) -> str:
    last = show.at(reading.window.end - 1)
    return f"by {show.short_day(last)}" if reading.is_month else "by midnight UTC"
