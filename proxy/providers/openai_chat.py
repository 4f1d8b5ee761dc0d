"""POST /v1/chat/completions."""

import re
from collections.abc import Set
from typing import Any

import orjson

from budgets.pricing.bound import text_bound
from proxy.providers import fields, openai_common, openai_content
from proxy.providers.base import HeaderMap, Meter, ParsedRequest
from proxy.providers.openai_common import OpenAIAdapter
from proxy.providers.openai_meter import OpenAIMeter
from proxy.providers.strict_json import decode

KNOWN = frozenset(
    {
        "model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "temperature",
        "top_p", "stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs",
        "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format", "user",
        "safety_identifier", "metadata", "store", "service_tier", "reasoning_effort", "verbosity", "prediction",
        "modalities", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
    }
)  # fmt: skip
NEVER = {
    "audio": "speech output has no token limit that we can rely on",
    "background": openai_common.BACKGROUND,
    "conversation": openai_common.KEPT,
    "previous_response_id": openai_common.KEPT,
    "prompt": openai_common.HOSTED_PROMPT,
    "web_search_options": openai_common.OWN_SEARCHES,
}
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
# Models that know only the old name of the limit, and ones that refuse it.
_OLD_LIMIT = ("gpt-3.5-", "gpt-4-")
_NEW_LIMIT = re.compile(r"(ft:)?(o\d|gpt-([5-9]|\d\d))")


class OpenAIChat(OpenAIAdapter):
    """The adapter; it keeps nothing between requests."""

    path = "/chat/completions"

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload, serialised = decode(body)
        fields.check_known(payload, KNOWN, NEVER, allowed_fields)
        model = fields.model_name(payload)
        openai_common.refuse_own_searches(model)
        content = openai_content.read(payload, allowed_fields)
        _check_modalities(payload)
        stream = fields.flag(payload.get("stream"), "stream")
        return ParsedRequest(
            model=model,
            stream=stream,
            payload=payload,
            input_tokens=content.tokens(self.tokenizer) + fields.allowed_tokens(payload, allowed_fields, KNOWN),
            output_limit=client_limit(payload),
            choices=fields.whole_number(payload.get("n"), "n", 1, 128) or 1,
            end_user=openai_common.end_user(payload),
            service_tier=openai_common.service_tier(payload, _TIERS),
            usage_wanted=openai_common.usage_wanted(payload) or not stream,
            images=tuple(content.images),
            audio=content.audio,
            fills_window=content.fills_window,
            retention=openai_common.retention(payload, serialised),
            extra_output=_prediction_tokens(payload, self.tokenizer),
        )

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        payload = dict(parsed.payload)
        payload.pop("max_tokens", None)
        payload.pop("max_completion_tokens", None)
        payload[_limit_field(parsed)] = output_limit
        if parsed.stream:
            payload["stream_options"] = {**(payload.get("stream_options") or {}), "include_usage": True}
        if payload.get("service_tier") is None:
            payload["service_tier"] = "default"
        return orjson.dumps(payload)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return OpenAIMeter(parsed)


def client_limit(payload: dict[str, Any]) -> int | None:
    """Both names given: the larger counts, as the provider might take either."""
    old = fields.whole_number(payload.get("max_tokens"), "max_tokens", 1, fields.MOST_TOKENS)
    new = fields.whole_number(payload.get("max_completion_tokens"), "max_completion_tokens", 1, fields.MOST_TOKENS)
    return max(old or 0, new or 0) or None


def _limit_field(parsed: ParsedRequest) -> str:
    """The client's own choice where the model takes it, else the name that the model takes."""
    old, new = parsed.payload.get("max_tokens"), parsed.payload.get("max_completion_tokens")
    if _NEW_LIMIT.match(parsed.model):
        return "max_completion_tokens"
    if parsed.payload.get("prediction") is not None or parsed.model == "gpt-4" or parsed.model.startswith(_OLD_LIMIT):
        return "max_tokens"
    return "max_tokens" if old is not None and new is None else "max_completion_tokens"


def _check_modalities(payload: dict[str, Any]) -> None:
    if payload.get("modalities") not in (None, [], ["text"]):
        fields.unbounded("modalities", f"Only text output can be used under a spending cap: {NEVER['audio']}.")


def _prediction_tokens(payload: dict[str, Any], tokenizer: str) -> int:
    """Predicted tokens that the model rejects are billed as output."""
    prediction = fields.optional_object(payload.get("prediction"), "prediction")
    return text_bound([orjson.dumps(prediction).decode()], tokenizer) if prediction else 0


OPENAI_CHAT = OpenAIChat()
