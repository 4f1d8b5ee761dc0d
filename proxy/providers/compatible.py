"""Providers that speak OpenAI's chat format under a model prefix of their own: `groq/llama-3.3-70b-versatile`.

What such a provider does differently is a `Wire`: a row of data, and a function where its usage is told otherwise. The
prefix leads here (`registry.named`) and is taken off what goes out; keys' model lists, prices and the ledger see the
whole name. The rows are in `compatible_wires`; docs/providers.md is the recipe for another one.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from budgets.pricing.rates import Model, Retention
from budgets.pricing.usage import Usage
from proxy.providers import fields, openai_common, openai_content
from proxy.providers.base import HeaderMap, Meter, ParsedRequest
from proxy.providers.bounds import most_input_tokens
from proxy.providers.headers import RawHeaders, forwarded_headers
from proxy.providers.openai_chat import KNOWN, client_limit
from proxy.providers.openai_common import OpenAIAdapter
from proxy.providers.openai_completions import OpenAICompletions
from proxy.providers.openai_embeddings import OpenAIEmbeddings
from proxy.providers.openai_meter import OpenAIMeter, read_usage
from proxy.providers.strict_json import decode

CHAT, COMPLETIONS, EMBEDDINGS = "/chat/completions", "/completions", "/embeddings"

# OpenAI's fields without those that can change a price; what the provider does not know, it refuses itself.
COMMON = KNOWN - {
    "service_tier", "prediction", "modalities", "prompt_cache_retention", "prompt_cache_options", "prompt_cache_key",
}  # fmt: skip
# What their models' replies hold beside OpenAI's fields, and clients send back; it is counted as text.
MESSAGE_FIELDS = frozenset({"reasoning", "reasoning_content", "reasoning_details", "prefix"})
# Templates of open models may begin with a system message of their own. The longest seen is xAI's, of 680 tokens.
TEMPLATE_TOKENS = 1_024
# Written where the client names no limit and the model's own is not known: one that these models can be expected to
# take.
USUAL_LIMIT = 8_192

_NEVER = {
    "background": openai_common.BACKGROUND,
    "deferred": openai_common.BACKGROUND,
    "prediction": "what the model rejects of it may be billed, and the price list does not say how",
    "service_tier": "the prices of its tiers are not in the price list",
    "web_search_options": openai_common.OWN_SEARCHES,
    "search_parameters": openai_common.OWN_SEARCHES,
    "plugins": openai_common.OWN_SEARCHES,
    "audio": "speech output has no token limit that we can rely on",
}


def with_payload(parsed: ParsedRequest, payload: dict[str, Any]) -> ParsedRequest:
    return replace(parsed, payload=payload)


def plain_usage(usage: dict[str, Any]) -> Usage:
    """As OpenAI tells it. Raises UsageUnknown."""
    return read_usage(usage, "", Retention.SHORT)


def usage_field(reply: dict[str, Any]) -> Any:
    return reply.get("usage")


@dataclass(frozen=True)
class Wire:
    """How one provider differs from OpenAI's chat completions.

    limit_field   what it calls the limit of output tokens
    serves        the endpoints that it has, of CHAT, COMPLETIONS and EMBEDDINGS
    asks          whether a stream is asked for its usage (`stream_options`); where not, it comes unasked, and the
                  field, which is not known there, is taken out
    known         its fields beside the COMMON ones that change no price
    never         its fields that no tenant can allow, with the reason
    tiers         service tiers at the standard price; the first is written where the client names none
    headers       request headers that it reads, beside the usual
    read          its usage, as a `Usage`
    find          where in a reply, or a chunk of a stream, that usage is
    loads         how JSON is read, where numbers have to stay exact
    binds         the payload as it goes out, given the model and the input tokens that it was bounded by
    kind          the name in metrics, where `provider` is a tenant's word
    """

    provider: str
    limit_field: str = "max_tokens"
    serves: tuple[str, ...] = (CHAT,)
    asks: bool = True
    known: frozenset[str] = frozenset()
    never: dict[str, str] = field(default_factory=dict, hash=False)
    tiers: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    read: Callable[[dict[str, Any]], Usage] = plain_usage
    find: Callable[[dict[str, Any]], Any] = usage_field
    loads: Callable[[bytes], Any] = orjson.loads
    binds: Callable[[dict[str, Any], Model, int], dict[str, Any]] | None = None
    kind: str = ""


class CompatibleAdapter(OpenAIAdapter):
    """What the endpoints of one wire share; it keeps nothing between requests."""

    tokenizer = "unknown"

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.provider = wire.provider
        self.kind = wire.kind or wire.provider

    def request_headers(self, headers: HeaderMap, secret: str, *, sandbox: bool = False) -> RawHeaders:
        """Without `authorization` where there is no key: a tenant's own server may ask for none."""
        bearer = (b"authorization", b"Bearer " + secret.encode())
        sent = forwarded_headers(headers, self.wire.headers, bearer, sandbox=sandbox)
        return sent if secret else [each for each in sent if each is not bearer]

    def name_there(self, parsed: ParsedRequest) -> str:
        """The model as the provider knows it."""
        return parsed.model.removeprefix(f"{self.provider}/")


class CompatibleChat(CompatibleAdapter):
    """POST /chat/completions."""

    path = CHAT

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._known = COMMON | wire.known | ({"service_tier"} if wire.tiers else set())
        self._never = {name: why for name, why in (_NEVER | wire.never).items() if name not in self._known}

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload = decode(body).payload
        fields.check_known(payload, self._known, self._never, allowed_fields)
        content = openai_content.read(payload, allowed_fields, MESSAGE_FIELDS)
        stream = fields.flag(payload.get("stream"), "stream")
        self._check_tier(payload)
        return ParsedRequest(
            model=fields.model_name(payload),
            stream=stream,
            payload=payload,
            input_tokens=content.tokens(self.tokenizer)
            - sum(image.most for image in content.images)
            + TEMPLATE_TOKENS
            + fields.allowed_tokens(payload, allowed_fields | self.wire.known, COMMON),
            output_limit=client_limit(payload),
            usual_limit=USUAL_LIMIT,
            choices=fields.whole_number(payload.get("n"), "n", 1, 128) or 1,
            end_user=openai_common.end_user(payload),
            usage_wanted=openai_common.usage_wanted(payload) or not stream,
            audio=content.audio,
            fills_window=content.fills_window or bool(content.images),  # no formula for them is published
            retention=Retention.SHORT,
        )

    def _check_tier(self, payload: dict[str, Any]) -> None:
        tier = payload.get("service_tier")
        if tier is not None and tier not in self.wire.tiers:
            known = ", ".join(self.wire.tiers)
            fields.unbounded("service_tier", f"`service_tier` must be one of {known}: no other has a price here.")

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        payload = {**parsed.payload, "model": self.name_there(parsed)}
        for name in ("max_tokens", "max_completion_tokens"):
            payload.pop(name, None)
        payload[self.wire.limit_field] = output_limit
        if not self.wire.asks:
            payload.pop("stream_options", None)
        elif parsed.stream:
            payload["stream_options"] = {**(payload.get("stream_options") or {}), "include_usage": True}
        if self.wire.tiers and payload.get("service_tier") is None:
            payload["service_tier"] = self.wire.tiers[0]
        return orjson.dumps(payload)

    def priced(self, parsed: ParsedRequest, model: Model) -> ParsedRequest:
        if self.wire.binds is None:
            return parsed
        return with_payload(parsed, self.wire.binds(parsed.payload, model, most_input_tokens(parsed, model)))

    def meter(self, parsed: ParsedRequest) -> Meter:
        return CompatibleMeter(parsed, self.wire)


class CompatibleCompletions(CompatibleAdapter, OpenAICompletions):
    """POST /completions."""

    path = COMPLETIONS

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return OpenAICompletions.render(
            self, with_payload(parsed, {**parsed.payload, "model": self.name_there(parsed)}), output_limit
        )

    def meter(self, parsed: ParsedRequest) -> Meter:
        return CompatibleMeter(parsed, self.wire)


class CompatibleEmbeddings(CompatibleAdapter, OpenAIEmbeddings):
    """POST /embeddings."""

    path = EMBEDDINGS

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return orjson.dumps({**parsed.payload, "model": self.name_there(parsed)})


class CompatibleMeter(OpenAIMeter):
    """OpenAI's meter, that reads the usage where and as this provider tells it."""

    __slots__ = ("_wire",)

    def __init__(self, parsed: ParsedRequest, wire: Wire) -> None:
        super().__init__(parsed)
        self._wire = wire

    def _loads(self, data: bytes) -> Any:
        return self._wire.loads(data)

    def _find(self, reply: dict[str, Any]) -> Any:
        return self._wire.find(reply)

    def _read(self, usage: dict[str, Any]) -> Usage:
        return self._wire.read(usage)


ADAPTERS: dict[str, Callable[[Wire], CompatibleAdapter]] = {
    CHAT: CompatibleChat,
    COMPLETIONS: CompatibleCompletions,
    EMBEDDINGS: CompatibleEmbeddings,
}


def adapters_of(wire: Wire) -> dict[str, CompatibleAdapter]:
    """By the endpoint's path."""
    return {path: ADAPTERS[path](wire) for path in wire.serves}
