"""Which tool is called, and with which arguments. Arguments fit the tool's JSON schema as far as a caller may expect:
every required property is there with its type; the first free string carries the output's words. Replies that a client
wants as JSON fit their schema in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

_SMALLEST: dict[str, Any] = {"string": "amber", "integer": 7, "number": 7, "boolean": True}
_MOST_STEPS = 16
_ANY_OBJECT: Mapping[str, Any] = {"properties": {"answer": {"type": "string"}}}


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
    """The tool that the request names, else the first."""
    return next((tool for tool in tools if forced in (None, tool.name)), None)


def arguments_for(schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    return _Filling(schema, text).object(schema)


def json_for(schema: Any, text: str) -> str:
    """A reply as JSON that fits the schema; an object with an `answer` where there is none."""
    schema = schema if isinstance(schema, Mapping) and schema else _ANY_OBJECT
    filling = _Filling(schema, text)
    value = filling.value(schema)
    return orjson.dumps(filling.object(schema) if value is None else value).decode()


def pieces(text: str, count: int) -> list[str]:
    """`text` cut into `count` parts (the last ones may be empty), as a stream shows it."""
    size = -(-len(text) // max(count, 1))
    return [text[size * index : size * (index + 1)] for index in range(count)]


@dataclass(slots=True)
class _Filling:
    """Values for a schema; `root` holds the definitions that `$ref` names. What goes on for ever ends after `left`."""

    root: Mapping[str, Any]
    text: str
    left: int = 100

    def object(self, schema: Any) -> dict[str, Any]:
        schema = self._resolved(schema)
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        if not isinstance(properties, Mapping):
            return {}
        required = schema.get("required")
        if not isinstance(required, list):
            required = [name for name in properties if self._is_free_string(properties[name])][:1]
        arguments = {name: self.value(properties.get(name)) for name in required if isinstance(name, str)}
        speaking = next((name for name in arguments if self._is_free_string(properties.get(name))), None)
        if speaking is not None:
            arguments[speaking] = self.text
        return arguments

    def value(self, schema: Any) -> Any:
        """The smallest of the schema's type; None where the schema does not say."""
        self.left -= 1
        if self.left < 0:
            return None
        match self._resolved(schema):
            case {"const": value}:
                return value
            case {"enum": [value, *_]}:
                return value
            case {"anyOf": [alternative, *_]} | {"allOf": [alternative, *_]}:
                return self.value(alternative)
            case {"type": [kind, *_]} as several:
                return self.value({**several, "type": kind})
            case {"type": "object"} as found:
                return self.object(found)
            case {"type": "array", "items": items, "minItems": int(least)}:
                return [self.value(items) for _ in range(min(least, self.left))]
            case {"type": "array"}:
                return []
            case {"type": str(kind)}:
                return _SMALLEST.get(kind)
            case _:
                return None

    def _is_free_string(self, schema: Any) -> bool:
        schema = self._resolved(schema)
        return isinstance(schema, Mapping) and schema.get("type") == "string" and "enum" not in schema

    def _resolved(self, schema: Any) -> Any:
        """What `#/$defs/Name` stands for; None where it leads nowhere, or in a circle."""
        for _ in range(_MOST_STEPS):
            if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
                return schema
            found: Any = self.root
            for step in filter(None, schema["$ref"].removeprefix("#").split("/")):
                found = found.get(step) if isinstance(found, Mapping) else None
            schema = found
        return None
