"""Which percentages of a cap are watched, and which channels hear of each: reads the rules of a tenant.

A scope that no rule speaks of keeps the usual ticks, for the pages; nobody is told. 100, the wall, is always watched.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alerts.models import AlertChannel, AlertRule, ChannelKind, RuleKind, RuleScope
from budgets.crossings import REACHED
from budgets.models import Cap, default_thresholds
from tenants.models import KeyMode

EVERY_KIND = "*"

# What a new tenant starts with; a channel that is added later joins the rungs of its kind.
FIRST_LADDER: tuple[tuple[int, tuple[str, ...]], ...] = (
    (50, (ChannelKind.EMAIL,)),
    (80, (ChannelKind.SLACK,)),
    (95, (ChannelKind.SLACK, ChannelKind.WEBHOOK)),
    (100, (EVERY_KIND,)),
)


@dataclass(frozen=True, slots=True)
class Listener:
    """A channel that a rule leads to. `mention`: the rule says to call everybody who is there."""

    channel: AlertChannel
    mention: bool


def thresholds_of(cap: Cap) -> list[int]:
    """The percentages of one cap; settings.CAP_THRESHOLDS names this for budgets."""
    return percents(rules_of(cap.tenant_id, RuleKind.THRESHOLD), cap)


def percents(rules: Iterable[AlertRule], cap: Cap) -> list[int]:
    named = {rule.threshold_percent for rule in rules if speaks_of(rule, cap) and rule.threshold_percent is not None}
    return sorted(named | {REACHED}) if named else default_thresholds()


def rules_of(tenant_id: str, kind: RuleKind) -> list[AlertRule]:
    """With their channels, so that `listeners` asks for nothing more."""
    return list(AlertRule.objects.filter(tenant_id=tenant_id, kind=kind).prefetch_related("channels"))


def speaks_of(rule: AlertRule, cap: Cap) -> bool:
    """Whether a rule is about this cap. The test budget alerts nobody; a test key does where a rule names it."""
    if rule.window and rule.window != cap.window:
        return False
    match rule.scope:
        case RuleScope.TENANT:
            return cap.api_key_id is None and cap.mode == KeyMode.LIVE
        case RuleScope.API_KEY:
            return cap.api_key_id == rule.api_key_id
        case _:
            return cap.api_key_id is not None and cap.mode == KeyMode.LIVE


def listeners(rules: Iterable[AlertRule], channels: Sequence[AlertChannel]) -> list[Listener]:
    """Whom these rules lead to among a tenant's channels, each once."""
    mentions: dict[str, bool] = {}
    for rule in rules:
        for channel in heard_by(rule, channels):
            mentions[channel.pk] = mentions.get(channel.pk, False) or rule.mention
    return [Listener(channel, mentions[channel.pk]) for channel in channels if channel.pk in mentions]


def heard_by(rule: AlertRule, channels: Sequence[AlertChannel]) -> list[AlertChannel]:
    named = {channel.pk for channel in rule.channels.all()}
    kinds = set(rule.channel_kinds)
    return [each for each in channels if each.pk in named or each.kind in kinds or EVERY_KIND in kinds]
