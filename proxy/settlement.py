"""How an admitted request ended, and what it is charged: the one place that turns a meter's reading into an ending."""

import asyncio
import logging
from dataclasses import dataclass, field

import orjson

from budgets.inflight import InFlight
from budgets.ledger import Reservation
from budgets.pricing import cost as pricing
from budgets.pricing.rates import Model
from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers.base import Meter

log = logging.getLogger(__name__)

NOT_SENT = orjson.dumps({"status": "not_sent"})


@dataclass(slots=True)
class Settlement:
    """One request's way to exactly one row. Whatever calls come first decide; later ones change nothing."""

    reservation: Reservation
    model: Model
    inflight: InFlight
    started: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    done: bool = False
    cost: int = 0

    def at_usage(self, meter: Meter, http_status: int, flags: tuple[str, ...] = ()) -> None:
        """At what the reply reported; where that cannot be known, at the hold."""
        if self.done:
            return
        try:
            usage = meter.usage()
            cost = pricing.cost(self.model, usage)
        except UsageUnknown as error:
            log.warning("%s is charged at its hold: %s", self.reservation.id, error)
            self.at_hold(http_status, (*flags, "usage_missing"))
            return
        if cost > self.reservation.held:
            log.error("%s cost %d, above its hold of %d", self.reservation.id, cost, self.reservation.held)
            flags = (*flags, "bound_breach")
        self._settle("settled", cost, http_status, flags, usage)

    def at_hold(self, http_status: int | None, flags: tuple[str, ...]) -> None:
        """The most it can have cost: nobody can say what it did."""
        if not self.done:
            self._settle("charged_at_hold", self.reservation.held, http_status, flags, None)

    def given_back(self, status: str, http_status: int | None) -> None:
        """Nothing was spent: `provider_error`, `not_sent`."""
        if not self.done:
            self.done = True
            self.inflight.release(self.reservation, self._ending(status, http_status, (), None))

    def _settle(
        self, status: str, cost: int, http_status: int | None, flags: tuple[str, ...], usage: Usage | None
    ) -> None:
        self.done, self.cost = True, cost
        self.inflight.settle(self.reservation, cost, self._ending(status, http_status, flags, usage))

    def _ending(self, status: str, http_status: int | None, flags: tuple[str, ...], usage: Usage | None) -> bytes:
        """What the journal carries of the end; budgets.journal reads these names."""
        elapsed = asyncio.get_running_loop().time() - self.started
        ending: dict[str, object] = {"status": status, "http": http_status, "ms": int(elapsed * 1000)}
        if flags:
            ending["flags"] = flags
        if usage is not None:
            ending |= {"usage": usage.counts(), "in": usage.total_input_tokens, "out": usage.total_output_tokens}
        return orjson.dumps(ending)
