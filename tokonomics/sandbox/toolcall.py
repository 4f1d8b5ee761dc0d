"""Which tool is called, and with which arguments. Arguments fit the tool's JSON schema as far as a caller may expect:
every required property is there with its type; the first free string carries the output's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

_SMALLEST: dict[str, Any] = {"string": "amber", "integer": 7, "number": 7, "boolean": True, "array": []}


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: Mapping[str, Any]

    @classmethod
    def declared(cls, declaration: Mapping[str, Any], schema_field: str) -> Tool:
        schema = declaration.get(schema_field)
        return cls(str(declaration.get("name")), schema if isinstance(schema, Mapping) else {})


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: Mapping[str, Any]

    def arguments_json(self) -> str:
        return orjson.dumps(self.arguments).decode()


def objects_in(value: Any) -> list[dict[str, Any]]:
    """The objects of a list, which a client may have filled with anything or left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def choose(tools: Sequence[Tool], forced: str | None) -> Tool | None:
    """The tool that the request insists on, else the first."""
    return next((tool for tool in tools if forced in (None, tool.name)), None)


def arguments_for(schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    required = schema.get("required")
    if not isinstance(required, list):
        required = [name for name in properties if _is_free_string(properties[name])][:1]
    arguments = {name: _smallest(properties.get(name), text) for name in required if isinstance(name, str)}
    speaking = next((name for name in arguments if _is_free_string(properties.get(name))), None)
    if speaking is not None:
        arguments[speaking] = text
    return arguments


def pieces(text: str, count: int) -> list[str]:
    """`text` cut into `count` parts (the last ones may be empty), as a stream shows it."""
    size = -(-len(text) // max(count, 1))
    return [text[size * index : size * (index + 1)] for index in range(count)]


def _is_free_string(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") == "string" and "enum" not in schema


def _smallest(schema: Any, text: str) -> Any:
    """A value of the schema's type; None where the schema does not say."""
    match schema:
        case {"const": value}:
            return value
        case {"enum": [value, *_]}:
            return value
        case {"anyOf": [alternative, *_]}:
            return _smallest(alternative, text)
        case {"type": [kind, *_]}:
            return _smallest({**schema, "type": kind}, text)
        case {"type": "object"}:
            return arguments_for(schema, text)
        case {"type": str(kind)}:
            return _SMALLEST.get(kind)
        case _:
            return None
