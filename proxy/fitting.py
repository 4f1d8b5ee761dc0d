"""What would have fitted: it tells a request that is too large from money that is spent, and says what helps."""

from functools import lru_cache

from budgets.ledger import CapExceeded
from budgets.pricing import bound
from budgets.pricing.rates import Model
from proxy.holding import Plan
from proxy.key_policy import KeyPolicy
from proxy.providers.base import ParsedRequest
from proxy.refusals import Fit

# What the smallest request that is still useful takes as input, for telling "spent" from "too large".
SMALL_INPUT_TOKENS = 128


def fit_of(error: CapExceeded, caller: KeyPolicy, parsed: ParsedRequest, model: Model, plan: Plan) -> Fit:
    """What would fit in what is left: fewer output tokens, or at least some small request."""
    left = error.cap - error.spent - error.held
    floor = caller.least_output_limit
    worthwhile = max(1, min(floor, parsed.output_limit)) if parsed.output_limit is not None else floor
    tokens = plan.quote.fits_output_tokens(left) if left > 0 else 0
    useful = tokens >= worthwhile or (left > 0 and _smallest(model, floor) <= left)
    return Fit(plan.ask.least, tokens if tokens >= worthwhile else 0, useful)


@lru_cache(maxsize=1024)
def _smallest(model: Model, floor: int) -> int:
    """What the smallest request that is still useful costs, nanodollars."""
    small = bound.quote(model, input_tokens=SMALL_INPUT_TOKENS, client_limit=None, default_limit=floor, floor=floor)
    return small.least
