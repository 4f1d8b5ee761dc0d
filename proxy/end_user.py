"""Who a request is for: the end user that the application names, in the body or in a header of ours, which wins."""

from budgets import end_users
from budgets.end_users import LONGEST_NAME
from proxy import refusals
from proxy.providers.base import HeaderMap

HEADER = end_users.HEADER.lower()
"""No provider gets it: what passes is an allow-list (proxy/providers/headers.py)."""


def named(headers: HeaderMap, in_body: str, *, required: bool) -> str:
    """The end user's name, "" where none is given. Raises Refusal: one is required, or the header's is too long."""
    name = in_body
    if in_header := headers.get(HEADER):
        name = end_users.name_in_header(in_header) or in_body
        if len(in_header) > LONGEST_NAME:
            message = f"The header {end_users.HEADER} may have at most {LONGEST_NAME} characters."
            raise refusals.bad_request("invalid_request", message, end_users.HEADER)
    if required and not name:
        message = (
            "This API key serves only requests that name their end user: in `user`, `safety_identifier` or "
            f"`metadata.user_id` of the body, or in the header {end_users.HEADER}."
        )
        raise refusals.bad_request("end_user_required", message, "user")
    return name
