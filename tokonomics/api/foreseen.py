"""What a request would meet and what it will likely cost: for `estimate/` and for the console's page of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from budgets import usual
from budgets.money import ceil_div
from budgets.pricing import cost
from budgets.pricing.rates import Model, NotPriceable, Purpose
from budgets.pricing.usage import Usage
from proxy import refusals
from proxy.estimate import Estimate, estimate
from proxy.policies import load_policy
from proxy.providers import registry
from proxy.providers.base import ParsedRequest
from proxy.quoting import Call
from proxy.refusals import Refusal
from tenants.errors import NotFound
from tenants.models import ApiKey

REQUEST_ID = "rq_estimate"
# What a reply is taken to be where no reply of the company says otherwise, output tokens a choice.
ASSUMED_OUTPUT = 300
_PER_TOKEN = (Purpose.TEXT, Purpose.EMBEDDING)


@dataclass(frozen=True, slots=True)
class Expected:
    """Nanodollars and tokens. `learned_from`: `key`, `company` or `assumption`; `replies`: of how many."""

    cost: int
    learned_from: str
    replies: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """`made` None: the endpoint is not metered, and `refusal` says so. `refusal` None: it would be admitted now."""

    made: Estimate | None
    refusal: Refusal | None
    expected: Expected | None = None


def foresee(key: ApiKey, digest: str, endpoint: str, body: bytes, headers: Mapping[str, str]) -> Foreseen:
    """`digest`: what the key is known by; it may be that of a secret which is on its way out. `headers` in any case.

    Raises NotFound where the key is gone.
    """
    path, _, query = endpoint.partition("?")
    adapter = registry.adapter_for(path, query)
    if adapter is None:
        return Foreseen(None, refusals.route_not_metered("POST", path))
    policy = load_policy(digest)
    if policy is None:
        raise NotFound
    lowered = {name.lower(): value for name, value in headers.items()}
    made = estimate(Call(adapter, "", lowered, body, REQUEST_ID), policy)
    return Foreseen(made, made.refusal, _expected(made, key))


def client_body(endpoint: str, refusal: Refusal) -> bytes:
    """The very body that the client would get, in its own dialect."""
    return registry.dialect_for(endpoint.partition("?")[0]).error(refusal.body, REQUEST_ID)


def _expected(made: Estimate, key: ApiKey) -> Expected | None:
    if made.plan is None or made.parsed is None or made.model is None:
        return None
    most = made.output_limit * made.parsed.choices
    known = usual.usual_of(key, made.parsed.model, made.call.adapter.path)
    if known is None:
        output = min(most, ASSUMED_OUTPUT * made.parsed.choices)
        return _reckoned(made, made.parsed, made.model, "assumption", 0, made.plan.quote.input_tokens, output)
    input_tokens = ceil_div(made.plan.quote.input_tokens * known.input_share, usual.PARTS)
    whose, output = "key" if known.of_key else "company", min(most, known.output_tokens)
    if made.model.purpose not in _PER_TOKEN:
        return Expected(min(known.cost, made.plan.quote.most), whose, known.replies, input_tokens, output)
    return _reckoned(made, made.parsed, made.model, whose, known.replies, input_tokens, output)


def _reckoned(
    made: Estimate, parsed: ParsedRequest, model: Model, whose: str, replies: int, input_tokens: int, output: int
) -> Expected | None:
    """At the plain rates of the tier that was asked for; never above the bound."""
    assert made.plan is not None
    usage = Usage(input_tokens=input_tokens, output_tokens=output, service_tier=parsed.service_tier)
    if model.purpose not in _PER_TOKEN:
        return None
    try:
        amount = cost.cost(model, usage)
    except NotPriceable:
        return None
    return Expected(min(amount, made.plan.quote.most), whose, replies, input_tokens, output)
