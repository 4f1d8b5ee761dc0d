"""The REST API of "how much": the ledger's rows and sums, and what is left for a key."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from budgets import end_users, live, usage, user_standings
from budgets.models import DailySpend, UsageRecord
from budgets.serializers import (
    KeyBudgetSerializer,
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

_END_USER = OpenApiParameter(
    end_users.HEADER, str, OpenApiParameter.HEADER, description="Whose share is asked for, as in the metered routes."
)


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

    @extend_schema(
        summary="What is left for this key now, or for one of its end users",
        responses=KeyBudgetSerializer,
        parameters=[_END_USER],
    )
    def get(self, request: Request) -> Response:
        checked(Query, request.query_params.dict())
        key: Any = request.auth
        assert isinstance(key, ApiKey)  # HasApiKey lets nothing else in
        standings = [*live.standings_of(key), *_of_end_user(key, request.headers.get(end_users.HEADER, ""))]
        answer = {
            "api_key": key.pk,
            "mode": key.mode,
            "live": all(standing.live for standing in standings),
            "scopes": standings,
            "tightest": live.tightest(standings),
        }
        return Response(KeyBudgetSerializer(answer).data, headers={"Cache-Control": "no-store"})


def _of_end_user(key: ApiKey, header: str) -> list[live.Standing]:
    """Month and day of whom the header names (else of those who are not named), where the key counts its end users."""
    if end_users.caps_of(key.pk) is None:
        return []
    name = end_users.name_in_header(header)
    who = end_users.end_user_hash(key.tenant_id, name) if name else end_users.ANONYMOUS
    (standing,) = user_standings.of(key, [who])
    return [standing.month, standing.day]
