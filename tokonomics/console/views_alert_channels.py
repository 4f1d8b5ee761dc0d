"""Channels of alerts: added, changed, tested, removed; a webhook's secret, shown once."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from alerts import services
from alerts.models import AlertChannel, ChannelKind
from alerts.services.channels import target_of
from tenants.errors import TenantError
from tenants.roles import Action
from tokonomics.console import access, once
from tokonomics.console import alert_words as words
from tokonomics.console.access import TenantRequest
from tokonomics.console.forms import sent
from tokonomics.console.forms_alerts import ChannelForm

_changes = access.page("alerts", needs=Action.MANAGE_ALERTS, to=words.TO, name="Channel")


@require_http_methods(["GET", "HEAD", "POST"])
@_changes
def new(request: TenantRequest, slug: str) -> HttpResponse:
    kind = request.POST.get("kind") or request.GET.get("kind") or ChannelKind.SLACK
    if kind not in ChannelKind.values:
        raise Http404
    form = ChannelForm(sent(request), kind=kind)
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(once.first_time(request, lambda: _make(request, form, kind)))
        except TenantError as error:
            form.refuse(error)
    context = {
        "form": form,
        "kind": ChannelKind(kind),
        "kinds": list(ChannelKind),
        "form_id": request.POST.get("form_id") or once.new_form_id(),
    }
    return access.show(request, "console/alert_channel_new.html", context)


def _make(request: TenantRequest, form: ChannelForm, kind: str) -> str:
    given = form.cleaned_data
    made = services.create_channel(
        tenant=request.tenant, kind=kind, target=given["target"], name=given["name"], actor=access.actor(request)
    )
    messages.success(request, f"{words.named(made.channel)} is added. Send it a test.")
    if not made.secret:
        return _address(request, made.channel)
    once.keep_secret(request.session, made.channel.pk, made.secret)
    return f"{_address(request, made.channel)}?made=1"


@require_http_methods(["GET", "HEAD", "POST"])
@_changes
def one(request: TenantRequest, slug: str, channel_id: str) -> HttpResponse:
    """A channel: its target and name, its test, its signing secret, its end."""
    channel = _channel(request, channel_id)
    form = ChannelForm(sent(request), kind=channel.kind, channel=channel, initial=_initial(channel))
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            services.change_channel(
                tenant=request.tenant,
                channel_id=channel.pk,
                name=given["name"] or channel.name,
                target=given["target"] or None,
                actor=access.actor(request),
            )
        except TenantError as error:
            form.refuse(error)
        else:
            messages.success(request, "Saved. Send it a test.")
            return redirect(_address(request, channel))
    secret = once.take_secret(request.session, channel.pk) if request.GET.get("made") else ""
    context = {
        "form": form,
        "channel": channel,
        "called": words.named(channel),
        "target": target_of(channel),
        "recipients": list(channel.recipients.all()),
        "secret": secret,
    }
    return access.show(request, "console/alert_channel.html", context)


def _initial(channel: AlertChannel) -> dict[str, Any]:
    """Addresses can be edited; what is kept as a secret can only be replaced."""
    target = target_of(channel) if channel.kind == ChannelKind.EMAIL else ""
    return {"name": channel.name, "target": target}


@require_POST
@_changes
def test(request: TenantRequest, slug: str, channel_id: str) -> HttpResponse:
    channel = _channel(request, channel_id)
    try:
        made = services.send_test(tenant=request.tenant, channel_id=channel_id, actor=access.actor(request))
    except TenantError as error:
        messages.error(request, error.message)
    else:
        arrived, said = words.tested(made)
        (messages.success if arrived else messages.error)(request, said)
    back = "alerts/" if request.POST.get("from") == "alerts" else f"alerts/channels/{channel.pk}/"
    return redirect(f"/t/{slug}/{back}")


@require_POST
@_changes
def rotate(request: TenantRequest, slug: str, channel_id: str) -> HttpResponse:
    """A new signing secret, shown once; the old one signs beside it for a day."""
    channel = _channel(request, channel_id)
    overlap = timedelta(0) if request.POST.get("now") else timedelta(days=1)
    try:
        made = services.rotate_secret(
            tenant=request.tenant, channel_id=channel_id, overlap=overlap, actor=access.actor(request)
        )
    except TenantError as error:
        messages.error(request, error.message)
        return redirect(_address(request, channel))
    once.keep_secret(request.session, made.channel.pk, made.secret)
    return redirect(f"{_address(request, channel)}?made=1")


@require_http_methods(["GET", "HEAD", "POST"])
@_changes
def remove(request: TenantRequest, slug: str, channel_id: str) -> HttpResponse:
    """Asked first: rules that name it lead to one channel less."""
    channel = _channel(request, channel_id)
    if request.method == "POST":
        services.remove_channel(tenant=request.tenant, channel_id=channel_id, actor=access.actor(request))
        messages.success(request, f"{words.named(channel)} is removed. What was sent to it stays in the deliveries.")
        return redirect(f"/t/{slug}/alerts/")
    context = {"channel": channel, "called": words.named(channel)}
    return access.show(request, "console/alert_channel_remove.html", context)


def _channel(request: TenantRequest, channel_id: str) -> AlertChannel:
    channel = AlertChannel.objects.filter(tenant=request.tenant, pk=channel_id).prefetch_related("recipients").first()
    if channel is None:
        raise Http404
    return channel


def _address(request: TenantRequest, channel: AlertChannel) -> str:
    return f"/t/{request.tenant.slug}/alerts/channels/{channel.pk}/"
