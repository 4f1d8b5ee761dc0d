"""The REST API of "who hears of it": channels, rules, and what became of each delivery."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import outbox, services
from alerts.models import AlertChannel, AlertRule, Delivery
from alerts.serializers import (
    AlertChannelSerializer,
    AlertRuleSerializer,
    ChannelChange,
    CreatedChannel,
    DeliveryQuery,
    DeliverySerializer,
    NewAlertChannel,
    NewAlertRule,
    RuleChangeSerializer,
    SecretRotation,
)
from alerts.services import RuleChange
from alerts.services.channels import USUAL_OVERLAP
from alerts.tasks import nudge
from tenants.api import ListView, TenantView
from tenants.serializers import Strict


class ChannelView(TenantView):
    queryset = AlertChannel.objects.prefetch_related("recipients")
    serializer_class = AlertChannelSerializer

    def shown(self, channel: AlertChannel, secret: str) -> dict[str, Any]:
        """With the secret that exists this once; without the name of one where there is none."""
        shape = self.get_serializer(channel).data
        return {**shape, "secret": secret} if secret else dict(shape)


@extend_schema(tags=["Alerts"])
class AlertChannels(ChannelView, ListView):
    """Where alerts go. A channel is added to the rules that name its kind."""

    @extend_schema(
        summary="Add a channel; a webhook's signing secret is shown this once",
        request=NewAlertChannel,
        responses={201: CreatedChannel},
    )
    def post(self, request: Request) -> Response:
        made = services.create_channel(tenant=self.tenant, actor=self.actor, **self.body(NewAlertChannel))
        return Response(self.shown(made.channel, made.secret), status=201)


@extend_schema(tags=["Alerts"])
class OneAlertChannel(ChannelView):
    @extend_schema(summary="A channel, and whether it works")
    def get(self, request: Request, pk: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(summary="Change a channel's name or target", request=ChannelChange)
    def patch(self, request: Request, pk: str) -> Response:
        asked = self.body(ChannelChange)
        changed = services.change_channel(tenant=self.tenant, channel_id=pk, actor=self.actor, **asked)
        return Response(self.get_serializer(changed).data)

    @extend_schema(summary="Remove a channel; what waits for it is not sent", request=None)
    def delete(self, request: Request, pk: str) -> Response:
        self.body(Strict)
        services.remove_channel(tenant=self.tenant, channel_id=pk, actor=self.actor)
        return Response(status=204)


@extend_schema(tags=["Alerts"])
class TestAlertChannel(ChannelView):
    @extend_schema(
        summary="Send a test now, and see what came back",
        description="Tried once; one delivery for each e-mail address.",
        request=None,
        responses=DeliverySerializer(many=True),
    )
    def post(self, request: Request, pk: str) -> Response:
        self.body(Strict)
        made = services.send_test(tenant=self.tenant, channel_id=pk, actor=self.actor)
        return Response(DeliverySerializer(made, many=True).data)


@extend_schema(tags=["Alerts"])
class RotateChannelSecret(ChannelView):
    @extend_schema(
        summary="A new signing secret for a webhook; the old one may sign beside it for a while",
        request=SecretRotation,
        responses=CreatedChannel,
    )
    def post(self, request: Request, pk: str) -> Response:
        seconds = self.body(SecretRotation).get("overlap_seconds", USUAL_OVERLAP.total_seconds())
        made = services.rotate_secret(
            tenant=self.tenant, channel_id=pk, actor=self.actor, overlap=timedelta(seconds=seconds)
        )
        return Response(self.shown(made.channel, made.secret))


# --- Rules -----------------------------------------------------------------------------------------------------------


class RuleView(TenantView):
    queryset = AlertRule.objects.prefetch_related("channels")
    serializer_class = AlertRuleSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        channels = outbox.channels_of(self.tenant) if hasattr(self.request, "auth") and self.request.auth else []
        return {**super().get_serializer_context(), "tenant_channels": channels}


@extend_schema(tags=["Alerts"])
class AlertRules(RuleView, ListView):
    """What is told to whom: thresholds of any cap, forecasts, burn rates."""

    @extend_schema(
        summary="Add a rule",
        description="A threshold that is passed already is not told of in this window.",
        request=NewAlertRule,
        responses={201: AlertRuleSerializer},
    )
    def post(self, request: Request) -> Response:
        asked = RuleChange(**self.body(NewAlertRule))
        made = services.create_rule(tenant=self.tenant, actor=self.actor, asked=asked)
        return Response(self.get_serializer(made).data, status=201)


@extend_schema(tags=["Alerts"])
class OneAlertRule(RuleView):
    @extend_schema(summary="A rule")
    def get(self, request: Request, pk: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(summary="Change a rule", request=RuleChangeSerializer)
    def patch(self, request: Request, pk: str) -> Response:
        asked = RuleChange(**self.body(RuleChangeSerializer))
        changed = services.change_rule(tenant=self.tenant, rule_id=pk, actor=self.actor, asked=asked)
        return Response(self.get_serializer(changed).data)

    @extend_schema(summary="Remove a rule", request=None)
    def delete(self, request: Request, pk: str) -> Response:
        self.body(Strict)
        services.remove_rule(tenant=self.tenant, rule_id=pk, actor=self.actor)
        return Response(status=204)


# --- Deliveries ------------------------------------------------------------------------------------------------------


class DeliveryView(TenantView):
    queryset = Delivery.objects.select_related("event")
    serializer_class = DeliverySerializer


@extend_schema(tags=["Alerts"])
class Deliveries(DeliveryView, ListView):
    """What was sent to whom, what was answered, and what is still to come."""

    query_class = DeliveryQuery

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        columns = {"channel": "channel_id", "event": "event_id", "state": "state"}
        return queryset.filter(**{columns[name]: self.params[name] for name in columns if name in self.params})


@extend_schema(tags=["Alerts"])
class OneDelivery(DeliveryView):
    @extend_schema(summary="One delivery: payload, answer, tries")
    def get(self, request: Request, pk: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)


@extend_schema(tags=["Alerts"])
class SendAgain(DeliveryView):
    @extend_schema(summary="Send it once more, with the same event id", request=None)
    def post(self, request: Request, pk: str) -> Response:
        self.body(Strict)
        queued = services.send_again(tenant=self.tenant, delivery_id=pk, actor=self.actor)
        nudge()
        return Response(self.get_serializer(queued).data)
