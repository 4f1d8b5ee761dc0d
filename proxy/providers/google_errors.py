"""Error bodies as Google clients read them: google.rpc.Status with an ErrorInfo, a RetryInfo where waiting helps."""

import math
from datetime import UTC, datetime

import orjson

from proxy.providers.base import ErrorBody

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _retry_info(body: ErrorBody) -> list[dict[str, str]]:
    """When it may do better: Google's command line tries a 429 without it again and again, for minutes."""
    if body.code == "budget_held":
        seconds = 1
    elif body.code == "budget_cap_exceeded" and body.details.get("reset_at"):
        reset_at = datetime.fromisoformat(str(body.details["reset_at"]))
        seconds = max(1, math.ceil((reset_at - datetime.now(UTC)).total_seconds()))
    else:
        return []
    return [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds}s"}]


class GoogleErrors:
    """`{"error": {code, status, message, details: [{reason, metadata}]}}`; Google wants strings in the metadata."""

    name = "google"

    def error(self, body: ErrorBody, request_id: str) -> bytes:
        metadata = {name: str(value) for name, value in body.details.items() if value is not None}
        if body.param is not None:
            metadata["param"] = body.param
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": body.code,
            "domain": "tokonomics",
            "metadata": metadata,
        }
        error = {
            "code": body.status,
            "status": _STATUSES.get(body.status, "UNKNOWN"),
            "message": body.message,
            "details": [info, *_retry_info(body)],
        }
        return orjson.dumps({"error": error})

    def stream_error(self, body: ErrorBody, request_id: str) -> bytes:
        return b"data: " + self.error(body, request_id) + b"\r\n\r\n"


class GoogleArrayErrors(GoogleErrors):
    """The same for streams that are a JSON array: the error is one more element, and the last."""

    def stream_error(self, body: ErrorBody, request_id: str) -> bytes:
        return b",\r\n" + self.error(body, request_id) + b"]"


GOOGLE_ERRORS = GoogleErrors()
GOOGLE_ARRAY_ERRORS = GoogleArrayErrors()
