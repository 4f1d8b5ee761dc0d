"""What an alert says, in words: facts in, one Message out, from which every channel makes its own shape. Pure."""

from dataclasses import dataclass

from alerts.facts import Facts, Spender
from alerts.models import EventType
from budgets import presentation as show
from budgets.crossings import REACHED

BLOCKS, TEXT_BLOCKS = 10, 40
BLOCKING = "Requests are being blocked"


@dataclass(frozen=True, slots=True)
class Links:
    overview: str
    change: str
    alerts: str


@dataclass(frozen=True, slots=True)
class Message:
    """subject  the first line everywhere, without the company where `title` has a place of its own for it
    lead       how much of what, in figures
    outlook    what happens next and when; may be empty
    figures    (label, value): Spent, Left, Reset, Pace
    used       tenths of a percent of the cap, for a bar; None where there is none to draw
    is_over    past a budget that does not block
    standing   "spent $960.41, held $4.10, left $235.49"
    spenders   ("Most of it", "support-bot $371.20 · ..."), for whichever are known
    change     what the second link is called
    why        why the reader gets this
    urgent     requests are being blocked, or a key was paused
    """

    subject: str
    title: str
    company: str
    lead: str
    outlook: str
    figures: tuple[tuple[str, str], ...]
    standing: str
    used: int | None
    hard: bool
    is_over: bool
    spenders: tuple[tuple[str, tuple[str, ...]], ...]
    links: Links
    change: str
    why: str
    urgent: bool

    @property
    def sentences(self) -> str:
        return f"{self.lead} {self.outlook}".strip()

    @property
    def spender_lines(self) -> list[str]:
        return [f"{label}: {' · '.join(names)}" for label, names in self.spenders]

    @property
    def bar(self) -> str:
        """`████████▒░ 85.2%`: spent, the block that its edge lies in, and what is left."""
        return "" if self.used is None else f"{self._blocks(BLOCKS, '█▒░')} {self.used // 10}.{self.used % 10}%"

    @property
    def text_bar(self) -> str:
        """The same for a text mail, where every font has the signs; the last one is the cap."""
        return f"{self._blocks(TEXT_BLOCKS, '=>-')}|"

    def _blocks(self, count: int, signs: str) -> str:
        spent, edge, left = tuple(signs)
        full, part = divmod(min(self.used or 0, 1000) * count, 1000)
        return (spent * full + (edge if part else "")).ljust(count, left)

    @property
    def percent_spent(self) -> int:
        """Of a bar of two cells, whole percents, rounded down but never to nothing."""
        used = min(self.used or 0, 1000)
        return max(1, used // 10) if used else 0

    @property
    def percent_left(self) -> int:
        return 100 - self.percent_spent


def message(kind: str, facts: Facts, base_url: str) -> Message:
    """`kind` is an EventType; `base_url` has no slash at its end."""
    match kind:
        case EventType.BURN_RATE:
            title, lead, outlook = _burn_rate(facts)
            why = f"You get this because you are on the burn-rate alert of {facts.tenant_name}."
        case EventType.FORECAST:
            title, lead, outlook = _forecast(facts)
            why = f"You get this because you are on the forecast alert of {facts.tenant_name}."
        case EventType.TEST:
            title, lead = "This is a test from Tokonomics", "Alerts of your budget and keys arrive here."
            outlook, why = "", f"You get this because somebody of {facts.tenant_name} pressed “Send a test”."
        case _:
            title, lead, outlook = _threshold(facts), _lead(facts), _outlook(facts)
            why = f"You get this because you are on the {facts.percent}% alert of {facts.tenant_name}."
    has_cap = kind in (EventType.THRESHOLD, EventType.FORECAST)
    return Message(
        subject=_one_line(title if facts.is_reached or facts.paused else f"{title} ({facts.tenant_name})"),
        title=_one_line(title),
        company=facts.tenant_name,
        lead=lead,
        outlook=outlook,
        figures=_figures(facts) if has_cap else _hour(facts) if kind == EventType.BURN_RATE else (),
        standing=_standing(facts) if has_cap else "",
        used=(facts.spent * 1000 // facts.limit if facts.limit else 1000) if has_cap else None,
        hard=facts.hard,
        is_over=has_cap and facts.over > 0 and not facts.hard,
        spenders=_spenders(facts),
        links=_links(facts, kind, base_url),
        change=_change(facts, kind),
        why=why,
        urgent=facts.is_wall or facts.paused,
    )


def _one_line(text: str) -> str:
    """Names come from people; a line break in a subject would begin a header."""
    return " ".join(text.split())


# --- Sentences -------------------------------------------------------------------------------------------------------


def _when(facts: Facts) -> str:
    return f"{facts.begins:%B}" if facts.window == "month" else show.day(facts.begins)


def _what(facts: Facts) -> str:
    """`November's budget`; of a key `nightly-batch's cap for 24 November`."""
    if facts.api_key_id is None:
        return f"{_when(facts)}'s budget"
    return f"{facts.api_key_name}'s {_noun(facts)} for {_when(facts)}"


def _noun(facts: Facts) -> str:
    return "cap" if facts.hard else "budget"


def _amount_of(facts: Facts) -> str:
    """`November's cap of $1,200.00`; of a key `nightly-batch's cap of $5.00 for November`."""
    amount = show.cap(facts.limit)
    if facts.api_key_id is None:
        return f"{_when(facts)}'s {_noun(facts)} of {amount}"
    return f"{facts.api_key_name}'s {_noun(facts)} of {amount} for {_when(facts)}"


def _threshold(facts: Facts) -> str:
    if facts.is_wall:
        return f"{BLOCKING}: {_amount_of(facts)} is reached"
    if facts.is_reached and facts.hard:
        return f"A request was refused: {show.left(facts.left)} is left of {_amount_of(facts)}"
    if facts.percent == REACHED:
        return f"{_amount_of(facts)} is reached; nothing is blocked"
    share = f"{facts.percent}% of {_what(facts)} is spent"
    return f"{share}; nothing is blocked" if facts.percent > REACHED else share


def _lead(facts: Facts) -> str:
    share = show.percent(facts.spent, facts.limit)
    return f"{show.spent(facts.spent)} of {show.cap(facts.limit)} is spent ({share})."


def _outlook(facts: Facts) -> str:
    blocked = f"blocked until {show.reset(facts.resets)}"
    if facts.is_wall:
        return f"Requests are {blocked}, or until the cap is raised."
    if facts.is_reached and facts.hard:
        return "It could have cost more than what is left. Smaller ones still fit."
    if facts.is_reached:
        return f"Spending goes on, with no upper limit. It resets on {show.reset(facts.resets)}."
    if facts.cap_reached_at is not None:
        then = f"Requests are then {blocked}." if facts.hard else "Nothing will be blocked."
        return f"At this pace the {_noun(facts)} is reached {_moment(facts)}. {then}"
    if facts.ahead is not None and facts.ahead <= facts.limit:
        course = f"On course for {show.about(facts.ahead)} of {show.cap_short(facts.limit)}."
        return f"{course} The {_noun(facts)} is not in reach this {facts.window}."
    return f"At 100% requests are {blocked}." if facts.hard else "At 100% nothing is blocked."


def _moment(facts: Facts) -> str:
    """`on Friday 27 November`; today with its hour."""
    reached = show.at(facts.cap_reached_at or facts.reset_at)
    if reached.date() == show.at(facts.now).date():
        return f"today at about {show.clock(reached)} UTC"
    return f"on {show.weekday(reached)}"


def _forecast(facts: Facts) -> tuple[str, str, str]:
    reached = show.at(facts.cap_reached_at or facts.reset_at)
    title = f"At this pace {_amount_of(facts)} is reached on {show.day(reached)}"
    return title, _lead(facts), _outlook(facts)


def _burn_rate(facts: Facts) -> tuple[str, str, str]:
    what = f"{facts.api_key_name} spent {show.rough(facts.spent)} in an hour, {facts.times:,} times its usual"
    lead = f"{show.spent(facts.spent)} in the last hour; the usual hour is {show.spent(facts.limit)}."
    if facts.paused:
        return f"Paused: {what}", lead, "Its requests get 403 api_key_paused until somebody resumes it."
    return what, lead, "Nothing is stopped by this alert. If it is a loop, the key's page can revoke it."


# --- Figures ---------------------------------------------------------------------------------------------------------


def _figures(facts: Facts) -> tuple[tuple[str, str], ...]:
    left = ("Over", show.spent(facts.over)) if facts.over else ("Left", show.left(facts.left))
    return (
        ("Spent", f"{show.spent(facts.spent)} of {show.cap(facts.limit)}"),
        left,
        ("Reset", show.short_reset(facts.resets)),
        ("Pace", _pace(facts)),
    )


def _pace(facts: Facts) -> str:
    if facts.ahead is None:
        return "too early to say"
    without = ", without the cap" if facts.hard and facts.ahead > facts.limit else ""
    return f"{show.about(facts.ahead)} by {show.short_day(show.at(facts.reset_at - 1))}{without}"


def _hour(facts: Facts) -> tuple[tuple[str, str], ...]:
    return (("Last hour", show.spent(facts.spent)), ("Usual hour", show.spent(facts.limit)))


def _standing(facts: Facts) -> str:
    held = "" if facts.held is None else f"held {show.spent(facts.held)}, "
    left = f"{show.spent(facts.over)} over" if facts.over else f"left {show.left(facts.left)}"
    return f"spent {show.spent(facts.spent)}, {held}{left}"


def _spenders(facts: Facts) -> tuple[tuple[str, tuple[str, ...]], ...]:
    named = (("Most of it", facts.keys), ("By model", facts.models))
    return tuple((label, tuple(map(_spender, found))) for label, found in named if found)


def _spender(spender: Spender) -> str:
    return f"{spender.name} {show.spent(spender.spent)}"


def _links(facts: Facts, kind: str, base_url: str) -> Links:
    home = f"{base_url}/t/{facts.tenant_slug}/"
    key = f"{home}keys/{facts.api_key_id}/" if facts.api_key_id else ""
    change = f"{home}alerts/" if kind in (EventType.BURN_RATE, EventType.TEST) else key or f"{home}settings/"
    return Links(overview=key or home, change=change, alerts=f"{home}alerts/")


def _change(facts: Facts, kind: str) -> str:
    if kind == EventType.BURN_RATE:
        return "Resume the key" if facts.paused else "Pause the key"
    if kind == EventType.TEST:
        return "See the alerts"
    return "Change its cap" if facts.api_key_id else "Change the budget"
