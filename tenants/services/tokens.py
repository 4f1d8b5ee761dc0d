"""Management tokens, which act on the REST API. It looks each up in the database: proxies never see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from tenants import keys
from tenants.audit import Actor, Changes, record
from tenants.errors import Conflict, InvalidValue, NotFound
from tenants.models import ManagementToken, Tenant
from tenants.services import values

SCOPES = ("read", "write")


class NewManagementToken(NamedTuple):
    """`secret` exists here and nowhere else: show it now or never."""

    token: ManagementToken
    secret: str


def create_management_token(
    *,
    tenant: Tenant,
    name: str,
    actor: Actor,
    scopes: Sequence[str] = SCOPES,
    expires_at: datetime | None = None,
) -> NewManagementToken:
    """Raises InvalidValue."""
    name = values.name("name", name, longest=80, what="the token")
    values.expiry("expires_at", expires_at)
    if not scopes or not set(scopes) <= set(SCOPES):
        raise InvalidValue("scopes", "Choose read, write or both.")
    secret = keys.mint_management_token()
    with transaction.atomic():
        token = ManagementToken.objects.create(
            tenant=tenant,
            name=name,
            prefix=keys.shown_prefix(secret),
            digest=keys.digest(secret),
            scopes=[scope for scope in SCOPES if scope in scopes],
            created_by=actor.user,
            expires_at=expires_at,
        )
        _record(token, actor, "management_token.created", {"scopes": (None, token.scopes)})
    return NewManagementToken(token, secret)


def revoke_management_token(*, tenant: Tenant, token_id: str, actor: Actor) -> ManagementToken:
    """Raises NotFound, Conflict if it is revoked already."""
    with transaction.atomic():
        token = ManagementToken.objects.select_for_update(no_key=True).filter(tenant=tenant, pk=token_id).first()
        if token is None:
            raise NotFound("There is no such token.")
        if token.revoked_at is not None:
            raise Conflict("This token is revoked already.")
        changes = values.assign(token, revoked_at=timezone.now())
        _record(token, actor, "management_token.revoked", changes)
    return token


def _record(token: ManagementToken, actor: Actor, action: str, changes: Changes) -> None:
    record(token.tenant, actor, action, target_id=token.pk, target=token.name, changes=changes)
