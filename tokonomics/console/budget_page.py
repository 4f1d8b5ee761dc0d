"""What the settings show of the budget: the preview of a wall and of a gate, and who is told on the way there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from alerts.ladder import listeners, speaks_of
from alerts.ladder import rules_of as ladder_of
from alerts.models import AlertChannel, ChannelKind, RuleKind
from budgets.models import Cap
from tenants.models import AuditEvent, KeyMode
from tokonomics.console import presentation as show
from tokonomics.console import words, words_settings
from tokonomics.console.meter import Meter, Size, meter
from tokonomics.console.reading import Reading
from tokonomics.console.standings import Snapshot


@dataclass(frozen=True, slots=True)
class Preview:
    """What an amount would look like, with the block on and off."""

    wall: Meter
    gate: Meter
    pace_on: str
    pace_off: str
    toggle_on: str
    toggle_off: str


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the early warning. `who` hears of it; `state`: when it was passed, or about when it will be."""

    percent: int
    amount: str
    what: str
    who: str
    state: str


def preview(month: Reading, amount: int, *, estimated: bool = False) -> Preview:
    """`month`: the reading of the live budget, in full. `estimated`: requests hold what they usually cost."""
    wall, gate = (replace(month, cap=amount, hard=hard, refusing=False, refused=0) for hard in (True, False))
    return Preview(
        wall=meter(wall, Size.INLINE, label="Preview with the block on", ident="preview-wall"),
        gate=meter(gate, Size.INLINE, label="Preview with the block off", ident="preview-gate"),
        pace_on=words_settings.pace_on(wall),
        pace_off=words_settings.pace_off(gate),
        toggle_on=words.toggle_on(amount, month.resets, estimated=estimated),
        toggle_off=words.toggle_off(amount),
    )


def month_of(seen: Snapshot) -> Reading:
    """The live budget's month, with its forecast and thresholds."""
    return seen.in_full(seen.month_place(KeyMode.LIVE))


def ladder(seen: Snapshot, cap: Cap, month: Reading) -> list[Rung]:
    return list(_rungs(seen, cap, month))


def _rungs(seen: Snapshot, cap: Cap, month: Reading) -> Iterator[Rung]:
    passed = {
        crossing.threshold_percent: crossing.created_at
        for crossing in seen.crossings
        if crossing.cap_id == cap.pk and crossing.window_start == month.window.first_day
    }
    rules, channels = ladder_of(cap.tenant_id, RuleKind.THRESHOLD), list(cap.tenant.alert_channels.all())
    for percent in sorted({*cap.thresholds, 100}):
        amount = cap.amount * percent // 100
        mine = [rule for rule in rules if rule.threshold_percent == percent and speaks_of(rule, cap)]
        who = ", ".join(_named(each.channel) for each in listeners(mine, channels)) or "nobody is told"
        when = f"passed {show.moment(passed[percent], show.at(int(seen.now)))}" if percent in passed else ""
        yield Rung(percent, show.cap(amount), _what(percent, cap), who, when or _ahead(month, amount))


def _named(channel: AlertChannel) -> str:
    """`E-mail to Owner`, `Slack #llm-costs`."""
    kind = channel.get_kind_display()
    return f"{kind} to {channel.name}" if channel.kind == ChannelKind.EMAIL else f"{kind} {channel.name}"


def _what(percent: int, cap: Cap) -> str:
    if percent != 100:
        return ""
    return "requests are blocked" if cap.hard else "budget reached"


def _ahead(month: Reading, amount: int) -> str:
    """`about 22 Nov`, where this pace passes it in this month."""
    if month.spent >= amount > 0:
        return "passed"
    if month.forecast is None:
        return ""
    at = month.now + month.forecast.seconds_for(amount - month.spent)
    return f"about {show.short_day(show.at(at))}" if at < month.window.end else "not this month"


def changed_when(event: AuditEvent | None, seen: Snapshot) -> str:
    """`Last changed 3 Nov 09:12 by owner@fernhill.example`."""
    if event is None:
        return ""
    return f"Last changed {show.moment(event.created_at, show.at(int(seen.now)))} by {event.actor_label}"
