"""Rules of alerts: added, changed, removed."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from alerts import services
from alerts.models import AlertRule, RuleKind
from budgets.money import NANO
from tenants.errors import TenantError
from tenants.roles import Action
from tokonomics.console import access, alert_rows, once
from tokonomics.console import alert_words as words
from tokonomics.console.access import TenantRequest
from tokonomics.console.forms import sent
from tokonomics.console.forms_alerts import RuleForm, initial_of

KINDS = (
    (RuleKind.THRESHOLD, "A percentage is spent", "Told once a window, when spend passes it."),
    (RuleKind.FORECAST, "The pace reaches the cap", "Told once a window, as soon as the forecast says so."),
    (RuleKind.BURN_RATE, "A key runs away", "The last hour and the last five minutes, both far above the usual."),
)
_changes = access.page("alerts", needs=Action.MANAGE_ALERTS, to=words.TO, name="Rule")


@require_http_methods(["GET", "HEAD", "POST"])
@_changes
def new(request: TenantRequest, slug: str) -> HttpResponse:
    kind = request.POST.get("kind") or request.GET.get("kind") or RuleKind.THRESHOLD
    if kind not in RuleKind.values:
        raise Http404
    about = request.GET.get("key", "every_key" if kind == RuleKind.BURN_RATE else "budget")
    form = _form(request, kind, {"about": about, "factor": 10, "least": NANO, "hear": ["kind:*"]})
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(once.first_time(request, lambda: _make(request, form)))
        except TenantError as error:
            form.refuse(error)
    context = {
        "form": form,
        "kind": kind,
        "kinds": KINDS,
        "form_id": request.POST.get("form_id") or once.new_form_id(),
    }
    return access.show(request, "console/alert_rule.html", context)


def _make(request: TenantRequest, form: RuleForm) -> str:
    services.create_rule(tenant=request.tenant, actor=access.actor(request), asked=form.change())
    messages.success(request, "The rule is added. What is passed already is not told of in this window.")
    return f"/t/{request.tenant.slug}/alerts/"


@require_http_methods(["GET", "HEAD", "POST"])
@_changes
def one(request: TenantRequest, slug: str, rule_id: str) -> HttpResponse:
    rule = _rule(request, rule_id)
    form = _form(request, rule.kind, initial_of(rule))
    if request.method == "POST" and form.is_valid():
        try:
            services.change_rule(
                tenant=request.tenant, rule_id=rule.pk, actor=access.actor(request), asked=form.change()
            )
        except TenantError as error:
            form.refuse(error)
        else:
            messages.success(request, "Saved.")
            return redirect(f"/t/{slug}/alerts/")
    context = {"form": form, "kind": rule.kind, "rule": rule, "sentence": words.rule_sentence(rule)}
    return access.show(request, "console/alert_rule.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@_changes
def remove(request: TenantRequest, slug: str, rule_id: str) -> HttpResponse:
    rule = _rule(request, rule_id)
    if request.method == "POST":
        services.remove_rule(tenant=request.tenant, rule_id=rule.pk, actor=access.actor(request))
        messages.success(request, "The rule is removed.")
        return redirect(f"/t/{slug}/alerts/")
    context = {
        "rule": rule,
        "sentence": words.rule_sentence(rule),
        "who": words.who([rule], alert_rows.channels_of(request.tenant)),
    }
    return access.show(request, "console/alert_rule_remove.html", context)


def _form(request: TenantRequest, kind: str, initial: dict[str, Any]) -> RuleForm:
    keys = list(request.tenant.api_keys.filter(revoked_at=None).order_by("name"))
    channels = alert_rows.channels_of(request.tenant)
    return RuleForm(sent(request), kind=kind, keys=keys, channels=channels, initial=initial)


def _rule(request: TenantRequest, rule_id: str) -> AlertRule:
    rule = AlertRule.objects.filter(tenant=request.tenant, pk=rule_id).select_related("api_key").first()
    if rule is None:
        raise Http404
    return rule
