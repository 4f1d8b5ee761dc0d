"""What the settings say beside the words of section 6. Pure."""

from tokonomics.console import presentation as show
from tokonomics.console import words
from tokonomics.console.reading import Reading

TO_BUDGET, TO_SETTINGS, TO_TOKENS = "change the budget", "change the settings", "manage tokens"
HOLDS_SAVED = {
    "bound": "Saved. From the next request on, the most that it can cost is held.",
    "estimate": "Saved. From the next request on, what such ones usually cost is held. The budget can be overspent.",
}
WHO_HEARS = "Steps, and who hears of them, are set under"


def saved(amount: int, *, hard: bool) -> str:
    soft = f"Saved. Nothing is blocked at {show.cap(amount)}; spending goes on past it."
    return words.saved(amount) if hard else soft


def stands(amount: int, *, hard: bool) -> str:
    """The budget as text, for who may not change it."""
    what = "Requests are blocked when it is reached." if hard else "It blocks nothing when it is reached."
    return f"{show.cap(amount)} per calendar month. {what}"


def pace_on(month: Reading) -> str:
    """Under the preview of a wall: when this pace meets it."""
    cap = month.cap or 0
    if month.spent >= cap:
        return f"{show.spent(month.spent)} is spent already: blocked at once, until {show.day(month.resets)}."
    if month.forecast is None:
        return ""
    if month.forecast.reached_at is None:
        last = show.day(show.at(month.window.end - 1))
        return f"At today's pace: {show.about(month.forecast.amount)} on {last}. The cap is not reached."
    reached = show.at(month.forecast.reached_at)
    short = (month.window.end - month.forecast.reached_at) // 86_400
    before = f", {show.counted(short, 'day')} short of the reset" if short else ""
    return f"At today's pace: blocked from {show.weekday(reached)}{before}."


def pace_off(month: Reading) -> str:
    """Under the preview of a gate: where this pace leads."""
    cap = month.cap or 0
    if month.forecast is None:
        return f"{show.spent(month.over)} over it already." if month.over else ""
    last = show.day(show.at(month.window.end - 1))
    ends = f"At today's pace: {show.about(month.forecast.amount)} on {last}"
    return f"{ends}, {show.rough(month.forecast.amount - cap)} over." if month.forecast.amount > cap else f"{ends}."


def token_once(name: str) -> str:
    return f"Copy the token “{name}” now. It is shown this once."
