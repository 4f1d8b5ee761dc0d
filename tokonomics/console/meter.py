"""The budget meter: a reading of a cap becomes the geometry that `console/_meter.html` writes down.

Every number is a string made here with integers, in percent of the width or in pixels from the top: the drawing is an
`<svg>` without a viewBox that scales without script, and its geometry stands in presentation attributes, never in a
`style`. The track ends at the cap; on the page and inline sizes the axis runs on, so that what is past it has room.
"""

from dataclasses import dataclass
from enum import StrEnum

from tokonomics.console import meter_labels as labels
from tokonomics.console import presentation as show
from tokonomics.console.meter_labels import Label, Tick, percent
from tokonomics.console.reading import Reading, State

WHOLE = 100_000  # the axis in thousandths of a percent
HELD_PX = 8  # the least width of what is held: it must be seen


class Size(StrEnum):
    PAGE = "page"
    INLINE = "inline"
    ROW = "row"


_BAR = {Size.PAGE: 52, Size.INLINE: 32, Size.ROW: 8}
_WALL = {Size.PAGE: 6, Size.INLINE: 4, Size.ROW: 3}
_TOP = 34  # the bar's top below the cap's label, page and inline
_ROW_TOP = 3


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of the bar: `x` and `width` in percent, as SVG takes them (`56.145%`)."""

    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Ghost:
    """The forecast: a dotted line from `x1` to `x2`, then a ring, or an arrow where it leaves the axis."""

    x1: str
    x2: str
    arrow: bool


@dataclass(frozen=True, slots=True)
class Meter:
    """All that the partial needs. Pixels: `height`, `bar_y`, `bar_height`, and those derived from them; `spare` of the
    height is for words that a narrow page does not show. A `picture` measures nothing: its label says it all."""

    ident: str
    size: Size
    state: State
    label: str
    text: str
    now: str
    max: str
    height: int
    bar_y: int
    bar_height: int
    track: Bar
    spent: Bar
    over: Bar | None
    held: Bar | None
    held_least_x: str
    held_from_left: bool
    wall_x: str
    wall_width: int
    hard: bool
    stopping: bool
    ghost: Ghost | None
    ticks: tuple[Tick, ...]
    cap_label: Label | None
    labels: tuple[Label, ...]
    spare: int
    picture: bool = False

    @property
    def is_row(self) -> bool:
        return self.size == Size.ROW

    @property
    def is_empty(self) -> bool:
        return self.state == State.NONE

    @property
    def middle(self) -> str:
        """The height of the forecast's line, pixels."""
        return f"{self.bar_y + self.bar_height / 2:g}"

    @property
    def empty_text_y(self) -> int:
        return self.bar_y + self.bar_height // 2 + 5

    @property
    def held_dx(self) -> int:
        """The least width grows toward the middle of the bar: never over the wall, never off the left edge."""
        return 0 if self.held_from_left else -HELD_PX

    @property
    def held_y(self) -> str:
        return f"{self.bar_y}.5"

    @property
    def held_height(self) -> int:
        return self.bar_height - 1

    @property
    def bar_bottom(self) -> int:
        return self.bar_y + self.bar_height

    @property
    def tick_bottom(self) -> int:
        return self.bar_bottom + 8

    @property
    def wall_y(self) -> int:
        return 0 if self.is_row else self.bar_y - 10

    @property
    def wall_height(self) -> int:
        return self.height if self.is_row else self.bar_height + 20

    @property
    def wall_bottom(self) -> int:
        return self.wall_y + self.wall_height

    @property
    def wall_dx(self) -> int:
        """At row size the wall stands inside the track's end, else just past it."""
        return -self.wall_width if self.is_row and self.wall_x == percent(WHOLE) else 0


def meter(reading: Reading, size: Size | str = Size.PAGE, *, label: str, ident: str) -> Meter:
    """Draw `reading`. `label` names it for screen readers ("Budget for November 2026"); `ident`: unique on the page."""
    size = Size(size)
    scale = Scale.of(reading, size)
    wall, spent = scale.at(reading.cap or 0), min(scale.at(reading.spent), WHOLE)
    end = min(scale.at(reading.spent + reading.held), WHOLE)
    solid = min(spent, wall) if reading.cap is not None else 0
    row = size == Size.ROW
    layout = (
        labels.Layout() if row or reading.cap is None else labels.lay_out(reading, scale.at, wide=size == Size.PAGE)
    )
    return Meter(
        ident=ident,
        size=size,
        state=reading.state,
        label=label,
        text=aria_text(reading),
        now=show.plain(min(reading.spent, reading.cap or 0)),
        max=show.plain(reading.cap or 0),
        height=14 if row else _TOP + _BAR[size] + layout.below,
        bar_y=_ROW_TOP if row else _TOP,
        bar_height=_BAR[size],
        track=Bar("0", percent(wall or WHOLE if reading.cap is None or row else wall)),
        spent=Bar("0", percent(solid)),
        over=Bar(percent(wall), percent(spent - solid)) if spent > solid and reading.cap is not None else None,
        held=Bar(percent(spent), percent(end - spent)) if reading.held > 0 and reading.cap is not None else None,
        held_least_x=percent(spent if end * 2 < WHOLE else end),
        held_from_left=end * 2 < WHOLE,
        wall_x=percent(wall),
        wall_width=_WALL[size],
        hard=reading.hard,
        stopping=reading.stopping,
        ghost=None if row else _ghost(reading, scale, end),
        ticks=layout.ticks,
        cap_label=layout.cap,
        labels=layout.moved(_TOP + _BAR[size]),
        spare=layout.spare,
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """Nanodollars to thousandths of a percent of the width."""

    end: int

    def at(self, nanodollars: int) -> int:
        return max(0, nanodollars) * WHOLE // self.end

    @classmethod
    def of(cls, reading: Reading, size: Size) -> "Scale":
        """It ends at the cap at row size; else at 1.25 caps, or where spend or forecast reach, at most 1.6 caps."""
        cap, used = reading.cap or 0, reading.spent + reading.held
        if size == Size.ROW:
            return cls(max(cap, used if not reading.hard else reading.spent, 1))
        ahead = reading.forecast.amount if reading.forecast else 0
        reach = max(ahead, used) * 105 // 100
        return cls(max(1, min(max(cap * 125 // 100, reach), cap * 160 // 100) if cap else reach))


def _ghost(reading: Reading, scale: Scale, end: int) -> Ghost | None:
    if reading.forecast is None or reading.cap is None or reading.stopping:
        return None
    tip, start = scale.at(reading.forecast.amount), min(end + 1000, WHOLE)
    if tip <= start + 1000:
        return None
    return Ghost(percent(start), percent(min(tip, 99_000)), arrow=tip > WHOLE)


def aria_text(reading: Reading) -> str:
    """The whole picture as one sentence, for `aria-valuetext`."""
    if reading.cap is None:
        return "No budget is set yet"
    held = f"{show.spent(reading.held)} held by requests in flight"
    rest = (
        f"{show.spent(reading.over)} over the budget of {show.cap(reading.cap)}"
        if reading.over and not reading.hard
        else f"{show.left(reading.remaining)} remaining of {show.cap(reading.cap)}"
    )
    text = f"{show.spent(reading.spent)} spent, {held}, {rest}"
    match reading.state:
        case State.STALE:
            return f"Last known before {show.at(reading.stale_since or 0):%H:%M:%S} UTC: {text}"
        case State.BLOCKED:
            return f"{text}. The cap is reached; requests are blocked"
        case State.ZERO:
            return f"{text}. Everything is refused"
        case State.OVER:
            return f"{text}. Nothing is blocked"
        case _:
            return text
