"""The four figures that stand under a meter: spent, held, remaining, cap. Pure."""

from dataclasses import dataclass

from tokonomics.console import presentation as show
from tokonomics.console.reading import Reading, State


@dataclass(frozen=True, slots=True)
class Figure:
    """`key` for live updates; `swatch` as in the stylesheet; `exact` for the tooltip; `href`, `link` end the note."""

    key: str
    name: str
    amount: str
    note: str
    swatch: str
    exact: str
    href: str = ""
    link: str = ""


def figures(reading: Reading, *, change_href: str = "") -> tuple[Figure, ...]:
    """Of a reading with a cap; without one, what is spent and held alone. `change_href`: where the cap is changed."""
    spent = Figure(
        "spent", "Spent", show.spent(reading.spent), _spent_note(reading), "spent", show.exact(reading.spent)
    )
    held = _held(reading)
    if reading.cap is None:
        return spent, held
    return spent, held, _remaining(reading), _cap(reading, reading.cap, change_href)


def _spent_note(reading: Reading) -> str:
    if reading.cap is None:
        return "this month" if reading.is_month else "today"
    share = show.percent(reading.spent, reading.cap)
    began_late = reading.since is not None and reading.since > reading.window.start
    if not reading.is_month or reading.stopping or reading.cap == 0 or began_late:
        return share
    return f"{share} · even pace is {show.rough(reading.even_pace)}"


def _held(reading: Reading) -> Figure:
    if reading.state == State.STALE:
        # What is in flight only Redis can tell.
        return Figure("held", "Held", "not known", "while the ledger is out of reach", "held", "not known")
    note = f"by {show.counted(reading.in_flight, 'request')} in flight" if reading.in_flight else "nothing in flight"
    return Figure("held", "Held", show.spent(reading.held), note, "held", show.exact(reading.held))


def _remaining(reading: Reading) -> Figure:
    if reading.over and not reading.hard:
        share = show.percent(reading.over, reading.cap or 0)
        return Figure(
            "remaining", "Over budget", show.spent(reading.over), f"{share} of it", "over", show.exact(reading.over)
        )
    return Figure(
        "remaining", "Remaining", show.left(reading.remaining), _lasts(reading), "left", show.exact(reading.remaining)
    )


def _lasts(reading: Reading) -> str:
    """How long what is left lasts; silent where that is past the reset, or not known yet."""
    if reading.stopping:
        return "no request fits in it" if reading.remaining > 0 else "nothing fits"
    if reading.state == State.STALE:
        return "last known"
    if reading.forecast is None:
        return "for new requests"
    seconds = reading.forecast.seconds_for(reading.remaining)
    if seconds >= reading.window.end - reading.now:
        return "lasts past the reset at this pace"
    if seconds < 86_400:
        return f"lasts about {show.counted(max(1, seconds // 3600), 'hour')} at this pace"
    return f"lasts about {show.counted(seconds // 86_400, 'day')} at this pace"


def _cap(reading: Reading, cap: int, href: str) -> Figure:
    name, swatch = ("Cap, hard", "wall") if reading.hard else ("Budget, not blocking", "gate")
    note = f"resets {show.short_reset(reading.resets)}"
    return Figure("cap", name, show.cap(cap), note, swatch, show.exact(cap), href, "change" if href else "")
