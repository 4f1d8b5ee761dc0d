"""What OpenAI's wire formats have in common: who is asked, with which headers, and the fields that they share."""

from collections.abc import Set
from typing import Any

from budgets.pricing.rates import Retention
from proxy.providers import fields, multipart
from proxy.providers.base import Adapter, Dialect, HeaderMap
from proxy.providers.headers import RawHeaders, forwarded_headers
from proxy.providers.openai_errors import OPENAI_ERRORS

# Why some fields are refused.
BACKGROUND = "it goes on after the connection is gone, with nobody to meter it"
KEPT = "what the provider kept of it is not in the request, so its input cannot be counted"
HOSTED_PROMPT = "a prompt stored at the provider is not in the request, so its input cannot be counted"
OWN_SEARCHES = "searches add input of any length and fees that are not in the price list"

_OWN_HEADERS = ("openai-organization", "openai-project", "openai-beta")
_STREAM_OPTIONS = frozenset({"include_usage", "include_obfuscation"})
_SEARCHES_BY_ITSELF = ("-search-preview", "-search-api")


class OpenAIAdapter(Adapter):
    """An endpoint of OpenAI's; it keeps nothing between requests."""

    provider = "openai"
    dialect: Dialect = OPENAI_ERRORS
    tokenizer = "byte_bpe"

    def request_headers(self, headers: HeaderMap, secret: str, *, sandbox: bool = False) -> RawHeaders:
        return forwarded_headers(
            headers, _OWN_HEADERS, (b"authorization", b"Bearer " + secret.encode()), sandbox=sandbox
        )


def form_headers(headers: HeaderMap, secret: str, *, sandbox: bool) -> RawHeaders:
    """The same for a body that is a form."""
    authentication = (b"authorization", b"Bearer " + secret.encode())
    return forwarded_headers(
        headers, _OWN_HEADERS, authentication, sandbox=sandbox, content_type=multipart.CONTENT_TYPE
    )


def refuse_own_searches(model: str) -> None:
    """Models that search the web unasked."""
    if any(mark in model for mark in _SEARCHES_BY_ITSELF):
        fields.unbounded("model", f"`{model}` searches the web by itself; {OWN_SEARCHES}.")


def usage_wanted(payload: dict[str, Any]) -> bool:
    """Whether the client asked for the chunk of a stream that carries the usage."""
    options = payload.get("stream_options")
    if options is None:
        return False
    options = fields.optional_object(options, "stream_options")
    fields.check_keys(options, _STREAM_OPTIONS, "stream_options", frozenset())
    return fields.flag(options.get("include_usage"), "stream_options.include_usage")


def service_tier(payload: dict[str, Any], tiers: Set[str]) -> str:
    tier = payload.get("service_tier")
    if tier is None:
        return "default"
    if type(tier) is not str or tier not in tiers:
        fields.unbounded("service_tier", f"`service_tier` must be one of {', '.join(sorted(tiers))}.")
    return "priority" if tier == "fast" else tier  # two names of one price


def end_user(payload: dict[str, Any]) -> str:
    return fields.optional_text(payload.get("safety_identifier"), "safety_identifier") or fields.optional_text(
        payload.get("user"), "user"
    )


def retention(payload: dict[str, Any], serialised: bytes) -> Retention:
    """Prompts are cached without being asked; any wish for a longer life is taken for the longest."""
    longer = payload.get("prompt_cache_retention") not in (None, "in_memory") or b'"ttl"' in serialised
    return Retention.LONG if longer else Retention.SHORT
