"""Providers: the company's own keys at them, stored encrypted, tested on demand, never shown again."""

import time

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tenants import crypto, services
from tenants.errors import NotFound, TenantError
from tenants.models import ProviderCredential
from tenants.roles import Action
from tokonomics.api.provider_check import check_provider
from tokonomics.console import access, provider_rows
from tokonomics.console.access import TenantRequest
from tokonomics.console.forms import ConsoleForm, sent

TO = "change provider keys"


class ProviderForm(ConsoleForm):
    secret = forms.CharField(
        label="Key",
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Paste the provider's whole key."},
    )


@require_safe
@access.page("providers")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    may_change = access.allowed(request, Action.MANAGE_PROVIDERS)
    context = {
        "rows": provider_rows.rows(request.tenant),
        "may_change": may_change,
        "why_not": "" if may_change else access.no_right(request.tenant, Action.MANAGE_PROVIDERS, TO),
    }
    return access.show(request, "console/providers.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("providers", needs=Action.MANAGE_PROVIDERS, to=TO)
def key(request: TenantRequest, slug: str, provider: str) -> HttpResponse:
    """Store a provider's key, or put another in its place."""
    name = provider_rows.name_of(provider)
    form = ProviderForm(sent(request))
    if request.method == "POST" and form.is_valid():
        secret = form.cleaned_data["secret"]
        try:
            services.set_provider_credential(
                tenant=request.tenant, provider=provider, secret=secret, actor=access.actor(request)
            )
        except TenantError as error:
            form.refuse(error)
        else:
            messages.success(request, f"Stored. Requests to {name} go out with it from the next one on.")
            return _back(request)
    stored = ProviderCredential.objects.filter(tenant=request.tenant, provider=provider).first()
    return access.show(request, "console/provider_key.html", {"form": form, "name": name, "stored": stored})


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("providers", needs=Action.MANAGE_PROVIDERS, to=TO)
def remove(request: TenantRequest, slug: str, provider: str) -> HttpResponse:
    """Asked first, for requests are refused from the next one on."""
    name = provider_rows.name_of(provider)
    stored = ProviderCredential.objects.filter(tenant=request.tenant, provider=provider).first()
    if stored is None:
        return _back(request)
    problem = ""
    if request.method == "POST":
        try:
            services.remove_provider_credential(tenant=request.tenant, provider=provider, actor=access.actor(request))
        except NotFound:  # the form was sent twice
            return _back(request)
        except TenantError as error:
            problem = error.message
        else:
            messages.success(request, f"Removed. Live requests to {name} are refused from the next one on.")
            return _back(request)
    context = {"name": name, "stored": stored, "problems": [("", problem)] if problem else []}
    return access.show(request, "console/provider_remove.html", context)


@require_POST
@access.page("providers", needs=Action.MANAGE_PROVIDERS, to=TO)
def test(request: TenantRequest, slug: str, provider: str) -> HttpResponse:
    """Ask the provider for its models with the stored key, and keep what it said. Only this thread waits for it."""
    stored = ProviderCredential.objects.filter(tenant=request.tenant, provider=provider).first()
    if stored is None:
        raise Http404
    began = time.monotonic_ns()
    try:
        found = check_provider(provider, crypto.decrypt(stored.ciphertext))
        said = provider_rows.told(found, provider, (time.monotonic_ns() - began) // 1_000_000)
        services.record_provider_test(
            tenant=request.tenant, provider=provider, result=said, actor=access.actor(request), ok=found.verdict
        )
    except TenantError as error:
        messages.error(request, error.message)
    return _back(request)


def _back(request: TenantRequest) -> HttpResponse:
    return redirect(f"/t/{request.tenant.slug}/settings/providers/")
