"""allauth's forms as we ask: our labels and sentences, no placeholders, a company with each sign-up."""

from typing import Any

from allauth.account import forms as account
from allauth.account.utils import setup_user_email
from allauth.mfa.base import forms as mfa
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn import forms as webauthn
from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from tokonomics.console import services

_LABELS = {
    "login": "E-mail",
    "email": "E-mail",
    "password": "Password",
    "password1": "Password",
    "oldpassword": "Password now",
}


class _Plain:
    """No placeholders that vanish when one types, our labels, a new password asked once (it can be shown)."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("password2", None)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            field.label = _LABELS.get(name, field.label)
            field.help_text = "At least 12 characters. Pasting and password managers are welcome." * (
                name == "password1"
            )
            if name in _LABELS:
                field.error_messages["required"] = _missing(name, str(field.label))
            if isinstance(field, forms.EmailField):
                field.error_messages["invalid"] = "Enter an e-mail address, like name@company.example."


def _missing(name: str, label: str) -> str:
    return {"login": "Enter your e-mail.", "email": "Enter your e-mail."}.get(name, f"Enter the {label.lower()}.")


class LoginForm(_Plain, account.LoginForm):  # type: ignore[misc]
    pass


class ResetPasswordForm(_Plain, account.ResetPasswordForm):  # type: ignore[misc]
    pass


class ResetPasswordKeyForm(_Plain, account.ResetPasswordKeyForm):  # type: ignore[misc]
    pass


class ChangePasswordForm(_Plain, account.ChangePasswordForm):  # type: ignore[misc]
    field_order = ["oldpassword", "password1"]


class SetPasswordForm(_Plain, account.SetPasswordForm):  # type: ignore[misc]
    pass


class AddEmailForm(_Plain, account.AddEmailForm):  # type: ignore[misc]
    pass


class ReauthenticateForm(_Plain, account.ReauthenticateForm):  # type: ignore[misc]
    pass


class SignupForm(_Plain, account.SignupForm):  # type: ignore[misc]
    """A person and their company at once; the next page asks for the budget."""

    company = forms.CharField(
        label="Company",
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
        error_messages={"required": "Enter the name of your company."},
    )
    field_order = ["email", "password1", "company"]

    def save(self, request: HttpRequest) -> AbstractBaseUser:
        """Raises tenants.errors.TenantError with nothing made."""
        email = self.cleaned_data["email"]
        founded = services.sign_up(
            email=email,
            password=self.cleaned_data["password1"],
            company=self.cleaned_data["company"],
            address=request.META.get("REMOTE_ADDR"),
        )
        setup_user_email(request, founded.owner, [])
        return founded.owner


class CodeForm(_Plain, mfa.AuthenticateForm):  # type: ignore[misc]
    """A code of the authenticator app, or a recovery code."""


class CodeAgainForm(_Plain, mfa.ReauthenticateForm):  # type: ignore[misc]
    pass


class ActivateAppForm(_Plain, ActivateTOTPForm):  # type: ignore[misc]
    pass


class AddPasskeyForm(_Plain, webauthn.AddWebAuthnForm):  # type: ignore[misc]
    pass


class EditPasskeyForm(_Plain, webauthn.EditWebAuthnForm):  # type: ignore[misc]
    pass
