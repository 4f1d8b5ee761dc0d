"""What a request would meet if it were sent now. Nothing is held, nothing is learned, and no provider is asked.

The steps are those that `forward` takes, in its order; only the last one, the hold, is foreseen from the counters as
they stand. What a worker alone knows (replies that the provider kept, usual costs under the hold policy `estimate`) is
left out, so what is said to be held is then the most that would be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from budgets import live
from budgets.claims import Counter
from budgets.ledger_errors import CapExceeded
from budgets.pricing.bound import Quote
from budgets.pricing.rates import Model
from budgets.windows import windows_at
from proxy import refusals
from proxy.estimates import Estimates
from proxy.fitting import fit_of
from proxy.holding import Plan, foreseen, plan_of
from proxy.key_policy import KeyPolicy, refuse_unusable
from proxy.providers.base import ParsedRequest
from proxy.quoting import Call, end_user_of, parse, placed, price, provider_secret, told_prices
from proxy.refusals import Refusal


@dataclass(slots=True)
class Estimate:
    """As far as the way could be followed; `refusal` None: it would be admitted.

    hold  what would be held for it, nanodollars; None where nothing would be
    free  the provider bills nothing for this endpoint
    """

    call: Call
    refusal: Refusal | None = None
    parsed: ParsedRequest | None = None
    model: Model | None = None
    plan: Plan | None = None
    hold: int | None = None

    @property
    def free(self) -> bool:
        return self.call.adapter.free

    @property
    def quote(self) -> Quote | None:
        return self.plan.quote if self.plan else None

    @property
    def output_limit(self) -> int:
        """Output tokens a choice, as they would be sent."""
        if self.parsed is not None and self.parsed.output_limit is not None:
            return self.parsed.output_limit
        if self.plan is None:
            return 0
        return self.plan.output_limit(self.plan.quote.most if self.hold is None else self.hold)


def estimate(call: Call, caller: KeyPolicy) -> Estimate:
    """Answers with a refusal where the request itself would get one; what could be reckoned before it is told too."""
    made = Estimate(call)
    try:
        _follow(made, caller)
    except Refusal as refusal:
        made.refusal = made.refusal or refusal
    return made


def _follow(made: Estimate, caller: KeyPolicy) -> None:
    now = live.now()
    refuse_unusable(caller, now)
    call = made.call = placed(made.call, caller)
    parsed = made.parsed = parse(call, caller)
    end_user = end_user_of(call, caller, parsed)
    try:
        provider_secret(call.adapter, caller)
    except Refusal as refusal:
        made.refusal = refusal  # what it costs can be said all the same
    if call.adapter.free:
        return
    made.model, quote = price(call.adapter, caller, parsed)
    parsed = made.parsed = told_prices(call.adapter, parsed, made.model)
    made.plan = plan_of(call.adapter, caller, parsed, call.headers, made.model, quote, Estimates())
    if made.refusal is None:
        made.hold = _foreseen(caller, caller.counters(windows_at(now), end_user), made)


def _foreseen(caller: KeyPolicy, counters: Sequence[Counter], made: Estimate) -> int:
    """What would be held. Raises Refusal."""
    assert made.plan is not None and made.parsed is not None and made.model is not None
    figures = live.counters_at(caller.tenant_id, [counter.key for counter in counters])
    if figures is None:
        raise refusals.ledger_unavailable()
    standing = [(counter, spent, held or 0) for counter, (spent, held, _) in zip(counters, figures, strict=True)]
    if (error := wall_before(standing, made.plan.ask.least)) is not None:
        fit = fit_of(error, caller, made.parsed, made.model, made.plan)
        raise refusals.cap_exceeded(error, fit, made.parsed.model)
    rooms = [
        (counter.cap - spent - held, held)
        for counter, spent, held in standing
        if counter.hard and counter.cap is not None
    ]
    return foreseen(made.plan.ask, rooms)


def wall_before(standing: Sequence[tuple[Counter, int, int]], least: int) -> CapExceeded | None:
    """What a reserve of at least `least` nanodollars would meet: as budgets/lua/reserve.lua decides, the widest scope
    first, one that is spent before one that is only held. `standing`: each counter with what is spent and held."""
    blocked = None
    for counter, spent, held in standing:
        if not counter.hard or counter.cap is None or counter.cap - spent - held >= least:
            continue
        held_only = counter.cap - spent >= least
        error = CapExceeded(counter, spent=spent, held=held, cap=counter.cap, held_only=held_only)
        if not held_only:
            return error
        blocked = blocked or error
    return blocked
