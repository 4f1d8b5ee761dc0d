"""What the link of an invitation opens: for anyone who has it, signed in or not."""

from typing import Any

from allauth.account.utils import perform_login
from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tenants import services
from tenants.errors import AlreadyMember, TenantError
from tenants.models import Invitation, Membership
from tenants.services import InvitationClosed
from tokonomics.console import invitations
from tokonomics.console.forms import ConsoleForm, sent
from tokonomics.console.team_rows import DOES


class JoinForm(ConsoleForm):
    password = forms.CharField(
        label="Password",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. Pasting and password managers are welcome.",
        error_messages={"required": "Enter the password."},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def invited(request: HttpRequest, secret: str) -> HttpResponse:
    try:
        invitation = services.find_invitation(secret)
    except InvitationClosed as error:
        return render(request, "public/invited_closed.html", {"why": error.message}, status=404)
    if request.user.is_authenticated:
        return _join(request, invitation, secret)
    if invitations.has_account(invitation):
        return _show(request, invitation, login=f"/login/?{urlencode({'next': request.path})}")
    return _join_as_new(request, invitation, secret)


def _join(request: HttpRequest, invitation: Invitation, secret: str) -> HttpResponse:
    """Somebody who is signed in: as whom it is for, or as somebody else."""
    if request.user.email.lower() != invitation.email:  # type: ignore[union-attr]
        return _show(request, invitation, somebody_else=True)
    problem = ""
    if request.method == "POST":
        try:
            membership = services.accept_invitation(secret=secret, user=request.user, address=_address(request))  # type: ignore[arg-type]
        except AlreadyMember:
            return redirect(f"/t/{invitation.tenant.slug}/")
        except TenantError as error:
            problem = error.message
        else:
            return redirect(_home(membership))
    return _show(request, invitation, may_join=True, problems=[("", problem)] if problem else [])


def _join_as_new(request: HttpRequest, invitation: Invitation, secret: str) -> HttpResponse:
    form = JoinForm(sent(request))
    if request.method == "POST" and form.is_valid():
        password = form.cleaned_data["password"]
        try:
            membership = invitations.join_as_new(secret=secret, password=password, address=_address(request))
        except TenantError as error:
            form.refuse(error)
        else:
            answer: HttpResponse = perform_login(request, membership.user, redirect_url=_home(membership), signup=True)
            return answer
    return _show(request, invitation, form=form)


def _show(request: HttpRequest, invitation: Invitation, **context: Any) -> HttpResponse:
    given = {"invitation": invitation, "does": DOES[invitation.role], **context}  # type: ignore[index]
    return render(request, "public/invited.html", given)


def _home(membership: Membership) -> str:
    return f"/t/{membership.tenant.slug}/"


def _address(request: HttpRequest) -> str | None:
    return request.META.get("REMOTE_ADDR")
