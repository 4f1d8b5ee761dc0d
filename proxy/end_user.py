"""Who a request is for: the end user that the application names, in the body or in a header of ours, which wins."""

from budgets.end_users import LONGEST_NAME
from proxy import refusals
from proxy.providers.base import HeaderMap

HEADER = "x-tokonomics-user"
"""It stays with us: no provider gets it (proxy/providers/headers.py is an allow-list)."""


def named(headers: HeaderMap, in_body: str, *, required: bool) -> str:
    """The end user's name, "" where none is given. Raises Refusal: one is required, or the header's is too long."""
    in_header = headers.get(HEADER, "").strip()
    if len(in_header) > LONGEST_NAME:
        raise refusals.bad_request("invalid_request", f"{HEADER} may have {LONGEST_NAME} characters.", HEADER)
    name = _text(in_header) or in_body
    if required and not name:
        message = (
            "This API key serves only requests that name their end user: in `user`, `safety_identifier` or "
            f"`metadata.user_id` of the body, or in the header {HEADER}."
        )
        raise refusals.bad_request("end_user_required", message, "user")
    return name


def _text(value: str) -> str:
    """Headers arrive as Latin-1; a name in UTF-8 is the same name as in a body."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value
