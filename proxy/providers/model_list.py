"""The reply to GET /v1/models, which clients of all three families ask, and to Google's GET /v1beta/models."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from proxy.providers.base import HeaderMap


class ListedModel(NamedTuple):
    """`created` in seconds since 1970, 0 where nobody knows; `owned_by` a provider; limits in tokens."""

    id: str
    created: int
    owned_by: str
    context_window: int = 0
    most_output: int = 0


def model_list(models: Iterable[ListedModel], headers: HeaderMap, path: str = "/v1/models") -> bytes:
    """In the shape that the client reads: only Anthropic's clients name an `anthropic-version`; Google's send their key
    in `x-goog-api-key`, or ask at a path of their own.
    """
    if "x-goog-api-key" in headers or path.startswith("/v1beta"):
        return google_list(model for model in models if model.owned_by == "gemini")
    return anthropic_list(models) if "anthropic-version" in headers else openai_list(models)


def openai_list(models: Iterable[ListedModel]) -> bytes:
    data = [
        {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owned_by} for model in models
    ]
    return orjson.dumps({"object": "list", "data": data})


def anthropic_list(models: Iterable[ListedModel]) -> bytes:
    data = [
        {"type": "model", "id": model.id, "display_name": model.id, "created_at": _timestamp(model.created)}
        for model in models
    ]
    ends = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return orjson.dumps({"data": data, "has_more": False, "first_id": ends[0], "last_id": ends[1]})


def google_list(models: Iterable[ListedModel]) -> bytes:
    data = [
        {
            "name": f"models/{model.id}",
            "displayName": model.id,
            "inputTokenLimit": model.context_window,
            "outputTokenLimit": model.most_output,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }
        for model in models
    ]
    return orjson.dumps({"models": data})


def _timestamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
