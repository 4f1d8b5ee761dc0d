"""What the ledger can answer instead of yes."""

from budgets.claims import Counter


class LedgerError(Exception):
    """Root of what a ledger call can answer instead of yes."""


class LedgerUnavailable(LedgerError):
    """Redis did not answer, answered too late, or is not ready: nothing may be admitted."""


class LedgerCold(LedgerUnavailable):
    """The counters were built on another server or are gone: rebuild, then ask again."""


class LedgerOpening(LedgerUnavailable):
    """Just rebuilt after a loss; admits again in `wait` seconds, when every worker has shown what it has in flight."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"opens in {wait:.1f} s")
        self.wait = wait


class PolicyStale(LedgerError):
    """The caller decided on another version of the tenant's policy than the published one: load it again."""

    def __init__(self, version: int) -> None:
        super().__init__(f"version {version} holds")
        self.version = version


class PolicyFenced(LedgerError):
    """A change of the policy is under way, or was cut off: heal with these tokens, then load again."""

    def __init__(self, tokens: list[str]) -> None:
        super().__init__("a change of the policy is under way")
        self.tokens = tokens


class WindowMoved(LedgerError):
    """By Redis's clock it is another day than the caller reckoned: reckon again, and repeat."""


class HoldGone(LedgerError):
    """The hold has ended already."""


class CapExceeded(LedgerError):
    """It does not fit: for good (`held_only` False), or only because of what requests in flight hold."""

    def __init__(self, counter: Counter, *, spent: int, held: int, cap: int, held_only: bool) -> None:
        super().__init__()
        self.counter, self.spent, self.held, self.cap, self.held_only = counter, spent, held, cap, held_only

    def __str__(self) -> str:
        return f"{self.counter.scope} {self.counter.window.kind}: {self.spent} spent, {self.held} held of {self.cap}"
