"""What the product says at each moment, word for word, so that a page, a dialog and a test say the same.

Plain, short, present tense, second person: what happened, what it means, what to do, in that order. Amounts are
nanodollars, times are UTC datetimes. A cap stops, a budget is the amount; a scope is blocked, a request is refused.
"""

from dataclasses import dataclass
from datetime import datetime

from budgets import forecast as pace
from tokonomics.console import presentation as show
from tokonomics.console.reading import Reading, State

ONCE_HINT = "We keep only a fingerprint, so nobody can look it up later."
BUDGET_FIELD = "Enter the monthly budget as an amount in dollars, like 49 or 1,200.00."
LOGIN_REFUSED = "The e-mail or the password is not right."


@dataclass(frozen=True, slots=True)
class Question:
    """A step that asks before it acts: `go` does it, `stay` is the way back."""

    text: str
    go: str
    stay: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What stops requests now, or should be thought about: the first words bold, then the rest."""

    title: str
    text: str


# --- The headline: one sentence that the meter under it proves -------------------------------------------------------


def headline(reading: Reading) -> str:
    match reading.state:
        case State.NONE:
            return "No budget is set yet. Live keys work once there is one."
        case State.STALE:
            return ledger_down(show.at(reading.stale_since or reading.now)).title
        case State.ZERO:
            return "The cap is $0.00. Everything is refused."
        case State.BLOCKED:
            return f"The cap is reached. Requests are blocked until {show.reset(reading.resets)}."
        case State.OVER:
            return f"The budget is passed by {show.spent(reading.over)} and spending goes on. Nothing is blocked."
        case State.HELD:
            return _held(reading)
        case _:
            return _ahead(reading)


def _held(reading: Reading) -> str:
    hold = "1 request in flight holds" if reading.in_flight == 1 else f"{reading.in_flight:,} requests in flight hold"
    finish = "it finishes" if reading.in_flight == 1 else "they finish"
    return (
        f"{show.left(reading.remaining)} is left, and {hold} {show.spent(reading.held)} until {finish}. "
        "New ones wait for it."
    )


def _ahead(reading: Reading) -> str:
    """Quiet or nearly there: where the pace leads, or that it is too early to say."""
    cap, forecast = reading.cap or 0, reading.forecast
    if forecast is None:
        return f"{show.spent(reading.spent)} of {show.cap(cap)} is spent. {_too_early(reading)}"
    share = f"{show.percent_whole(reading.spent, cap)} is spent. " if reading.state == State.NEARLY else ""
    if forecast.reached_at is not None and reading.hard:
        return f"{share}{cap_ahead(show.at(forecast.reached_at), reading)}"
    if forecast.amount > cap:
        over = show.rough(forecast.amount - cap)
        ends = f"{reading.begins:%B} ends at {show.about(forecast.amount)}"
        return f"{share}At this pace {ends}, {over} over budget. Nothing will be blocked."
    what = "cap" if reading.hard else "budget"
    return (
        f"{share}On course for {show.rough(forecast.amount)} of {show.cap_short(cap)}. "
        f"The {what} is not in reach this month."
    )


def cap_ahead(reached_at: datetime, reading: Reading) -> str:
    if reached_at.date() == reading.today.date():
        when = f"today at about {show.clock(reached_at)} UTC"
    else:
        when = f"on {show.weekday(reached_at)}"
    return f"At this pace the cap is reached {when}. Requests are then blocked until {show.day(reading.resets)}."


def _too_early(reading: Reading) -> str:
    if not reading.is_month:
        return f"It resets at {show.clock(reading.resets)} UTC."
    appears = show.at(pace.appears_at(reading.window.start, reading.since))
    if appears >= reading.resets:
        return f"It resets on {show.day(reading.resets)}."
    if appears > reading.today:
        return f"A forecast appears on {show.day(appears)}."
    return f"A forecast appears after {pace.LEAST_REQUESTS} settled requests."


def subline(reading: Reading) -> str:
    """Under the headline of a reached cap: what is left, what the smallest request needed, how many were refused."""
    if reading.state == State.STALE:
        return ledger_down(show.at(reading.stale_since or reading.now)).text
    if reading.state != State.BLOCKED:
        return ""
    parts = []
    if reading.remaining > 0 and reading.least_refused is not None:
        parts.append(
            f"{show.left(reading.remaining)} is left and the smallest request since needed "
            f"{show.exact(reading.least_refused)}."
        )
    if reading.refused:
        parts.append(f"{reading.refused:,} refused so far.")
    return " ".join(parts)


# --- Settings: the toggle, the confirmations, the answers ------------------------------------------------------------


def toggle_on(cap: int | None, resets: datetime, *, estimated: bool = False) -> str:
    """`estimated`: requests hold what they usually cost, by choice of the company."""
    amount = "the budget" if cap is None else show.cap(cap)
    fits = "what it usually costs" if estimated else "its full possible cost"
    replies = (
        "Replies under way may cost more than was held for them, and overspend the budget."
        if estimated
        else "Replies under way stay inside what was held for them."
    )
    return (
        f"No request is forwarded unless {fits} fits under {amount}. Your apps get a 429 and the "
        f"provider is never called, until {show.reset(resets)} or until you raise the budget. {replies}"
    )


def toggle_off(cap: int | None) -> str:
    at = "the budget" if cap is None else show.cap(cap)
    return (
        f"Nothing is blocked. At {at} we send the alerts below and your apps keep spending, with no upper limit. "
        "Key caps that are hard still block."
    )


def confirm_off(cap: int) -> Question:
    return Question(
        f"Stop blocking at {show.cap(cap)}? From the next request, spending has no upper limit.",
        "Turn blocking off",
        "Keep blocking",
    )


def confirm_below_spend(spent: int, cap: int, resets: datetime) -> Question:
    return Question(
        f"{show.spent(spent)} is already spent. With a cap of {show.cap(cap)} all requests are blocked "
        f"until {show.day(resets)}.",
        "Save and block now",
        "Change the amount",
    )


def saved(cap: int) -> str:
    return f"Saved. {show.cap(cap)} holds from the next request."


def save_failed(cap: int | None) -> str:
    holds = "no budget is set yet" if cap is None else f"the old cap of {show.cap(cap)} still holds"
    return f"Not saved: the spending ledger cannot be reached, so {holds}. Try again."


def changed_meanwhile(who: str, cap: int, ago: str) -> Question:
    return Question(f"{who} changed this to {show.cap(cap)} {ago}. Keep that or save yours?", "Save mine", "Keep that")


def no_right(what: str, people: list[str]) -> str:
    """`what`: "change the budget"; `people`: e-mails of those who can."""
    ask = f" Ask {_either(people)}." if people else ""
    return f"Only admins and owners can {what}.{ask}"


def _either(people: list[str]) -> str:
    return people[0] if len(people) == 1 else f"{', '.join(people[:-1])} or {people[-1]}"


# --- Keys ------------------------------------------------------------------------------------------------------------


def key_once(name: str) -> str:
    return f"Copy the key “{name}” now. It is shown this once."


def confirm_revoke(name: str, used: str) -> str:
    """`used`: "4 s ago"; empty: never. The person then types the name."""
    last = f"It was used {used}." if used else "It was never used."
    return f"Revoke “{name}”? {last} Its next request is refused; the ones under way finish. This cannot be undone."


def revoked(when: datetime, who: str) -> str:
    return (
        f"Revoked {show.short_day(when)} {show.clock(when)} by {who}. Requests with it get 403 api_key_revoked. "
        "Spend stays in the reports."
    )


def rotated(stops: datetime) -> str:
    return f"The new key works now. The old one stops on {show.short_day(stops)} {show.clock(stops)} UTC."


def key_blocked(name: str, reading: Reading, reached_at: datetime | None = None) -> Notice:
    """The band of a key whose own cap stops it."""
    when = f" at {show.clock(reached_at)} UTC" if reached_at else ""
    since = f"; {show.counted(reading.refused, 'request')} refused since" if reading.refused else ""
    if reading.is_month:
        title, which = f"{name} is blocked.", "monthly"
        again = f"It starts again on {show.day(reading.resets)}."
    else:
        title, which = f"{name} is blocked for today.", "daily"
        again = f"It starts again at {show.clock(reading.resets)} UTC."
    return Notice(title, f"It reached its {which} cap of {show.cap(reading.cap or 0)}{when}{since}. {again}")


# --- What happened ---------------------------------------------------------------------------------------------------


def ledger_down(since: datetime) -> Notice:
    return Notice(
        f"Requests are refused: the spending ledger cannot be reached since {since:%H:%M:%S} UTC.",
        "Nothing is being spent unseen; we let no request through that we cannot count.",
    )


def cap_reached(reading: Reading) -> Notice:
    return Notice("The cap is reached.", f"Requests are blocked until {show.reset(reading.resets)}.")


def month_reset(begins: datetime, cap: int, ended: datetime, ended_at: int) -> str:
    """`ended`: any moment of the month before, which spent `ended_at`."""
    return f"{begins:%B} has begun: $0.00 of {show.cap(cap)}. {ended:%B} ended at {show.spent(ended_at)}."


def too_large(need: int, left: int, fits_output_tokens: int | None) -> str:
    fits = f" With at most {fits_output_tokens:,} output tokens it fits." if fits_output_tokens else ""
    return f"Refused: this request could cost up to {show.exact(need)} and {show.left(left)} is left.{fits}"


def charged_at_hold(cost: int) -> str:
    return f"The provider gave no usage, so the most it could cost was charged: {show.exact(cost)}."


def provider_refused(provider: str, status: int = 401) -> str:
    return f"{provider} does not accept the stored key ({status}). Requests to {provider} fail until it is replaced."


def locked_out(until: datetime) -> str:
    return f"Too many log-ins with a wrong password. Try this account again from {show.clock(until)} UTC."
