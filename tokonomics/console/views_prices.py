"""Prices: the one in force of each model, whose it is and since when; the company's own, set, changed, taken away."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from budgets import prices
from budgets.models import TenantPrice
from budgets.pricing.own import ANY
from budgets.pricing.rates import Model
from budgets.pricing.source import PROVIDERS, SOURCE
from tenants import providers
from tenants.errors import NotFound, TenantError
from tenants.roles import Action
from tokonomics.console import access, forms_prices, price_rows
from tokonomics.console.access import TenantRequest
from tokonomics.console.forms import sent
from tokonomics.console.forms_prices import PriceForm

TO = "change prices"
MOST_ROWS = 250


@require_safe
@access.page("prices")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    own = list(TenantPrice.objects.filter(tenant=request.tenant).select_related("created_by"))
    wanted, provider = request.GET.get("q", "").strip()[:128], request.GET.get("provider", "")
    choices = _choices(request)
    if provider not in dict(choices):
        provider = ""
    today = datetime.now(UTC).date()
    found = prices.in_force(request.tenant, today, own, provider=provider, name=wanted)
    whole = frozenset(price.pk for price in own if price.model == ANY)
    may_change = access.allowed(request, Action.CHANGE_BUDGET)
    context = {
        "rows": [price_rows.row_of(*each, whole=whole) for each in found[:MOST_ROWS]],
        "left_out": max(0, len(found) - MOST_ROWS),
        "own": [price_rows.own_row(price) for price in own],
        "wanted": wanted,
        "provider": provider,
        "choices": choices,
        "source": SOURCE,
        "may_change": may_change,
        "why_not": "" if may_change else access.no_right(request.tenant, Action.CHANGE_BUDGET, TO),
    }
    return access.show(request, "console/prices.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("prices", needs=Action.CHANGE_BUDGET, to=TO)
def new(request: TenantRequest, slug: str) -> HttpResponse:
    """A first price of a model; `?provider=` and `?model=` say of which, and the list's rates are filled in."""
    given = {name: request.GET.get(name, "")[:128] for name in ("provider", "model")}
    listed = _in_force(request, **given)
    initial = {**given, "way": forms_prices.DISCOUNT if listed else "", **_rates_of(listed)}
    form = PriceForm(sent(request), initial=initial, provider_choices=_choices(request))
    if request.method == "POST" and form.is_valid():
        where = {name: form.cleaned_data[name] for name in ("provider", "model")}
        try:
            made = prices.set_price(tenant=request.tenant, terms=form.terms(), actor=access.actor(request), **where)
        except TenantError as error:
            form.refuse(error)
        else:
            return _saved(request, made)
    return access.show(request, "console/price_edit.html", {"form": form, "price": None, "listed": listed})


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("prices", needs=Action.CHANGE_BUDGET, to=TO)
def change(request: TenantRequest, slug: str, price_id: str) -> HttpResponse:
    price = _own(request, price_id)
    form = PriceForm(sent(request), initial=forms_prices.initial_of(price), provider_choices=[], price=price)
    if request.method == "POST" and form.is_valid():
        try:
            changed = prices.change_price(
                tenant=request.tenant, price_id=price.pk, terms=form.terms(), actor=access.actor(request)
            )
        except NotFound as error:  # taken away meanwhile
            raise Http404 from error
        except TenantError as error:
            form.refuse(error)
        else:
            return _saved(request, changed)
    context = {"form": form, "price": price, "row": price_rows.own_row(price), "listed": None}
    return access.show(request, "console/price_edit.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("prices", needs=Action.CHANGE_BUDGET, to=TO)
def remove(request: TenantRequest, slug: str, price_id: str) -> HttpResponse:
    """Asked first, for a model that the list does not know is refused from the next request on."""
    price = _own(request, price_id)
    problem = ""
    if request.method == "POST":
        try:
            prices.remove_price(tenant=request.tenant, price_id=price.pk, actor=access.actor(request))
        except NotFound:  # the form was sent twice
            return _back(request)
        except TenantError as error:
            problem = error.message
        else:
            messages.success(request, "Removed. The list's price holds from the next request on.")
            return _back(request)
    row = price_rows.own_row(price)
    context = {"row": row, "problems": [("", problem)] if problem else []}
    return access.show(request, "console/price_remove.html", context)


def _own(request: TenantRequest, price_id: str) -> TenantPrice:
    price = TenantPrice.objects.select_related("created_by").filter(tenant=request.tenant, pk=price_id).first()
    if price is None:
        raise Http404
    return price


def _choices(request: TenantRequest) -> list[tuple[str, str]]:
    """The three that come with limits first, then the others by name, then endpoints of the company's own."""
    names = [*PROVIDERS, *sorted(providers.BY_ID.keys() - PROVIDERS.keys())]
    stored = request.tenant.provider_credentials.order_by("provider").values_list("provider", flat=True)
    names += [name for name in stored if name not in providers.BY_ID]
    return [(name, providers.title_of(name)) for name in names]


def _in_force(request: TenantRequest, *, provider: str, model: str) -> Model | None:
    if not model or not prices.is_known(request.tenant, provider):
        return None
    own = list(TenantPrice.objects.filter(tenant=request.tenant))
    found = prices.in_force(request.tenant, datetime.now(UTC).date(), own, provider=provider, name=model)
    return next((each for _, each in found if each.id == model), None)


def _rates_of(model: Model | None) -> dict[str, Any]:
    return {f"rate_{kind}": rate for kind, rate in model.rates.given().items() if rate} if model is not None else {}


def _saved(request: TenantRequest, price: TenantPrice) -> HttpResponse:
    row = price_rows.own_row(price)
    messages.success(request, f"Saved. {row.provider_name}, {row.model}: {row.terms}, from the next request on.")
    return _back(request)


def _back(request: TenantRequest) -> HttpResponse:
    return redirect(f"/t/{request.tenant.slug}/prices/")
