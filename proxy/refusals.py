"""Why a request is answered by us and not by the provider: every error code of DESIGN section 6 is made here."""

from functools import lru_cache

from budgets import keyspace
from budgets.ledger_errors import CapExceeded
from budgets.money import format_usd
from budgets.values import value
from proxy.providers.base import ErrorBody, RequestRefused
from proxy.providers.unmetered import why

_usd = lru_cache(maxsize=1024)(format_usd)  # at the cap the same three amounts are told again and again

RETRY_LATER = [(b"retry-after", b"1"), (b"x-should-retry", b"true")]
NO_RETRY = [(b"x-should-retry", b"false")]


@value
class Fit:
    """What a request that does not fit could have been: its least cost, and an output limit that fits (0: none)."""

    least: int
    output_tokens: int
    useful: bool
    """Whether something worth sending would still fit."""


class Refusal(Exception):
    """An answer of ours. `retry`: whether the same request may do better soon; `model`: what it asked for, if known;
    `end_user`: whose cap refused it, by hash."""

    def __init__(self, body: ErrorBody, *, retry: bool = False, model: str = "", end_user: str = "") -> None:
        super().__init__(body.message)
        self.body, self.retry, self.model, self.end_user = body, retry, model, end_user

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return RETRY_LATER if self.retry else NO_RETRY


def refused(error: RequestRefused) -> Refusal:
    """What an adapter did not accept."""
    return Refusal(ErrorBody(error.status, error.code, error.message, param=error.param))


def invalid_api_key(detail: str = "") -> Refusal:
    message = (
        detail or "Incorrect API key provided. Send a key that this Tokonomics made, like tk_live_... or tk_test_..."
    )
    return Refusal(ErrorBody(401, "invalid_api_key", message, type="authentication_error"))


def key_refused(code: str, message: str) -> Refusal:
    """`api_key_revoked`, `api_key_paused`, `api_key_expired`, `model_not_allowed`, `tenant_suspended`."""
    return Refusal(ErrorBody(403, code, message, type="permission_error"))


def bad_request(code: str, message: str, param: str | None = None, status: int = 400) -> Refusal:
    return Refusal(ErrorBody(status, code, message, param=param))


def route_not_metered(method: str, path: str) -> Refusal:
    message = f"{method} {path} is not forwarded: {why(path)}. See docs/api.md for the routes."
    return Refusal(ErrorBody(404, "route_not_metered", message))


def unavailable(code: str, message: str, status: int) -> Refusal:
    """`ledger_unavailable` 503, `provider_unreachable` 502, `provider_timeout` 504."""
    return Refusal(ErrorBody(status, code, message, type="server_error"), retry=True)


def ledger_unavailable() -> Refusal:
    message = "The spending ledger cannot be reached, so nothing is let through uncounted. Try again in a moment."
    return unavailable("ledger_unavailable", message, 503)


def cap_exceeded(error: CapExceeded, fit: Fit, model: str) -> Refusal:
    """429: for good (`budget_cap_exceeded`), or until requests in flight give back what they hold (`budget_held`)."""
    window, left = error.counter.window, error.cap - error.spent - error.held
    of_end_user = error.counter.scope == "end_user"
    end_user = keyspace.parts_of_user_counter(error.counter.key)[0] if of_end_user else ""
    details: dict[str, str | int] = {
        "reset_at": window.reset_at,
        "scope": error.counter.scope,
        "window": str(window.kind),
        "limit_usd": _usd(error.cap),
        "spent_usd": _usd(error.spent),
        "held_usd": _usd(error.held),
    }
    if error.held_only:
        message = f"${_usd(max(left, 0))} is left, and requests in flight hold ${_usd(error.held)}. Try again."
        if fit.output_tokens:  # at once, without waiting for them
            details["fits_output_tokens"] = fit.output_tokens
        held = ErrorBody(429, "budget_held", message, type="rate_limit_error", details=details)
        return Refusal(held, retry=True, model=model, end_user=end_user)
    details["reason"] = "request_too_large" if fit.useful else "spent"
    if fit.useful:
        # Beside the documented message, which clients may compare: what would help this one.
        detail = f"This request could cost up to ${_usd(fit.least)} and ${_usd(max(left, 0))} is left."
        if fit.output_tokens:
            detail += f" With at most {fit.output_tokens:,} output tokens it fits."
            details["fits_output_tokens"] = fit.output_tokens
        details["detail"] = detail
    body = ErrorBody(429, "budget_cap_exceeded", _limit_reached(error), type="insufficient_quota", details=details)
    return Refusal(body, model=model, end_user=end_user)


_SCOPES = {"tenant": "", "api_key": " for this key", "end_user": " for this user"}


def _limit_reached(error: CapExceeded) -> str:
    window = "Daily" if error.counter.window.kind == "day" else "Monthly"
    return f"{window} spending limit{_SCOPES[error.counter.scope]} reached. Contact your administrator."
