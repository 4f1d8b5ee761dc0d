"""The REST API of "how much": the ledger's rows and sums, what is left for a key, and the prices in force."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from budgets import live, usage
from budgets.models import DailySpend, UsageRecord
from budgets.money import format_usd
from budgets.pricing import catalogue
from budgets.pricing.rates import Model, PriceLadder, Rates
from budgets.pricing.source import PROVIDERS, SOURCE
from budgets.serializers import (
    KeyBudgetSerializer,
    PriceListSerializer,
    PriceQuery,
    SummaryQuery,
    SummarySerializer,
    UsageFilter,
    UsageQuery,
    UsageRecordSerializer,
)
from budgets.windows import windows_at
from tenants.api import ListView, TenantView, checked, in_range
from tenants.authentication import ApiKeyAuthentication, HasApiKey
from tenants.errors import InvalidValue
from tenants.models import ApiKey
from tenants.serializers import Query


class _UsageRows(TenantView):
    queryset = UsageRecord.objects.select_related("api_key")
    serializer_class = UsageRecordSerializer
    newest_by = "reserved_at"

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return in_range(usage.filtered(queryset, self.tenant.pk, self.params), "reserved_at", self.params)


@extend_schema(tags=["Usage"])
class Usage(_UsageRows, ListView):
    """The ledger: one row an admitted request, exact to the nanodollar."""

    query_class = UsageQuery


@extend_schema(tags=["Usage"])
class OneUsageRecord(TenantView):
    queryset = UsageRecord.objects.select_related("api_key")
    serializer_class = UsageRecordSerializer

    @extend_schema(summary="One admitted request")
    def get(self, request: Request, pk: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)


@extend_schema(tags=["Usage"])
class UsageExport(_UsageRows):
    query_class = UsageFilter

    @extend_schema(
        summary="The rows as CSV, all that match",
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR)},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        rows = self.filter_queryset(self.get_queryset())
        headers = {"Content-Disposition": f'attachment; filename="usage-{self.tenant.slug}.csv"'}
        return StreamingHttpResponse(usage.as_csv(rows), content_type="text/csv; charset=utf-8", headers=headers)


@extend_schema(tags=["Usage"])
class UsageSummary(TenantView):
    queryset = DailySpend.objects.all()
    query_class = SummaryQuery

    @extend_schema(
        summary="Sums by day, key, model, provider, end user, mode, or several of them",
        description="By UTC day; this month if no range is given. `totals` is of the whole range.",
        responses=SummarySerializer,
    )
    def get(self, request: Request) -> Response:
        first, last = self._days()
        group_by = self.params.get("group_by", ("day",))
        rollups = usage.filtered(self.get_queryset(), self.tenant.pk, self.params)
        found = usage.summarise(rollups, group_by, first, last)
        answer = {
            "group_by": group_by,
            "first_day": first,
            "last_day": last,
            "totals": found.totals,
            "results": found.groups,
            "truncated": found.truncated,
        }
        return Response(SummarySerializer(answer).data)

    def _days(self) -> tuple[date, date]:
        """First and last day of the range; rollups know no hours. Raises InvalidValue."""
        month = windows_at(live.now()).month
        start = self.params.get("from")
        end = self.params.get("to")
        for name, moment in (("from", start), ("to", end)):
            if moment is not None and moment.time() != datetime.min.time():
                raise InvalidValue(name, "Sums are kept by UTC day: give a day, like 2026-11-24.")
        first = start.date() if start else month.first_day
        last = (end - timedelta(days=1)).date() if end else max(first, month.last_day)
        return first, last


@extend_schema(tags=["Budget"])
class KeyBudget(APIView):
    """For applications: what is left for the very key that asks."""

    authentication_classes = [ApiKeyAuthentication]
    permission_classes = [HasApiKey]

    @extend_schema(summary="What is left for this key now", responses=KeyBudgetSerializer)
    def get(self, request: Request) -> Response:
        checked(Query, request.query_params.dict())
        key: Any = request.auth
        assert isinstance(key, ApiKey)  # HasApiKey lets nothing else in
        standings = live.standings_of(key)
        answer = {
            "api_key": key.pk,
            "mode": key.mode,
            "live": all(standing.live for standing in standings),
            "scopes": standings,
            "tightest": live.tightest(standings),
        }
        return Response(KeyBudgetSerializer(answer).data, headers={"Cache-Control": "no-store"})


@extend_schema(tags=["Prices"])
class Prices(TenantView):
    """The same for every tenant."""

    query_class = PriceQuery

    @extend_schema(summary="The models that can be used, with the prices in force", responses=PriceListSerializer)
    def get(self, request: Request) -> Response:
        today = datetime.now(UTC).date()
        providers = [self.params["provider"]] if "provider" in self.params else sorted(PROVIDERS)
        models = [_priced(model) for provider in providers for model in catalogue.all_models(provider, today)]
        return Response({"in_force_on": today.isoformat(), "source": SOURCE, "results": models})


def _priced(model: Model) -> dict[str, Any]:
    return {
        "provider": model.provider,
        "model": model.id,
        "purpose": str(model.purpose),
        "price": _usd(model.rates),
        "steps": _steps(model.standard),
        "service_tiers": {name: _usd(ladder.base) for name, ladder in model.tiers.items()},
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "source": model.source,
        "in_force_on": model.priced_on.isoformat(),
    }


def _steps(ladder: PriceLadder) -> list[dict[str, Any]]:
    return [{"above_input_tokens": step.above_input_tokens, "price": _usd(step.rates)} for step in ladder.steps]


_RATES = (
    *("input", "output", "cache_read", "cache_write_5m", "cache_write_1h"),
    *("audio_input", "audio_output", "audio_cache_read", "web_search", "request_fee"),
)


def _usd(rates: Rates) -> dict[str, str | None]:
    amounts = {kind: getattr(rates, kind) for kind in _RATES}
    return {kind: None if amount is None else format_usd(amount) for kind, amount in amounts.items()}
