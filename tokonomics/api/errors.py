"""One shape for everything that is refused: `{"error": {"code", "message", "param"}}`."""

import logging
from dataclasses import dataclass, field
from typing import Any

from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from tenants import errors
from tenants.store import StoreUnavailable

log = logging.getLogger(__name__)

RETRY_AFTER = {"Retry-After": "1"}


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    code: str
    message: str
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message, "param": self.param}}


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler. What nobody foresaw is logged with its trace, and says nothing of itself."""
    refusal = _foreseen(error)
    if refusal is None:
        log.exception("%s failed", context["request"].path, exc_info=error)
        refusal = Refusal(500, "internal_error", "Something went wrong here. It has been logged.")
    set_rollback()
    return Response(refusal.body, status=refusal.status, headers=refusal.headers)


def _foreseen(error: Exception) -> Refusal | None:
    match error:
        case errors.TenantError():
            return _of_tenant(error)
        case StoreUnavailable():
            message = "The spending ledger cannot be reached. Try again in a moment."
            return Refusal(503, "ledger_unavailable", message, headers=RETRY_AFTER)
        case Http404() | exceptions.NotFound():
            return Refusal(404, "not_found", errors.NotFound.message)
        case exceptions.ValidationError():
            return _of_input(error)
        case exceptions.APIException():
            return _of_protocol(error)
    return None


def _of_tenant(error: errors.TenantError) -> Refusal:
    headers: dict[str, str] = {}
    match error:
        case errors.NotFound():
            status = 404
        case errors.Conflict():
            status = 409
        case errors.PolicyUnavailable():
            status, headers = 503, RETRY_AFTER
        case errors.EncryptionUnavailable():
            status = 503
        case _:
            status = 400
    return Refusal(status, error.code, error.message, error.field, headers)


# DRF's codes -> ours; whatever else a field says is `invalid_value`.
_INPUT_CODES = {
    "required": "missing_field",
    "unknown_field": "unknown_field",
    "unknown_parameter": "unknown_parameter",
}


def _of_input(error: exceptions.ValidationError) -> Refusal:
    """The first thing that is wrong, with the path to it: `allowed_models.0`."""
    path: list[str] = []
    detail: Any = error.detail
    while isinstance(detail, dict | list):
        if isinstance(detail, dict):
            name, detail = next(iter(detail.items()))
            path.append(str(name))
        else:
            detail = next(each for each in detail if each)
    param = ".".join(part for part in path if part != "non_field_errors") or None
    return Refusal(400, _INPUT_CODES.get(detail.code, "invalid_value"), str(detail), param)


_PROTOCOL_CODES = {
    "parse_error": "invalid_json",
    "unsupported_media_type": "unsupported_media_type",
    "method_not_allowed": "method_not_allowed",
    "throttled": "rate_limited",
    "permission_denied": "forbidden",
    "not_authenticated": "invalid_token",
    "authentication_failed": "invalid_token",
}


def _of_protocol(error: exceptions.APIException) -> Refusal:
    detail: Any = error.detail
    headers: dict[str, str] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = f"{wait:.0f}"
    message = str(detail)
    if isinstance(error, exceptions.UnsupportedMediaType):
        message = "Send JSON, with `Content-Type: application/json`."
    return Refusal(error.status_code, _PROTOCOL_CODES.get(detail.code, detail.code), message, None, headers)
