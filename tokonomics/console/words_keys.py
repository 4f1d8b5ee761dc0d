"""What the pages of keys say. Pure."""

from datetime import datetime

from tokonomics.console import presentation as show
from tokonomics.console import words
from tokonomics.console.reading import Reading, State

LOST = "Lost it? Rotate it: the old and the new secret work side by side for as long as you choose."
NONE_YET = "No key yet. A key is what your app sends instead of the provider's."


def shown_before(name: str) -> str:
    return f"The secret of “{name}” was shown once, and nobody can look it up. {LOST}"


def two_walls(month: Reading, mode: str) -> str:
    """Under the table: how a key's cap and the company's go together."""
    what = "test budget" if mode == "test" else "company's cap"
    if month.cap is None:
        return f"A key's cap is a second wall inside the {what}: a request must fit under both."
    return (
        f"A key's cap is a second wall inside the {what}: a request must fit under both. "
        f"Without one, only the {what} of {show.cap(month.cap)} applies."
    )


def company_first(cap: int, company: Reading) -> str:
    """Of a key whose cap is above the company's; empty where it is not."""
    if company.cap is None or not company.hard or cap <= company.cap:
        return ""
    return f"The company's {show.cap(company.cap)} stops it first."


def headline(month: Reading, day: Reading, company: Reading) -> str:
    """A key's own sentence: what stops it, else where its month leads."""
    if company.stopping:
        return f"The company's cap is reached. This key's requests are blocked until {show.reset(company.resets)}."
    if month.cap is not None and month.state not in (State.QUIET, State.NEARLY):
        return words.headline(month)
    if day.stopping:
        return f"The cap of today is reached. Requests are blocked until {show.clock(day.resets)} UTC."
    if month.cap is not None:
        return words.headline(month)
    if month.spent == 0:
        return "Nothing is spent with this key this month."
    return f"{show.spent(month.spent)} is spent with this key this month."


def paused(since: datetime) -> str:
    return (
        f"It is paused since {show.short_day(since)} {show.clock(since)} UTC. "
        "Requests with it get 403 api_key_paused until somebody resumes it."
    )


def cap_saved(name: str, window: str, amount: int | None) -> str:
    each = "month" if window == "month" else "day"
    if amount is None:
        return f"Saved. “{name}” has no cap a {each} any more; the company's holds."
    return f"Saved. “{name}” may spend {show.cap(amount)} a {each} from the next request."


def raised(amount: int, usual: int) -> str:
    return f"Raised to {show.cap(amount)} for today. From midnight UTC {show.cap(usual)} holds again."


def cap_below_spend(reading: Reading, amount: int) -> words.Question:
    until = show.day(reading.resets) if reading.is_month else f"{show.clock(reading.resets)} UTC"
    return words.Question(
        f"{show.spent(reading.spent)} is already spent. With {show.cap(amount)} this key is blocked until {until}.",
        "Save and block now",
        "Change the amount",
    )


def old_secret(prefix: str, last_four: str, stops: datetime) -> str:
    return f"{words.rotated(stops)} It begins {prefix} and ends {last_four}."
