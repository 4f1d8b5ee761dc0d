"""Shapes of "how much" on the REST API. Money is a decimal string in USD, exact, both ways; inside it is integers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from budgets.live import Standing
from budgets.models import UsageRecord, UsageStatus
from budgets.money import MAX_CAP_USD, InvalidAmount, format_usd, parse_usd
from tenants.models import KeyMode
from tenants.serializers import ListQuery, Query, range_fields

_PATTERN = r"^-?\d+\.\d{2,9}$"


@extend_schema_field({"type": "string", "format": "decimal", "pattern": _PATTERN, "example": "49.00"})
class Usd(serializers.Field[int, Any, str, Any]):
    """Nanodollars as they are answered: at least two decimals, at most nine."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"read_only": True, **options})

    def to_representation(self, value: int) -> str:
        return format_usd(value)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "format": "decimal", "pattern": r"^\d{1,7}(\.\d{1,9})?$"},
            {"type": "integer", "minimum": 0, "maximum": MAX_CAP_USD},
        ],
        "example": "49.00",
    }
)
class UsdInput(serializers.Field[int, Any, str, Any]):
    """USD as text, or as a whole JSON number; nanodollars once checked."""

    def to_internal_value(self, data: Any) -> int:
        name = f"`{self.field_name}`"
        if isinstance(data, float):
            raise serializers.ValidationError(f'Send {name} as text, like "49.50": a JSON number may not be exact.')
        if isinstance(data, bool) or not isinstance(data, str | int):
            raise serializers.ValidationError(f'Send {name} as text, like "49.00".')
        try:
            return parse_usd(data, decimals=9, what=name)
        except InvalidAmount as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: int) -> str:
        return format_usd(value)


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string", "format": "decimal"}})
class Rates(serializers.Field[dict[str, int], Any, dict[str, str], Any]):
    """Rates by kind of token: nanodollars per million tokens as USD strings."""

    def to_representation(self, value: dict[str, int]) -> dict[str, str]:
        return {kind: format_usd(rate) for kind, rate in value.items()}


# --- Usage -----------------------------------------------------------------------------------------------------------


class UsageRecordSerializer(serializers.ModelSerializer[UsageRecord]):
    api_key = serializers.CharField(source="api_key_id", help_text="The key's id.")
    api_key_name = serializers.CharField(source="api_key.name")
    cost_usd = Usd(source="cost")
    held_usd = Usd(source="held", help_text="The most that it could have cost.")
    price = Rates(help_text="The rates that it was charged at, USD per 1,000,000 tokens.")
    usage = serializers.DictField(help_text="Tokens by kind, as the provider reported them.")
    flags = serializers.ListField(child=serializers.CharField())
    bound = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="What the hold was reckoned from: `input` tokens at most, `output` tokens a choice, `choices`.",
    )

    class Meta:
        model = UsageRecord
        fields = [
            *("id", "api_key", "api_key_name", "mode", "provider", "model", "endpoint", "end_user", "status", "flags"),
            *("cost_usd", "held_usd", "input_tokens", "output_tokens", "usage", "price", "stream", "http_status"),
            *("price_source", "price_since", "own_price", "service_tier", "bound", "request_id", "first_byte_ms"),
            *("duration_ms", "day", "reserved_at", "settled_at"),
        ]
        read_only_fields = fields


class UsageFilter(Query):
    """Which rows; also the parameters of the CSV export."""

    api_key = serializers.CharField(required=False, max_length=24, help_text="A key's id.")
    model = serializers.CharField(required=False, max_length=128)
    provider = serializers.CharField(required=False, max_length=32)
    status = serializers.ChoiceField(UsageStatus.values, required=False)
    request_id = serializers.CharField(required=False, max_length=40, help_text="The reply's `x-request-id`.")
    mode = serializers.ChoiceField(KeyMode.values, required=False, help_text="Both if left out.")
    end_user = serializers.CharField(
        required=False, max_length=256, help_text="The `user` that the application sent, or its hash as rows have it."
    )

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), **range_fields()}


class UsageQuery(ListQuery, UsageFilter):
    pass


GROUPS = ("day", "api_key", "model", "provider", "end_user", "mode")


@extend_schema_field({"type": "string", "pattern": f"^({'|'.join(GROUPS)})(,({'|'.join(GROUPS)}))*$"})
class GroupBy(serializers.CharField):
    """`day`, or several: `day,api_key`."""

    def to_internal_value(self, data: Any) -> Any:
        names = super().to_internal_value(data).split(",")
        if unknown := [name for name in names if name not in GROUPS]:
            raise serializers.ValidationError(f"Group by {', '.join(GROUPS)} or several, not by `{unknown[0]}`.")
        return tuple(dict.fromkeys(names))


class SummaryQuery(Query):
    group_by = GroupBy(required=False, help_text=f"{', '.join(GROUPS)}; several with a comma. `day` if left out.")
    api_key = serializers.CharField(required=False, max_length=24, help_text="A key's id.")
    model = serializers.CharField(required=False, max_length=128)
    provider = serializers.CharField(required=False, max_length=32)
    mode = serializers.ChoiceField(KeyMode.values, required=False, help_text="Both if left out.")
    end_user = serializers.CharField(required=False, max_length=256)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), **range_fields()}


class Sums(serializers.Serializer[Any]):
    """What rows come to."""

    cost_usd = Usd(source="cost")
    requests = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()


class SummaryRow(Sums):
    """One group: it has those of these that were grouped by."""

    day = serializers.DateField(required=False)
    api_key = serializers.CharField(required=False)
    api_key_name = serializers.CharField(required=False)
    model = serializers.CharField(required=False)
    provider = serializers.CharField(required=False)
    end_user = serializers.CharField(required=False)
    mode = serializers.ChoiceField(KeyMode.values, required=False)


class SummarySerializer(serializers.Serializer[Any]):
    group_by = serializers.ListField(child=serializers.ChoiceField(GROUPS))
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    totals = Sums(help_text="Of all rows in the range, also of those beyond the groups that are listed.")
    results = SummaryRow(many=True)
    truncated = serializers.BooleanField(help_text="Whether there are more groups than are listed.")


# --- What is left ----------------------------------------------------------------------------------------------------


class StandingSerializer(serializers.Serializer[Standing]):
    """One scope that a key's requests count in."""

    scope = serializers.ChoiceField(["tenant", "api_key", "end_user"], source="place.scope")
    window = serializers.ChoiceField(["month", "day"], source="place.window.kind")
    limit_usd = Usd(source="cap", allow_null=True, help_text="Null: not capped.")
    spent_usd = Usd(source="spent")
    held_usd = Usd(source="held", allow_null=True, help_text="By requests in flight; null while `live` is false.")
    remaining_usd = Usd(source="remaining", allow_null=True, help_text="Below zero past a budget that does not block.")
    reset_at = serializers.DateTimeField(source="place.window.reset_at")
    hard_cap = serializers.BooleanField(source="hard", help_text="Whether requests that would break it are refused.")


class KeyBudgetSerializer(serializers.Serializer[Any]):
    api_key = serializers.CharField(help_text="The key's id.")
    mode = serializers.ChoiceField(KeyMode.values)
    live = serializers.BooleanField(help_text="False: the ledger is out of reach; figures are as last recorded.")
    scopes = StandingSerializer(many=True)
    tightest = StandingSerializer(allow_null=True, help_text="The one with the least left; null if none is capped.")
