"""Who calls the REST API: a management token, which is one tenant's; at one route an application with its own key."""

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from tenants import keys
from tenants.lookup import find_api_key
from tenants.models import ApiKey, ManagementToken

# How exact `last_used_at` is: a busy token does not write a row with every request.
LAST_USED_STEP = timedelta(minutes=1)

_NO_TOKEN = "Send a management token: `Authorization: Bearer tkm_...`."
_NOT_A_TOKEN = "That is an application's key. The REST API takes a management token, `tkm_...`."
_NO_KEY = "Send the application's own key: `Authorization: Bearer tk_live_...` or `x-api-key`."


class ManagementTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer tkm_...`; `request.auth` is the token with its tenant. There is no `request.user`."""

    def authenticate(self, request: Request) -> tuple[None, ManagementToken] | None:
        secret = _bearer(request)
        if secret is None:
            return None
        token = _find_token(secret)
        now = timezone.now()
        if token.revoked_at is not None:
            raise AuthenticationFailed("This token was revoked. Use another one.", "token_revoked")
        if token.expires_at is not None and token.expires_at <= now:
            raise AuthenticationFailed("This token has expired. Create a new one.", "token_expired")
        _note_use(token)
        return None, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Tokonomics"'


class ApiKeyAuthentication(BaseAuthentication):
    """An application's key where its SDK puts it; `request.auth` is the ApiKey. Refuses as the metered routes do."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        secret = secret_in(request)
        if secret is None:
            return None
        found = find_api_key(keys.digest(secret)) if keys.looks_minted(secret) else None
        if found is None:
            raise AuthenticationFailed(f"This API key is not known. {_NO_KEY}", "invalid_api_key")
        if found.key.revoked_at is not None:
            raise PermissionDenied("This API key was revoked. Use another one.", "api_key_revoked")
        if found.expires_at is not None and found.expires_at <= timezone.now():
            raise PermissionDenied("This API key has expired. Use another one.", "api_key_expired")
        return None, found.key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Tokonomics"'


class KeyOrTokenAuthentication(BaseAuthentication):
    """An application's own key, or a management token: where both may ask."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey | ManagementToken] | None:
        if keys.looks_minted(secret_in(request) or ""):
            return ApiKeyAuthentication().authenticate(request)
        return ManagementTokenAuthentication().authenticate(request)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Tokonomics"'


class HasScope(BasePermission):
    """A management token whose scopes allow the method: `read` for GET, `write` for what changes something."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ManagementToken):
            raise AuthenticationFailed(_NO_TOKEN, "invalid_token")
        scope = "read" if request.method in SAFE_METHODS else "write"
        if scope not in request.auth.scopes:
            raise PermissionDenied(f"This token has no `{scope}` scope.", "forbidden")
        return True


class HasApiKey(BasePermission):
    """Any application's key that may still be used."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            raise AuthenticationFailed(_NO_KEY, "invalid_api_key")
        return True


class HasKeyOrToken(BasePermission):
    """Any application's key that may still be used, or a management token that may read: for what changes nothing."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, ApiKey):
            return True
        if not isinstance(request.auth, ManagementToken):
            raise AuthenticationFailed(f"{_NO_KEY} Or a management token.", "invalid_token")
        if "read" not in request.auth.scopes:
            raise PermissionDenied("This token has no `read` scope.", "forbidden")
        return True


def secret_in(request: Request) -> str | None:
    """An application's key, wherever its SDK puts it."""
    return _bearer(request) or request.headers.get("x-api-key") or request.headers.get("x-goog-api-key")


def _bearer(request: Request) -> str | None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _find_token(secret: str) -> ManagementToken:
    """Raises AuthenticationFailed for what this installation has not made, mostly without asking the database."""
    if keys.looks_minted(secret):
        raise AuthenticationFailed(_NOT_A_TOKEN, "invalid_token")
    token = None
    if keys.token_looks_minted(secret):
        token = ManagementToken.objects.select_related("tenant").filter(digest=keys.digest(secret)).first()
    if token is None:
        raise AuthenticationFailed(f"This token is not known. {_NO_TOKEN}", "invalid_token")
    return token


def _note_use(token: ManagementToken) -> None:
    now = timezone.now()
    before = now - LAST_USED_STEP
    if token.last_used_at is None or token.last_used_at <= before:
        unnoted = Q(last_used_at=None) | Q(last_used_at__lte=before)
        ManagementToken.objects.filter(unnoted, pk=token.pk).update(last_used_at=now)
