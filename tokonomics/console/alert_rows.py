"""The rows of the pages of alerts: channels with their last delivery, rules beside the ladder, keys that are paused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import OuterRef, Subquery

from alerts.models import AlertChannel, AlertEvent, AlertRule, ChannelKind, Delivery, EventType, RuleKind
from alerts.models import RuleScope as Scope
from alerts.services.channels import target_of
from tenants.models import ApiKey, Tenant
from tokonomics.console import alert_words as words


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """`heard`: what the last delivery came to; `left` are addresses that unsubscribed or bounce."""

    channel: AlertChannel
    target: str
    heard: str
    left: tuple[str, ...]

    @property
    def problem(self) -> str:
        return self.channel.problem

    @property
    def name(self) -> str:
        return words.named(self.channel)


@dataclass(frozen=True, slots=True)
class RuleRow:
    rule: AlertRule
    sentence: str
    consequence: str
    who: str
    missing: str


@dataclass(frozen=True, slots=True)
class Paused:
    """A key that is paused. `why` is what the burn-rate alert said, where one did it."""

    key: ApiKey
    why: str


def channels_of(tenant: Tenant) -> list[AlertChannel]:
    """Broken ones first."""
    found = AlertChannel.objects.filter(tenant=tenant).prefetch_related("recipients")
    return sorted(found, key=lambda channel: (not channel.is_broken, channel.created_at))


def channel_rows(channels: Sequence[AlertChannel], now: datetime) -> list[ChannelRow]:
    newest = Delivery.objects.filter(channel=OuterRef("pk")).order_by("-created_at", "-pk").values("pk")[:1]
    last = dict(
        AlertChannel.objects.filter(pk__in=[channel.pk for channel in channels])
        .annotate(last=Subquery(newest))
        .values_list("pk", "last")
    )
    sent = Delivery.objects.select_related("event").in_bulk([pk for pk in last.values() if pk])
    return [_channel_row(channel, sent.get(last.get(channel.pk, "")), now) for channel in channels]


def _channel_row(channel: AlertChannel, delivery: Delivery | None, now: datetime) -> ChannelRow:
    left = [f"{one.email} has unsubscribed" for one in channel.recipients.all() if one.unsubscribed_at]
    left += [f"{one.email} bounced: {one.bounce}" for one in channel.recipients.all() if one.bounced_at]
    heard = words.last(delivery, now) if delivery else "nothing sent yet"
    return ChannelRow(channel, target_of(channel), heard, tuple(left))


def rule_rows(rules: Sequence[AlertRule], channels: Sequence[AlertChannel], *, of_keys: bool) -> list[RuleRow]:
    """Thresholds of keys, or what is beyond a ladder."""
    if of_keys:
        chosen = [rule for rule in rules if rule.kind == RuleKind.THRESHOLD and rule.scope != Scope.TENANT]
        chosen.sort(key=lambda rule: (words.scope(rule), rule.threshold_percent or 0))
    else:
        chosen = [rule for rule in rules if rule.kind != RuleKind.THRESHOLD]
    return [
        RuleRow(
            rule,
            words.rule_sentence(rule),
            words.consequence(rule),
            words.who([rule], channels),
            words.missing([rule], channels),
        )
        for rule in chosen
    ]


def rules_of(tenant: Tenant) -> list[AlertRule]:
    rules = AlertRule.objects.filter(tenant=tenant).select_related("api_key")
    return list(rules.prefetch_related("channels").order_by("threshold_percent", "created_at"))


def paused_keys(tenant: Tenant) -> list[Paused]:
    keys = list(tenant.api_keys.filter(revoked_at=None).exclude(paused_at=None))
    events = AlertEvent.objects.filter(tenant=tenant, type=EventType.BURN_RATE, api_key__in=keys)
    told = {event.api_key_id: event for event in events.order_by("created_at")}
    return [Paused(key, _why(told.get(key.pk))) for key in keys]


def _why(event: AlertEvent | None) -> str:
    if event is None or not event.facts["paused"]:
        return ""
    return words.burned(event.facts["spent"], event.facts["limit"])


def mail_is_logged(channels: Sequence[AlertChannel]) -> bool:
    """Whether somebody waits for mail that no server sends."""
    return not settings.EMAIL_URL and any(channel.kind == ChannelKind.EMAIL for channel in channels)
