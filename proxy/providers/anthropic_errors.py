"""Error bodies as Anthropic clients read them."""

import orjson

from proxy.providers.base import ErrorBody

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


class AnthropicErrors:
    """`{"type": "error", "error": {type, code, message, ...details}, "request_id": ...}`."""

    name = "anthropic"

    def error(self, body: ErrorBody, request_id: str) -> bytes:
        own = {"type": _TYPES.get(body.status, "api_error"), "code": body.code, "message": body.message}
        if body.param is not None:
            own["param"] = body.param
        error = {**own, **body.details, **own}
        return orjson.dumps({"type": "error", "error": error, "request_id": request_id})

    def stream_error(self, body: ErrorBody, request_id: str) -> bytes:
        return b"event: error\ndata: " + self.error(body, request_id) + b"\n\n"


ANTHROPIC_ERRORS = AnthropicErrors()
