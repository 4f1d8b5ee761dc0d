"""A tenant's own prices and discounts: read for its policies, and written. Each write is a policy change, so that it
holds from the next request on every worker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from budgets.models import TenantPrice
from budgets.money import NANO, format_usd
from budgets.pricing import own
from budgets.pricing.own import ANY, OwnPrice, PriceBook
from budgets.pricing.rates import CALL_KINDS, RATE_KINDS, Model
from budgets.pricing.source import PROVIDERS
from tenants import policy, providers
from tenants.audit import Actor, record
from tenants.errors import InvalidValue, NotFound
from tenants.models import Tenant

MOST_PRICES = 500  # a tenant: every policy of its keys carries them
MOST_RATE = 10_000 * NANO  # a million tokens
MOST_FEE = 100 * NANO  # a call
MOST_DISCOUNT, MOST_SURCHARGE = 9_999, 10_000  # hundredths of a percent
MOST_TOKENS = 100_000_000
_LONGEST_MODEL, _LONGEST_NOTE = 128, 120
_UNITS = frozenset({"input", "character", "millisecond"})  # what models bill what they are given by
_HUNDRED_PERCENT = "A discount leaves something to pay. What costs nothing is said to be free."


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed: `rates`, `free`, or a `discount`, one of them; the limits where nobody publishes them.

    rates     by kind (budgets.pricing.rates.Rates), nanodollars per 1,000,000 tokens, a call for fees
    discount  hundredths of a percent off the list, below zero a surcharge
    """

    rates: Mapping[str, int] | None = None
    discount: int = 0
    free: bool = False
    context_window: int | None = None
    max_output_tokens: int | None = None
    note: str = ""


def book_of(tenant_id: str) -> PriceBook | None:
    """What a proxy decides by; None where the tenant has no price of its own."""
    rows = list(TenantPrice.objects.filter(tenant_id=tenant_id))
    return PriceBook(map(entry, rows)) if rows else None


def entry(row: TenantPrice) -> OwnPrice:
    return OwnPrice(
        id=row.pk,
        provider=row.provider,
        model=row.model,
        since=row.updated_at.date(),
        rates=row.rates,
        discount=row.discount,
        free=row.free,
        context_window=row.context_window,
        max_output_tokens=row.max_output_tokens,
    )


def is_known(tenant: Tenant, provider: str) -> bool:
    """One of the providers, or an endpoint of the tenant's own."""
    return provider in providers.BY_ID or tenant.provider_credentials.filter(provider=provider).exists()


def in_force(
    tenant: Tenant, on: date, rows: Sequence[TenantPrice], *, provider: str = "", name: str = ""
) -> list[tuple[str, Model]]:
    """(provider, model) at the prices of a day, by provider and name. `provider`, `name`: only those, and such ones.

    Of the providers whose prices come with limits, of those whose keys are stored, of those with a price of the
    tenant's own.
    """
    book = PriceBook(map(entry, rows))
    stored = tenant.provider_credentials.values_list("provider", flat=True)
    asked = [provider] if provider else sorted({*PROVIDERS, *stored, *(row.provider for row in rows)})
    wanted = name.lower()
    return [
        (each, model)
        for each in asked
        for model in (*book.all_models(each, on), *book.other_models(each, on))
        if wanted in model.id.lower()
    ]


def set_price(*, tenant: Tenant, provider: str, model: str, terms: Terms, actor: Actor) -> TenantPrice:
    """A first price of a model, or of the whole provider (`*`). Raises InvalidValue, PolicyUnavailable."""
    with policy.within(tenant) as locked:
        row = TenantPrice(
            tenant=locked, provider=_provider(locked, provider), model=_model(model), created_by=actor.user
        )
        if TenantPrice.objects.filter(tenant=locked).count() >= MOST_PRICES:
            raise InvalidValue("model", f"A company has at most {MOST_PRICES} prices of its own. Remove one first.")
        _apply(row, terms)
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            raise InvalidValue(
                "model", f"There is a price of your own for {row.model} already. Change that."
            ) from error
        record(locked, actor, "price.set", target_id=row.pk, target=str(row), changes=_changes({}, _said(row)))
    return row


def change_price(*, tenant: Tenant, price_id: str, terms: Terms, actor: Actor) -> TenantPrice:
    """Other terms for the same model. Raises NotFound, InvalidValue, PolicyUnavailable."""
    with policy.within(tenant) as locked:
        row = _row(locked, price_id)
        before = _said(row)
        _apply(row, terms)
        changes = _changes(before, _said(row))
        if changes:
            row.updated_at = timezone.now()
            row.save()
            record(locked, actor, "price.changed", target_id=row.pk, target=str(row), changes=changes)
    return row


def remove_price(*, tenant: Tenant, price_id: str, actor: Actor) -> None:
    """The list's price holds again, if it has one. Raises NotFound, PolicyUnavailable."""
    with policy.within(tenant) as locked:
        row = _row(locked, price_id)
        record(locked, actor, "price.removed", target_id=row.pk, target=str(row), changes=_changes(_said(row), {}))
        row.delete()


def _row(tenant: Tenant, price_id: str) -> TenantPrice:
    row = TenantPrice.objects.filter(tenant=tenant, pk=price_id).first()
    if row is None:
        raise NotFound("There is no such price of your own.")
    return row


# --- What is taken ---------------------------------------------------------------------------------------------------


def _provider(tenant: Tenant, provider: str) -> str:
    """One that is known, or an endpoint of the tenant's own."""
    if is_known(tenant, provider):
        return provider
    raise InvalidValue("provider", f"Choose one of {', '.join(sorted(providers.BY_ID))}, or an endpoint of your own.")


def _model(model: str) -> str:
    cleaned = model.strip()
    if not cleaned or len(cleaned) > _LONGEST_MODEL or not cleaned.isprintable() or " " in cleaned:
        raise InvalidValue("model", f"Enter the model's name as requests have it, or {ANY} for all of the provider.")
    return cleaned


def _apply(row: TenantPrice, terms: Terms) -> None:
    if sum((terms.rates is not None, terms.free, terms.discount != 0)) != 1:
        raise InvalidValue("rates", "Give rates, or a discount, or say that it is free: one of the three.")
    if row.model == ANY and terms.discount == 0 and not providers.is_custom(row.provider):
        message = f"For all models of {row.provider} give a discount; a price of your own is one model's."
        raise InvalidValue("model", message)
    row.rates = _rates(terms.rates) if terms.rates is not None else None
    row.discount, row.free = _discount(terms.discount), terms.free
    row.context_window = _tokens("context_window", terms.context_window)
    row.max_output_tokens = _tokens("max_output_tokens", terms.max_output_tokens)
    row.note = " ".join(terms.note.split())
    if len(row.note) > _LONGEST_NOTE or not row.note.isprintable():
        raise InvalidValue("note", f"Enter a note of at most {_LONGEST_NOTE} characters.")


def _rates(given: Mapping[str, int]) -> dict[str, int]:
    for kind, rate in given.items():
        most = MOST_FEE if kind in CALL_KINDS else MOST_RATE
        if kind not in RATE_KINDS:
            raise InvalidValue("rates", f"There is no kind `{kind[:40]}`. Known: {', '.join(RATE_KINDS)}.")
        if not 0 <= rate <= most:
            raise InvalidValue("rates", f"Enter a rate from $0 to ${format_usd(most)} for {kind}.")
    if not given.keys() & _UNITS:
        raise InvalidValue("rates", "Give at least the rate for `input`; one for `output` too, if the model answers.")
    if not any(given.values()):
        raise InvalidValue("rates", "All rates are 0. A model that costs nothing is said to be free.")
    return {kind: given[kind] for kind in RATE_KINDS if kind in given}


def _discount(discount: int) -> int:
    if discount > MOST_DISCOUNT:
        raise InvalidValue("discount_percent", _HUNDRED_PERCENT)
    if discount < -MOST_SURCHARGE:
        raise InvalidValue("discount_percent", f"Enter a surcharge of at most {MOST_SURCHARGE // 100}%.")
    return discount


def _tokens(field: str, value: int | None) -> int | None:
    if value is not None and not 1 <= value <= MOST_TOKENS:
        raise InvalidValue(field, f"Enter a number of tokens from 1 to {MOST_TOKENS:,}.")
    return value


# --- What the audit log says -----------------------------------------------------------------------------------------


def _said(row: TenantPrice) -> dict[str, Any]:
    rates = {f"{kind}_usd": format_usd(rate) for kind, rate in (row.rates or {}).items()}
    others = {
        "discount": own.percent(row.discount) if row.discount else None,
        "free": row.free or None,
        "context_window": row.context_window,
        "max_output_tokens": row.max_output_tokens,
        "note": row.note or None,
    }
    return rates | {name: value for name, value in others.items() if value is not None}


def _changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = [*before, *(name for name in after if name not in before)]
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}
