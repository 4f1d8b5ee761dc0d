"""The ladder of the budget, drawn on its meter: at each rung who hears of it, and when it was or will be passed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alerts.models import AlertChannel, AlertEvent, AlertRule, RuleKind
from alerts.models import RuleScope as Scope
from budgets.crossings import REACHED
from budgets.models import Cap
from tenants.models import KeyMode
from tokonomics.console import alert_words as words
from tokonomics.console import budget_page
from tokonomics.console import presentation as show
from tokonomics.console.meter import Meter, Scale, Size, meter
from tokonomics.console.meter_labels import percent
from tokonomics.console.reading import Reading, Threshold
from tokonomics.console.standings import Snapshot

ROW = 22  # pixels between two rungs


@dataclass(frozen=True, slots=True)
class Rung:
    """`x` as the meter has it; `y` of its words, pixels; `shown` is `who` by kinds alone, for there is little room."""

    percent: int
    amount: str
    what: str
    who: str
    missing: str
    state: str
    rules: tuple[AlertRule, ...]
    x: str
    y: int
    shown: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """`meter` is the month's; `rungs` from the highest down, as they are drawn: their lines cross no words."""

    meter: Meter
    rungs: tuple[Rung, ...]

    @property
    def height(self) -> int:
        return len(self.rungs) * ROW + 6

    @property
    def upward(self) -> tuple[Rung, ...]:
        return self.rungs[::-1]

    @property
    def next(self) -> Rung | None:
        """The lowest one that is not passed and somebody hears of."""
        return next((rung for rung in self.upward if rung.who and not rung.state.startswith(("passed", "sent"))), None)


def ladder(seen: Snapshot, rules: Sequence[AlertRule], channels: Sequence[AlertChannel]) -> Ladder | None:
    """None without a budget."""
    month = budget_page.month_of(seen)
    cap = seen.cap_of(seen.month_place(KeyMode.LIVE))
    if cap is None:
        return None
    sent = _sent(seen, cap)
    mine = [rule for rule in rules if rule.kind == RuleKind.THRESHOLD and rule.scope == Scope.TENANT]
    steps = sorted(budget_page.ladder(seen, cap, month), key=lambda step: -step.percent)
    rungs = []
    for number, step in enumerate(steps):
        of_it = tuple(rule for rule in mine if rule.threshold_percent == step.percent)
        place = min(_scale(month).at(cap.amount * step.percent // 100), 97_000)
        who = words.who(of_it, channels)
        rungs.append(
            Rung(
                percent=step.percent,
                amount=step.amount,
                what=step.what,
                who=who,
                missing=words.missing(of_it, channels),
                state=sent.get(step.percent, step.state),
                rules=of_it,
                x=percent(place),
                y=number * ROW + 16,
                shown=words.kinds(of_it, channels) or "nobody",
            )
        )
    drawn = replace(month, thresholds=_noted(month, sent))
    label = f"Budget for {month.begins:%B %Y}"
    return Ladder(meter(drawn, Size.PAGE, label=label, ident="meter-ladder"), tuple(rungs))


def _scale(month: Reading) -> Scale:
    return Scale.of(month, Size.PAGE)


def _sent(seen: Snapshot, cap: Cap) -> dict[int, str]:
    """`sent 16 Nov 15:24`, by percentage, of what was told of this month."""
    passed = {
        f"crossing:{crossing.pk}": crossing.threshold_percent
        for crossing in seen.crossings
        if crossing.cap_id == cap.pk and crossing.window_start == seen.windows.month.first_day
    }
    events = AlertEvent.objects.filter(tenant=seen.tenant, key__in=passed)
    now = show.at(int(seen.now))
    return {passed[event.key]: f"sent {show.moment(event.created_at, now)}" for event in events}


def _noted(month: Reading, sent: dict[int, str]) -> tuple[Threshold, ...]:
    return tuple(
        replace(threshold, note=sent.get(threshold.percent, threshold.note))
        for threshold in month.thresholds
        if threshold.percent < REACHED
    )
