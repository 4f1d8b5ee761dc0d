"""How an admitted request ended, and what it is charged: the one place that turns a meter's reading into an ending."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from budgets import compact
from budgets.claims import Reservation
from budgets.inflight import InFlight
from budgets.pricing import cost as pricing
from budgets.pricing.rates import STANDARD_TIERS, Model
from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers.base import Meter

log = logging.getLogger(__name__)

NOT_SENT = compact.dumps({"status": "not_sent"})


def _nobody(*_: object) -> None:
    """Who would hear of it does not exist."""


@dataclass(slots=True)
class Settlement:
    """One request's way to exactly one row. Whatever calls come first decide; later ones change nothing.

    `estimated`: the hold is a guess; this is the bound, nanodollars. `freed` is told whose money is free again, `learn`
    what a reply of known usage cost, `keep` its meter and that usage.
    """

    reservation: Reservation
    model: Model
    inflight: InFlight
    estimated: int | None = None
    freed: Callable[[str], None] = _nobody
    learn: Callable[[int], None] = _nobody
    keep: Callable[[Meter, Usage], None] = _nobody
    started: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    told: dict[str, object] = field(default_factory=dict)
    first_byte_ms: int | None = None
    done: bool = False
    cost: int = 0

    def answered(self) -> None:
        """The provider's reply has begun."""
        self.first_byte_ms = int((asyncio.get_running_loop().time() - self.started) * 1000)

    def at_usage(self, meter: Meter, http_status: int, flags: tuple[str, ...] = ()) -> None:
        """At what the reply reported; where that cannot be known, at the hold."""
        if self.done:
            return
        try:
            usage = self._timed(meter.usage())
            cost = pricing.cost(self.model, usage)
        except UsageUnknown as error:
            log.warning("%s is charged at its hold: %s", self.reservation.id, error)
            self.at_hold(http_status, (*flags, "usage_missing"))
            return
        self.learn(cost)
        self._settle("settled", cost, http_status, (*flags, *self._breach(cost)), usage)
        self.keep(meter, usage)

    def _timed(self, usage: Usage) -> Usage:
        """With the hours that it was made in, where they decide about the price."""
        if not self.model.hours:
            return usage
        now = time.time()
        began = now - (asyncio.get_running_loop().time() - self.started)
        return replace(usage, service_tier=self.model.tier_at(began, now))

    def _breach(self, cost: int) -> tuple[str, ...]:
        """A bound that did not hold is a fault of ours; an estimate that did not is what the tenant has chosen."""
        held = self.reservation.held
        if cost <= held:
            return ()
        if self.estimated is not None and cost <= self.estimated:
            return ("estimate_breach",)
        log.error("%s cost %d, above its bound of %d", self.reservation.id, cost, self.estimated or held)
        return ("bound_breach",)

    def at_hold(self, http_status: int | None, flags: tuple[str, ...]) -> None:
        """The most it can have cost: nobody can say what it did. Where the hold is a guess, that is the bound."""
        if not self.done:
            cost = max(self.reservation.held, self.estimated or 0)
            self._settle("charged_at_hold", cost, http_status, (*flags, *self._breach(cost)), None)

    def at_shown(self, cost: int, http_status: int, flags: tuple[str, ...]) -> None:
        """We ended it ourselves: the most that it can have cost by what it had shown, never more than the hold."""
        if not self.done:
            self._settle("cut_short", min(cost, self.reservation.held), http_status, flags, None)

    def given_back(self, status: str, http_status: int | None) -> None:
        """Nothing was spent: `provider_error`, `not_sent`."""
        if not self.done:
            self.done = True
            self.inflight.release(self.reservation, self._ending(status, http_status, (), None))
            self.freed(self.reservation.tenant_id)

    def _settle(
        self, status: str, cost: int, http_status: int | None, flags: tuple[str, ...], usage: Usage | None
    ) -> None:
        self.done, self.cost = True, cost
        self.inflight.settle(self.reservation, cost, self._ending(status, http_status, flags, usage))
        self.freed(self.reservation.tenant_id)

    def _ending(self, status: str, http_status: int | None, flags: tuple[str, ...], usage: Usage | None) -> bytes:
        """What the journal carries of the end; budgets.journal reads these names."""
        elapsed = asyncio.get_running_loop().time() - self.started
        ending: dict[str, object] = {"status": status, "http": http_status, "ms": int(elapsed * 1000), **self.told}
        if self.first_byte_ms is not None:
            ending["fb"] = self.first_byte_ms
        if flags:
            ending["flags"] = flags
        if usage is not None:
            ending |= {"usage": usage.counts(), "in": usage.total_input_tokens, "out": usage.total_output_tokens}
            rates = pricing.rates_of(self.model, usage)
            if rates is not self.model.rates:  # else it is the price that the hold was quoted at
                ending["price"] = rates.given()
            if usage.service_tier not in STANDARD_TIERS:
                ending["tier"] = usage.service_tier
        return compact.dumps(ending)
