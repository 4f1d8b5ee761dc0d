"""The meter of what is billed by the request alone: nothing in the reply can change it."""

from budgets.pricing.usage import Usage


class FixedMeter:
    """All passes on as it is."""

    complete = True

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""

    def feed_body(self, body: bytes) -> None: ...

    def usage(self) -> Usage:
        return self._usage
