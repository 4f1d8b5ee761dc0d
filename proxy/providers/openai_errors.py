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


class OpenAIResponsesErrors(OpenAIErrors):
    """The same, but inside a stream an event of the type that clients of /v1/responses switch on."""

    def stream_error(self, body: ErrorBody, request_id: str) -> bytes:
        event = {
            "type": "error",
            "sequence_number": 0,  # how many events went before is not known here
            "code": body.code,
            "message": body.message,
            "param": body.param,
            "error": self._error(body),
        }
        return b"event: error\ndata: " + orjson.dumps(event) + b"\n\n"


OPENAI_ERRORS = OpenAIErrors()
OPENAI_RESPONSES_ERRORS = OpenAIResponsesErrors()
