"""What the pages of alerts say: of rules, channels and deliveries. Pure: rows in, text out."""

from collections.abc import Sequence
from datetime import datetime

from alerts import ladder
from alerts.models import AlertChannel, AlertEvent, AlertRule, ChannelKind, Delivery, DeliveryState, EventType, RuleKind
from alerts.models import RuleScope as Scope
from budgets.windows import WindowKind
from tokonomics.console import presentation as show

TO = "change alerts"
NO_MAIL = "No mail server is set (EMAIL_URL), so e-mail is written to the log and kept in the deliveries."
_CAPS = {"": "caps", WindowKind.MONTH: "monthly cap", WindowKind.DAY: "daily cap"}
_DID = {
    DeliveryState.WAITING: "waiting",
    DeliveryState.SENDING: "being sent",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.FAILED: "failed",
    DeliveryState.CANCELLED: "not sent",
}


def named(channel: AlertChannel) -> str:
    """`E-mail to Owner`, `Slack #llm-costs`; a channel that is called as its kind is, once."""
    kind = channel.get_kind_display()
    if channel.name.lower() == kind.lower():
        return kind
    return f"{kind} to {channel.name}" if channel.kind == ChannelKind.EMAIL else f"{kind} {channel.name}"


def who(rules: Sequence[AlertRule], channels: Sequence[AlertChannel]) -> str:
    """Who hears of rules, as things stand; empty for nobody."""
    if not channels:
        return ""
    if any(ladder.EVERY_KIND in rule.channel_kinds for rule in rules):
        return "every channel"
    return ", ".join(named(listener.channel) for listener in ladder.listeners(rules, channels))


def kinds(rules: Sequence[AlertRule], channels: Sequence[AlertChannel]) -> str:
    """The same in a few words: `Slack · Webhook`, `every channel`."""
    if channels and any(ladder.EVERY_KIND in rule.channel_kinds for rule in rules):
        return "every channel"
    heard = [listener.channel.get_kind_display() for listener in ladder.listeners(rules, channels)]
    return " · ".join(dict.fromkeys(heard))


def missing(rules: Sequence[AlertRule], channels: Sequence[AlertChannel]) -> str:
    """Kinds that rules name and no channel has: `no Slack or Webhook channel yet`."""
    have = {channel.kind for channel in channels}
    kinds = dict.fromkeys(kind for rule in rules for kind in rule.channel_kinds if kind not in have)
    labels = [str(ChannelKind(kind).label) for kind in kinds if kind != ladder.EVERY_KIND]
    return f"no {' or '.join(labels)} channel yet" if labels else ""


def scope(rule: AlertRule) -> str:
    if rule.scope == Scope.TENANT:
        return "the budget"
    return rule.api_key.name if rule.api_key else "every live key"


def rule_sentence(rule: AlertRule) -> str:
    """`80% of nightly-batch's daily cap`, `At this pace the budget is reached before it resets`."""
    match rule.kind:
        case RuleKind.FORECAST:
            of = "the budget" if rule.scope == Scope.TENANT else f"a cap of {scope(rule)}"
            return f"At this pace {of} is reached before it resets"
        case RuleKind.BURN_RATE:
            one = rule.api_key.name if rule.api_key else "A key"
            least = f", and {show.cap(rule.least)} at least" if rule.least else ""
            return f"{one} spends {rule.factor:,} times its usual hour{least}"
    if rule.scope == Scope.TENANT:
        return f"{rule.threshold_percent}% of the budget"
    return f"{rule.threshold_percent}% of the {_CAPS[rule.window]} of {scope(rule)}"


def consequence(rule: AlertRule) -> str:
    return "the key is paused" if rule.kind == RuleKind.BURN_RATE and rule.pause else ""


def event(event: AlertEvent) -> str:
    """`80% of the budget`, `Forecast`, `Burn rate of nightly-batch`."""
    name = event.facts.get("api_key_name") or ""
    match event.type:
        case EventType.TEST:
            return "Test"
        case EventType.FORECAST:
            return f"Forecast of {name}" if name else "Forecast"
        case EventType.BURN_RATE:
            return f"Burn rate of {name}"
    return f"{event.facts.get('percent')}% of {name or 'the budget'}"


def burned(spent: int, usual: int) -> str:
    """`It spent $61 in an hour, 40 times its usual.`"""
    times = f", {spent // usual:,} times its usual" if usual else ""
    return f"It spent {show.rough(spent)} in an hour{times}."


def sent_to(delivery: Delivery) -> str:
    """As the channel was called then."""
    return named(AlertChannel(kind=delivery.channel_kind, name=delivery.channel_name))


def state(delivery: Delivery) -> str:
    return _DID[DeliveryState(delivery.state)]


def tone(delivery: Delivery) -> str:
    """The chip's class: red is the wall's alone, so what failed is amber."""
    return {"delivered": "chip-act", "failed": "chip-warn"}.get(delivery.state, "")


def last(delivery: Delivery, now: datetime) -> str:
    """`80% of the budget delivered 16 Nov 15:24`."""
    at = delivery.finished_at or delivery.created_at
    return f"{event(delivery.event)} {state(delivery)} {show.moment(at, now)}"


def nothing_sent(next_percent: int | None, about: str) -> str:
    """`No alert has been due. The next one is 80%, about 22 Nov.`"""
    if next_percent is None:
        return "No alert has been due."
    when = f", {about}" if about.startswith("about") else ""
    return f"No alert has been due. The next one is {next_percent}%{when}."


def tested(made: Sequence[Delivery]) -> tuple[bool, str]:
    """(whether it arrived, a sentence) of a test."""
    failed = [delivery for delivery in made if delivery.state != DeliveryState.DELIVERED]
    shown = (failed or list(made))[0]
    took = f" in {show.took(shown.history[-1]['took_ms'])}" if shown.history else ""
    to = f" to {shown.address}" if shown.address else ""
    if failed:
        return False, f"The test{to} did not arrive. {shown.channel_name} answered: {shown.answer}"
    return True, f"The test{to} arrived{took}. {shown.channel_name} answered: {shown.answer}"
