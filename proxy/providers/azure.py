"""Azure OpenAI: OpenAI's wire format at a resource of the tenant's own, its models under names of its own.

A *deployment* is what a request names: in the path (`/openai/deployments/{deployment}/chat/completions`, with an
`api-version` in the query) or, in the newer API, as its model (`/openai/v1/chat/completions`). What it costs goes by
the model that the tenant says is deployed there. Reference: learn.microsoft.com/azure/ai-foundry/openai/reference
and .../latest.
"""

import re
from collections.abc import Set
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NoReturn
from urllib.parse import quote

import orjson

from budgets.pricing.rates import Model
from proxy.providers import fields, openai_common
from proxy.providers.base import Adapter, Endpoint, HeaderMap, Meter, ParsedRequest, RequestRefused
from proxy.providers.headers import RawHeaders, forwarded_headers
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_common import OpenAIAdapter
from proxy.providers.openai_completions import OPENAI_COMPLETIONS
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.providers.strict_json import decode

PREFIX = "azure/"
_FORMATS: dict[str, OpenAIAdapter] = {each.path: each for each in (OPENAI_CHAT, OPENAI_COMPLETIONS, OPENAI_EMBEDDINGS)}


class AzureAdapter(OpenAIAdapter):
    """One of OpenAI's formats at one resource. `deployment`: from the path, where the client named it there."""

    provider = "azure"

    def __init__(self, endpoint: Endpoint, path: str, deployment: str = "") -> None:
        self.endpoint, self.path, self._deployment = endpoint, path, deployment
        self._format = _FORMATS[path]
        self.purpose = self._format.purpose

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        """The model is `azure/<deployment>` from here on; the format's own rules go by what is deployed."""
        payload = decode(body).payload
        deployment = self._deployment or fields.model_name(payload).removeprefix(PREFIX)
        priced = self._priced_as(deployment)
        openai_common.refuse_own_searches(priced)
        if payload.get("service_tier") not in (None, "default"):
            fields.unbounded("service_tier", "Azure's prices of other service tiers are not in the price list.")
        parsed = self._format.parse(orjson.dumps({**payload, "model": priced}), headers, allowed_fields)
        return replace(parsed, model=PREFIX + deployment)

    def _priced_as(self, deployment: str) -> str:
        assert self.endpoint is not None
        return self.endpoint.model_of(deployment) or _unknown_deployment(deployment)

    def price_name(self, parsed: ParsedRequest) -> str:
        return self._priced_as(parsed.model.removeprefix(PREFIX))

    def target(self, parsed: ParsedRequest) -> str:
        assert self.endpoint is not None
        deployment, version = parsed.model.removeprefix(PREFIX), self.endpoint.api_version
        if not version:
            return f"/openai/v1{self.path}"
        return f"/openai/deployments/{quote(deployment, safe='')}{self.path}?api-version={quote(version, safe='')}"

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        """As OpenAI gets it, but for the name, and a tier that older versions of the API do not know."""
        assert self.endpoint is not None
        model = self.price_name(parsed)
        rendered = self._format.render(replace(parsed, model=model), output_limit)
        payload = {**orjson.loads(rendered), "model": parsed.model.removeprefix(PREFIX)}
        if self.endpoint.api_version and parsed.payload.get("service_tier") is None:
            payload.pop("service_tier", None)
        return orjson.dumps(payload)

    def priced(self, parsed: ParsedRequest, model: Model) -> ParsedRequest:
        return self._format.priced(parsed, model)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return self._format.meter(parsed)

    def request_headers(self, headers: HeaderMap, secret: str, *, sandbox: bool = False) -> RawHeaders:
        return forwarded_headers(headers, (), (b"api-key", secret.encode()), sandbox=sandbox)


@dataclass(frozen=True)
class Unplaced(OpenAIAdapter):
    """A path of Azure's form, before it is known whose resource it leads to (`registry.named`)."""

    path: str
    deployment: str = ""
    provider = "azure"

    def at(self, endpoint: Endpoint | None) -> Adapter:
        """Raises RequestRefused."""
        if endpoint is None:
            raise RequestRefused(
                "provider_not_configured", "No key for azure is stored. Add one under Providers, with your resource."
            )
        if self.path not in _FORMATS:
            raise RequestRefused(
                "route_not_metered", f"Azure's models are not served at {self.path} here.", status=404, param="model"
            )
        return adapter(endpoint, self.path, self.deployment)

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        return self.at(None).parse(body, headers, allowed_fields)

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return self.at(None).render(parsed, output_limit)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return self.at(None).meter(parsed)


_PATH = re.compile(r"/openai/(?:v1|deployments/([^/]{1,128}))(/[a-z/]+)")


def at_path(path: str) -> Unplaced | None:
    """What serves `/openai/...`; None: a path whose cost nobody can say."""
    found = _PATH.fullmatch(path)
    return Unplaced(found[2], found[1] or "") if found and found[2] in _FORMATS else None


def _unknown_deployment(deployment: str) -> NoReturn:
    raise RequestRefused(
        "model_not_priced",
        f"No deployment {deployment[:100]!r} is listed with the Azure key, so nobody can say what it costs. "
        "An admin of your organisation can add it, with the model that runs there, under Providers.",
        param="model",
    )


@lru_cache(maxsize=4096)
def adapter(endpoint: Endpoint, path: str, deployment: str = "") -> Adapter:
    return AzureAdapter(endpoint, path, deployment)
