"""Shapes of "who hears of it" on the REST API. What a channel leads to is shown as far as it is no secret."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from alerts import ladder
from alerts.models import (
    MOST_PERCENT,
    AlertChannel,
    AlertRule,
    ChannelKind,
    Delivery,
    DeliveryState,
    RuleKind,
    RuleScope,
)
from alerts.services.channels import LONGEST_OVERLAP, target_of
from budgets.serializers import Usd, UsdInput
from budgets.windows import WindowKind
from tenants.serializers import Flag, ListQuery, Strict, Text, Whole

_KINDS = ", ".join(f"`{kind}`" for kind in ChannelKind.values)


# --- Channels --------------------------------------------------------------------------------------------------------


class RecipientSerializer(serializers.Serializer[Any]):
    email = serializers.EmailField()
    unsubscribed_at = serializers.DateTimeField(allow_null=True)
    bounced_at = serializers.DateTimeField(allow_null=True)


class AlertChannelSerializer(serializers.ModelSerializer[AlertChannel]):
    target = serializers.SerializerMethodField(help_text="E-mail addresses in full; of a URL what is no secret.")
    state = serializers.SerializerMethodField(help_text="`healthy`, or `broken`: `problem` says why and what to do.")
    problem = serializers.CharField(help_text="Empty while it is healthy.")
    recipients = RecipientSerializer(many=True, help_text="E-mail: its addresses.")
    old_secret_until = serializers.DateTimeField(allow_null=True, help_text="Until then the old secret signs too.")

    class Meta:
        model = AlertChannel
        fields = [
            *("id", "kind", "name", "target", "state", "problem", "problem_at", "recipients", "old_secret_until"),
            "created_at",
        ]
        read_only_fields = fields

    def get_target(self, channel: AlertChannel) -> str:
        return target_of(channel)

    def get_state(self, channel: AlertChannel) -> str:
        return "broken" if channel.is_broken else "healthy"


class CreatedChannel(AlertChannelSerializer):
    secret = serializers.CharField(
        read_only=True, help_text="Webhooks: `whsec_...`, what they are signed with. Shown here and never again."
    )

    class Meta(AlertChannelSerializer.Meta):
        fields = [*AlertChannelSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class ChannelChange(Strict):
    name = Text(required=False, max_length=80)
    target = Text(required=False, max_length=6_000, help_text="A URL, an integration key, or addresses with commas.")


class NewAlertChannel(ChannelChange):
    kind = serializers.ChoiceField(ChannelKind.values, help_text=f"{_KINDS}.")
    target = Text(max_length=6_000, help_text="A URL, an integration key, or addresses with commas. Kept encrypted.")


class SecretRotation(Strict):
    overlap_seconds = Whole(
        required=False,
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        help_text="How long the old secret signs beside the new one; a day if left out.",
    )


# --- Rules -----------------------------------------------------------------------------------------------------------


class AlertRuleSerializer(serializers.ModelSerializer[AlertRule]):
    """`tenant_channels`, in the context: every channel of the tenant."""

    api_key = serializers.CharField(source="api_key_id", allow_null=True, help_text="Null: not about one key.")
    window = serializers.SerializerMethodField(help_text="Null: each window that the scope has a cap for.")
    channels = serializers.SerializerMethodField(help_text="Ids of all that it leads to now, by name or by kind.")
    channel_kinds = serializers.ListField(child=serializers.CharField(), help_text="Every channel of these; `*`: any.")
    least_usd = Usd(source="least")

    class Meta:
        model = AlertRule
        fields = [
            *("id", "kind", "threshold_percent", "scope", "api_key", "window", "channels", "channel_kinds", "mention"),
            *("factor", "least_usd", "pause", "created_at"),
        ]
        read_only_fields = fields

    def get_window(self, rule: AlertRule) -> str | None:
        return rule.window or None

    def get_channels(self, rule: AlertRule) -> list[str]:
        return [channel.pk for channel in ladder.heard_by(rule, self.context["tenant_channels"])]


class RuleChangeSerializer(Strict):
    threshold_percent = Whole(required=False, min_value=1, max_value=MOST_PERCENT, help_text="Of the cap.")
    channels = serializers.ListField(child=Text(), required=False, help_text="Ids. Replaces `channel_kinds`.")
    channel_kinds = serializers.ListField(child=Text(), required=False, help_text="Every channel of these; `*`: any.")
    api_key = Text(required=False, allow_null=True, help_text="A key's id; null is the company's budget.")
    scope = serializers.ChoiceField(
        RuleScope.values, required=False, help_text="By `api_key` if left out; `every_key` is each live key by itself."
    )
    window = serializers.ChoiceField(
        list(WindowKind), required=False, allow_null=True, help_text="Null: each window that there is a cap for."
    )
    mention = Flag(required=False, help_text="Slack and Discord: begin with @here.")
    factor = Whole(required=False, help_text="Burn rate: how many times the usual hour; 10 if left out.")
    least_usd = UsdInput(required=False, source="least", help_text="Burn rate: less than this an hour is no news.")
    pause = Flag(required=False, help_text="Burn rate: pause the key that causes it.")


class NewAlertRule(RuleChangeSerializer):
    kind = serializers.ChoiceField(RuleKind.values, required=False, help_text="`threshold` if left out.")


# --- Deliveries ------------------------------------------------------------------------------------------------------


class TrySerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    outcome = serializers.ChoiceField(["delivered", "waiting", "failed", "cancelled"])
    answer = serializers.CharField(help_text="What was answered, or why there was no answer.")
    took_ms = serializers.IntegerField()


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    event = serializers.CharField(source="event_id", help_text="Stable over every try: tell repeats by it.")
    type = serializers.CharField(source="event.type")
    channel = serializers.CharField(source="channel_id", allow_null=True, help_text="Null: it was removed.")
    kind = serializers.CharField(source="channel_kind")
    next_try_at = serializers.SerializerMethodField(help_text="Null: none is due.")
    attempts = serializers.SerializerMethodField(help_text="How many tries there were in all.")
    headers = serializers.DictField(child=serializers.CharField())
    history = TrySerializer(many=True)

    class Meta:
        model = Delivery
        fields = [
            *("id", "event", "type", "channel", "channel_name", "kind", "address", "state", "attempts"),
            *("next_try_at", "created_at", "finished_at", "payload", "headers", "history"),
        ]
        read_only_fields = fields

    def get_next_try_at(self, delivery: Delivery) -> str | None:
        if delivery.state != DeliveryState.WAITING or delivery.due_at is None:
            return None
        return max(delivery.due_at, timezone.now()).strftime("%Y-%m-%dT%H:%M:%SZ")

    def get_attempts(self, delivery: Delivery) -> int:
        return len(delivery.history)


class DeliveryQuery(ListQuery):
    channel = serializers.CharField(required=False, max_length=24, help_text="A channel's id.")
    event = serializers.CharField(required=False, max_length=24)
    state = serializers.ChoiceField(DeliveryState.values, required=False)
