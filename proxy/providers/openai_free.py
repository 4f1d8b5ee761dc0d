"""What OpenAI bills nothing for: POST /v1/moderations and /v1/responses/input_tokens, which runs no model."""

from collections.abc import Set
from dataclasses import dataclass

import orjson

from proxy.providers import fields
from proxy.providers.base import HeaderMap, Meter, ParsedRequest
from proxy.providers.free_meter import FreeMeter
from proxy.providers.openai_common import OpenAIAdapter
from proxy.providers.strict_json import decode


@dataclass(frozen=True)
class OpenAIFree(OpenAIAdapter):
    """Nothing is bounded, and nothing is metered. `usual_model` answers where the request names none."""

    path: str
    known: frozenset[str]
    usual_model: str = ""
    free = True

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload = decode(body).payload
        fields.check_known(payload, self.known, {}, allowed_fields)
        unnamed = self.usual_model and payload.get("model") is None
        model = self.usual_model if unnamed else fields.model_name(payload)
        return ParsedRequest(model=model, stream=False, payload=payload, input_tokens=0, output_limit=0, least_output=0)

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return orjson.dumps(parsed.payload)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return FreeMeter()


OPENAI_INPUT_TOKENS = OpenAIFree(
    "/responses/input_tokens",
    frozenset(
        {
            "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning",
            "previous_response_id", "conversation", "truncation", "personality",
        }
    ),
)  # fmt: skip
OPENAI_MODERATIONS = OpenAIFree("/moderations", frozenset({"model", "input"}), usual_model="omni-moderation-latest")
