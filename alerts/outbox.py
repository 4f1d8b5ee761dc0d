"""The outbox: what was crossed becomes events, each with a delivery a listener; one worker at a time claims a delivery.

Everything is in the database, and every step is a conditional update, which SQLite and PostgreSQL both decide for one:
with no broker nothing is lost, with two workers nothing is done twice.
"""

import os
import secrets
import socket
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from alerts import ladder
from alerts.facts import Facts, of_cap
from alerts.ladder import Listener
from alerts.models import AlertChannel, AlertEvent, ChannelKind, Delivery, DeliveryState, EventType, RuleKind
from budgets.models import Crossing
from tenants.models import ApiKey, Tenant

LEASE = timedelta(seconds=30)  # longer than a sending takes; past it another worker may take the delivery over
LOOKED_AT = 20


# --- From crossings to deliveries ------------------------------------------------------------------------------------


def take_up(tenant_ids: Collection[str] | None = None) -> int:
    """Make the deliveries that new crossings call for, of these tenants or of all; how many."""
    waiting = Crossing.objects.filter(taken_at=None).select_related("cap__tenant", "cap__api_key")
    if tenant_ids is not None:
        waiting = waiting.filter(tenant_id__in=tenant_ids)
    jumps: dict[tuple[int, str], list[Crossing]] = defaultdict(list)
    for crossing in waiting.order_by("threshold_percent"):
        jumps[crossing.cap_id, crossing.window_start.isoformat()].append(crossing)
    return sum(_take_up(jump) for jump in jumps.values())


def _take_up(jump: Sequence[Crossing]) -> int:
    """Thresholds of one cap passed at once: one message, of the highest, to whoever listens to any of them."""
    highest = jump[-1]
    cap = highest.cap
    passed = {crossing.threshold_percent for crossing in jump}
    rules = ladder.rules_of(cap.tenant_id, RuleKind.THRESHOLD)
    rules = [rule for rule in rules if ladder.speaks_of(rule, cap) and rule.threshold_percent in passed]
    listening = ladder.listeners(rules, channels_of(cap.tenant))
    facts = of_crossing(highest) if listening else None  # reads Redis: not with a lock in hand
    with transaction.atomic():
        mine = Crossing.objects.filter(pk__in=[crossing.pk for crossing in jump], taken_at=None)
        if mine.update(taken_at=timezone.now()) != len(jump):
            transaction.set_rollback(True)  # another worker was faster, or the cap was raised: look again next time
            return 0
        if facts is None:
            return 0
        return add(cap.tenant, EventType.THRESHOLD, f"crossing:{highest.pk}", facts, listening, api_key=cap.api_key)


def of_crossing(crossing: Crossing) -> Facts:
    """As it stood when the threshold was passed, which may be under an amount that the cap has not any more."""
    at = int(crossing.created_at.timestamp())
    return of_cap(
        crossing.cap,
        crossing.window_start,
        now=at,
        limit=crossing.limit,
        spent=crossing.spent,
        percent=crossing.threshold_percent,
        by_refusal=crossing.by_refusal,
    )


def add(
    tenant: Tenant,
    kind: EventType,
    key: str,
    facts: Facts,
    listening: Iterable[Listener],
    *,
    api_key: ApiKey | None = None,
) -> int:
    """An event and its deliveries, in the caller's transaction; how many. 0 if there is one of this key."""
    try:
        with transaction.atomic():
            event = AlertEvent.objects.create(tenant=tenant, type=kind, key=key, facts=facts.to_json(), api_key=api_key)
    except IntegrityError:
        return 0
    return len(Delivery.objects.bulk_create(_deliveries(event, listening)))


def _deliveries(event: AlertEvent, listening: Iterable[Listener]) -> list[Delivery]:
    return [
        Delivery(
            tenant_id=event.tenant_id,
            event=event,
            channel=listener.channel,
            channel_kind=listener.channel.kind,
            channel_name=listener.channel.name,
            address=address,
            mention=listener.mention,
        )
        for listener in listening
        for address in _addresses(listener.channel)
    ]


def _addresses(channel: AlertChannel) -> list[str]:
    """Of an e-mail channel everybody who has not unsubscribed; of any other one delivery without an address."""
    if channel.kind != ChannelKind.EMAIL:
        return [""]
    return list(channel.recipients.filter(unsubscribed_at=None).values_list("email", flat=True))


def channels_of(tenant: Tenant) -> list[AlertChannel]:
    return list(AlertChannel.objects.filter(tenant=tenant))


# --- Claims ----------------------------------------------------------------------------------------------------------


def claim(now: datetime, *, except_of: Collection[str] = ()) -> Delivery | None:
    """The delivery that has been due longest, ours until its lease ends; None if nothing is. `except_of`: tenants."""
    due = Delivery.objects.filter(due_at__lte=now).exclude(tenant_id__in=except_of).order_by("due_at", "pk")
    for delivery in due[:LOOKED_AT]:
        if claim_one(delivery, now):
            return delivery
    return None


def claim_one(delivery: Delivery, now: datetime) -> bool:
    """Ours if nobody has moved it since it was read."""
    claimed = {
        "state": DeliveryState.SENDING,
        "due_at": now + LEASE,
        "claimed_by": f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(6)}",
    }
    seen = Delivery.objects.filter(pk=delivery.pk, due_at=delivery.due_at, claimed_by=delivery.claimed_by)
    if not seen.update(**claimed, attempts=F("attempts") + 1):
        return False
    delivery.refresh_from_db()
    return delivery.claimed_by == claimed["claimed_by"]


def finish(delivery: Delivery, **columns: object) -> bool:
    """Write how a try of ours ended; False if the lease was over and somebody else has it."""
    mine = Delivery.objects.filter(pk=delivery.pk, claimed_by=delivery.claimed_by, state=DeliveryState.SENDING)
    return bool(mine.update(claimed_by="", **columns))


def queue_again(delivery: Delivery, now: datetime) -> bool:
    """Whatever came of it, send it once more with a fresh count of tries; False while it is being sent."""
    rest = Delivery.objects.filter(pk=delivery.pk).exclude(state=DeliveryState.SENDING)
    return bool(rest.update(state=DeliveryState.WAITING, due_at=now, queued_at=now, attempts=0, finished_at=None))
