"""POST /v1beta/models/{model}:generateContent and :streamGenerateContent, and the free :countTokens."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.providers import fields, gemini_tools
from proxy.providers.base import Dialect, HeaderMap, Meter, ParsedRequest
from proxy.providers.content import Content
from proxy.providers.free_meter import FreeMeter
from proxy.providers.gemini_common import GeminiAdapter
from proxy.providers.gemini_content import read_content, read_contents
from proxy.providers.gemini_meter import GeminiMeter
from proxy.providers.gemini_spelling import spelled
from proxy.providers.google_errors import GOOGLE_ARRAY_ERRORS, GOOGLE_ERRORS
from proxy.providers.strict_json import decode

KNOWN = frozenset(
    {
        "contents", "systemInstruction", "tools", "toolConfig", "safetySettings", "generationConfig", "serviceTier",
        "store", "labels", "model", "continuationToken",
    }
)  # fmt: skip
COUNTED = frozenset({"contents", "generateContentRequest", "model"})
NEVER = {
    "cachedContent": "what the provider kept is not in the request, and keeping it is billed by the hour",
}
CONFIG = frozenset(
    {
        "candidateCount", "stopSequences", "maxOutputTokens", "temperature", "topP", "topK", "seed", "presencePenalty",
        "frequencyPenalty", "responseMimeType", "responseSchema", "responseJsonSchema", "_responseJsonSchema",
        "responseModalities", "responseLogprobs", "logprobs", "thinkingConfig", "mediaResolution",
        "enableEnhancedCivicAnswers",
    }
)  # fmt: skip
_CONFIG_NEVER = {
    "audioTranscriptionConfig": "what transcribing costs is not in the price list",
    "imageConfig": "pictures as output are not in the price list",
    "modelSelectionConfig": "another model with other prices may answer",
    "routingConfig": "another model with other prices may answer",
    "speechConfig": "speech as output has no token limit that we can rely on",
}
_SCHEMAS = ("responseSchema", "responseJsonSchema", "_responseJsonSchema")
_THINKING = frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"})
_TIERS = {"": "standard", "unspecified": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}
_MOST_CANDIDATES = 8


@dataclass(frozen=True)
class GeminiGenerate(GeminiAdapter):
    """`streamed`: as server-sent events, or as a JSON array that arrives bit by bit, as the query says."""

    streamed: bool = False

    @property
    def dialect(self) -> Dialect:  # type: ignore[override]
        return GOOGLE_ARRAY_ERRORS if self.streamed and self.alt != "sse" else GOOGLE_ERRORS

    def target(self, parsed: ParsedRequest) -> str:
        return super().target(parsed) + ("?alt=sse" if self.streamed and self.alt == "sse" else "")

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload = dict(spelled(decode(body).payload, KNOWN, "", allowed_fields, NEVER))
        model = self.checked_model(payload)
        content = Content()
        _read_input(payload, content, allowed_fields)
        config = _read_config(payload, content, allowed_fields)
        limit = fields.whole_number(
            config.get("maxOutputTokens"), "generationConfig.maxOutputTokens", 1, fields.MOST_TOKENS
        )
        candidates = fields.whole_number(
            config.get("candidateCount"), "generationConfig.candidateCount", 1, _MOST_CANDIDATES
        )
        return ParsedRequest(
            model=model,
            stream=self.streamed,
            payload=payload,
            input_tokens=content.tokens(self.tokenizer) + fields.allowed_tokens(payload, allowed_fields, KNOWN),
            # Thoughts count toward the limit.
            output_limit=limit,
            choices=candidates or 1,
            least_output=_thinking_budget(config, allowed_fields) + 1,
            service_tier=_service_tier(payload),
            audio=content.audio,
            images=tuple(content.images),
            fills_window=content.fills_window,
            # What it resumes is at most a window long; the token says nothing of it.
            continues=fields.optional_text(payload.get("continuationToken"), "continuationToken"),
        )

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        config = {**(parsed.payload.get("generationConfig") or {}), "maxOutputTokens": output_limit}
        return orjson.dumps({**parsed.payload, "generationConfig": config})

    def meter(self, parsed: ParsedRequest) -> Meter:
        return GeminiMeter(parsed, events=self.alt == "sse")


@dataclass(frozen=True)
class GeminiCountTokens(GeminiAdapter):
    """Counting is free of charge: nothing is bounded, and nothing is metered."""

    free = True

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload = spelled(decode(body).payload, COUNTED, "", allowed_fields)
        model = self.checked_model(payload)
        return ParsedRequest(model=model, stream=False, payload=payload, input_tokens=0, output_limit=0, least_output=0)

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return orjson.dumps(parsed.payload)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return FreeMeter()


def _read_input(payload: dict[str, Any], content: Content, allowed: Set[str]) -> None:
    """Adds all that reaches the model to `content`, and brings it to one spelling in `payload`."""
    payload["contents"] = read_contents(payload.get("contents"), "contents", content, allowed)
    if payload.get("systemInstruction") is not None:
        payload["systemInstruction"] = read_content(payload["systemInstruction"], "systemInstruction", content, allowed)
    if payload.get("tools") is not None:
        payload["tools"] = gemini_tools.read(payload["tools"], content, allowed)
    if payload.get("toolConfig") is not None:
        content.add_json(payload["toolConfig"])


def _read_config(payload: dict[str, Any], content: Content, allowed: Set[str]) -> dict[str, Any]:
    """The generationConfig in one spelling, put back into `payload` where there is one."""
    if payload.get("generationConfig") is None:
        return {}
    config = spelled(payload["generationConfig"], CONFIG, "generationConfig", allowed, _CONFIG_NEVER)
    payload["generationConfig"] = config
    modalities = config.get("responseModalities")
    if modalities is not None and (type(modalities) is not list or any(each != "TEXT" for each in modalities)):
        fields.unbounded("generationConfig.responseModalities", "Only text output can be used under a spending cap.")
    for name in (*_SCHEMAS, *(config.keys() & allowed - CONFIG)):
        if config.get(name) is not None:
            content.add_json(config[name])
    return config


def _thinking_budget(config: dict[str, Any], allowed: Set[str]) -> int:
    """0 where the model decides; the reply needs at least a token more than its budget."""
    if config.get("thinkingConfig") is None:
        return 0
    thinking = spelled(config["thinkingConfig"], _THINKING, "generationConfig.thinkingConfig", allowed)
    where = "generationConfig.thinkingConfig.thinkingBudget"
    return max(0, fields.whole_number(thinking.get("thinkingBudget"), where, -1, fields.MOST_TOKENS) or 0)


def _service_tier(payload: dict[str, Any]) -> str:
    tier = fields.optional_text(payload.get("serviceTier"), "serviceTier").lower().removeprefix("service_tier_")
    if tier not in _TIERS:
        fields.unbounded("serviceTier", "`serviceTier` must be standard, flex or priority.")
    return _TIERS[tier]


GEMINI_GENERATE = GeminiGenerate("generateContent")
GEMINI_STREAM = GeminiGenerate("streamGenerateContent", streamed=True)
GEMINI_COUNT_TOKENS = GeminiCountTokens("countTokens")
