"""What is decided about a request before anything is held for it, from its bytes and its key's policy alone.

Each step raises Refusal: which provider serves it, what it asks for, whom it is for, with whose key, at which price.
`forward` takes them on the way of a request, `estimate` to say beforehand what that way would be.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from budgets.end_users import end_user_hash
from budgets.pricing import catalogue
from budgets.pricing.bound import Quote
from budgets.pricing.rates import Model
from proxy import refusals
from proxy.end_user import named
from proxy.kept import Kept
from proxy.key_policy import KeyPolicy
from proxy.providers import registry
from proxy.providers.base import Adapter, HeaderMap, ParsedRequest, RequestRefused
from proxy.providers.bounds import quote_of
from tenants.errors import EncryptionUnavailable


@dataclass(slots=True)
class Call:
    """What the client sent. `secret`: its API key, "" where there is none. `whose`: the adapter that its model's name
    led to, beside the one of its path."""

    adapter: Adapter
    secret: str
    headers: HeaderMap
    body: bytes
    request_id: str
    whose: Adapter | None = None


def placed(call: Call, caller: KeyPolicy) -> Call:
    """The same at the provider that its model's name leads to."""
    try:
        adapter = registry.named(call.adapter, call.body, caller.endpoints)
    except RequestRefused as error:
        raise refusals.refused(error) from error
    if adapter is call.adapter:
        return call
    call.whose = adapter
    return replace(call, adapter=adapter)


def parse(call: Call, caller: KeyPolicy) -> ParsedRequest:
    try:
        parsed = call.adapter.parse(call.body, call.headers, caller.allowed_fields)
    except RequestRefused as error:
        raise refusals.refused(error) from error
    if caller.allowed_models and parsed.model not in caller.allowed_models:
        raise refusals.key_refused("model_not_allowed", f"This API key may not use the model {parsed.model!r}.")
    return parsed


def price(adapter: Adapter, caller: KeyPolicy, parsed: ParsedRequest, kept: Kept | None = None) -> tuple[Model, Quote]:
    """The model's prices, and the most that this request can cost. No price, no forward. `kept`: the reply that it goes
    on from."""
    find = catalogue.find if caller.prices is None else caller.prices.find
    model = find(adapter.provider, adapter.price_name(parsed), datetime.now(UTC).date(), purpose=adapter.purpose)
    if model is None:
        message = (
            f"The model {parsed.model!r} has no price here, so what it costs cannot be bounded. "
            "Use a model from GET /v1/models, or give this one a price of your own, under Prices."
        )
        raise refusals.bad_request("model_not_priced", message, "model")
    try:
        limits = {"default_limit": caller.default_output_limit, "floor": caller.least_output_limit}
        return model, quote_of(parsed, model, kept_tokens=kept.tokens_for(model) if kept else None, **limits)
    except RequestRefused as error:
        raise refusals.refused(error) from error


def told_prices(adapter: Adapter, parsed: ParsedRequest, model: Model) -> ParsedRequest:
    """The same, with the prices that must not be exceeded in it, where a provider can be told."""
    try:
        return adapter.priced(parsed, model)
    except RequestRefused as error:
        raise refusals.refused(error) from error


def provider_secret(adapter: Adapter, caller: KeyPolicy) -> str:
    if caller.mode == "test":
        return "sandbox"
    if ("tenant", "month") not in caller.caps:
        raise refusals.bad_request(
            "budget_not_set", "Set a monthly budget first, under Settings. Test keys work without one."
        )
    try:
        secret = caller.secret(adapter.provider)
    except EncryptionUnavailable as error:
        raise refusals.unavailable("provider_not_configured", str(error), 503) from error
    if secret is None:
        message = f"No key for {adapter.provider} is stored. Add one under Providers, or use a test key (tk_test_...)."
        raise refusals.bad_request("provider_not_configured", message)
    return secret


def end_user_of(call: Call, caller: KeyPolicy, parsed: ParsedRequest) -> str:
    """Whom it is for, by hash; "" for nobody in particular. What is free counts against nobody."""
    if call.adapter.free:
        return ""
    name = named(call.headers, parsed.end_user, required=caller.requires_end_user)
    return end_user_hash(caller.tenant_id, name) if name else ""
