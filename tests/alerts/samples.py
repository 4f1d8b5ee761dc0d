"""An alert of Fernhill Labs, to be varied by each test."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from alerts.channels.base import Order
from alerts.facts import Facts, Spender
from alerts.messages import Message, message
from budgets.money import parse_usd


def usd(text: str) -> int:
    return parse_usd(text, decimals=9)


def at(day: int, hour: int = 0) -> int:
    return int(datetime(2026, 11, day, hour, tzinfo=UTC).timestamp())


FACTS = Facts(
    tenant_name="Fernhill Labs",
    tenant_slug="fernhill-labs",
    window="month",
    window_start=at(1),
    reset_at=int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()),
    now=at(22, 9),
    limit=usd("1200"),
    spent=usd("960.41"),
    held=usd("4.10"),
    percent=80,
    ahead=usd("1370"),
    cap_reached_at=at(27, 5),
    keys=(
        Spender("support-bot", usd("371.20")),
        Spender("nightly-batch", usd("231.88")),
        Spender("search-rerank", usd("218.03")),
    ),
    models=(Spender("gpt-4o", usd("512.77")),),
)
THRESHOLD, FORECAST, BURN_RATE = "budget.threshold_crossed", "budget.forecast", "api_key.burn_rate"
BASE = "https://caps.example"


def said(kind: str = THRESHOLD, **changes: Any) -> Message:
    return message(kind, replace(FACTS, **changes), BASE)


def order(kind: str = THRESHOLD, *, mention: bool = False, secrets: tuple[str, ...] = (), **changes: Any) -> Order:
    return Order(
        event_id="evt_4nVq8sJ0eYc2uBf6",
        kind=kind,
        happened_at=datetime(2026, 11, 22, 9, 14, tzinfo=UTC),
        facts=replace(FACTS, **changes),
        message=said(kind, **changes),
        target="https://hooks.example/x",
        secrets=secrets,
        address="finance@fernhill.example",
        unsubscribe=f"{BASE}/alerts/unsubscribe/12.abc/",
        mention=mention,
    )


BURNING = {
    "scope": "api_key",
    "api_key_id": "key_1",
    "api_key_name": "nightly-batch",
    "window": "hour",
    "window_start": at(22, 8),
    "reset_at": at(22, 9),
    "limit": usd("1.50"),
    "spent": usd("61.40"),
    "keys": (),
    "models": (),
}
