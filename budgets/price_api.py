"""`prices/`: the price in force of each model, and the tenant's own prices and discounts."""

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from budgets import prices
from budgets.models import TenantPrice
from budgets.money import format_usd
from budgets.price_serializers import (
    NewOwnPrice,
    OwnPriceChange,
    OwnPriceSerializer,
    PriceListSerializer,
    PriceQuery,
)
from budgets.prices import Terms
from budgets.pricing.rates import RATE_KINDS, Model, PriceLadder, Rates
from budgets.pricing.source import SOURCE
from tenants.api import TenantView
from tenants.errors import InvalidValue
from tenants.serializers import Strict


@extend_schema(tags=["Prices"])
class Prices(TenantView):
    """What each model costs, by whose word and since when."""

    queryset = TenantPrice.objects.all()
    query_class = PriceQuery

    @extend_schema(
        summary="The models that can be used, with the prices in force",
        description="Of the providers whose keys are stored, of those with a price of your own, and of OpenAI, "
        "Anthropic and Google; `provider` asks for one.",
        responses=PriceListSerializer,
    )
    def get(self, request: Request) -> Response:
        today = datetime.now(UTC).date()
        own = list(self.get_queryset())
        models = prices.in_force(self.tenant, today, own, provider=self._provider(), name=self.params.get("q", ""))
        listed = {
            "in_force_on": today,
            "source": SOURCE,
            "results": [priced(provider, model) for provider, model in models],
            "own": own,
        }
        return Response(PriceListSerializer(listed).data)

    def _provider(self) -> str:
        asked: str = self.params.get("provider", "")
        if asked and not prices.is_known(self.tenant, asked):
            raise InvalidValue("provider", f"There is no provider `{asked}` here.")
        return asked

    @extend_schema(
        summary="A price of your own, or a discount: it holds from the next request on",
        request=NewOwnPrice,
        responses={201: OwnPriceSerializer},
    )
    def post(self, request: Request) -> Response:
        asked = self.body(NewOwnPrice)
        where = {name: asked.pop(name) for name in ("provider", "model")}
        row = prices.set_price(tenant=self.tenant, terms=_terms(asked, None), actor=self.actor, **where)
        return Response(OwnPriceSerializer(row).data, status=201)


@extend_schema(tags=["Prices"])
class OneOwnPrice(TenantView):
    queryset = TenantPrice.objects.all()
    serializer_class = OwnPriceSerializer

    @extend_schema(summary="One price of your own")
    def get(self, request: Request, pk: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(summary="Change a price of your own, from the next request on", request=OwnPriceChange)
    def patch(self, request: Request, pk: str) -> Response:
        terms = _terms(self.body(OwnPriceChange), self.get_object())
        row = prices.change_price(tenant=self.tenant, price_id=pk, terms=terms, actor=self.actor)
        return Response(self.get_serializer(row).data)

    @extend_schema(summary="Take a price of your own away: the list's holds again", request=None)
    def delete(self, request: Request, pk: str) -> Response:
        self.body(Strict)
        prices.remove_price(tenant=self.tenant, price_id=pk, actor=self.actor)
        return Response(status=204)


_EXCLUSIVE = ("rates", "discount", "free")


def _terms(asked: dict[str, Any], row: TenantPrice | None) -> Terms:
    """What was sent, on top of what was. `free: false` alone says nothing about what it costs then."""
    if "discount_percent" in asked:
        asked["discount"] = asked.pop("discount_percent")
    names = (*_EXCLUSIVE, "context_window", "max_output_tokens", "note")
    before = {name: getattr(row, name) for name in names} if row is not None else {}
    if any(asked.get(name) for name in _EXCLUSIVE):
        before = {name: value for name, value in before.items() if name not in _EXCLUSIVE}
    return Terms(**{**before, **asked})


def priced(provider: str, model: Model) -> dict[str, Any]:
    """A model as PriceSerializer shows it."""
    return {
        "provider": provider,
        "model": model.id,
        "purpose": str(model.purpose),
        "price": usd(model.rates),
        "steps": _steps(model.standard),
        "service_tiers": {name: usd(ladder.base) for name, ladder in model.tiers.items()},
        "regions": dict(model.regions),
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "free": model.free,
        "own": model.own or None,
        "source": model.source,
        "since": model.since,
        "in_force_on": model.priced_on,
    }


def _steps(ladder: PriceLadder) -> list[dict[str, Any]]:
    return [{"above_input_tokens": step.above_input_tokens, "price": usd(step.rates)} for step in ladder.steps]


def usd(rates: Rates) -> dict[str, str | None]:
    amounts = {kind: getattr(rates, kind) for kind in RATE_KINDS}
    if rates.tokenless:
        amounts = {kind: amount or None for kind, amount in amounts.items()}
    return {kind: None if amount is None else format_usd(amount) for kind, amount in amounts.items()}
