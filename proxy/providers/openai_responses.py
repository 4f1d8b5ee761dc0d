"""POST /v1/responses."""

from collections.abc import Set
from typing import Any

import orjson

from proxy.providers import fields, openai_common, openai_responses_input, openai_responses_tools
from proxy.providers.base import HeaderMap, Meter, ParsedRequest
from proxy.providers.openai_common import OpenAIAdapter
from proxy.providers.openai_errors import OPENAI_RESPONSES_ERRORS
from proxy.providers.openai_responses_meter import OpenAIResponsesMeter
from proxy.providers.strict_json import decode

KNOWN = frozenset(
    {
        "model", "input", "instructions", "max_output_tokens", "max_tool_calls", "stream", "stream_options",
        "temperature", "top_p", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning",
        "previous_response_id", "store", "include", "truncation", "metadata", "service_tier", "user",
        "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "background",
        "client_metadata",
    }
)  # fmt: skip
NEVER = {
    "background_options": openai_common.BACKGROUND,
    "context_management": "the summary that the provider writes of a conversation has no token limit",
    "conversation": openai_common.KEPT,
    "prompt": openai_common.HOSTED_PROMPT,
}
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
_REASONING = frozenset({"effort", "summary", "generate_summary", "context", "mode"})
_TEXT = frozenset({"format", "verbosity"})
_STREAM_OPTIONS = frozenset({"include_obfuscation"})
_LEAST_LIMIT = 16  # the provider takes no smaller one


class OpenAIResponses(OpenAIAdapter):
    """The adapter; it keeps nothing between requests."""

    dialect = OPENAI_RESPONSES_ERRORS
    path = "/responses"

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload, serialised = decode(body)
        fields.check_known(payload, KNOWN, NEVER, allowed_fields)
        model = fields.model_name(payload)
        openai_common.refuse_own_searches(model)
        _check_options(payload)
        payload = openai_responses_tools.with_call_limit(payload)
        content = openai_responses_input.read(payload, allowed_fields)
        hosted = openai_responses_tools.read(payload, content, allowed_fields)
        limit = payload.get("max_output_tokens")
        return ParsedRequest(
            model=model,
            stream=fields.flag(payload.get("stream"), "stream"),
            payload=payload,
            input_tokens=content.tokens(self.tokenizer) + fields.allowed_tokens(payload, allowed_fields, KNOWN),
            # One limit for the whole response, whatever the number of turns that tools make of it.
            output_limit=fields.whole_number(limit, "max_output_tokens", 1, fields.MOST_TOKENS),
            least_output=_LEAST_LIMIT,
            end_user=openai_common.end_user(payload),
            service_tier=openai_common.service_tier(payload, _TIERS),
            images=tuple(content.images),
            audio=content.audio,
            fills_window=content.fills_window,
            kept=payload.get("store") is not False,
            continues=fields.optional_text(payload.get("previous_response_id"), "previous_response_id"),
            model_calls=hosted.calls + 1,
            web_searches=hosted.searches,
            retention=openai_common.retention(payload, serialised),
        )

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        payload = {**parsed.payload, "max_output_tokens": output_limit}
        if payload.get("service_tier") is None:
            payload["service_tier"] = "default"
        return orjson.dumps(payload)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return OpenAIResponsesMeter(parsed)


def _check_options(payload: dict[str, Any]) -> None:
    """Fields whose values may ask for what nobody can bound."""
    if fields.flag(payload.get("background"), "background"):
        fields.unbounded("background", f"`background` cannot be used under a spending cap: {openai_common.BACKGROUND}.")
    reasoning = fields.optional_object(payload.get("reasoning"), "reasoning")
    fields.check_keys(reasoning, _REASONING, "reasoning", frozenset())
    if reasoning.get("mode") not in (None, "standard"):
        fields.unbounded("reasoning.mode", "How many tokens this mode takes beyond the limit is not published.")
    text = fields.optional_object(payload.get("text"), "text")
    fields.check_keys(text, _TEXT, "text", frozenset())
    options = fields.optional_object(payload.get("stream_options"), "stream_options")
    fields.check_keys(options, _STREAM_OPTIONS, "stream_options", frozenset())


OPENAI_RESPONSES = OpenAIResponses()
