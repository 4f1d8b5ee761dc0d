"""Shapes of "who" on the REST API, and the strict fields that every input is made of.

JSON has types, and they are taken at their word: `"false"` is no boolean and 5.0 no whole number. A name that is not
known is refused, so that a slip in `cap_usd` is not a key without a cap.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from tenants.models import AuditEvent, ManagementToken, ProviderCredential
from tenants.providers import BY_ID, CUSTOM
from tenants.services.tokens import SCOPES

PAGE_SIZE, LARGEST_PAGE = 50, 200


class Strict(serializers.Serializer[Any]):
    """Input without names that it does not know."""

    default_error_messages = {"invalid": "Send a JSON object."}
    unknown_code, unknown_thing = "unknown_field", "field"

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            for name in data:
                if name not in self.fields:
                    known = ", ".join(f"`{each}`" for each in self.fields) or "none"
                    message = f"There is no {self.unknown_thing} `{str(name)[:80]}` here. Known: {known}."
                    raise ValidationError({str(name)[:80]: ErrorDetail(message, self.unknown_code)})
        return super().to_internal_value(data)


class Query(Strict):
    """The parameters of an address."""

    unknown_code, unknown_thing = "unknown_parameter", "parameter"


class ListQuery(Query):
    cursor = serializers.CharField(required=False, max_length=300, help_text="Where the page begins: from `next`.")
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_PAGE, help_text=f"Rows a page, {PAGE_SIZE} at first."
    )


# --- Fields of input -------------------------------------------------------------------------------------------------


class Text(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    default_error_messages = {"invalid": "Send true or false."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Moment(serializers.DateTimeField):
    default_error_messages = {"invalid": "Send a time like 2026-12-01T00:00:00Z."}

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            self.fail("invalid", format="")
        return super().to_internal_value(value)


@extend_schema_field({"oneOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]})
class Bound(serializers.Field[datetime, str, str, Any]):
    """A day (`2026-11-24`) or a time (`2026-11-24T09:30:00Z`) in a query: where a range begins or, with `ends`, ends.

    A day that ends a range is in it; a time that ends one is not.
    """

    default_error_messages = {"invalid": "Send a day like 2026-11-24 or a time like 2026-11-24T09:30:00Z."}

    def __init__(self, *, ends: bool = False, **options: Any) -> None:
        self.ends = ends
        super().__init__(**options)

    def to_internal_value(self, data: str) -> datetime:
        try:
            moment = self._moment(data)
        except (ValueError, OverflowError) as error:
            raise ValidationError(self.error_messages["invalid"], "invalid") from error
        if moment is None or not 2000 <= moment.year <= 9000:
            self.fail("invalid")
        return moment

    def _moment(self, text: str) -> datetime | None:
        if (day := parse_date(text)) is not None:
            return datetime.combine(day + timedelta(days=self.ends), time(), UTC)
        # A `+` that was not escaped in the address arrives as a space.
        moment = parse_datetime(text.replace(" ", "+"))
        return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


# --- Provider keys ---------------------------------------------------------------------------------------------------


class ProviderCredentialSerializer(serializers.ModelSerializer[ProviderCredential]):
    class Meta:
        model = ProviderCredential
        fields = [
            *("id", "provider", "last_four", "base_url", "api_version", "deployments", "created_at", "tested_at"),
            "test_result",
        ]
        read_only_fields = fields


class NewProviderCredential(Strict):
    provider = Text(
        help_text=f"One of {', '.join(f'`{each}`' for each in BY_ID)}; or `{CUSTOM}`: an endpoint of yours."
    )
    secret = Text(
        max_length=600,
        allow_blank=True,
        help_text="The provider's key. Stored encrypted, and never shown again. Empty: your endpoint asks for none.",
    )
    name = Text(required=False, max_length=32, help_text=f"`{CUSTOM}`: what it is called; its models are `<name>/...`.")
    base_url = Text(
        required=False,
        max_length=500,
        help_text=f"`{CUSTOM}`: where it is. `azure`: your resource, by its address.",
    )
    api_version = Text(
        required=False, max_length=32, allow_blank=True, help_text="`azure`: like `2024-10-21`; empty for its v1 API."
    )
    deployments = serializers.DictField(
        child=Text(max_length=128), required=False, help_text="`azure`: by deployment, the model whose price it has."
    )


# --- Management tokens -----------------------------------------------------------------------------------------------


class ManagementTokenSerializer(serializers.ModelSerializer[ManagementToken]):
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES), read_only=True)

    class Meta:
        model = ManagementToken
        fields = ["id", "name", "prefix", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at"]
        read_only_fields = fields


class CreatedManagementToken(ManagementTokenSerializer):
    token = serializers.CharField(read_only=True, help_text="The secret, `tkm_...`: shown here and never again.")

    class Meta(ManagementTokenSerializer.Meta):
        fields = [*ManagementTokenSerializer.Meta.fields, "token"]
        read_only_fields = fields


class NewManagementTokenSerializer(Strict):
    name = Text(max_length=80)
    scopes = serializers.ListField(child=Text(), required=False, help_text="`read`, `write`; both if left out.")
    expires_at = Moment(required=False, allow_null=True)


# --- Audit log -------------------------------------------------------------------------------------------------------


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    actor = serializers.CharField(source="actor_label", help_text="An e-mail, `token <name>`, or `operator`.")
    target = serializers.CharField(source="target_label")
    changes = serializers.DictField(help_text='`{"field": [from, to]}`; money as USD strings; never a secret.')

    class Meta:
        model = AuditEvent
        fields = ["id", "created_at", "actor", "address", "action", "target_id", "target", "changes"]
        read_only_fields = fields


class AuditQuery(ListQuery):
    action = serializers.CharField(required=False, max_length=64, help_text="`api_key.revoked`, `cap.changed`, ...")
    target_id = serializers.CharField(required=False, max_length=32)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), **range_fields()}


def range_fields() -> dict[str, Any]:
    """`from` and `to`, which no class body can name."""
    return {
        "from": Bound(required=False, help_text="A UTC day, or a time."),
        "to": Bound(required=False, ends=True, help_text="A UTC day, which is in the range, or a time, which is not."),
    }
