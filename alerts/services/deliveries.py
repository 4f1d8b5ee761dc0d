"""What people may ask of the outbox: a test of a channel, and the same message once more."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from alerts import delivering, outbox
from alerts.facts import Facts
from alerts.ladder import Listener
from alerts.models import AlertChannel, AlertEvent, Delivery, EventType, event_id
from budgets import live
from budgets.windows import windows_at
from tenants.audit import Actor, record
from tenants.errors import Conflict, NotFound
from tenants.models import Tenant

TESTS_AN_HOUR = 20


def send_test(*, tenant: Tenant, channel_id: str, actor: Actor) -> list[Delivery]:
    """Send a test now and wait for the answer; one delivery a recipient. Raises NotFound, Conflict.

    Tried once: somebody looks at what comes back. A channel that answers is healthy again.
    """
    with transaction.atomic():
        channel = AlertChannel.objects.filter(tenant=tenant, pk=channel_id).first()
        if channel is None:
            raise NotFound("There is no such channel.")
        _not_too_many(channel)
        key = f"test:{event_id()}"
        added = outbox.add(tenant, EventType.TEST, key, _facts(tenant), [Listener(channel, mention=False)])
        if not added:
            raise Conflict("Nobody is left to send to: every address of this channel has unsubscribed.")
        record(tenant, actor, "alert_channel.tested", target_id=channel.pk, target=channel.name)
    made = list(Delivery.objects.filter(event__key=key).select_related("event", "channel"))
    for delivery in made:
        if outbox.claim_one(delivery, timezone.now()):
            delivering.deliver(delivery)
        delivery.refresh_from_db()
    return made


def send_again(*, tenant: Tenant, delivery_id: str, actor: Actor) -> Delivery:
    """Queue it once more, with the same event id, so that a receiver can tell. Raises NotFound, Conflict."""
    with transaction.atomic():
        delivery = Delivery.objects.filter(tenant=tenant, pk=delivery_id).select_related("event", "channel").first()
        if delivery is None:
            raise NotFound("There is no such delivery.")
        if delivery.channel is None:
            raise Conflict("Its channel was removed.")
        if not outbox.queue_again(delivery, timezone.now()):
            raise Conflict("It is being sent just now.")
        record(tenant, actor, "delivery.sent_again", target_id=delivery.pk, target=delivery.channel_name)
    delivery.refresh_from_db()
    return delivery


def _not_too_many(channel: AlertChannel) -> None:
    since = timezone.now() - timedelta(hours=1)
    sent = AlertEvent.objects.filter(type=EventType.TEST, created_at__gt=since, deliveries__channel=channel)
    if sent.distinct().count() >= TESTS_AN_HOUR:
        raise Conflict(f"{TESTS_AN_HOUR} tests were sent in the last hour. Try again later.")


def _facts(tenant: Tenant) -> Facts:
    now = live.now()
    month = windows_at(now).month
    return Facts(
        tenant_name=tenant.name,
        tenant_slug=tenant.slug,
        window="month",
        window_start=month.start,
        reset_at=month.end,
        now=int(now),
        limit=0,
        spent=0,
    )
