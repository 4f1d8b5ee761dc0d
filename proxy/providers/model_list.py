"""The reply to GET /v1/models, which OpenAI and Anthropic clients ask at the same path."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from proxy.providers.base import HeaderMap


class ListedModel(NamedTuple):
    """`created` in seconds since 1970, 0 where nobody knows; `owned_by` a provider."""

    id: str
    created: int
    owned_by: str


def model_list(models: Iterable[ListedModel], headers: HeaderMap) -> bytes:
    """In the shape that the client reads: only Anthropic's clients name an `anthropic-version`."""
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


def _timestamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
