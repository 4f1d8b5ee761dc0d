"""Channels: made, changed, removed; their secrets rotated; their readers unsubscribed."""

from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from alerts import channels
from alerts.channels.base import Target
from alerts.channels.webhook import new_secret
from alerts.models import AlertChannel, ChannelKind, EmailRecipient
from tenants import crypto
from tenants.audit import Actor, Changes, record
from tenants.errors import Conflict, InvalidValue, NotFound
from tenants.models import Tenant
from tenants.services import values

MOST_CHANNELS = 50
LONGEST_OVERLAP = timedelta(days=7)
USUAL_OVERLAP = timedelta(days=1)


class NewChannel(NamedTuple):
    """`secret` (webhooks; else empty) exists here and nowhere else: show it now or never."""

    channel: AlertChannel
    secret: str


def create_channel(*, tenant: Tenant, kind: str, target: str, actor: Actor, name: str = "") -> NewChannel:
    """Rules that name its kind lead to it from now on. Raises InvalidValue, Conflict, EncryptionUnavailable."""
    if kind not in ChannelKind.values:
        raise InvalidValue("kind", f"Choose one of {', '.join(ChannelKind.values)}.")
    name = values.name("name", name or ChannelKind(kind).label, longest=80, what="the channel")
    found = channels.of(kind).target(target)
    secret = new_secret() if kind == ChannelKind.WEBHOOK else ""
    with transaction.atomic():
        if AlertChannel.objects.filter(tenant=tenant).count() >= MOST_CHANNELS:
            raise Conflict(f"A company has at most {MOST_CHANNELS} channels. Remove one first.")
        channel = AlertChannel(tenant=tenant, kind=kind, name=name, created_by=actor.user)
        channel.secret_ciphertext = crypto.encrypt(secret) if secret else ""
        _lead_to(channel, found)
        _record(channel, actor, "alert_channel.created", {"kind": (None, kind), "target": (None, target_of(channel))})
    return NewChannel(channel, secret)


def change_channel(
    *, tenant: Tenant, channel_id: str, actor: Actor, name: str | None = None, target: str | None = None
) -> AlertChannel:
    """Another name or target; a new target is healthy until it proves otherwise. Raises NotFound, InvalidValue."""
    with transaction.atomic():
        channel = _channel(tenant, channel_id)
        changes: dict[str, tuple[object, object]] = {}
        if name is not None:
            changes |= values.assign(channel, name=values.name("name", name, longest=80, what="the channel"))
        if target is not None:
            before = target_of(channel)
            channel.problem, channel.problem_at = "", None
            _lead_to(channel, channels.of(channel.kind).target(target))
            changes["target"] = (before, target_of(channel))
        if changes:
            _record(channel, actor, "alert_channel.changed", changes)
    return channel


def remove_channel(*, tenant: Tenant, channel_id: str, actor: Actor) -> None:
    """What was sent to it stays in the delivery log; what waits is not sent any more. Raises NotFound."""
    with transaction.atomic():
        channel = _channel(tenant, channel_id)
        _record(channel, actor, "alert_channel.removed", {"target": (target_of(channel), None)})
        channel.delete()


def rotate_secret(*, tenant: Tenant, channel_id: str, actor: Actor, overlap: timedelta = USUAL_OVERLAP) -> NewChannel:
    """A new secret to sign with; until the overlap is over the old one signs too. Raises NotFound, InvalidValue."""
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidValue("overlap_seconds", f"Let the old secret sign for 0 to {LONGEST_OVERLAP.days} days.")
    secret = new_secret()
    with transaction.atomic():
        channel = _channel(tenant, channel_id)
        if channel.kind != ChannelKind.WEBHOOK:
            raise InvalidValue("kind", "Only webhooks are signed.")
        channel.old_secret_ciphertext = channel.secret_ciphertext if overlap else ""
        channel.old_secret_until = timezone.now() + overlap if overlap else None
        channel.secret_ciphertext = crypto.encrypt(secret)
        channel.save(update_fields=["secret_ciphertext", "old_secret_ciphertext", "old_secret_until"])
        _record(channel, actor, "alert_channel.rotated", {"old_secret_until": (None, channel.old_secret_until)})
    return NewChannel(channel, secret)


def reencrypt_channels() -> int:
    """All targets and secrets under the newest key, so that an older one can be taken away; how many channels.

    Raises EncryptionUnavailable.
    """
    columns = ["target_ciphertext", "secret_ciphertext", "old_secret_ciphertext"]
    with transaction.atomic():
        kept = list(AlertChannel.objects.select_for_update(no_key=True))
        for channel in kept:
            for column in columns:
                if ciphertext := getattr(channel, column):
                    setattr(channel, column, crypto.reencrypt(ciphertext))
        AlertChannel.objects.bulk_update(kept, columns)
    return len(kept)


def unsubscribe(*, recipient: EmailRecipient) -> None:
    """The reader's own wish, by the link in a mail: for every e-mail channel of the company that has the address."""
    mine = EmailRecipient.objects.filter(channel__tenant=recipient.channel.tenant, email=recipient.email)
    with transaction.atomic():
        if mine.filter(unsubscribed_at=None).update(unsubscribed_at=timezone.now()):
            reader = Actor("rule", recipient.email)
            _record(recipient.channel, reader, "alert_recipient.unsubscribed", {"email": (recipient.email, None)})


def subscribe(*, recipient: EmailRecipient) -> None:
    """The way back, by the same link."""
    mine = EmailRecipient.objects.filter(channel__tenant=recipient.channel.tenant, email=recipient.email)
    with transaction.atomic():
        if mine.exclude(unsubscribed_at=None).update(unsubscribed_at=None):
            reader = Actor("rule", recipient.email)
            _record(recipient.channel, reader, "alert_recipient.subscribed", {"email": (None, recipient.email)})


def target_of(channel: AlertChannel) -> str:
    """As people may see it: addresses in full, of secret URLs the host and the end."""
    if channel.kind != ChannelKind.EMAIL:
        return channel.shown
    return ", ".join(recipient.email for recipient in channel.recipients.all())


def _lead_to(channel: AlertChannel, target: Target) -> None:
    if channel.kind != ChannelKind.EMAIL:
        channel.target_ciphertext, channel.shown = crypto.encrypt(target.value), target.shown
        channel.save()
        return
    channel.save()
    wanted = target.value.split("\n")
    # Who has unsubscribed stays on record, so that taking an address out and in again does not bring it back.
    channel.recipients.filter(unsubscribed_at=None).exclude(email__in=wanted).delete()
    known = {recipient.email: recipient for recipient in channel.recipients.all()}
    gone = dict(
        EmailRecipient.objects.filter(channel__tenant_id=channel.tenant_id, email__in=wanted)
        .exclude(unsubscribed_at=None)
        .values_list("email", "unsubscribed_at")
    )
    EmailRecipient.objects.bulk_create(
        EmailRecipient(channel=channel, email=email, unsubscribed_at=gone.get(email))
        for email in wanted
        if email not in known
    )
    channel.recipients.filter(email__in=wanted).update(bounced_at=None, bounce="")


def _channel(tenant: Tenant, channel_id: str) -> AlertChannel:
    channel = AlertChannel.objects.select_for_update(no_key=True).filter(tenant=tenant, pk=channel_id).first()
    if channel is None:
        raise NotFound("There is no such channel.")
    return channel


def _record(channel: AlertChannel, actor: Actor, action: str, changes: Changes) -> None:
    record(channel.tenant, actor, action, target_id=channel.pk, target=channel.name, changes=changes)
