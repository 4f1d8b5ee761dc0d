"""Alerts: the ladder on the meter, what is beyond it, channels with their last delivery, and the log of deliveries."""

import json
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from alerts import services
from alerts.models import AlertChannel, Delivery, DeliveryState
from alerts.tasks import nudge
from tenants.errors import TenantError
from tenants.roles import Action
from tenants.services import resume_api_key
from tokonomics.console import access, alert_ladder, alert_rows, frames
from tokonomics.console import alert_words as words
from tokonomics.console.access import TenantRequest
from tokonomics.console.standings import Snapshot

PAGE = 50


@require_safe
@access.page("alerts")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    tenant = request.tenant
    seen = Snapshot.take(tenant)
    request.frame = frames.frame_of(request.membership, "alerts", snapshot=seen)
    rules, channels = alert_rows.rules_of(tenant), alert_rows.channels_of(tenant)
    context: dict[str, Any] = {
        "ladder": alert_ladder.ladder(seen, rules, channels),
        "beyond": alert_rows.rule_rows(rules, channels, of_keys=False),
        "of_keys": alert_rows.rule_rows(rules, channels, of_keys=True),
        "channels": alert_rows.channel_rows(channels, timezone.now()),
        "paused": alert_rows.paused_keys(tenant),
        "mail_note": words.NO_MAIL if alert_rows.mail_is_logged(channels) else "",
        "open": Delivery.objects.filter(tenant=tenant, due_at__isnull=False).exists(),
        "may_change": access.allowed(request, Action.MANAGE_ALERTS),
        "may_resume": access.allowed(request, Action.MANAGE_KEYS),
    }
    if not context["may_change"]:
        context["why_not"] = access.no_right(tenant, Action.MANAGE_ALERTS, words.TO)
    return access.show(request, "console/alerts.html", context)


@require_POST
@access.page("alerts", needs=Action.MANAGE_KEYS, to="resume keys")
def resume(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    """A paused key works again from its next request."""
    try:
        key = resume_api_key(tenant=request.tenant, key_id=key_id, actor=access.actor(request))
    except TenantError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"{key.name} works again from its next request.")
    return redirect(f"/t/{slug}/alerts/")


# --- Deliveries ------------------------------------------------------------------------------------------------------


@require_safe
@access.page("alerts", name="Deliveries")
def deliveries(request: TenantRequest, slug: str) -> HttpResponse:
    tenant = request.tenant
    state, channel_id, before = (request.GET.get(name, "") for name in ("state", "channel", "before"))
    rows = Delivery.objects.filter(tenant=tenant).select_related("event", "channel")
    if state in DeliveryState.values:
        rows = rows.filter(state=state)
    if channel_id:
        rows = rows.filter(channel_id=channel_id)
    found = list(_before(rows, before)[: PAGE + 1])
    context: dict[str, Any] = {
        "rows": [_row(delivery) for delivery in found[:PAGE]],
        "older": found[PAGE - 1].pk if len(found) > PAGE else "",
        "channels": list(AlertChannel.objects.filter(tenant=tenant)),
        "states": [(value, words.state(Delivery(state=value))) for value in DeliveryState.values],
        "state": state,
        "channel": channel_id,
        "live": any(delivery.is_open for delivery in found) and not before,
    }
    if not found and not (state or channel_id):
        context["nothing"] = _nothing(request)
    return access.show(request, "console/deliveries.html", context)


def _before(rows: Any, ident: str) -> Any:
    last = rows.filter(pk=ident).first() if ident else None
    if last is None:
        return rows
    older = rows.filter(created_at__lt=last.created_at)
    return older | rows.filter(created_at=last.created_at, pk__lt=last.pk)


def _row(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery": delivery,
        "event": words.event(delivery.event),
        "to": words.sent_to(delivery),
        "state": words.state(delivery),
        "tone": words.tone(delivery),
        "tries": len(delivery.history),
        "next": _next_try(delivery),
    }


def _next_try(delivery: Delivery) -> datetime | None:
    return delivery.due_at if delivery.state == DeliveryState.WAITING and delivery.history else None


def _nothing(request: TenantRequest) -> str:
    seen = Snapshot.take(request.tenant)
    tenant = request.tenant
    drawn = alert_ladder.ladder(seen, alert_rows.rules_of(tenant), alert_rows.channels_of(tenant))
    ahead = drawn.next if drawn else None
    return words.nothing_sent(ahead.percent, ahead.state) if ahead else words.nothing_sent(None, "")


@require_safe
@access.page("alerts", name="Delivery")
def delivery(request: TenantRequest, slug: str, delivery_id: str) -> HttpResponse:
    found = Delivery.objects.filter(tenant=request.tenant, pk=delivery_id).select_related("event", "channel").first()
    if found is None:
        raise Http404
    context = {
        **_row(found),
        "payload": _readable(found.payload),
        "history": [{**line, "at": datetime.fromisoformat(line["at"])} for line in reversed(found.history)],
        "may_change": access.allowed(request, Action.MANAGE_ALERTS),
        "live": found.is_open,
    }
    return access.show(request, "console/delivery.html", context)


def _readable(payload: str) -> str:
    """JSON with its lines broken, for people; what went over the wire had none."""
    if not payload.startswith("{"):
        return payload
    return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)


@require_POST
@access.page("alerts", needs=Action.MANAGE_ALERTS, to=words.TO)
def send_again(request: TenantRequest, slug: str, delivery_id: str) -> HttpResponse:
    try:
        services.send_again(tenant=request.tenant, delivery_id=delivery_id, actor=access.actor(request))
    except TenantError as error:
        messages.error(request, error.message)
    else:
        nudge()
        messages.success(request, "It goes out again now, with the same event id.")
    return redirect(f"/t/{slug}/alerts/deliveries/{delivery_id}/")
