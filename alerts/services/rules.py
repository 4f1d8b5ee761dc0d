"""Rules: which percentage, forecast or burn rate is told to whom. Each change moves what budgets watches with it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from alerts import ladder
from alerts.models import MOST_PERCENT, AlertChannel, AlertRule, ChannelKind, RuleKind, RuleScope
from alerts.services.channels import create_channel
from budgets.money import MAX_CAP, format_usd
from budgets.services import set_thresholds
from budgets.windows import WindowKind
from tenants.audit import Actor, Changes, record
from tenants.errors import Conflict, InvalidValue, NotFound
from tenants.models import Tenant
from tenants.services import UNSET, Unset, active_key

MOST_RULES = 200
LARGEST_FACTOR = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """What is asked of a rule; UNSET leaves it. `api_key` None and no scope: the company's budget."""

    kind: str | Unset = UNSET
    scope: str | Unset = UNSET
    api_key: str | Unset | None = UNSET
    window: str | Unset | None = UNSET
    threshold_percent: int | Unset | None = UNSET
    factor: int | Unset = UNSET
    least: int | Unset = UNSET
    pause: bool | Unset = UNSET
    channels: Sequence[str] | Unset = UNSET
    channel_kinds: Sequence[str] | Unset = UNSET
    mention: bool | Unset = UNSET


def set_starting_ladder(*, tenant: Tenant, owner_email: str, actor: Actor) -> None:
    """What a new tenant begins with: the documented ladder, and the owner's e-mail as its first channel."""
    create_channel(tenant=tenant, kind=ChannelKind.EMAIL, name="Owner", target=owner_email, actor=actor)
    for percent, kinds in ladder.FIRST_LADDER:
        AlertRule.objects.create(tenant=tenant, threshold_percent=percent, channel_kinds=list(kinds))


def create_rule(*, tenant: Tenant, actor: Actor, asked: RuleChange) -> AlertRule:
    """Raises InvalidValue, NotFound and KeyNotActive for its key, Conflict."""
    with _rules_of(tenant) as locked:
        if AlertRule.objects.filter(tenant=locked).count() >= MOST_RULES:
            raise Conflict(f"A company has at most {MOST_RULES} rules. Remove one first.")
        rule = AlertRule(tenant=locked)
        chosen = _apply(rule, asked)
        rule.save()
        rule.channels.set(chosen or [])
        _record(rule, actor, "alert_rule.created", {name: (None, value) for name, value in _told(rule).items()})
    return rule


def change_rule(*, tenant: Tenant, rule_id: str, actor: Actor, asked: RuleChange) -> AlertRule:
    """Raises NotFound, InvalidValue, KeyNotActive."""
    with _rules_of(tenant) as locked:
        rule = _rule(locked, rule_id)
        before = _told(rule)
        chosen = _apply(rule, asked)
        rule.save()
        if chosen is not None:
            rule.channels.set(chosen)
        after = _told(rule)
        if changes := {name: (before[name], after[name]) for name in after if before[name] != after[name]}:
            _record(rule, actor, "alert_rule.changed", changes)
    return rule


def remove_rule(*, tenant: Tenant, rule_id: str, actor: Actor) -> None:
    """Raises NotFound."""
    with _rules_of(tenant) as locked:
        rule = _rule(locked, rule_id)
        _record(rule, actor, "alert_rule.removed", {name: (value, None) for name, value in _told(rule).items()})
        rule.delete()


@contextmanager
def _rules_of(tenant: Tenant) -> Iterator[Tenant]:
    """One at a time a tenant, and not beside a change of its caps: what is watched follows the rules."""
    with transaction.atomic():
        locked = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        yield locked
        rules = ladder.rules_of(locked.pk, RuleKind.THRESHOLD)
        set_thresholds(tenant=locked, percents_of=partial(ladder.percents, rules))


# --- What may be asked -----------------------------------------------------------------------------------------------


def _apply(rule: AlertRule, asked: RuleChange) -> list[AlertChannel] | None:
    """Set what is asked; the channels to lead to, None to leave them. Raises InvalidValue, NotFound, KeyNotActive."""
    if not isinstance(asked.kind, Unset):
        rule.kind = _choice("kind", asked.kind, RuleKind.values)
    _apply_scope(rule, asked)
    if not isinstance(asked.window, Unset):
        rule.window = _choice("window", asked.window, list(WindowKind)) if asked.window else ""
    _apply_numbers(rule, asked)
    for name in ("pause", "mention"):
        if not isinstance(value := getattr(asked, name), Unset):
            setattr(rule, name, value)
    if not isinstance(asked.channel_kinds, Unset):
        known = [*ChannelKind.values, ladder.EVERY_KIND]
        rule.channel_kinds = [_choice("channel_kinds", kind, known) for kind in dict.fromkeys(asked.channel_kinds)]
    if isinstance(asked.channels, Unset):
        chosen = None
    else:
        chosen = _channels(rule.tenant, asked.channels)
        if isinstance(asked.channel_kinds, Unset):
            rule.channel_kinds = []  # who names channels means those
    if not (chosen or rule.channel_kinds or (chosen is None and rule.pk and rule.channels.exists())):
        raise InvalidValue("channels", "Name at least one channel, or a kind of channels.")
    return chosen


def _apply_scope(rule: AlertRule, asked: RuleChange) -> None:
    if not isinstance(asked.api_key, Unset):
        rule.api_key = active_key(rule.tenant, asked.api_key) if asked.api_key else None
        rule.scope = RuleScope.API_KEY if asked.api_key else RuleScope.TENANT
    if isinstance(asked.scope, Unset):
        return
    scope = _choice("scope", asked.scope, RuleScope.values)
    if (scope == RuleScope.API_KEY) != (rule.api_key is not None):
        raise InvalidValue("api_key", "Name a key with the scope api_key, and none with another.")
    rule.scope = scope


def _apply_numbers(rule: AlertRule, asked: RuleChange) -> None:
    if not isinstance(asked.threshold_percent, Unset):
        rule.threshold_percent = asked.threshold_percent
    percent = rule.threshold_percent
    if rule.kind != RuleKind.THRESHOLD:
        rule.threshold_percent = None
    elif percent is None or not 1 <= percent <= MOST_PERCENT:
        raise InvalidValue("threshold_percent", f"Enter a percentage from 1 to {MOST_PERCENT:,}, without decimals.")
    if not isinstance(asked.factor, Unset):
        if not 2 <= asked.factor <= LARGEST_FACTOR:
            raise InvalidValue("factor", f"Enter how many times the usual hour, from 2 to {LARGEST_FACTOR:,}.")
        rule.factor = asked.factor
    if not isinstance(asked.least, Unset):
        if not 0 <= asked.least <= MAX_CAP:
            raise InvalidValue("least_usd", "Enter an amount in dollars, like 1 or 5.00.")
        rule.least = asked.least


def _choice(field: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise InvalidValue(field, f"Choose one of {', '.join(known)}.")
    return value


def _channels(tenant: Tenant, ids: Sequence[str]) -> list[AlertChannel]:
    wanted = list(dict.fromkeys(ids))
    found = list(AlertChannel.objects.filter(tenant=tenant, pk__in=wanted))
    if len(found) != len(wanted):
        raise InvalidValue("channels", "Name channels of this company by their ids.")
    return found


def _rule(tenant: Tenant, rule_id: str) -> AlertRule:
    rule = AlertRule.objects.select_related("tenant", "api_key").filter(tenant=tenant, pk=rule_id).first()
    if rule is None:
        raise NotFound("There is no such rule.")
    return rule


def _told(rule: AlertRule) -> dict[str, Any]:
    """What the audit log says of a rule: what differs from a rule that says nothing."""
    told: dict[str, Any] = {
        "kind": rule.kind,
        "threshold_percent": rule.threshold_percent,
        "scope": rule.api_key.name if rule.api_key else rule.scope,
        "window": rule.window or "every",
        "channels": sorted([*rule.channel_kinds, *(channel.name for channel in rule.channels.all())]),
        "mention": rule.mention,
    }
    if rule.kind == RuleKind.BURN_RATE:
        told |= {"factor": rule.factor, "least_usd": format_usd(rule.least), "pause": rule.pause}
    return told


def _record(rule: AlertRule, actor: Actor, action: str, changes: Changes) -> None:
    record(rule.tenant, actor, action, target_id=rule.pk, target=str(rule), changes=changes)
