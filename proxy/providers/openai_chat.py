"""POST /v1/chat/completions."""

import re
from collections.abc import Set
from typing import Any

import orjson

from budgets.pricing.bound import text_bound
from budgets.pricing.rates import Retention
from proxy.providers import fields, openai_content
from proxy.providers.base import Dialect, HeaderMap, Meter, ParsedRequest
from proxy.providers.headers import RawHeaders, forwarded_headers
from proxy.providers.openai_errors import OPENAI_ERRORS
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
    "background": "it goes on after the connection is gone, with nobody to meter it",
    "conversation": "what the provider kept of it is not in the request, so its input cannot be counted",
    "previous_response_id": "what the provider kept of it is not in the request, so its input cannot be counted",
    "prompt": "a prompt stored at the provider is not in the request, so its input cannot be counted",
    "web_search_options": "searches add input of any length and fees that are not in the price list",
}
_STREAM_OPTIONS = frozenset({"include_usage", "include_obfuscation"})
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
_SEARCHES_BY_ITSELF = ("-search-preview", "-search-api")
# Models that know only the old name of the limit, and ones that refuse it.
_OLD_LIMIT = ("gpt-3.5-", "gpt-4-")
_NEW_LIMIT = re.compile(r"(ft:)?(o\d|gpt-([5-9]|\d\d))")
_OWN_HEADERS = ("openai-organization", "openai-project", "openai-beta")


class OpenAIChat:
    """The adapter; it keeps nothing between requests."""

    provider = "openai"
    dialect: Dialect = OPENAI_ERRORS
    path = "/chat/completions"
    free = False
    tokenizer = "byte_bpe"

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload, serialised = decode(body)
        fields.check_known(payload, KNOWN, NEVER, allowed_fields)
        model = fields.model_name(payload)
        if any(mark in model for mark in _SEARCHES_BY_ITSELF):
            fields.unbounded("model", f"`{model}` searches the web by itself; {NEVER['web_search_options']}.")
        content = openai_content.read(payload, allowed_fields)
        _check_modalities(payload)
        stream = fields.flag(payload.get("stream"), "stream")
        return ParsedRequest(
            model=model,
            stream=stream,
            payload=payload,
            input_tokens=content.tokens(self.tokenizer) + _allowed_tokens(payload, allowed_fields),
            output_limit=_client_limit(payload),
            choices=fields.whole_number(payload.get("n"), "n", 1, 128) or 1,
            end_user=_end_user(payload),
            service_tier=_service_tier(payload),
            usage_wanted=_usage_wanted(payload) or not stream,
            images=tuple(content.images),
            audio=content.audio,
            fills_window=content.fills_window,
            retention=_retention(payload, serialised),
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

    def request_headers(self, headers: HeaderMap, secret: str, *, sandbox: bool = False) -> RawHeaders:
        return forwarded_headers(
            headers, _OWN_HEADERS, (b"authorization", b"Bearer " + secret.encode()), sandbox=sandbox
        )


def _client_limit(payload: dict[str, Any]) -> int | None:
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


def _usage_wanted(payload: dict[str, Any]) -> bool:
    options = payload.get("stream_options")
    if options is None:
        return False
    options = fields.optional_object(options, "stream_options")
    fields.check_keys(options, _STREAM_OPTIONS, "stream_options", frozenset())
    return fields.flag(options.get("include_usage"), "stream_options.include_usage")


def _service_tier(payload: dict[str, Any]) -> str:
    tier = payload.get("service_tier")
    if tier is None:
        return "default"
    if type(tier) is not str or tier not in _TIERS:
        fields.unbounded("service_tier", f"`service_tier` must be one of {', '.join(sorted(_TIERS))}.")
    return "priority" if tier == "fast" else tier  # two names of one price


def _check_modalities(payload: dict[str, Any]) -> None:
    if payload.get("modalities") not in (None, [], ["text"]):
        fields.unbounded("modalities", f"Only text output can be used under a spending cap: {NEVER['audio']}.")


def _end_user(payload: dict[str, Any]) -> str:
    return fields.optional_text(payload.get("safety_identifier"), "safety_identifier") or fields.optional_text(
        payload.get("user"), "user"
    )


def _retention(payload: dict[str, Any], serialised: bytes) -> Retention:
    """Prompts are cached without being asked; any wish for a longer life is taken for the longest."""
    longer = payload.get("prompt_cache_retention") not in (None, "in_memory") or b'"ttl"' in serialised
    return Retention.LONG if longer else Retention.SHORT


def _prediction_tokens(payload: dict[str, Any], tokenizer: str) -> int:
    """Predicted tokens that the model rejects are billed as output."""
    prediction = fields.optional_object(payload.get("prediction"), "prediction")
    return text_bound([orjson.dumps(prediction).decode()], tokenizer) if prediction else 0


def _allowed_tokens(payload: dict[str, Any], allowed: Set[str]) -> int:
    """Fields that only the tenant knows: should they reach the model as text, they are covered."""
    return sum(len(orjson.dumps(payload[name])) for name in payload.keys() & allowed - KNOWN)


OPENAI_CHAT = OpenAIChat()
