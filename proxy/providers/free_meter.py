"""The meter of what a provider does not bill."""

from budgets.pricing.usage import Usage


class FreeMeter:
    """For what the provider does not bill: nothing is read."""

    complete = True

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""

    def feed_body(self, body: bytes) -> None: ...

    def usage(self) -> Usage:
        return Usage()
