"""Checks of single fields, each with the refusal that names the field."""

from collections.abc import Set
from typing import Any, NoReturn

import orjson

from proxy.providers.base import RequestRefused

MOST_TOKENS = 1_000_000_000
"""No request or reply of any model comes near; a count above it is a mistake or an attack."""


def refuse(param: str, message: str) -> NoReturn:
    """400 `invalid_request`: the field has a value that it cannot have."""
    raise RequestRefused("invalid_request", message, param=param)


def unbounded(param: str, message: str) -> NoReturn:
    """400 `unbounded_request`: what the field asks for has no known upper price."""
    raise RequestRefused("unbounded_request", message, param=param)


def check_known(payload: dict[str, Any], known: Set[str], never: dict[str, str], allowed: Set[str]) -> None:
    """The top-level names. `never`: the ones that no tenant can allow, with the reason; null there means not given."""
    if payload.keys() <= known:
        return
    for name, value in payload.items():
        if name in known:
            continue
        if name in never:
            if value is not None:
                unbounded(name, f"`{name}` cannot be used under a spending cap: {never[name]}")
        elif name.casefold() in known or name.casefold() in never:
            unbounded(
                name, f"`{name[:100]}` differs from `{name.casefold()}` only in case. Use the documented spelling."
            )
        elif name not in allowed:
            unbounded(name, unknown_field(name))


def unknown_field(name: str, kind: str = "field") -> str:
    """What is said about a name that only the tenant can know."""
    return (
        f"`{name[:100]}` is not a {kind} that this gateway can put a price on. "
        "An admin of your organisation can allow it under Settings > Allowed fields."
    )


def check_keys(value: dict[str, Any], known: Set[str], where: str, allowed: Set[str]) -> None:
    """The names of a nested object that we interpret; one that a tenant allows may pass."""
    if value.keys() <= known:
        return
    for name in value:
        if name not in known and name not in allowed:
            unbounded(f"{where}.{name[:100]}", unknown_field(name))


def model_name(payload: dict[str, Any]) -> str:
    model = payload.get("model")
    if type(model) is not str or not model or len(model) > 200:
        refuse("model", "`model` must be the name of a model.")
    return model


def flag(value: Any, where: str) -> bool:
    """False where the field is absent or null."""
    if value is None:
        return False
    if type(value) is not bool:
        refuse(where, f"`{where}` must be true or false.")
    return value


def whole_number(value: Any, where: str, least: int, most: int) -> int | None:
    """An integer within its range; None where the field is absent or null. `true` is no number."""
    if value is None:
        return None
    if type(value) is not int or not least <= value <= most:
        refuse(where, f"`{where}` must be a whole number from {least} to {most}.")
    return value


def object_list(value: Any, where: str) -> list[dict[str, Any]]:
    if type(value) is not list or not all(type(item) is dict for item in value):
        refuse(where, f"`{where}` must be a list of objects.")
    return value


def optional_object(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if type(value) is not dict:
        refuse(where, f"`{where}` must be an object.")
    return value


def optional_text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if type(value) is not str:
        refuse(where, f"`{where}` must be a string.")
    return value


def allowed_tokens(payload: dict[str, Any], allowed: Set[str], known: Set[str]) -> int:
    """Fields that only the tenant knows: should they reach the model as text, they are covered."""
    if not allowed:
        return 0
    return sum(len(orjson.dumps(payload[name])) for name in payload.keys() & allowed - known)
