"""Shapes that compose who and how much: a company with its budget, a key with its caps."""

from typing import Any, Literal

from django.utils import timezone
from rest_framework import serializers

from budgets.serializers import Usd, UsdInput
from tenants.models import ApiKey, HoldPolicy, KeyMode, Tenant
from tenants.serializers import Flag, ListQuery, Moment, Strict, Text, Whole
from tenants.services.api_keys import LONGEST_OVERLAP

KeyStatus = Literal["active", "paused", "expired", "revoked"]

_MONTH = "This month, from the ledger as it is now."


class TenantSerializer(serializers.ModelSerializer[Tenant]):
    """`live`, `test`: the standings of the month (budgets.live.Standing), set by the view."""

    monthly_budget_usd = Usd(source="live.cap", allow_null=True, help_text="Null: none is set, live keys are refused.")
    hard_cap = serializers.SerializerMethodField(help_text="Whether requests are blocked when the budget is reached.")
    spent_usd = Usd(source="live.spent", help_text=_MONTH)
    held_usd = Usd(source="live.held", allow_null=True, help_text="By requests in flight; null while `live` is false.")
    remaining_usd = Usd(source="live.remaining", allow_null=True, help_text="Budget - spent - held.")
    reset_at = serializers.DateTimeField(source="live.place.window.reset_at")
    test_budget_usd = Usd(source="test.cap", allow_null=True, help_text="The month's budget of all test keys.")
    test_spent_usd = Usd(source="test.spent")
    test_held_usd = Usd(source="test.held", allow_null=True)
    test_remaining_usd = Usd(source="test.remaining", allow_null=True)
    live = serializers.BooleanField(
        source="live.live", help_text="False: the ledger is out of reach; figures are as last recorded."
    )
    allowed_fields = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Tenant
        fields = [
            *("id", "slug", "name", "created_at", "monthly_budget_usd", "hard_cap", "spent_usd", "held_usd"),
            *("remaining_usd", "reset_at", "live", "test_budget_usd", "test_spent_usd", "test_held_usd"),
            *("test_remaining_usd", "default_output_limit", "least_output_limit", "hold_policy", "allowed_fields"),
        ]
        read_only_fields = fields

    def get_hard_cap(self, tenant: Any) -> bool:
        return bool(tenant.live.hard) or tenant.live.cap is None  # what a first budget will be


class TenantChange(Strict):
    """Send what is to change."""

    name = Text(required=False, max_length=100)
    monthly_budget_usd = UsdInput(required=False, help_text="0 refuses everything.")
    hard_cap = Flag(required=False)
    test_budget_usd = UsdInput(required=False)
    default_output_limit = Whole(required=False, help_text="Tokens, written into requests that name no limit.")
    least_output_limit = Whole(required=False, help_text="Tokens; a request is refused rather than given less.")
    hold_policy = serializers.ChoiceField(
        HoldPolicy.values,
        required=False,
        help_text="What a request holds: `bound`, the most that it can cost, or `estimate`, what such requests usually "
        "cost. With `estimate` the budget can be overspent by what is in flight.",
    )
    allowed_fields = serializers.ListField(
        child=Text(), required=False, help_text="Request fields that may be forwarded unpriced."
    )


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    """`month`, `day`: the standings of the key (budgets.live.Standing); `of_each_end_user`: caps by window; set by the
    view."""

    status = serializers.SerializerMethodField()
    cap_usd = Usd(source="month.cap", allow_null=True, help_text="A month. Null: no cap but the company's.")
    daily_cap_usd = Usd(source="day.cap", allow_null=True)
    hard_cap = serializers.SerializerMethodField(help_text="Whether its caps refuse requests, or only alert.")
    spent_usd = Usd(source="month.spent", help_text=_MONTH)
    held_usd = Usd(source="month.held", allow_null=True)
    remaining_usd = Usd(source="month.remaining", allow_null=True)
    spent_today_usd = Usd(source="day.spent")
    held_today_usd = Usd(source="day.held", allow_null=True)
    remaining_today_usd = Usd(source="day.remaining", allow_null=True)
    live = serializers.BooleanField(source="month.live")
    end_user_monthly_cap_usd = Usd(
        source="of_each_end_user.month", allow_null=True, help_text="What each end user may spend through it a month."
    )
    end_user_daily_cap_usd = Usd(source="of_each_end_user.day", allow_null=True, help_text="The same a UTC day.")
    allowed_models = serializers.ListField(child=serializers.CharField(), help_text="Empty: any that has a price.")

    class Meta:
        model = ApiKey
        fields = [
            *("id", "name", "mode", "prefix", "last_four", "status", "cap_usd", "daily_cap_usd", "hard_cap"),
            *("spent_usd", "held_usd", "remaining_usd", "spent_today_usd", "held_today_usd", "remaining_today_usd"),
            *("live", "end_user_monthly_cap_usd", "end_user_daily_cap_usd", "requires_end_user", "allowed_models"),
            *("default_output_limit", "created_at", "expires_at", "revoked_at", "last_used_at"),
        ]
        read_only_fields = fields

    def get_status(self, key: Any) -> KeyStatus:
        if key.revoked_at is not None:
            return "revoked"
        if key.expires_at is not None and key.expires_at <= timezone.now():
            return "expired"
        return "active" if key.paused_at is None else "paused"

    def get_hard_cap(self, key: Any) -> bool:
        caps = [standing for standing in (key.month, key.day) if standing.cap is not None]
        return all(standing.hard for standing in caps)  # without caps: what a first one will be


class CreatedApiKey(ApiKeySerializer):
    key = serializers.CharField(read_only=True, help_text="The secret, `tk_...`: shown here and never again.")

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]
        read_only_fields = fields


class RotatedApiKey(CreatedApiKey):
    old_key_stops_at = serializers.DateTimeField(read_only=True)

    class Meta(CreatedApiKey.Meta):
        fields = [*CreatedApiKey.Meta.fields, "old_key_stops_at"]
        read_only_fields = fields


class ApiKeyChange(Strict):
    """Send what is to change; null takes a cap, an expiry or an output limit away."""

    name = Text(required=False, max_length=80)
    cap_usd = UsdInput(required=False, allow_null=True, help_text="A month; 0 refuses everything.")
    daily_cap_usd = UsdInput(required=False, allow_null=True, help_text="A UTC day.")
    hard_cap = Flag(required=False, help_text="One for both caps of the key; a first cap is hard.")
    end_user_monthly_cap_usd = UsdInput(
        required=False, allow_null=True, help_text="What each end user may spend through it a month; always blocks."
    )
    end_user_daily_cap_usd = UsdInput(required=False, allow_null=True, help_text="The same a UTC day.")
    requires_end_user = Flag(required=False, help_text="Refuse requests that do not name their end user.")
    allowed_models = serializers.ListField(child=Text(), required=False)
    expires_at = Moment(required=False, allow_null=True)
    default_output_limit = Whole(required=False, allow_null=True)


class NewApiKey(ApiKeyChange):
    name = Text(max_length=80)
    mode = serializers.ChoiceField(
        KeyMode.values, required=False, help_text="`live` if left out; `test` goes to the sandbox."
    )


class Rotation(Strict):
    overlap_seconds = Whole(
        required=False,
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        help_text="How long the old key goes on working. 0, which is also what it is if left out: it stops now.",
    )


class KeyQuery(ListQuery):
    mode = serializers.ChoiceField(KeyMode.values, required=False)


class ProviderCheckSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    provider = serializers.CharField()
    ok = serializers.BooleanField(help_text="Whether the provider accepts the key.")
    message = serializers.CharField(help_text="What was asked, and what came back.")
    http_status = serializers.IntegerField(allow_null=True, help_text="Null: no answer came.")
    models = serializers.IntegerField(allow_null=True, help_text="How many models it listed.")
    tested_at = serializers.DateTimeField()
