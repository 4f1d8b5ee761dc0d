"""Webhooks: JSON of a stable shape (docs/alerts.md), signed per Standard Webhooks; in a rotation by both secrets."""

import base64
import secrets
from datetime import UTC, datetime
from typing import Any

from standardwebhooks.webhooks import Webhook

from alerts.channels.base import Letter, Order
from alerts.channels.http import HttpChannel, letter
from alerts.facts import Facts
from alerts.models import ChannelKind, EventType
from budgets.money import format_usd
from budgets.presentation import at
from tenants import netguard

SECRET_BYTES = 32


class WebhookChannel(HttpChannel):
    kind = ChannelKind.WEBHOOK
    gone = {410: "the receiver wants no more of these. Paste another URL, or send a test once it takes them again."}

    def shown(self, url: netguard.Url) -> str:
        """The path says which one it is; what secret there may be is in the query."""
        path, query, _ = url.target.partition("?")
        return f"{url.origin}{path}{'?…' if query else ''}"[:200]

    def compose(self, order: Order) -> Letter:
        body = {
            "id": order.event_id,
            "type": order.kind,
            "created_at": iso(order.happened_at),
            "data": data_of(order.kind, order.facts),
        }
        made = letter(body)
        now = datetime.now(UTC)
        signatures = [Webhook(secret).sign(order.event_id, now, made.text) for secret in order.secrets]
        signed = {
            "webhook-id": order.event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        return Letter(made.text, {**made.headers, **signed})


def new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def data_of(kind: str, facts: Facts) -> dict[str, Any]:
    """`data` of the body. Names and types of a type never change; new ones may come."""
    if kind == EventType.TEST:
        return {"tenant": facts.tenant_slug, "message": "This is a test from Tokonomics."}
    data: dict[str, Any] = {
        "tenant": facts.tenant_slug,
        "scope": facts.scope,
        "api_key_id": facts.api_key_id,
        "window": facts.window,
        "window_start": iso(facts.begins),
        "reset_at": iso(facts.resets),
    }
    if kind == EventType.BURN_RATE:
        usual = {"spent_usd": format_usd(facts.spent), "usual_usd": format_usd(facts.limit), "times": facts.times}
        return {**data, **usual, "paused": facts.paused}
    money = {
        "used_percent": used_percent(facts.spent, facts.limit),
        "limit_usd": format_usd(facts.limit),
        "spent_usd": format_usd(facts.spent),
        "hard_cap": facts.hard,
    }
    if kind == EventType.FORECAST:
        reached = None if facts.cap_reached_at is None else iso(at(facts.cap_reached_at))
        return {**data, **money, "forecast_usd": format_usd(facts.ahead or 0), "cap_reached_at": reached}
    return {**data, "threshold_percent": facts.percent, **money}


def used_percent(spent: int, limit: int) -> str:
    """Two decimals, rounded down: `80.41`. A cap of 0 is used up."""
    hundredths = spent * 10_000 // limit if limit else 10_000
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
