"""Request bodies read in the one way that every reader agrees on.

A body that two parsers may read differently (a key given twice, NaN, a lone surrogate) could be priced by one reading
and billed by the other, so it is refused. One liberty is taken: an integer beyond 64 bits goes on as a double.
"""

import json
from typing import Any, NamedTuple

import orjson

from proxy.providers.base import RequestRefused


class Decoded(NamedTuple):
    """A body that is a JSON object, and our own serialisation of it."""

    payload: dict[str, Any]
    serialised: bytes


class _DuplicateKey(ValueError):
    """Carries the key that an object gave twice."""


def decode(body: bytes) -> Decoded:
    """Raises RequestRefused `invalid_json` unless `body` is one strict JSON object in UTF-8."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise _invalid(f"The body is not valid JSON: {exc}.") from exc
    if type(payload) is not dict:
        raise _invalid("The body must be a JSON object.")
    try:
        serialised = orjson.dumps(payload)
    except orjson.JSONEncodeError as exc:
        raise _invalid("The body is nested too deeply.") from exc
    # Each key has one colon, and both texts spell all strings' colons alike unless the body escapes some. So colons
    # that went missing are keys that went missing: ones given twice, of which the decoder kept the last.
    if body.count(b":") != serialised.count(b":") or b"\\u003" in body:
        _refuse_duplicate_keys(body)
    return Decoded(payload, serialised)


def _refuse_duplicate_keys(body: bytes) -> None:
    """The slow, plain way: only for bodies that the count of colons cannot clear."""
    try:
        json.loads(body, object_pairs_hook=_unique)
    except _DuplicateKey as exc:
        raise _invalid(f"The key {exc} is given more than once in one object.") from exc
    except (ValueError, RecursionError) as exc:
        raise _invalid("The body is not valid JSON.") from exc


def _unique(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _DuplicateKey(repr(key[:64]))
        seen.add(key)


def _invalid(message: str) -> RequestRefused:
    return RequestRefused("invalid_json", message)
