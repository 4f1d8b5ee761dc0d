# mypy: disable-error-code="type-arg"
# Django's admin classes are generic in their stubs alone.
"""The operator's view of how much: caps, the ledger, its rollups and crossings, to be looked at and not to be changed.

A cap is a tenant's own decision, and the ledger is written by the journal's drain alone.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import Model

from budgets.models import (
    Cap,
    Crossing,
    DailySpend,
    EndUserCap,
    JournalCursor,
    SetAsideEntry,
    TenantPrice,
    UsageRecord,
)
from budgets.money import format_usd
from tenants.admin import ReadOnly


def _usd(field: str) -> Callable[[Any, Model], str]:
    """A column that shows nanodollars as dollars, exactly."""

    @admin.display(description=f"{field}, USD", ordering=field)
    def shown(_: Any, row: Model) -> str:
        return format_usd(getattr(row, field))

    return shown


class LookAt(ReadOnly, admin.ModelAdmin):
    """Many rows: they are counted only where a filter asks for it."""

    show_full_result_count = False
    list_select_related = ["tenant"]
    amount_usd, cost_usd, held_usd = _usd("amount"), _usd("cost"), _usd("held")
    limit_usd, spent_usd = _usd("limit"), _usd("spent")


@admin.register(TenantPrice)
class TenantPriceAdmin(LookAt):
    list_display = ["tenant", "provider", "model", "discount", "free", "note", "updated_at"]
    search_fields = ["=tenant__slug", "model"]


@admin.register(Cap)
class CapAdmin(LookAt):
    list_display = ["tenant", "api_key", "mode", "window", "amount_usd", "hard", "updated_at"]
    list_filter = ["mode", "window", "hard"]
    list_select_related = ["tenant", "api_key"]
    search_fields = ["tenant__name", "=tenant__id", "api_key__name", "=api_key__id"]
    fields = ["tenant", "api_key", "mode", "window", "amount_usd", "hard", "thresholds", "updated_at"]
    readonly_fields = ["amount_usd"]


@admin.register(EndUserCap)
class EndUserCapAdmin(LookAt):
    list_display = ["tenant", "api_key", "end_user", "window", "amount_usd", "updated_at"]
    list_filter = ["window"]
    list_select_related = ["tenant", "api_key"]
    search_fields = ["tenant__name", "=tenant__id", "api_key__name", "=api_key__id", "=end_user"]
    fields = ["tenant", "api_key", "end_user", "window", "amount_usd", "updated_at"]
    readonly_fields = ["amount_usd"]


@admin.register(UsageRecord)
class UsageRecordAdmin(LookAt):
    list_display = ["reserved_at", "tenant", "api_key", "mode", "model", "status", "cost_usd", "held_usd", "flags"]
    list_filter = ["mode", "status", "provider", "reserved_at"]
    list_select_related = ["tenant", "api_key"]
    search_fields = ["=id", "=tenant__id", "tenant__name", "=api_key__id", "model"]
    fields = [
        *("id", "tenant", "api_key", "mode", "provider", "model", "endpoint", "end_user", "status", "flags"),
        *("cost_usd", "held_usd", "input_tokens", "output_tokens", "usage", "price", "stream", "http_status"),
        *("duration_ms", "day", "reserved_at", "settled_at"),
    ]
    readonly_fields = ["cost_usd", "held_usd"]


@admin.register(DailySpend)
class DailySpendAdmin(LookAt):
    list_display = ["day", "tenant", "api_key", "mode", "provider", "model", "requests", "cost_usd"]
    list_filter = ["mode", "provider", "day"]
    list_select_related = ["tenant", "api_key"]
    search_fields = ["=tenant__id", "tenant__name", "=api_key__id", "model"]
    fields = [
        *("tenant", "api_key", "mode", "day", "provider", "model", "end_user"),
        *("cost_usd", "requests", "input_tokens", "output_tokens"),
    ]
    readonly_fields = ["cost_usd"]


@admin.register(Crossing)
class CrossingAdmin(LookAt):
    list_display = ["created_at", "tenant", "cap", "window_start", "threshold_percent", "spent_usd", "limit_usd"]
    list_filter = ["threshold_percent", "by_refusal", "window_start"]
    list_select_related = ["tenant", "cap__tenant", "cap__api_key"]
    search_fields = ["=tenant__id", "tenant__name"]
    fields = [
        *("tenant", "cap", "window_start", "threshold_percent"),
        *("limit_usd", "spent_usd", "by_refusal", "created_at"),
    ]
    readonly_fields = ["limit_usd", "spent_usd"]


@admin.register(JournalCursor)
class JournalCursorAdmin(LookAt):
    list_display = ["tenant", "last_id", "updated_at"]
    search_fields = ["=tenant__id", "tenant__name"]
    fields = ["tenant", "last_id", "updated_at"]


@admin.register(SetAsideEntry)
class SetAsideEntryAdmin(LookAt):
    list_display = ["at", "tenant", "entry_id", "cost", "has_row", "why"]
    search_fields = ["=tenant__id", "tenant__name", "=entry_id"]
    fields = ["tenant", "entry_id", "at", "cost", "has_row", "why", "fields"]
