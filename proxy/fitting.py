"""What would have fitted: it tells a request that is too large from money that is spent, and says what helps."""

from functools import lru_cache

from budgets.ledger_errors import CapExceeded
from budgets.pricing import bound
from budgets.pricing.rates import Model
from proxy.holding import Plan
from proxy.key_policy import KeyPolicy
from proxy.providers.base import ParsedRequest
from proxy.refusals import Fit

# What the smallest request that is still useful takes as input, for telling "spent" from "too large".
SMALL_INPUT_TOKENS = 128
# The least output limit that is offered to a client which named one itself: who decides how long an answer is may take
# the last of a budget. Nobody else is given less than the tenant's least limit.
LEAST_OFFER = 32


def fit_of(error: CapExceeded, caller: KeyPolicy, parsed: ParsedRequest, model: Model, plan: Plan) -> Fit:
    """What would fit in what is left: fewer output tokens, or at least some small request."""
    left = error.cap - error.spent - error.held
    worthwhile = _worthwhile(caller.least_output_limit, parsed, for_good=not error.held_only)
    tokens = plan.quote.fits_output_tokens(left) if left > 0 else 0
    useful = tokens >= worthwhile or (left > 0 and _smallest(model, caller.least_output_limit) <= left)
    return Fit(plan.ask.least, tokens if tokens >= worthwhile else 0, useful)


def _worthwhile(floor: int, parsed: ParsedRequest, *, for_good: bool) -> int:
    """The fewest output tokens to offer; more of them beside what others only hold, for who waits may get it all."""
    if parsed.output_limit is None:
        return floor
    return max(1, parsed.least_output, min(floor, parsed.output_limit, LEAST_OFFER if for_good else floor))


@lru_cache(maxsize=1024)
def _smallest(model: Model, floor: int) -> int:
    """What the smallest request that is still useful costs, nanodollars."""
    small = bound.quote(model, input_tokens=SMALL_INPUT_TOKENS, client_limit=None, default_limit=floor, floor=floor)
    return small.least
