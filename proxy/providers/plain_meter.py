"""The meter of formats that have no stream: one JSON object, its usage in it."""

from collections.abc import Callable
from typing import Any

import orjson

from budgets.pricing.usage import Usage, UsageUnknown


class PlainMeter:
    """`read` takes the usage out of the reply, and raises UsageUnknown."""

    def __init__(self, read: Callable[[dict[str, Any]], Usage]) -> None:
        self._read = read
        self._reply: dict[str, Any] | None = None

    @property
    def complete(self) -> bool:
        return self._reply is not None

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""

    def feed_body(self, body: bytes) -> None:
        try:
            reply = orjson.loads(body)
        except orjson.JSONDecodeError:
            return  # `usage` says that there was none
        if type(reply) is dict:
            self._reply = reply

    def usage(self) -> Usage:
        if self._reply is None:
            raise UsageUnknown("the reply is no JSON object")
        return self._read(self._reply)
