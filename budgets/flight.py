"""What is in flight as one worker keeps it: how each hold ended, each tenant's share of it, and how much it is."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from budgets import keyspace
from budgets.claims import Reservation

SEEN_AGAIN_SECONDS = 30.0  # how often the sweeps are told of a tenant that is busy here


@dataclass(slots=True)
class Ending:
    """How a hold ended. `cost` None: nobody knows whether there was one, and if so it is given back."""

    reservation: Reservation
    cost: int | None
    usage: bytes
    entry: str = ""
    """Its journal entry, once Redis has confirmed it."""
    since: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Share:
    """One tenant's share of what is in flight here; each of the three by hold id."""

    open: dict[str, Reservation] = field(default_factory=dict)
    unconfirmed: dict[str, Ending] = field(default_factory=dict)
    undrained: OrderedDict[str, Ending] = field(default_factory=OrderedDict)
    building: str = ""
    """The building of the counters that all of this is known to; '' before the first hold."""
    seen: float = -SEEN_AGAIN_SECONDS
    """When the sweeps were last told of the tenant; like `looked`, in seconds of time.monotonic()."""
    looked: float = 0.0
    """When the clockwork last looked after it."""
    recovering: "asyncio.Task[None] | None" = None

    @property
    def restless(self) -> bool:
        """Whether something may go wrong with it any moment; what is undrained only waits to be forgotten."""
        return bool(self.open or self.unconfirmed)

    @property
    def idle(self) -> bool:
        return not (self.open or self.unconfirmed or self.undrained)

    @property
    def oldest_entry(self) -> str:
        """The journal entry of the end that has waited longest for the drain; '' where none does."""
        return next(iter(self.undrained.values())).entry if self.undrained else ""

    def forget_drained(self, drained_upto: str) -> int:
        """Let go of what is in the database: all up to this journal entry ('' for nothing yet). How many those were."""
        if not drained_upto:
            return 0
        upto, before = keyspace.stream_id(drained_upto), len(self.undrained)
        while self.undrained and keyspace.stream_id(self.oldest_entry) <= upto:
            self.undrained.popitem(last=False)
        # The rest came later; should one among it have come earlier, it is forgotten with the one before it.
        return before - len(self.undrained)


@dataclass(frozen=True, slots=True)
class Standing:
    """How much is in flight here. `journal_lag`: seconds since the oldest end that the database does not have yet."""

    open: int
    unconfirmed: int
    undrained: int
    journal_lag: float
