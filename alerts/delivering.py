"""One try of one delivery, from the claim to what came of it; and when the next try is."""

import logging
import random
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alerts import channels, outbox
from alerts.channels.base import Failed, Letter, Order, Passing, Permanent
from alerts.channels.email import Bounced, refused_address
from alerts.channels.webhook import iso
from alerts.facts import Facts
from alerts.messages import message
from alerts.models import AlertChannel, ChannelKind, Delivery, DeliveryState, EmailRecipient, EventType
from alerts.unsubscribe import token_of
from tenants import crypto
from tenants.errors import EncryptionUnavailable

log = logging.getLogger(__name__)

# Seconds from a failure to the next try, each with a jitter of a quarter: the first within 5 s, the second within 30 s
# (the sweep that finds them comes every 2), then slower until a day has passed.
RETRIES = (2, 12, 60, 300, 900, 1800, 3600, 7200, 14_400, 21_600, 28_800)
A_DAY = timedelta(days=1)
MOST_TRIES_KEPT = 40


def deliver(delivery: Delivery) -> bool:
    """Send a delivery that is claimed, and write down how it went; whether it arrived. Never raises for a failure."""
    began = timezone.now()
    letter = None
    try:
        if why_not := _not_any_more(delivery):
            return _cancel(delivery, why_not)
        channel = _channel(delivery)
        order = order_of(delivery, channel)
        letter = channels.of(channel.kind).compose(order)
        said = channels.of(channel.kind).send(order, letter)
    except Failed as error:
        _failed(delivery, letter, error, began)
    except EncryptionUnavailable as error:
        _failed(delivery, letter, Passing(error.message), began)
    except Exception as error:
        # Our own fault, whatever it is. The delivery must not be claimed again and again without its tries running out.
        log.exception("delivery %s could not be tried", delivery.pk)
        _failed(delivery, letter, Passing(f"It could not be sent: {type(error).__name__}."), began)
    else:
        return _arrived(delivery, letter, said, began)
    return False


def order_of(delivery: Delivery, channel: AlertChannel) -> Order:
    """Raises EncryptionUnavailable."""
    event = delivery.event
    facts = Facts.from_json(event.facts)
    return Order(
        event_id=event.pk,
        kind=event.type,
        happened_at=event.created_at,
        facts=facts,
        message=message(event.type, facts, base_url()),
        target=crypto.decrypt(channel.target_ciphertext) if channel.target_ciphertext else "",
        secrets=_secrets(channel),
        address=delivery.address,
        unsubscribe=_unsubscribe(channel, delivery.address),
        mention=delivery.mention,
    )


def base_url() -> str:
    """Where links lead: the public address, else the one that `up` listens on."""
    return str(settings.PUBLIC_URL or settings.LISTEN_URL).rstrip("/")


def wait_before(attempt: int) -> float | None:
    """Seconds until the next try after try number `attempt` failed; None when it was the last."""
    if attempt > len(RETRIES):
        return None
    return RETRIES[attempt - 1] * random.uniform(0.75, 1.25)


# --- What it takes ---------------------------------------------------------------------------------------------------


def _channel(delivery: Delivery) -> AlertChannel:
    assert delivery.channel is not None  # `_not_any_more` has looked
    return delivery.channel


def _not_any_more(delivery: Delivery) -> str:
    """Why this one is not to be sent any more; empty if it is."""
    if delivery.channel is None:
        return "The channel was removed."
    if delivery.channel.kind != ChannelKind.EMAIL:
        return ""
    recipient = delivery.channel.recipients.filter(email=delivery.address).first()
    if recipient is None:
        return f"{delivery.address} was taken out of the channel."
    return f"{delivery.address} has unsubscribed." if recipient.unsubscribed_at else ""


def _secrets(channel: AlertChannel) -> tuple[str, ...]:
    kept = [channel.secret_ciphertext]
    if channel.old_secret_until is not None and channel.old_secret_until > timezone.now():
        kept.append(channel.old_secret_ciphertext)
    return tuple(crypto.decrypt(ciphertext) for ciphertext in kept if ciphertext)


def _unsubscribe(channel: AlertChannel, address: str) -> str:
    if channel.kind != ChannelKind.EMAIL:
        return ""
    recipient = channel.recipients.get(email=address)
    return f"{base_url()}/alerts/unsubscribe/{token_of(recipient)}/"


# --- What came of it -------------------------------------------------------------------------------------------------


def _arrived(delivery: Delivery, letter: Letter, said: str, began: datetime) -> bool:
    columns = _tried(delivery, letter, "delivered", said, began)
    kept = outbox.finish(delivery, state=DeliveryState.DELIVERED, due_at=None, finished_at=timezone.now(), **columns)
    if not kept:
        log.warning("delivery %s arrived after its lease was over; it may arrive again", delivery.pk)
    _mark_healthy(delivery)
    return True


def _mark_healthy(delivery: Delivery) -> None:
    """The channel works, but for an address of it that was refused and has not taken a mail since."""
    with transaction.atomic():
        channel = AlertChannel.objects.select_for_update().filter(pk=delivery.channel_id).first()
        _recipient(delivery).update(bounced_at=None, bounce="")
        if channel is None or not channel.problem:
            return
        refused = channel.recipients.filter(unsubscribed_at=None).exclude(bounce="").order_by("bounced_at").last()
        channel.problem = refused_address(refused.email, refused.bounce)[:300] if refused else ""
        channel.problem_at = refused.bounced_at if refused else None
        channel.save(update_fields=["problem", "problem_at"])


def _failed(delivery: Delivery, letter: Letter | None, error: Failed, began: datetime) -> None:
    now = timezone.now()
    wait = None if isinstance(error, Permanent) else _wait(delivery, error, now)
    columns = _tried(delivery, letter, "failed" if wait is None else "waiting", str(error), began)
    with transaction.atomic():
        if wait is not None:
            outbox.finish(delivery, state=DeliveryState.WAITING, due_at=now + timedelta(seconds=wait), **columns)
            return
        outbox.finish(delivery, state=DeliveryState.FAILED, due_at=None, finished_at=now, **columns)
        _mark_broken(delivery, error, now)


def _wait(delivery: Delivery, error: Failed, now: datetime) -> float | None:
    """A test is tried once: somebody looks at it."""
    if delivery.event.type == EventType.TEST or (wait := wait_before(delivery.attempts)) is None:
        return None
    wait = max(wait, error.wait if isinstance(error, Passing) else 0)
    return wait if now + timedelta(seconds=wait) < delivery.queued_at + A_DAY else None


def _mark_broken(delivery: Delivery, error: Failed, now: datetime) -> None:
    AlertChannel.objects.select_for_update().filter(pk=delivery.channel_id).first()  # one after the other
    if isinstance(error, Bounced):
        _recipient(delivery).update(bounced_at=now, bounce=str(error)[:300])
    problem = error.problem if isinstance(error, Permanent) else f"{error} Tried {delivery.attempts} times."
    if problem and delivery.channel_id is not None:
        AlertChannel.objects.filter(pk=delivery.channel_id).update(problem=problem[:300], problem_at=now)


def _cancel(delivery: Delivery, why: str) -> bool:
    columns = _tried(delivery, None, "cancelled", why, timezone.now())
    outbox.finish(delivery, state=DeliveryState.CANCELLED, due_at=None, finished_at=timezone.now(), **columns)
    return False


def _recipient(delivery: Delivery) -> Any:
    return EmailRecipient.objects.filter(channel_id=delivery.channel_id, email=delivery.address)


def _tried(delivery: Delivery, letter: Letter | None, outcome: str, said: str, began: datetime) -> dict[str, Any]:
    """The columns that tell of this try; what was sent is kept without the reader's own link."""
    took_ms = (timezone.now() - began) // timedelta(milliseconds=1)
    line = {"at": iso(began), "outcome": outcome, "answer": said[:600], "took_ms": took_ms}
    columns: dict[str, Any] = {"history": [*delivery.history, line][-MOST_TRIES_KEPT:]}
    if letter is not None:
        headers = {name: letter.kept(value) for name, value in letter.headers.items()}
        columns |= {"payload": letter.kept(letter.text), "headers": headers}
    return columns
