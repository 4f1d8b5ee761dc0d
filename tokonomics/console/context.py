"""What every template may use without its view giving it."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tokonomics.console.accounts import company_of


def public(request: HttpRequest) -> dict[str, Any]:
    """`company`: the signed-in visitor's own, asked for only where a template uses it; `signup_open`."""
    user = getattr(request, "user", None)
    return {
        "company": SimpleLazyObject(lambda: company_of(user) if user is not None else None),
        "signup_open": settings.SIGNUP_OPEN,
    }
