"""POST /v1/messages, and its free companion /v1/messages/count_tokens."""

from collections.abc import Set
from typing import Any

import orjson

from budgets.pricing.rates import Retention
from proxy.providers import anthropic_content, anthropic_tools, fields
from proxy.providers.anthropic_betas import HEADER as BETA
from proxy.providers.anthropic_betas import check_betas, forwarded_betas
from proxy.providers.anthropic_errors import ANTHROPIC_ERRORS
from proxy.providers.anthropic_meter import AnthropicMeter
from proxy.providers.base import Adapter, Dialect, HeaderMap, Meter, ParsedRequest
from proxy.providers.free_meter import FreeMeter
from proxy.providers.headers import RawHeaders, forwarded_headers
from proxy.providers.strict_json import decode

KNOWN = frozenset(
    {
        "model", "messages", "max_tokens", "system", "stream", "stop_sequences", "temperature", "top_p", "top_k",
        "metadata", "tools", "tool_choice", "thinking", "service_tier", "cache_control", "output_config",
        "output_format", "context_management", "diagnostics", "inference_geo", "speed",
    }
)  # fmt: skip
COUNTED = frozenset(
    {
        "model", "messages", "system", "tools", "tool_choice", "thinking", "cache_control", "output_config",
        "output_format", "context_management", "speed", "mcp_servers",
    }
)  # fmt: skip
_KEPT = "what the provider kept is not in the request, so its input cannot be counted"
NEVER = {
    "billing_policy": "it decides who pays, which here the organisation does",
    "compaction": "the summary that the provider writes has no token limit",
    "container": _KEPT,
    "fallback_credit_token": "it changes the prices of a request",
    "fallbacks": "another model with other prices may answer",
    "mcp_servers": "the provider may call them as often as the model likes",
    "thread": _KEPT,
}
_TIERS = frozenset({"auto", "standard_only"})
_REGIONS = ("global", "us")
_FREE_EDITS = frozenset({"clear_tool_uses_20250919", "clear_thinking_20251015"})
_VERSION = "anthropic-version"
_OLDEST_VERSION = "2023-06-01"


class AnthropicMessages(Adapter):
    """The adapter; it keeps nothing between requests."""

    provider = "anthropic"
    dialect: Dialect = ANTHROPIC_ERRORS
    path = "/v1/messages"
    tokenizer = "unknown"

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload, serialised = decode(body)
        fields.check_known(payload, KNOWN, NEVER, allowed_fields)
        check_betas(headers, allowed_fields)
        model = fields.model_name(payload)
        _check_prices_known(payload)
        payload = anthropic_tools.called_directly(payload)
        content = anthropic_content.read(payload, allowed_fields)
        server_tools = anthropic_tools.read(payload, content)
        limit = fields.whole_number(payload.get("max_tokens"), "max_tokens", 0, fields.MOST_TOKENS)
        return ParsedRequest(
            model=model,
            stream=fields.flag(payload.get("stream"), "stream"),
            payload=payload,
            input_tokens=content.tokens(self.tokenizer) + fields.allowed_tokens(payload, allowed_fields, KNOWN),
            output_limit=limit,
            # Each turn of a loop that the provider runs may be as long as the limit.
            choices=server_tools.calls + 1,
            least_output=_least_output(payload, limit),
            end_user=_end_user(payload),
            service_tier=_service_tier(payload),
            region=payload.get("inference_geo") or "",  # left out, the workspace's default counts: any
            images=tuple(content.images),
            fills_window=content.fills_window,
            model_calls=server_tools.calls + 1,
            web_searches=server_tools.searches,
            retention=_retention(serialised, server_tools.calls),
        )

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        payload = {**parsed.payload, "max_tokens": output_limit}
        if payload.get("service_tier") is None:
            payload["service_tier"] = "standard_only"
        return orjson.dumps(payload)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return AnthropicMeter(parsed)

    def request_headers(self, headers: HeaderMap, secret: str, *, sandbox: bool = False) -> RawHeaders:
        version = (_VERSION.encode(), headers.get(_VERSION, _OLDEST_VERSION).encode("latin-1", "ignore"))
        sent = [version, *forwarded_headers(headers, (), (b"x-api-key", secret.encode()), sandbox=sandbox)]
        if betas := forwarded_betas(headers):
            sent.append((BETA.encode(), betas.encode("latin-1", "ignore")))
        return sent


class AnthropicCountTokens(AnthropicMessages):
    """Counting is free of charge: nothing is bounded, and nothing is metered."""

    path = "/v1/messages/count_tokens"
    free = True

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload = decode(body).payload
        fields.check_known(payload, COUNTED, {}, allowed_fields)
        check_betas(headers, allowed_fields)
        model = fields.model_name(payload)
        return ParsedRequest(model=model, stream=False, payload=payload, input_tokens=0, output_limit=0, least_output=0)

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return orjson.dumps(parsed.payload)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return FreeMeter()


def _check_prices_known(payload: dict[str, Any]) -> None:
    """Fields whose values can change the price of everything else."""
    if payload.get("inference_geo") not in (None, *_REGIONS):
        fields.unbounded(
            "inference_geo", f"`inference_geo` must be {' or '.join(_REGIONS)}: no other has a price here."
        )
    if payload.get("speed") not in (None, "standard", "fast"):
        fields.unbounded("speed", "`speed` must be standard or fast.")
    management = fields.optional_object(payload.get("context_management"), "context_management")
    fields.check_keys(management, {"edits"}, "context_management", frozenset())
    for edit in fields.object_list(management.get("edits") or [], "context_management.edits"):
        if edit.get("type") not in _FREE_EDITS:
            fields.unbounded(
                "context_management.edits",
                f"The edit {str(edit.get('type'))[:50]!r} may cost tokens that no limit bounds.",
            )


def _service_tier(payload: dict[str, Any]) -> str:
    """`fast` is a speed to the provider and a price list to us."""
    tier = payload.get("service_tier")
    if tier is not None and (type(tier) is not str or tier not in _TIERS):
        fields.unbounded("service_tier", "`service_tier` must be auto or standard_only.")
    if payload.get("speed") == "fast":
        return "fast"
    return tier or "standard_only"


def _least_output(payload: dict[str, Any], limit: int | None) -> int:
    """Thinking comes out of the output limit: the reply needs at least a token more than its budget."""
    thinking = fields.optional_object(payload.get("thinking"), "thinking")
    given = thinking.get("budget_tokens")
    budget = fields.whole_number(given, "thinking.budget_tokens", 1, fields.MOST_TOKENS) or 0
    # A budget above the client's own limit is the provider's to judge (interleaved thinking allows it).
    return budget + 1 if limit is None else min(budget + 1, limit)


def _end_user(payload: dict[str, Any]) -> str:
    metadata = fields.optional_object(payload.get("metadata"), "metadata")
    return fields.optional_text(metadata.get("user_id"), "metadata.user_id")


def _retention(serialised: bytes, server_calls: int) -> Retention:
    if b'"cache_control"' in serialised:
        return Retention.LONG if b'"1h"' in serialised else Retention.SHORT
    # Between the turns of its own tool loops the provider caches without being asked.
    return Retention.SHORT if server_calls else Retention.NONE


ANTHROPIC_MESSAGES = AnthropicMessages()
ANTHROPIC_COUNT_TOKENS = AnthropicCountTokens()
