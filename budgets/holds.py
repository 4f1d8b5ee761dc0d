"""Open holds as Redis keeps them, for pages and tests to look at. Only the scripts (budgets/lua) decide by them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OpenHold:
    """`amount`: nanodollars held on `counters` since `at_ms` by Redis's clock. `meta`: what it is for, JSON."""

    amount: int
    counters: tuple[str, ...]
    at_ms: int
    owner: str
    meta: bytes


def read(text: Any) -> OpenHold | None:
    """What MGET says of a hold's key; None for what is not open (any more)."""
    if not isinstance(text, bytes) or not text.startswith(b"open\n"):
        return None
    _, amount, counters, at, owner, _, meta = text.split(b"\n", 6)
    return OpenHold(int(amount), tuple(counters.decode().split()), int(at), owner.decode(), meta)


def written(hold: OpenHold) -> bytes:
    """The same as Redis would keep it, without what it left."""
    lines = ("open", str(hold.amount), " ".join(hold.counters), str(hold.at_ms), hold.owner, "")
    return "\n".join(lines).encode() + b"\n" + hold.meta
