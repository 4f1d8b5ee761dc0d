"""Reads of the ledger: rows by filter, sums by group, and the whole as CSV. Exact: sums of integers."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import F, Q, QuerySet, Sum

from budgets.end_users import end_user_hash
from budgets.models import DailySpend, UsageRecord
from budgets.money import format_usd
from tenants.database import in_thread

MOST_GROUPS = 5_000
EXPORT_BATCH = 1_000
_EQUAL = {
    "api_key": "api_key_id",
    **{name: name for name in ("model", "provider", "status", "mode", "request_id")},
}
SUMS = ("cost", "requests", "input_tokens", "output_tokens")


def filtered(rows: QuerySet[Any], tenant_id: str, given: Mapping[str, Any]) -> QuerySet[Any]:
    """Rows or rollups that match: exact values, and an end user by the application's own name or by hash."""
    where = Q(**{column: given[name] for name, column in _EQUAL.items() if name in given})
    if "end_user" in given:
        name = given["end_user"]
        where &= Q(end_user__in=[name, end_user_hash(tenant_id, name)])
    return rows.filter(where)


# --- Sums ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Summary:
    """`totals` and `groups` have cost (nanodollars), requests, input_tokens, output_tokens; a group its names too."""

    totals: dict[str, int]
    groups: list[dict[str, Any]]
    truncated: bool


def summarise(rollups: QuerySet[DailySpend], group_by: Iterable[str], first: date, last: date) -> Summary:
    """Sums of the days from `first` to `last`: by day in order of time, otherwise the dearest group first."""
    names = list(group_by)
    days = rollups.filter(day__range=(first, last))
    sums = {f"sum_{name}": Sum(name, default=0) for name in SUMS}
    columns = {"api_key": "api_key_id"}
    by = [columns.get(name, name) for name in names]
    labels = {"api_key_name": F("api_key__name")} if "api_key" in names else {}
    order = ["day"] if "day" in names else []
    found = days.values(*by, **labels).annotate(**sums).order_by(*order, "-sum_cost", *by)[: MOST_GROUPS + 1]
    groups = [_named(row) for row in found]
    return Summary(_named(days.aggregate(**sums)), groups[:MOST_GROUPS], len(groups) > MOST_GROUPS)


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {"api_key" if name == "api_key_id" else name.removeprefix("sum_"): value for name, value in row.items()}


# --- CSV -------------------------------------------------------------------------------------------------------------

HEADER = (
    b"id,reserved_at,settled_at,mode,api_key,api_key_name,provider,model,endpoint,end_user,status,flags,"
    b"cost_usd,held_usd,input_tokens,output_tokens,stream,http_status,duration_ms,"
    b"first_byte_ms,request_id,service_tier,price_source,own_price\r\n"
)


async def as_csv(rows: QuerySet[UsageRecord]) -> AsyncIterator[bytes]:
    """A header and the rows, newest first, batch by batch: of any length, in bounded memory."""
    yield HEADER
    after: UsageRecord | None = None
    while batch := await in_thread(_batch, rows, after):
        yield _lines(_cells(row) for row in batch)
        after = batch[-1]


def _batch(rows: QuerySet[UsageRecord], after: UsageRecord | None) -> list[UsageRecord]:
    """The next rows by key, not by offset: what is added meanwhile neither repeats nor hides one."""
    if after is not None:
        rows = rows.filter(reserved_at__lte=after.reserved_at)
        rows = rows.filter(Q(reserved_at__lt=after.reserved_at) | Q(pk__lt=after.pk))
    return list(rows.select_related("api_key").order_by("-reserved_at", "-pk")[:EXPORT_BATCH])


def _cells(row: UsageRecord) -> tuple[Any, ...]:
    """In the order of HEADER."""
    return (
        *(row.pk, row.reserved_at.isoformat(), row.settled_at.isoformat(), row.mode, row.api_key_id),
        *(_harmless(row.api_key.name), row.provider, _harmless(row.model), row.endpoint, row.end_user),
        *(row.status, " ".join(row.flags), format_usd(row.cost), format_usd(row.held)),
        *(row.input_tokens, row.output_tokens, row.stream, row.http_status, row.duration_ms),
        *(row.first_byte_ms, row.request_id, _harmless(row.service_tier), row.price_source, row.own_price),
    )


def _harmless(text: str) -> str:
    """Spreadsheets take a cell that begins so for a formula; what people named must not be one."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()
