"""How numbers and times are written, on every page and in every message alike.

Pure: nanodollars, counts and UTC datetimes in, text out.

What is left is rounded down, what is spent or held is rounded up: the figures on a page never promise money that is not
there. Something that is not zero never reads "$0.00". Minus is U+2212. Dates carry month names.
"""

from datetime import UTC, date, datetime, timedelta

from budgets.money import NANO, format_usd

MINUS = "−"
_CENT = NANO // 100
_FIVE = NANO // 100_000


def _signed(nanodollars: int, text: str) -> str:
    return f"{MINUS}{text}" if nanodollars < 0 else text


def exact(nanodollars: int) -> str:
    """As stored: at least two decimals, no zeros past two. `$0.012`."""
    return _signed(nanodollars, "$" + _grouped(format_usd(abs(nanodollars))))


def _grouped(plain: str) -> str:
    whole, fraction = plain.split(".")
    return f"{int(whole):,}.{fraction}"


def _cents(count: int) -> str:
    return f"${count // 100:,}.{count % 100:02d}"


def spent(nanodollars: int) -> str:
    """Cents, rounded up: for what is spent, held or charged. `$842.17`; `<$0.01` for less than a cent."""
    if nanodollars < 0:
        return MINUS + left(-nanodollars)
    return "<$0.01" if 0 < nanodollars < _CENT else _cents(-(-nanodollars // _CENT))


def left(nanodollars: int) -> str:
    """Cents, rounded down: for what remains. `$351.45`; `<$0.01` for less than a cent."""
    if nanodollars < 0:
        return MINUS + spent(-nanodollars)
    return "<$0.01" if 0 < nanodollars < _CENT else _cents(nanodollars // _CENT)


def cap(nanodollars: int) -> str:
    """A cap in full: `$1,200.00`; past cents as it is stored, for a cap set over the API."""
    return _cents(nanodollars // _CENT) if nanodollars % _CENT == 0 else exact(nanodollars)


def cap_short(nanodollars: int) -> str:
    """A cap as a label: `$1,200`, `$49.50`."""
    return f"${nanodollars // NANO:,}" if nanodollars % NANO == 0 else cap(nanodollars)


def rough(nanodollars: int) -> str:
    """A guess: whole dollars, `$1,370`; under ten dollars with cents, because a dollar matters there."""
    if abs(nanodollars) < 10 * NANO:
        return _signed(nanodollars, left(abs(nanodollars)))
    return _signed(nanodollars, f"${(abs(nanodollars) + NANO // 2) // NANO:,}")


def about(nanodollars: int) -> str:
    return f"about {rough(nanodollars)}"


def five(nanodollars: int) -> str:
    """Five decimals, for aligned cost columns: `$0.08437`, rounded up; `<$0.00001` below that."""
    if 0 < nanodollars < _FIVE:
        return "<$0.00001"
    count = -(-abs(nanodollars) // _FIVE)
    return _signed(nanodollars, f"${count // 100_000:,}.{count % 100_000:05d}")


def plain(nanodollars: int) -> str:
    """For a form's field and for ARIA values: `1200.00`, no sign, no separators."""
    return format_usd(nanodollars)


def field(nanodollars: int | None) -> str:
    """For a form's money field: `1,200.00`; empty for none."""
    return "" if nanodollars is None else _grouped(format_usd(nanodollars))


def percent(part: int, whole: int) -> str:
    """One decimal, rounded down: `70.1%`. `100%` only when it is reached."""
    if whole <= 0:
        return "100%" if part > 0 else "0%"
    tenths = part * 1000 // whole
    return f"{tenths // 10:,}%" if tenths % 1000 == 0 else f"{tenths // 10:,}.{tenths % 10}%"


def percent_whole(part: int, whole: int) -> str:
    """No decimal, rounded down: `94%`, for sentences."""
    return f"{part * 100 // whole:,}%" if whole > 0 else percent(part, whole)


def count(number: int) -> str:
    return f"{number:,}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 request`, `2,914 requests`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def tokens(number: int) -> str:
    """With separators; `1.2 M` from a million, rounded down."""
    if number < 1_000_000:
        return f"{number:,}"
    tenths = number // 100_000
    return f"{tenths // 10:,}.{tenths % 10} M"


def took(milliseconds: int) -> str:
    """`212 ms`, `21.4 s`, `3 min 20 s`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 120_000:
        return f"{milliseconds // 1000}.{milliseconds % 1000 // 100} s"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    return f"{minutes} min {seconds} s"


# --- Times: budgets are kept in UTC and every time is written in it --------------------------------------------------


def at(epoch_seconds: int) -> datetime:
    return datetime.fromtimestamp(epoch_seconds, UTC)


def day(when: datetime) -> str:
    """`27 November`."""
    return f"{when.day} {when:%B}"


def weekday(when: datetime) -> str:
    """`Friday 27 November`."""
    return f"{when:%A} {day(when)}"


def short_day(when: date) -> str:
    """`27 Nov`."""
    return f"{when.day} {when:%b}"


def clock(when: datetime) -> str:
    """`16:40`."""
    return f"{when:%H:%M}"


def reset(when: datetime) -> str:
    """`1 December 00:00 UTC`."""
    return f"{day(when)} {when:%H:%M} UTC"


def short_reset(when: datetime) -> str:
    """`1 Dec 00:00 UTC`."""
    return f"{short_day(when)} {when:%H:%M} UTC"


def moment(when: datetime, now: datetime) -> str:
    """For lists: `10:42:07` today, `18 Nov 10:42` before that, with the year only if it is another."""
    if when.date() == now.date():
        return f"{when:%H:%M:%S}"
    year = f" {when.year}" if when.year != now.year else ""
    return f"{short_day(when)}{year} {when:%H:%M}"


def ago(when: datetime, now: datetime) -> str:
    """Relative only under an hour: `just now`, `4 s ago`, `12 min ago`; else the moment."""
    seconds = (now - when) // timedelta(seconds=1)
    if seconds < 2:
        return "just now"
    if seconds < 60:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 3600 else moment(when, now)
