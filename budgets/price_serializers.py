"""Shapes of prices on the REST API: USD per 1,000,000 tokens as decimal strings; percentages as text too."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from budgets.models import TenantPrice
from budgets.pricing.rates import RATE_KINDS
from budgets.serializers import Rates, UsdInput
from tenants.serializers import Flag, ListQuery, Query, Strict, Text, Whole

_PERCENT = re.compile(r"(-?)(\d{1,3})(?:\.(\d{1,2}))?", re.ASCII)
_RATES = "USD per 1,000,000 tokens by kind; `web_search` and `request_fee` in USD a call."
_KINDS = ", ".join(f"`{kind}`" for kind in RATE_KINDS)


@extend_schema_field({"type": "string", "format": "decimal", "pattern": r"^-?\d{1,3}(\.\d{1,2})?$", "example": "20.00"})
class Percent(serializers.Field[int, Any, str, Any]):
    """Hundredths of a percent as text, two decimals at most."""

    def to_internal_value(self, data: Any) -> int:
        found = _PERCENT.fullmatch(data) if isinstance(data, str) else None
        if found is None:
            raise serializers.ValidationError(f'Send `{self.field_name}` as text, like "20" or "7.5".')
        hundredths = int(found[2]) * 100 + int((found[3] or "").ljust(2, "0"))
        return -hundredths if found[1] else hundredths

    def to_representation(self, value: int) -> str:
        whole, rest = divmod(abs(value), 100)
        return f"{'-' if value < 0 else ''}{whole}.{rest:02d}"


# --- The prices in force ---------------------------------------------------------------------------------------------


class StepSerializer(serializers.Serializer[Any]):
    above_input_tokens = serializers.IntegerField()
    price = serializers.DictField(child=serializers.CharField(allow_null=True))


class PriceSerializer(serializers.Serializer[Any]):
    provider = serializers.CharField()
    model = serializers.CharField()
    purpose = serializers.CharField()
    price = serializers.DictField(child=serializers.CharField(allow_null=True), help_text=f"{_RATES} Null: not priced.")
    steps = StepSerializer(many=True, help_text="Prices of a whole request with more input than this.")
    service_tiers = serializers.DictField(child=serializers.DictField(child=serializers.CharField(allow_null=True)))
    regions = serializers.DictField(
        child=serializers.IntegerField(), help_text="Percent of the token rates where inference in a region costs more."
    )
    context_window = serializers.IntegerField()
    max_output_tokens = serializers.IntegerField()
    free = serializers.BooleanField(help_text="It costs nothing, on purpose.")
    own = serializers.CharField(allow_null=True, help_text="The id of your own price or discount; null: the list's.")
    source = serializers.CharField()  # type: ignore[assignment]
    since = serializers.DateField(allow_null=True, help_text="Since when this price is in force, where that is known.")
    in_force_on = serializers.DateField()


class OwnPriceSerializer(serializers.ModelSerializer[TenantPrice]):
    rates = Rates(allow_null=True, help_text=f"{_RATES} Null: see `discount_percent` and `free`.")
    discount_percent = serializers.SerializerMethodField(help_text="Off every rate of the list; below 0 a surcharge.")
    since = serializers.DateTimeField(source="updated_at", help_text="Since when these terms hold.")

    class Meta:
        model = TenantPrice
        fields = [
            *("id", "provider", "model", "rates", "discount_percent", "free", "context_window", "max_output_tokens"),
            *("note", "created_at", "since"),
        ]
        read_only_fields = fields

    def get_discount_percent(self, row: TenantPrice) -> str | None:
        return Percent().to_representation(row.discount) if row.discount else None


class PriceListSerializer(serializers.Serializer[Any]):
    in_force_on = serializers.DateField()
    source = serializers.CharField(help_text="Of the price list.")  # type: ignore[assignment]
    results = PriceSerializer(many=True)
    own = OwnPriceSerializer(many=True, help_text="Your own prices and discounts, also those that no model listed has.")


class PriceQuery(Query):
    provider = serializers.CharField(required=False, max_length=32)
    q = serializers.CharField(required=False, max_length=128, help_text="Models whose name has this in it.")


class OwnPriceQuery(ListQuery):
    provider = serializers.CharField(required=False, max_length=32)


# --- A tenant's own --------------------------------------------------------------------------------------------------


class OwnPriceChange(Strict):
    """Send what is to change. `rates`, `discount_percent` and `free` exclude one another: the last one sent holds."""

    rates = serializers.DictField(child=UsdInput(), required=False, help_text=f"{_RATES} Kinds: {_KINDS}.")
    discount_percent = Percent(required=False, help_text='"20" takes 20% off every rate of the list; "-10" adds 10%.')
    free = Flag(required=False, help_text="True: the model costs nothing, on purpose.")
    context_window = Whole(required=False, allow_null=True, help_text="For a model whose window nobody publishes.")
    max_output_tokens = Whole(required=False, allow_null=True)
    note = Text(required=False, max_length=120, allow_blank=True, help_text="Where it is from, in your own words.")


class NewOwnPrice(OwnPriceChange):
    provider = Text(max_length=32)
    model = Text(max_length=128, help_text="A model as requests name it, or `*` for every one of the provider.")
