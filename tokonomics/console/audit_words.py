"""What an audit event says: who did what, from what to what, and for money in which direction. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from budgets.money import parse_usd
from tokonomics.console import presentation as show

DID = {
    "tenant.created": "founded the company",
    "tenant.changed": "changed the settings of",
    "tenant.suspended": "suspended",
    "tenant.resumed": "resumed",
    "cap.raised_for_today": "raised for a day the cap of",
    "api_key.created": "made the key",
    "api_key.changed": "changed the key",
    "api_key.rotated": "rotated the key",
    "api_key.old_secret_stopped": "stopped the old secret of the key",
    "api_key.revoked": "revoked the key",
    "api_key.paused": "paused the key",
    "api_key.resumed": "resumed the key",
    "member.added": "added",
    "member.role_changed": "changed the role of",
    "member.removed": "removed",
    "invitation.sent": "invited",
    "invitation.withdrawn": "withdrew the invitation of",
    "provider.set": "stored a key of",
    "provider.removed": "removed the key of",
    "provider.tested": "tested the key of",
    "price.set": "set a price of its own for",
    "price.changed": "changed its own price of",
    "price.removed": "removed its own price of",
    "management_token.created": "made the management token",
    "management_token.revoked": "revoked the management token",
    "alert_channel.created": "added the alert channel",
    "alert_channel.changed": "changed the alert channel",
    "alert_channel.removed": "removed the alert channel",
    "alert_channel.rotated": "rotated the signing secret of",
    "alert_channel.tested": "sent a test over",
    "alert_rule.created": "added the alert rule",
    "alert_rule.changed": "changed the alert rule",
    "alert_rule.removed": "removed the alert rule",
    "delivery.sent_again": "sent again",
    "alert_recipient.unsubscribed": "stopped the mails of",
    "alert_recipient.subscribed": "takes mails again of",
    "ledger.mended": "moved to what the ledger says the counters of",
    "journal_entry.set_aside": "set aside the journal entry",
}
FIELDS = {
    "amount_usd": "amount",
    "hard": "blocking",
    "name": "name",
    "slug": "address",
    "default_output_limit": "output limit",
    "requires_end_user": "end user required",
    "least_output_limit": "least output limit",
    "hold_policy": "what a request holds",
    "allowed_fields": "fields that may pass unpriced",
    "allowed_models": "models",
    "time_zone": "time zone",
    "expires_at": "works until",
    "old_secret_stops_at": "old secret works until",
    "revoked_at": "revoked",
    "suspended_at": "suspended",
    "paused_at": "paused",
    "day": "on",
    "mode": "mode",
    "role": "role",
    "scopes": "scopes",
    "last_four": "ends in",
    "test_result": "result",
    "base_url": "address",
    "api_version": "API version",
    "deployments": "deployments",
}
HOLD_POLICIES = {"bound": "the most that it can cost", "estimate": "what such requests usually cost"}
_ITSELF = ("revoked_at", "paused_at", "suspended_at")  # the action says it already


@dataclass(frozen=True, slots=True)
class Change:
    """`note`: the direction of an amount, `up by $300.00`."""

    field: str
    before: str
    after: str
    note: str = ""


def did(action: str, changes: Mapping[str, Any]) -> str:
    """`raised the budget a month`, `revoked the key`; what is not known is said as it is stored."""
    if action == "cap.changed":
        return _cap_did(changes)
    return DID.get(action) or action.replace("_", " ").replace(".", ": ")


def target_said(action: str, target: str) -> str:
    """`the budget a month`, `the cap a day of staging`; what people named stays as it is."""
    if action != "cap.changed":
        return target
    name, _, what = target.rpartition(", ")
    return f"the {what} of {name}" if name else f"the {target}"


def _cap_did(changes: Mapping[str, Any]) -> str:
    before, after = changes.get("amount_usd", (None, None))
    if before is None or after is None:
        return "set" if before is None else "took away"
    was, now = changes.get("hard", (None, None))
    turned = f"turned {'on' if now else 'off'}"
    if before == after:
        return "left" if was == now else f"{turned.replace(' ', ' blocking ')} for"
    moved = "raised" if usd(after) > usd(before) else "lowered"
    return moved if was == now else f"{moved}, with blocking {turned},"


def changed(changes: Mapping[str, Any]) -> Iterator[Change]:
    """What differs; of a cap whose blocking alone was turned, the amount too: it was turned off for that."""
    for field in sorted(changes, key=_place):
        before, after = changes[field]
        if field in _ITSELF or (field == "hard" and after is None):
            continue
        name = FIELDS.get(field, field.replace("_", " "))
        if before != after:
            old = "" if before is None else said(field, before)  # what was made new had nothing before it
            yield Change(name, old, said(field, after), _note(field, before, after))
        elif field == "amount_usd":
            yield Change(name, "", said(field, after))


def _place(field: str) -> tuple[int, str]:
    """In one order everywhere: PostgreSQL keeps the names of a JSON object in an order of its own."""
    return (list(FIELDS).index(field) if field in FIELDS else len(FIELDS), field)


def _note(field: str, before: Any, after: Any) -> str:
    if field != "amount_usd" or before is None or after is None:
        return ""
    moved = usd(after) - usd(before)
    return f"{'up' if moved > 0 else 'down'} by {show.cap(abs(moved))}"


def said(field: str, value: Any) -> str:
    """One value as people read it."""
    if value is None or value == "" or value == []:
        return "none"
    if field == "hard":
        return "on" if value else "off"
    if field == "hold_policy":
        return str(HOLD_POLICIES.get(value, value))
    if field.endswith("_usd"):
        return show.cap(usd(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return show.count(value)
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return _moment(str(value)) if field.endswith("_at") else str(value)


def usd(text: str) -> int:
    """As the log stores money: exact, nine decimals at most."""
    return parse_usd(text, decimals=9)


def _moment(text: str) -> str:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{show.short_day(when)} {when.year} {show.clock(when)} UTC"
