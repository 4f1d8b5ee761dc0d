"""`keys/{id}/end-users/`: whom a key has served, by hash, what each has spent, and caps for one of them by name."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from budgets import user_standings
from budgets.end_users import ANONYMOUS, LONGEST_NAME, end_user_hash, is_hash
from budgets.serializers import Usd, UsdInput
from budgets.services import set_end_user_cap
from budgets.windows import WindowKind
from tenants import policy
from tenants.api import TenantView
from tenants.errors import InvalidValue
from tenants.models import ApiKey
from tenants.serializers import LARGEST_PAGE, PAGE_SIZE, Query, Strict, Text

CAPS = {"monthly_cap_usd": WindowKind.MONTH, "daily_cap_usd": WindowKind.DAY}


class EndUserSerializer(serializers.Serializer[user_standings.UserStanding]):
    end_user = serializers.CharField(help_text=f"A hash, as usage rows have it; `{ANONYMOUS}`: who is not named.")
    named = serializers.BooleanField(help_text="Whether caps of its own hold, in the place of the key's.")
    monthly_cap_usd = Usd(source="month.cap", allow_null=True, help_text="What holds for it now; null: no cap.")
    spent_usd = Usd(source="month.spent")
    held_usd = Usd(source="month.held", allow_null=True)
    remaining_usd = Usd(source="month.remaining", allow_null=True)
    daily_cap_usd = Usd(source="day.cap", allow_null=True)
    spent_today_usd = Usd(source="day.spent")
    held_today_usd = Usd(source="day.held", allow_null=True)
    remaining_today_usd = Usd(source="day.remaining", allow_null=True)
    live = serializers.BooleanField(source="month.live")


class EndUserListSerializer(serializers.Serializer[Any]):
    results = EndUserSerializer(many=True)


class EndUserQuery(Query):
    end_user = serializers.CharField(
        required=False, max_length=LONGEST_NAME, help_text="One alone: as the application names it, or its hash."
    )
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_PAGE, help_text=f"How many, {PAGE_SIZE} at first."
    )


class EndUserChange(Strict):
    """Whose caps, by exactly one of name and hash; send the caps that are to change, null takes its own away."""

    end_user = Text(required=False, max_length=LONGEST_NAME, help_text="As the application names it. Not stored.")
    end_user_hash = Text(required=False, help_text=f"As usage rows have it, or `{ANONYMOUS}`.")
    monthly_cap_usd = UsdInput(required=False, allow_null=True, help_text="0 refuses everything.")
    daily_cap_usd = UsdInput(required=False, allow_null=True, help_text="A UTC day.")


@extend_schema(tags=["Keys"])
class EndUsers(TenantView):
    queryset = ApiKey.objects.all()
    query_class = EndUserQuery

    @extend_schema(
        summary="The end users of a key that spent most this month, and those with caps of their own",
        responses=EndUserListSerializer,
    )
    def get(self, request: Request, pk: str) -> Response:
        key: ApiKey = self.get_object()
        if (asked := self.params.get("end_user")) is not None:
            users = [asked if is_hash(asked) else end_user_hash(key.tenant_id, asked)]
        else:
            users = user_standings.most_spent(key, self.params.get("limit", PAGE_SIZE))
        return Response(EndUserListSerializer({"results": user_standings.of(key, users)}).data)

    @extend_schema(
        summary="Give one end user caps of its own, or take them away",
        description="It holds from the next request on. The name is hashed as it arrives, and is not stored.",
        request=EndUserChange,
        responses=EndUserSerializer,
    )
    def post(self, request: Request, pk: str) -> Response:
        asked = self.body(EndUserChange)
        key: ApiKey = self.get_object()
        user = _whose(key, asked)
        caps = {window: asked[name] for name, window in CAPS.items() if name in asked}
        if not caps:
            raise InvalidValue("daily_cap_usd", "Send `monthly_cap_usd`, `daily_cap_usd` or both.")
        with policy.within(self.tenant) as tenant:
            for window, amount in caps.items():
                set_end_user_cap(
                    tenant=tenant, key_id=pk, window=window, amount=amount, end_user=user, actor=self.actor
                )
        return Response(EndUserSerializer(user_standings.of(key, [user])[0]).data)


def _whose(key: ApiKey, asked: dict[str, Any]) -> str:
    """The hash that is meant. Raises InvalidValue."""
    if ("end_user" in asked) == ("end_user_hash" in asked):
        raise InvalidValue("end_user", "Send `end_user` or `end_user_hash`, one of them.")
    if "end_user" in asked:
        return end_user_hash(key.tenant_id, asked["end_user"])
    if not is_hash(asked["end_user_hash"]):
        raise InvalidValue("end_user_hash", f"Send the hash of a usage row, 24 hexadecimal digits, or `{ANONYMOUS}`.")
    return str(asked["end_user_hash"])
