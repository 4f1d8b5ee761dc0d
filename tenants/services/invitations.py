"""Invitations into a company: a link that is good once, for one e-mail, for a week."""

import hashlib
import secrets
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from tenants.audit import Actor, Changes, record
from tenants.errors import AlreadyMember, Conflict, NotFound
from tenants.models import Invitation, Membership, Role, Tenant, User
from tenants.services import values
from tenants.services.people import add_member

LIFE = timedelta(days=7)


class InvitationClosed(NotFound):
    """Used, withdrawn, too old, or never there: nobody is told which."""

    code = "invitation_closed"
    message = "This invitation does not work any more. Ask for a new one."


class InvitedSomebodyElse(Conflict):
    code = "invited_somebody_else"

    def __init__(self, invited: str) -> None:
        super().__init__(f"This invitation is for {invited}. Log in as {invited}, and open the link again.")


class NewInvitation(NamedTuple):
    """`secret` exists here and nowhere else: it goes into the link."""

    invitation: Invitation
    secret: str


def invite(*, tenant: Tenant, email: str, role: str, actor: Actor) -> NewInvitation:
    """A second one for the same e-mail takes the first one's place. Raises InvalidValue, AlreadyMember."""
    email = values.email("email", email)
    role = Role(role)
    secret = secrets.token_urlsafe(32)
    now = timezone.now()
    with transaction.atomic():
        if Membership.objects.filter(tenant=tenant, user__email__iexact=email).exists():
            raise AlreadyMember(email)
        _open(tenant).filter(email__iexact=email).update(withdrawn_at=now)
        invitation = Invitation.objects.create(
            tenant=tenant,
            email=email,
            role=role,
            digest=_digest(secret),
            created_by=actor.user,
            created_at=now,
            expires_at=now + LIFE,
        )
        _record(invitation, actor, "invitation.sent", {"role": (None, role.value)})
    return NewInvitation(invitation, secret)


def withdraw_invitation(*, tenant: Tenant, invitation_id: str, actor: Actor) -> Invitation:
    """Its link stops working. Raises NotFound where there is none that is open."""
    with transaction.atomic():
        invitation = _open(tenant).select_for_update(no_key=True).filter(pk=invitation_id).first()
        if invitation is None:
            raise NotFound("There is no such open invitation.")
        invitation.withdrawn_at = timezone.now()
        invitation.save(update_fields=["withdrawn_at"])
        _record(invitation, actor, "invitation.withdrawn", {"role": (invitation.role, None)})
    return invitation


def find_invitation(secret: str) -> Invitation:
    """The open invitation behind a link. Raises InvitationClosed."""
    found = _open().select_related("tenant", "created_by").filter(digest=_digest(secret)).first()
    if found is None:
        raise InvitationClosed
    return found


def accept_invitation(*, secret: str, user: User, address: str | None = None) -> Membership:
    """The person becomes a member in the role that was offered. Raises InvitationClosed, InvitedSomebodyElse,
    AlreadyMember."""
    actor = Actor.of_user(user, address)
    with transaction.atomic():
        invitation = _open().select_for_update(no_key=True).filter(digest=_digest(secret)).first()
        if invitation is None:
            raise InvitationClosed
        if invitation.email != user.email.lower():
            raise InvitedSomebodyElse(invitation.email)
        invitation.accepted_at = timezone.now()
        invitation.save(update_fields=["accepted_at"])
        return add_member(tenant=invitation.tenant, user=user, role=Role(invitation.role), actor=actor)


def open_invitations(tenant: Tenant) -> list[Invitation]:
    """Those that wait for an answer, newest first."""
    return list(_open(tenant).select_related("created_by"))


def _open(tenant: Tenant | None = None) -> QuerySet[Invitation]:
    found = Invitation.objects.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=timezone.now())
    return found if tenant is None else found.filter(tenant=tenant)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _record(invitation: Invitation, actor: Actor, action: str, changes: Changes) -> None:
    record(invitation.tenant, actor, action, target_id=invitation.pk, target=invitation.email, changes=changes)
