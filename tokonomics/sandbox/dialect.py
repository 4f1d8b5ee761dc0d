"""What a wire format has to provide. A new one is a file with a `Dialect` in it, listed in router.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tokonomics.sandbox.instructions import PLAINLY, Instructions
from tokonomics.sandbox.reply import Reply


class RequestError(Exception):
    """A request that the provider would refuse; each dialect gives it its own shape."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True)
class Request:
    """What a reply depends on. Header names are lower case; `now` is Unix time in whole seconds."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    now: int
    instructions: Instructions = PLAINLY
    query: str = ""

    def json(self) -> dict[str, Any]:
        """The body. Raises RequestError."""
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise RequestError(400, "We could not parse the JSON body of your request.") from None
        if not isinstance(document, dict):
            raise RequestError(400, "The JSON body of your request must be an object.")
        return document


Handler = Callable[[Request], Reply]


@dataclass(frozen=True, slots=True)
class Dialect:
    """`handler` answers None for a route that the provider does not have; `error_event` ends a broken stream."""

    name: str
    speaks: Callable[[Request], bool]
    handler: Callable[[Request], Handler | None]
    error: Callable[[Request, RequestError], Reply]
    error_event: bytes


def required(document: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    """A field that the provider insists on. Raises RequestError."""
    value = document.get(name)
    if value is None:
        raise RequestError(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
    if not isinstance(value, kind):
        raise RequestError(400, f"Invalid type for '{name}'.", code="invalid_type", param=name)
    return value


def whole_number(document: Mapping[str, Any], name: str, *, low: int = 1, high: int | None = None) -> int | None:
    """An optional whole number within bounds. Raises RequestError."""
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < low or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"from {low} to {high}"
        raise RequestError(400, f"'{name}' must be a whole number {bounds}.", code="invalid_value", param=name)
    return value


def optional_object(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object, empty where the request has none. Raises RequestError."""
    value = document.get(name)
    if value is not None and not isinstance(value, dict):
        raise RequestError(400, f"Invalid type for '{name}': expected an object.", code="invalid_type", param=name)
    return value or {}


def messages_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The conversation, at least one message. Raises RequestError."""
    messages: list[dict[str, Any]] = required(document, "messages", list)
    if not messages or not all(isinstance(message, dict) for message in messages):
        raise RequestError(400, "'messages' must be objects, at least one.", code="invalid_value", param="messages")
    return messages
