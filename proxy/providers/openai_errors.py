"""Error bodies as OpenAI clients read them."""

import orjson

from proxy.providers.base import ErrorBody


class OpenAIErrors:
    """`{"error": {code, message, type, param, ...details}}`."""

    name = "openai"

    def error(self, body: ErrorBody, request_id: str) -> bytes:
        return orjson.dumps({"error": self._error(body)})

    def stream_error(self, body: ErrorBody, request_id: str) -> bytes:
        """The official SDKs raise on a data event that has an `error`."""
        return b"data: " + self.error(body, request_id) + b"\n\n"

    @staticmethod
    def _error(body: ErrorBody) -> dict[str, object]:
        # Details first: whatever they hold, the fields that clients switch on are the ones of the body.
        own = {"code": body.code, "message": body.message, "type": body.type, "param": body.param}
        return {**own, **body.details, **own}


OPENAI_ERRORS = OpenAIErrors()
