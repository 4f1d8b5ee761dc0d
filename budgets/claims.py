"""What a request asks of the ledger and what it is given: counters, requests, packed claims, reservations."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from budgets import compact, keyspace, scripts
from budgets.frames import DEADLINE, HOLE, Frame, PackedCall
from budgets.values import value
from budgets.windows import Window
from tenants.ids import dated_id


@dataclass(frozen=True, slots=True)
class Counter:
    """One cap's place: whose it is, over which window, and how much it may come to (None: counted, not capped)."""

    scope: str
    window: Window
    key: str
    cap: int | None
    hard: bool


@value
class Request:
    """What a reservation is for: static facts that go into the journal with whatever becomes of it."""

    tenant_id: str
    key_id: str
    mode: str
    provider: str
    model: str
    endpoint: str
    end_user: str
    stream: bool
    price: tuple[tuple[str, int], ...]
    """The rates that it was quoted at, by kind: nanodollars a million tokens."""
    price_source: str = ""
    price_since: str = ""
    """An ISO date, empty where it is not known."""
    own_price: str = ""
    """The id of the tenant's own price or discount, empty for the list's."""


@dataclass(slots=True)
class Reservation:
    """A hold that was granted: `held` nanodollars on `counters` since `at_ms` by Redis's clock."""

    id: str
    tenant_id: str
    counters: tuple[Counter, ...]
    held: int
    at_ms: int
    remaining: int | None
    """Cap minus spent minus held of the tightest scope after this hold; None where nothing is capped."""
    meta: bytes = field(repr=False)
    building: str = ""
    """Which building of the counters granted it: each rebuild makes another."""

    @property
    def counter_keys(self) -> str:
        return " ".join(counter.key for counter in self.counters)


class Claim:
    """What a reserve asks for whatever its amount, packed once: good for every request of a key on a day that is alike.

    `day`: the day that the counters' windows were reckoned from; Redis checks it against its own clock.
    """

    __slots__ = ("_frame", "counters", "meta", "tenant_id")

    def __init__(
        self, request: Request, counters: Sequence[Counter], day: Window, version: int, owner: str, lease_ms: int
    ) -> None:
        self.tenant_id = tenant = request.tenant_id
        self.counters, self.meta = tuple(counters), _meta(request)
        policy, _, holds, journal = ending_keys(tenant, "")
        arguments: list[str | int | bytes] = []
        for counter in counters:
            cap = "" if counter.cap is None else counter.cap
            arguments += (cap, "1" if counter.hard else "", counter.window.expires_at)
        self._frame = Frame(
            scripts.RESERVE,
            [policy, HOLE, holds, journal, *[counter.key for counter in counters]],
            [
                *(version, DEADLINE, day.start, day.end, lease_ms, HOLE, HOLE),
                *(owner, self.meta, keyspace.hold_prefix(tenant), HOLE, *arguments, HOLE, HOLE),
            ],
        )

    def call(self, hold: str, least: int, most: int, building: str, *, between: bool) -> PackedCall:
        key, building_too = keyspace.hold(self.tenant_id, hold).encode(), building.encode()
        amounts = b"%d" % least, b"%d" % most
        return self._frame.filled(key, *amounts, hold.encode(), building_too, b"" if between else b"1")


def hold_id() -> str:
    return dated_id("req", 20)


def ending_keys(tenant_id: str, hold: str) -> list[str]:
    return [
        keyspace.policy(tenant_id),
        keyspace.hold(tenant_id, hold),
        keyspace.holds(tenant_id),
        keyspace.journal(tenant_id),
    ]


@lru_cache(maxsize=32_768)  # of some 800 bytes: as many tenants as may be busy at a time
def settle_frame(tenant_id: str) -> Frame:
    policy, _, holds, journal = ending_keys(tenant_id, "")
    return Frame(scripts.SETTLE, [policy, HOLE, holds, journal], [HOLE, HOLE, HOLE, ""])


@lru_cache(maxsize=4096)
def _meta(request: Request) -> bytes:
    """The static facts as the journal carries them; budgets.journal reads these names."""
    return compact.dumps(
        {
            "key": request.key_id,
            "mode": request.mode,
            "provider": request.provider,
            "model": request.model,
            "endpoint": request.endpoint,
            "user": request.end_user,
            "stream": request.stream,
            "price": dict(request.price),
            "source": request.price_source,
            "since": request.price_since,
            "own": request.own_price,
        }
    )
