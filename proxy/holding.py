"""How much is held for a request before it goes out, and by which rule. Nothing here asks anybody: it only decides.

`BOUND`: the most that it can cost; where the client named no limit, less of it if money is short. `PARTIAL`: a stream
of which the proxy knows at each moment what it can have cost: all of the bound while there is plenty, else a first step
of it, which grows as the stream does. `ESTIMATE`: what such requests of this tenant usually cost, if it chose that.
"""

from collections.abc import Iterable
from enum import Enum

from django.conf import settings

from budgets.pricing.bound import Quote
from budgets.pricing.rates import Model
from budgets.values import value
from proxy.admission import Ask
from proxy.estimates import Estimates, Place
from proxy.key_policy import KeyPolicy
from proxy.partial_holds import FIRST, WORTH_IT, Terms, terms_of
from proxy.providers.base import Adapter, HeaderMap, ParsedRequest

SANDBOX_HEADER = "x-tokonomics-sandbox"


class Basis(Enum):
    BOUND = "bound"
    PARTIAL = "partial"
    ESTIMATE = "estimate"


@value
class Plan:
    """What to ask the ledger for, and what the request may cost at most whatever is granted."""

    basis: Basis
    ask: Ask
    quote: Quote
    terms: Terms | None = None
    place: Place | None = None
    """Where the estimate is learned from its reply; None where none is."""

    @property
    def smaller(self) -> "Plan | None":
        """What may fit where not even a first step does: a limit below it, for a client that named none."""
        if self.basis is not Basis.PARTIAL or self.quote.least >= self.ask.least:
            return None
        return Plan(Basis.BOUND, Ask(self.quote.least, self.quote.most), self.quote, place=self.place)

    def output_limit(self, granted: int) -> int:
        """The output limit per choice to write into a request that names none."""
        return self.quote.affordable(granted) if self.basis is Basis.BOUND else self.quote.most_output


def foreseen(ask: Ask, rooms: Iterable[tuple[int, int]]) -> int:
    """What the ledger would grant of `ask`, as budgets/lua/reserve.lua shares out what is left, where `least` fits.

    `rooms`: of each hard cap what is left of it and what is held, nanodollars.
    """
    share = min((room // (2 + 4 * held // max(ask.most, 1)) for room, held in rooms), default=ask.most)
    if share >= ask.most:
        return ask.most
    return max(ask.least, share) if ask.between else ask.least


def plan_of(
    adapter: Adapter,
    caller: KeyPolicy,
    parsed: ParsedRequest,
    headers: HeaderMap,
    model: Model,
    quote: Quote,
    estimates: Estimates,
) -> Plan:
    """The tenant's own choice first; a partial hold where one is sound and smaller; else the bound."""
    place = None
    if caller.hold_policy == "estimate":
        place = (caller.key_id, parsed.model, adapter.path)
        amount = estimates.hold(place, quote.most)
        if amount < quote.most:
            return Plan(Basis.ESTIMATE, Ask(amount, amount), quote, place=place)
    # A model of one provider's that another one serves is on nobody's table.
    worth_it = parsed.stream and quote.most_output >= WORTH_IT and settings.PARTIAL_HOLDS
    if worth_it and adapter.provider == model.provider:
        sandbox = caller.mode == "test"
        hidden = sandbox and "reasoning" in headers.get(SANDBOX_HEADER, "")
        terms = terms_of(adapter.path, parsed, model, sandbox=sandbox, hidden=hidden)
        if terms is not None and (first := quote.at(FIRST)) < quote.most:
            return Plan(Basis.PARTIAL, Ask(first, quote.most, between=False), quote, terms, place)
    return Plan(Basis.BOUND, Ask(quote.least, quote.most), quote, place=place)
