"""What Gemini's wire formats have in common: the model in the path, the key, the options in the query."""

import re
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import parse_qs

from proxy.providers import fields
from proxy.providers.base import Adapter, HeaderMap, ParsedRequest
from proxy.providers.google_errors import GOOGLE_ERRORS
from proxy.providers.headers import RawHeaders, forwarded_headers

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_FORMS = frozenset({"", "json", "sse"})


@dataclass(frozen=True)
class GeminiAdapter(Adapter):
    """One method of the models; `at` gives the adapter for one request. It keeps nothing else between requests."""

    method: str = ""
    model: str = ""
    """From the path."""
    alt: str = ""
    """From the query: which form a stream has. Nothing else of the query is passed on."""
    version: str = "v1beta"
    """From the path: `v1`, which newer clients ask for, or `v1beta`. The same to us."""

    provider = "gemini"
    dialect = GOOGLE_ERRORS
    tokenizer = "unknown"

    @property
    def path(self) -> str:  # type: ignore[override]
        return f"/{self.version}/models/{{model}}:{self.method}"

    def at(self, version: str, model: str, query: str) -> Self:
        return replace(self, version=version, model=model, alt=parse_qs(query).get("alt", [""])[-1])

    def target(self, parsed: ParsedRequest) -> str:
        return f"/{self.version}/models/{parsed.model}:{self.method}"

    def request_headers(self, headers: HeaderMap, secret: str, *, sandbox: bool = False) -> RawHeaders:
        return forwarded_headers(headers, (), (b"x-goog-api-key", secret.encode()), sandbox=sandbox)

    def checked_model(self, payload: dict[str, Any]) -> str:
        """The path's model, which the body may name once more. Raises RequestRefused."""
        if not _MODEL.fullmatch(self.model):
            fields.refuse("model", "The path must name a model, like /v1beta/models/gemini-2.5-flash:generateContent.")
        if payload.get("model") not in (None, self.model, f"models/{self.model}"):
            fields.refuse("model", f"The body names another model than the path, which says {self.model!r}.")
        if self.alt not in _FORMS:
            fields.refuse("alt", "`alt` must be json or sse.")
        return self.model
