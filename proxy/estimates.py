"""Holds that are learned from a tenant's own replies, for tenants that have chosen them over bounds.

Kept for each key, model and endpoint: which share of its bound each of the last replies cost. A high quantile of these,
and a quarter more, is what the next request holds. It is a guess: what is in flight can cost more than it holds.
Shares are whole parts of a million, so that no float comes near the money.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from budgets.money import ceil_div

PARTS = 1_000_000
# Below so many replies nothing is known yet: the bound is held. The last ones of so many are remembered.
ENOUGH, KEPT = 50, 200
# Of a hundred replies, so many cost no more than the quantile; what is held is that and a quarter of it.
QUANTILE_PERCENT = 98
MARGIN_PERCENT = 25
REFRESHED_EVERY = 10
MOST_PLACES = 4096

Place = tuple[str, str, str]
"""Key id, model, endpoint."""


@dataclass(slots=True)
class _Learned:
    shares: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT))
    seen: int = 0
    estimate: int = PARTS

    def note(self, share: int) -> None:
        self.shares.append(share)
        self.seen += 1
        if self.seen >= ENOUGH and (self.seen == ENOUGH or self.seen % REFRESHED_EVERY == 0 or share > self.estimate):
            self.estimate = self._reckoned()

    def _reckoned(self) -> int:
        ranked = sorted(self.shares)
        quantile = ranked[(len(ranked) - 1) * QUANTILE_PERCENT // 100]
        return min(PARTS, max(1, ceil_div(quantile * (100 + MARGIN_PERCENT), 100)))


class Estimates:
    """What one event loop has learned; bounded: what was longest out of use is forgotten, its bound held again."""

    def __init__(self) -> None:
        self._learned: OrderedDict[Place, _Learned] = OrderedDict()

    def hold(self, place: Place, bound: int) -> int:
        """What to hold for a request that can cost up to `bound` nanodollars: all of it until enough is known."""
        learned = self._learned.get(place)
        if learned is None or learned.estimate >= PARTS:
            return bound
        return min(bound, ceil_div(bound * learned.estimate, PARTS))

    def note(self, place: Place, cost: int, bound: int) -> None:
        """A reply that could have cost `bound` cost `cost`."""
        if bound <= 0:
            return
        learned = self._learned.get(place)
        if learned is None:
            learned = self._learned[place] = _Learned()
            while len(self._learned) > MOST_PLACES:
                self._learned.popitem(last=False)
        self._learned.move_to_end(place)
        learned.note(min(PARTS, ceil_div(cost * PARTS, bound)))
