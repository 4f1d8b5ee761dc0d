"""The reference page at /api/docs/: the schema as HTML, made here, without scripts or anybody else's server."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator

Schema = dict[str, Any]

_ORDER = (
    *("Tenant", "Keys", "Budget", "Usage", "Provider credentials", "Alerts", "Prices"),
    *("Management tokens", "Audit log"),
)


@dataclass(frozen=True, slots=True)
class Field:
    """One name of a body or an address. `type` in words; `note` from the schema's description."""

    name: str
    type: str
    required: bool
    note: str

    @property
    def parts(self) -> list[tuple[str, bool]]:
        """The note in pieces, and whether each is code: what stood in backticks."""
        return [(part, bool(index % 2)) for index, part in enumerate(self.note.split("`")) if part]


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    summary: str
    description: str
    scope: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    status: str
    answer: tuple[Field, ...]

    @property
    def anchor(self) -> str:
        return f"{self.method}-{self.path}".lower().replace("/", "-").translate({ord(sign): None for sign in "{}."})


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    operations: tuple[Operation, ...]


def reference(request: HttpRequest) -> HttpResponse:
    return render(request, "api/reference.html", {"groups": groups()})


@lru_cache(maxsize=1)
def groups() -> tuple[Group, ...]:
    """Every operation of the schema, by its tag: what one needs first comes first."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    found: dict[str, list[Operation]] = {name: [] for name in _ORDER}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            found.setdefault(operation["tags"][0], []).append(_operation(schema, path, method, operation))
    return tuple(Group(name, tuple(operations)) for name, operations in found.items() if operations)


def _operation(schema: Schema, path: str, method: str, operation: Schema) -> Operation:
    status, reply = next(iter(operation["responses"].items()))
    may = {name for each in operation.get("security", []) for name in each}
    who = {"apiKey": "an application's key", "managementToken": "read" if method == "get" else "write"}
    if len(may) > 1:
        who["managementToken"] = "read"
    return Operation(
        method=method.upper(),
        path=path,
        summary=operation.get("summary") or operation.get("description", "").partition(".")[0],
        description=operation.get("description", "") if operation.get("summary") else "",
        scope=" or ".join(who[name] for name in who if name in may),
        parameters=tuple(_parameter(schema, each) for each in operation.get("parameters", []) if each["in"] != "path"),
        body=tuple(_fields(schema, operation.get("requestBody", {}))),
        status=status,
        answer=tuple(_fields(schema, reply)),
    )


def _parameter(schema: Schema, given: Schema) -> Field:
    name = f"{given['name']} (header)" if given["in"] == "header" else given["name"]
    return Field(name, _type(schema, given["schema"]), bool(given.get("required")), given.get("description", ""))


def _fields(schema: Schema, carrier: Schema) -> Iterator[Field]:
    """The names of a JSON body; none where it is another format, or empty."""
    content = carrier.get("content", {}).get("application/json", {}).get("schema", {})
    yield from _properties(schema, _resolved(schema, content), "")


def _properties(schema: Schema, whole: Schema, prefix: str) -> Iterator[Field]:
    """The names of an object, each followed by those of what it holds: `scopes`, `scopes.limit_usd`, ..."""
    required = whole.get("required", [])
    for name, part in whole.get("properties", {}).items():
        inner = _resolved(schema, part)
        note = part.get("description") or ("" if "properties" in inner else inner.get("description", ""))
        yield Field(prefix + name, _type(schema, part), name in required, note)
        if inner.get("type") == "array":
            inner = _resolved(schema, inner["items"])
        yield from _properties(schema, inner, f"{prefix}{name}.")


def _resolved(schema: Schema, part: Schema) -> Schema:
    while "$ref" in part or len(part.get("allOf", ())) == 1:
        part = part["allOf"][0] if "allOf" in part else schema["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    return part


def _type(schema: Schema, part: Schema) -> str:
    whole = _resolved(schema, part)
    null = " or null" if part.get("nullable") or whole.get("nullable") else ""
    if "oneOf" in whole:
        kinds = [_type(schema, each) for each in whole["oneOf"] if each.get("enum") != [None]]
        return " or ".join(dict.fromkeys(kinds)) + null
    if "enum" in whole:
        return ", ".join(f"“{each}”" for each in whole["enum"] if each is not None) + null
    if whole.get("type") == "array":
        return f"list of {_type(schema, whole['items'])}{null}"
    if whole.get("format") == "decimal":
        return f"USD{null}"
    return (_NAMES.get(whole.get("format", "")) or _NAMES.get(whole.get("type", ""), "object")) + null


_NAMES = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "object": "object",
    "date": "day",
    "date-time": "time",
    "uri": "address",
}
