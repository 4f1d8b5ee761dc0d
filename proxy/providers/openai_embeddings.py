"""POST /v1/embeddings."""

from collections.abc import Set
from typing import Any

import orjson

from budgets.pricing.rates import Purpose
from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers import fields, openai_prompts
from proxy.providers.base import HeaderMap, Meter, ParsedRequest
from proxy.providers.openai_common import OpenAIAdapter
from proxy.providers.plain_meter import PlainMeter
from proxy.providers.strict_json import decode
from proxy.providers.usage_fields import optional, required

KNOWN = frozenset({"model", "input", "dimensions", "encoding_format", "user"})


class OpenAIEmbeddings(OpenAIAdapter):
    """The adapter; it keeps nothing between requests. There is no output to bill."""

    path = "/embeddings"
    purpose = Purpose.EMBEDDING

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload = decode(body).payload
        fields.check_known(payload, KNOWN, {}, allowed_fields)
        prompts = openai_prompts.read(payload.get("input"), "input", self.tokenizer)
        return ParsedRequest(
            model=fields.model_name(payload),
            stream=False,
            payload=payload,
            input_tokens=prompts.tokens + fields.allowed_tokens(payload, allowed_fields, KNOWN),
            output_limit=0,
            least_output=0,
            end_user=fields.optional_text(payload.get("user"), "user"),
            model_calls=prompts.count,  # each has the context window to itself
        )

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return orjson.dumps(parsed.payload)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return PlainMeter(read_usage)


def read_usage(reply: dict[str, Any]) -> Usage:
    """Raises UsageUnknown."""
    usage = reply.get("usage")
    if type(usage) is not dict:
        raise UsageUnknown("the reply named no usage")
    return Usage(input_tokens=max(required(usage, "prompt_tokens"), optional(usage, "total_tokens")))


OPENAI_EMBEDDINGS = OpenAIEmbeddings()
