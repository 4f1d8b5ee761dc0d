"""API keys: created, changed, rotated, revoked. What a key may spend is budgets.services."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from tenants import keys, policy
from tenants.audit import Actor, Changes, record
from tenants.errors import Conflict, InvalidValue, KeyNotActive, NotFound
from tenants.models import ApiKey, KeyMode, RetiredSecret, Tenant
from tenants.services import values
from tenants.services.values import UNSET, Unset

LONGEST_OVERLAP = timedelta(days=90)


class NewApiKey(NamedTuple):
    """`secret` exists here and nowhere else: show it now or never."""

    key: ApiKey
    secret: str


def create_api_key(
    *,
    tenant: Tenant,
    name: str,
    actor: Actor,
    mode: str = KeyMode.LIVE,
    allowed_models: Sequence[str] = (),
    default_output_limit: int | None = None,
    expires_at: datetime | None = None,
    requires_end_user: bool = False,
) -> NewApiKey:
    """Raises InvalidValue, PolicyUnavailable."""
    if mode not in KeyMode.values:
        raise InvalidValue("mode", "Choose live or test.")
    name = values.name("name", name, longest=80, what="the key")
    models = values.words("allowed_models", allowed_models, what="models")
    if default_output_limit is not None:
        values.output_limit("default_output_limit", default_output_limit)
    values.expiry("expires_at", expires_at)
    with policy.within(tenant) as locked:
        secret = keys.mint(mode)
        key = ApiKey.objects.create(
            tenant=locked,
            name=name,
            mode=mode,
            prefix=keys.shown_prefix(secret),
            last_four=secret[-4:],
            digest=keys.digest(secret),
            allowed_models=models,
            default_output_limit=default_output_limit,
            requires_end_user=requires_end_user,
            created_by=actor.user,
            expires_at=expires_at,
        )
        _record(key, actor, "api_key.created", {"mode": (None, mode), "expires_at": (None, expires_at)})
    return NewApiKey(key, secret)


def update_api_key(
    *,
    tenant: Tenant,
    key_id: str,
    actor: Actor,
    name: str | None = None,
    allowed_models: Sequence[str] | None = None,
    default_output_limit: int | Unset | None = UNSET,
    expires_at: datetime | Unset | None = UNSET,
    requires_end_user: bool | Unset = UNSET,
) -> ApiKey:
    """Change what is given. Raises NotFound, KeyNotActive, InvalidValue, PolicyUnavailable."""
    given: dict[str, object] = {
        "default_output_limit": default_output_limit,
        "expires_at": expires_at,
        "requires_end_user": requires_end_user,
    }
    if name is not None:
        given["name"] = values.name("name", name, longest=80, what="the key")
    if allowed_models is not None:
        given["allowed_models"] = values.words("allowed_models", allowed_models, what="models")
    if isinstance(default_output_limit, int):
        values.output_limit("default_output_limit", default_output_limit)
    if isinstance(expires_at, datetime):
        values.expiry("expires_at", expires_at)
    with policy.within(tenant) as locked:
        key = active_key(locked, key_id)
        changes = values.assign(key, **given)
        if changes:
            _record(key, actor, "api_key.changed", changes)
    return key


def rotate_api_key(*, tenant: Tenant, key_id: str, overlap: timedelta, actor: Actor) -> NewApiKey:
    """A new secret for the same key; the old one goes on opening it for `overlap` (0: it stops now).

    Caps, counters and reports stay with the key. Raises NotFound, KeyNotActive, InvalidValue, PolicyUnavailable.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidValue("overlap", f"Let the old key work for 0 to {LONGEST_OVERLAP.days} days.")
    with policy.within(tenant) as locked:
        key = active_key(locked, key_id)
        old_stops_at = timezone.now() + overlap
        RetiredSecret.objects.create(
            api_key=key, prefix=key.prefix, last_four=key.last_four, digest=key.digest, expires_at=old_stops_at
        )
        secret = keys.mint(key.mode)
        key.prefix, key.last_four, key.digest = keys.shown_prefix(secret), secret[-4:], keys.digest(secret)
        key.save(update_fields=["prefix", "last_four", "digest"])
        _record(key, actor, "api_key.rotated", {"old_secret_stops_at": (None, old_stops_at)})
    return NewApiKey(key, secret)


def stop_retired_secrets(*, tenant: Tenant, key_id: str, actor: Actor) -> ApiKey:
    """End the overlap of a rotation now. Raises NotFound, PolicyUnavailable."""
    with policy.within(tenant) as locked:
        key = _key(locked, key_id)
        now = timezone.now()
        for secret in key.retired_secrets.filter(expires_at__gt=now):
            changes = values.assign(secret, expires_at=now)
            _record(key, actor, "api_key.old_secret_stopped", {"old_secret_stops_at": changes["expires_at"]})
    return key


def revoke_api_key(*, tenant: Tenant, key_id: str, actor: Actor) -> ApiKey:
    """For good; its next request is refused. Raises NotFound, KeyNotActive if it is so already, PolicyUnavailable."""
    with policy.within(tenant) as locked:
        key = _key(locked, key_id)
        if key.revoked_at is not None:
            raise KeyNotActive("This key is revoked already.")
        key.revoked_at, key.revoked_by = timezone.now(), actor.user
        key.save(update_fields=["revoked_at", "revoked_by"])
        _record(key, actor, "api_key.revoked", {"revoked_at": (None, key.revoked_at)})
    return key


def pause_api_key(*, tenant: Tenant, key_id: str, actor: Actor) -> ApiKey:
    """Refuse its requests from the next one on, until it is resumed.

    Raises NotFound, KeyNotActive if it is revoked, Conflict if it is paused already, PolicyUnavailable.
    """
    with policy.within(tenant) as locked:
        key = active_key(locked, key_id)
        if key.paused_at is not None:
            raise Conflict("This key is paused already.")
        _record(key, actor, "api_key.paused", values.assign(key, paused_at=timezone.now()))
    return key


def resume_api_key(*, tenant: Tenant, key_id: str, actor: Actor) -> ApiKey:
    """Raises NotFound, KeyNotActive if it is revoked, Conflict if it is not paused, PolicyUnavailable."""
    with policy.within(tenant) as locked:
        key = active_key(locked, key_id)
        if key.paused_at is None:
            raise Conflict("This key is not paused.")
        _record(key, actor, "api_key.resumed", values.assign(key, paused_at=None))
    return key


def active_key(tenant: Tenant, key_id: str) -> ApiKey:
    """A key of this tenant that can still be changed. Raises NotFound, KeyNotActive."""
    key = _key(tenant, key_id)
    if key.revoked_at is not None:
        raise KeyNotActive
    return key


def _key(tenant: Tenant, key_id: str) -> ApiKey:
    key = ApiKey.objects.filter(tenant=tenant, pk=key_id).first()
    if key is None:
        raise NotFound("There is no such key.")
    return key


def _record(key: ApiKey, actor: Actor, action: str, changes: Changes) -> None:
    record(key.tenant, actor, action, target_id=key.pk, target=key.name, changes=changes)
