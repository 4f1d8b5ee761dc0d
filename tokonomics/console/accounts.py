"""Accounts on django-allauth: our words, where one goes after logging in, a lockout that says until when."""

from datetime import datetime, timedelta
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from axes.helpers import get_client_ip_address, get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from budgets.models import Cap
from tenants.models import KeyMode, Membership, User
from tenants.roles import Action, may
from tokonomics.console import words


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": words.LOGIN_REFUSED,
        "email_taken": "There is already an account with this e-mail. Log in instead.",
        "enter_current_password": "Enter the password that you use now.",
        "incorrect_password": "This is not the password.",
        "incorrect_code": "This code is not right, or its time is over. Enter the one that is shown now.",
        "account_inactive": "This account is switched off. Ask your operator.",
        "too_many_login_attempts": "Too many log-ins from here. Wait a minute, then try again.",
        "rate_limited": "Too many tries from here. Wait a minute, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.SIGNUP_OPEN)

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        return home_of(request.user)

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return home_of(request.user)

    def get_reset_password_from_key_url(self, key: str) -> str:
        return on_public_url(super().get_reset_password_from_key_url(key))

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return on_public_url(super().get_email_confirmation_url(request, emailconfirmation))


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "unverified_email": "Confirm your e-mail first.",
        "add_email_blocked": "Turn two-factor off before you add another address.",
        "cannot_delete_authenticator": "This one stays: without it nothing would ask for the second step.",
        "cannot_generate_recovery_codes": "Recovery codes come with a passkey or an authenticator app.",
        "incorrect_code": AccountAdapter.error_messages["incorrect_code"],
    }


def on_public_url(url: str) -> str:
    """A link for an e-mail: on the configured address, never on a Host header that anybody can send."""
    if not settings.PUBLIC_URL:
        return url
    path = "/" + url.split("://", 1)[-1].partition("/")[2]
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}"


def home_of(user: Any) -> str:
    """Where somebody goes after logging in: their first company, its first step while it has no budget, else `/`."""
    membership = first_membership(user)
    if membership is None:
        return "/"
    home = f"/t/{membership.tenant.slug}/"
    return home if has_budget(membership) or not may(membership.role, Action.CHANGE_BUDGET) else f"{home}start/"


def first_membership(user: Any) -> Membership | None:
    if not user.is_authenticated:
        return None
    return Membership.objects.filter(user=user).select_related("tenant").order_by("created_at", "pk").first()


def has_budget(membership: Membership) -> bool:
    return Cap.objects.filter(tenant=membership.tenant, api_key=None, mode=KeyMode.LIVE, window="month").exists()


# --- Lockout (django-axes) -------------------------------------------------------------------------------------------


def login_name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """Who is trying, the same in any case of letters; allauth says `email`, the operator's pages say `username`."""
    given = credentials or {}
    name = given.get("email") or given.get("username") or given.get("login") or request.POST.get("login")
    return str(name or request.POST.get("username", "")).strip().lower()


def locked_out(request: HttpRequest, response: Any = None, credentials: dict[str, Any] | None = None) -> HttpResponse:
    """The page that says until when; the same for known and unknown e-mails."""
    until = locked_until(login_name(request, credentials), get_client_ip_address(request))
    return render(request, "account/locked_out.html", {"until": until, "sentence": words.locked_out(until)}, status=429)


def locked_until(name: str, address: str | None) -> datetime:
    tried = AccessAttempt.objects.filter(username=name, ip_address=address).order_by("-attempt_time").first()
    cool_off = get_cool_off() or timedelta(0)
    return (tried.attempt_time if tried else timezone.now()) + cool_off


def company_of(user: User) -> dict[str, str] | None:
    """For the button "Open <company>" of a signed-in visitor."""
    membership = first_membership(user)
    return {"label": membership.tenant.name, "href": f"/t/{membership.tenant.slug}/"} if membership else None
