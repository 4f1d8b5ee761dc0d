"""Providers: the company's own keys at them, stored encrypted, tested on demand, never shown again."""

import time
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tenants import crypto, services
from tenants.errors import NotFound, TenantError
from tenants.models import ProviderCredential
from tenants.providers import CUSTOM, is_custom, title_of
from tenants.roles import Action
from tokonomics.api.provider_check import check_provider
from tokonomics.console import access, provider_rows
from tokonomics.console.access import TenantRequest
from tokonomics.console.forms import sent
from tokonomics.console.forms_providers import ProviderForm, form_for

TO = "change provider keys"


@require_safe
@access.page("providers")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    may_change = access.allowed(request, Action.MANAGE_PROVIDERS)
    context = {
        "rows": provider_rows.rows(request.tenant),
        "further": provider_rows.further(request.tenant),
        "may_change": may_change,
        "why_not": "" if may_change else access.no_right(request.tenant, Action.MANAGE_PROVIDERS, TO),
    }
    return access.show(request, "console/providers.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("providers", needs=Action.MANAGE_PROVIDERS, to=TO)
def key(request: TenantRequest, slug: str, provider: str) -> HttpResponse:
    """Store a provider's key, or put another in its place; for an endpoint of the company's own also where it is."""
    name = provider_rows.name_of(provider, request.tenant)
    stored = ProviderCredential.objects.filter(tenant=request.tenant, provider=provider).first()
    form = form_for(provider)(sent(request), stored=stored)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.set_provider_credential(
                tenant=request.tenant,
                provider=provider,
                secret=_secret(form),
                actor=access.actor(request),
                **form.place,
            )
        except TenantError as error:
            form.refuse(error)
        else:
            messages.success(request, _stored(made))
            return _back(request)
    context: dict[str, Any] = {"form": form, "name": name, "stored": stored, "own": is_custom(provider)}
    return access.show(request, "console/provider_key.html", context | {"new": provider == CUSTOM})


def _secret(form: ProviderForm) -> str:
    """Raises EncryptionUnavailable."""
    typed: str = form.cleaned_data["secret"]
    return crypto.decrypt(form.stored.ciphertext) if form.stored is not None and form.keeps_secret else typed


def _stored(made: ProviderCredential) -> str:
    name = title_of(made.provider)
    if is_custom(made.provider):
        return f"Stored. Give its models a price under Prices: without one, {name}/... is refused."
    return f"Stored. Requests to {name} go out with it from the next one on."


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("providers", needs=Action.MANAGE_PROVIDERS, to=TO)
def remove(request: TenantRequest, slug: str, provider: str) -> HttpResponse:
    """Asked first, for requests are refused from the next one on."""
    stored = ProviderCredential.objects.filter(tenant=request.tenant, provider=provider).first()
    if stored is None:
        return _back(request)
    name = provider_rows.name_of(provider, request.tenant)
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
        found = check_provider(stored)
        said = provider_rows.told(found, provider, (time.monotonic_ns() - began) // 1_000_000)
        services.record_provider_test(
            tenant=request.tenant, provider=provider, result=said, actor=access.actor(request), ok=found.verdict
        )
    except TenantError as error:
        messages.error(request, error.message)
    return _back(request)


def _back(request: TenantRequest) -> HttpResponse:
    return redirect(f"/t/{request.tenant.slug}/settings/providers/")
