"""Google's JSON takes every name in two spellings, `maxOutputTokens` and `max_output_tokens`, and a lone object for a
list of one. Read here in one way: what is interpreted is brought to the first spelling, and that is what goes out.
"""

import re
from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any

from proxy.providers import fields

_WORD = re.compile(r"_([a-z0-9])")
_NOTHING: Mapping[str, str] = MappingProxyType({})


def spelled(
    value: Any, known: Set[str], where: str, allowed: Set[str], never: Mapping[str, str] = _NOTHING
) -> dict[str, Any]:
    """An object with its known names in one spelling; names that only the tenant knows, and allows, stay as they are.

    Raises RequestRefused for any other name, for one given twice, and for one of `never`, with the reason. `where` is
    empty for the body itself.
    """
    if type(value) is not dict:
        fields.refuse(where, f"`{where}` must be an object.")
    if value.keys() <= known:
        return value
    found: dict[str, Any] = {}
    for given, item in value.items():
        name = _usual(given, known, never)
        place = f"{where}.{given[:100]}" if where else given[:100]
        if name in found:
            fields.unbounded(place, f"`{name[:100]}` is given in two spellings.")
        if name in never:
            if item is not None:
                fields.unbounded(place, f"`{name}` cannot be used under a spending cap: {never[name]}.")
        elif name not in known:
            _check_allowed(given, known | never.keys(), place, allowed)
        found[name] = item
    return found


def listed(value: Any) -> Any:
    """A lone object as the list that it stands for; anything else as it is."""
    return [value] if type(value) is dict else value


def _usual(name: str, known: Set[str], never: Mapping[str, str]) -> str:
    if name in known or name in never:
        return name
    usual = _WORD.sub(lambda match: match[1].upper(), name)
    return usual if usual in known or usual in never else name


def _check_allowed(name: str, documented: Set[str], place: str, allowed: Set[str]) -> None:
    meant = next((usual for usual in documented if _folded(usual) == _folded(name)), None)
    if meant is not None:
        fields.unbounded(place, f"`{name[:100]}` differs from `{meant}` only in case. Use the documented spelling.")
    if name not in allowed:
        fields.unbounded(place, fields.unknown_field(name))


def _folded(name: str) -> str:
    return name.replace("_", "").casefold()
