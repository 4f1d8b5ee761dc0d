# mypy: disable-error-code="type-arg"
# Django's admin classes are generic in their stubs alone.
"""The operator's view of alerts: what was sent, and what could not be. Targets and secrets are not shown."""

from django.contrib import admin

from alerts.models import AlertChannel, AlertEvent, AlertRule, Delivery
from tenants.admin import ReadOnly


class LookAt(ReadOnly, admin.ModelAdmin):
    show_full_result_count = False
    list_select_related = ["tenant"]


@admin.register(AlertChannel)
class AlertChannelAdmin(LookAt):
    list_display = ["name", "kind", "tenant", "shown", "problem", "problem_at"]
    list_filter = ["kind"]
    search_fields = ["name", "=tenant__id", "tenant__name"]
    fields = ["id", "tenant", "kind", "name", "shown", "problem", "problem_at", "created_by", "created_at"]


@admin.register(AlertRule)
class AlertRuleAdmin(LookAt):
    list_display = ["tenant", "kind", "scope", "api_key", "window", "threshold_percent", "channel_kinds"]
    list_filter = ["kind", "scope"]
    list_select_related = ["tenant", "api_key"]
    search_fields = ["=tenant__id", "tenant__name"]


@admin.register(AlertEvent)
class AlertEventAdmin(LookAt):
    list_display = ["created_at", "tenant", "type", "id", "api_key"]
    list_filter = ["type", "created_at"]
    list_select_related = ["tenant", "api_key"]
    search_fields = ["=id", "=tenant__id", "tenant__name"]


@admin.register(Delivery)
class DeliveryAdmin(LookAt):
    list_display = ["created_at", "tenant", "event", "channel_name", "address", "state", "attempts", "due_at"]
    list_filter = ["state", "channel_kind", "created_at"]
    list_select_related = ["tenant", "event"]
    search_fields = ["=id", "=event__id", "=tenant__id", "tenant__name"]
