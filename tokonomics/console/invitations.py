"""How somebody gets into a company: the link, the mail that carries it where there is mail, the account it opens."""

import logging
import smtplib

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string

from tenants import services
from tenants.errors import Conflict
from tenants.models import Invitation, Membership, Role, Tenant, User
from tenants.services import Actor, NewPerson
from tokonomics.console.accounts import on_public_url

log = logging.getLogger(__name__)


class MailNotSent(Conflict):
    code = "mail_not_sent"
    message = "Nobody was invited: the mail could not be sent. Try again, or ask your operator."


def goes_by_mail() -> bool:
    return bool(settings.EMAIL_URL)


def link_to(request: HttpRequest, secret: str) -> str:
    return on_public_url(request.build_absolute_uri(f"/invited/{secret}/"))


def send(request: HttpRequest, *, tenant: Tenant, email: str, role: str, actor: Actor) -> tuple[Invitation, str]:
    """(the invitation, the link to hand over): the link is empty where a mail carries it, for then it proves the
    address. Raises InvalidValue, AlreadyMember, MailNotSent."""
    invitation, secret = services.invite(tenant=tenant, email=email, role=role, actor=actor)
    link = link_to(request, secret)
    if not goes_by_mail():
        return invitation, link
    try:
        _mail(invitation, actor, link)
    except MailNotSent:
        services.withdraw_invitation(tenant=tenant, invitation_id=invitation.pk, actor=actor)
        raise
    return invitation, ""


def _mail(invitation: Invitation, actor: Actor, link: str) -> None:
    words = {"invitation": invitation, "by": actor.label, "role": Role(invitation.role).label.lower(), "link": link}
    subject = f"{actor.label} invites you to {invitation.tenant.name}"
    try:
        send_mail(subject, render_to_string("console/team_mail.txt", words), None, [invitation.email])
    except (OSError, smtplib.SMTPException) as error:
        log.warning("the mail of invitation %s could not be sent: %s", invitation.pk, error)
        raise MailNotSent from error


def join_as_new(*, secret: str, password: str, address: str | None) -> Membership:
    """Make the account of whom it is for, and let them in. Raises InvalidValue, EmailTaken, InvitationClosed."""
    with transaction.atomic():
        invitation = services.find_invitation(secret)
        user = services.register(NewPerson(invitation.email, password))
        # A link that came by mail has shown whose address it is; one that was handed over has not.
        EmailAddress.objects.create(user=user, email=user.email, verified=goes_by_mail(), primary=True)
        return services.accept_invitation(secret=secret, user=user, address=address)


def has_account(invitation: Invitation) -> bool:
    return User.objects.filter(email__iexact=invitation.email).exists()
