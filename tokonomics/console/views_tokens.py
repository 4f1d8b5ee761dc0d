"""Management tokens: for scripts that do over the REST API what these pages do."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from tenants import services
from tenants.errors import Conflict, TenantError
from tenants.models import ManagementToken
from tenants.roles import Action
from tokonomics.console import access, once, snippets, words, words_settings
from tokonomics.console.access import TenantRequest
from tokonomics.console.forms import ConsoleForm, LastDayField, Radios, sent

SCOPES = (("read write", "Read and write"), ("read", "Read only"))
MOST_PAST = 20


class TokenForm(ConsoleForm):
    named = {"expires_at": "expires", "scopes": "may"}

    name = forms.CharField(label="Name", max_length=80, error_messages={"required": "Enter a name for the token."})
    may = forms.ChoiceField(
        label="It may",
        choices=SCOPES,
        initial="read write",
        widget=Radios,
        error_messages={"required": "Choose what it may do.", "invalid_choice": "Choose what it may do."},
    )
    expires = LastDayField(label="Last day", required=False)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("settings", needs=Action.MANAGE_TOKENS, to=words_settings.TO_TOKENS, name="Management tokens")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    """The tokens, and a form for a new one."""
    form = TokenForm(sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(once.first_time(request, lambda: _make(request, form)))
        except TenantError as error:
            form.refuse(error)
    tokens = list(request.tenant.management_tokens.select_related("created_by"))
    now = timezone.now()
    works = [
        token for token in tokens if token.revoked_at is None and (token.expires_at is None or token.expires_at > now)
    ]
    context = {
        "form": form,
        "form_id": request.POST.get("form_id") or once.new_form_id(),
        "tokens": works,
        "past": [token for token in tokens if token not in works][:MOST_PAST],
        "base_url": snippets.base_url(request),
        **_just_made(request),
    }
    return access.show(request, "console/tokens.html", context)


def _make(request: TenantRequest, form: TokenForm) -> str:
    given = form.cleaned_data
    made = services.create_management_token(
        tenant=request.tenant,
        name=given["name"],
        scopes=given["may"].split(),
        expires_at=given["expires"],
        actor=access.actor(request),
    )
    once.keep_secret(request.session, made.token.pk, made.secret)
    return f"/t/{request.tenant.slug}/settings/tokens/?made={made.token.pk}"


def _just_made(request: TenantRequest) -> dict[str, str]:
    made = ManagementToken.objects.filter(tenant=request.tenant, pk=request.GET.get("made", "")).first()
    secret = once.take_secret(request.session, made.pk) if made is not None else ""
    if made is None or not secret:
        return {}
    return {"secret": secret, "secret_title": words_settings.token_once(made.name), "once_hint": words.ONCE_HINT}


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("settings", needs=Action.MANAGE_TOKENS, to=words_settings.TO_TOKENS, name="Revoke a token")
def revoke(request: TenantRequest, slug: str, token_id: str) -> HttpResponse:
    token = ManagementToken.objects.filter(tenant=request.tenant, pk=token_id).first()
    if token is None:
        raise Http404
    if request.method == "POST":
        try:
            services.revoke_management_token(tenant=request.tenant, token_id=token_id, actor=access.actor(request))
        except Conflict:  # the form was sent twice
            return _back(request)
        messages.success(request, f"Revoked. “{token.name}” is refused from its next call on.")
        return _back(request)
    return access.show(request, "console/token_revoke.html", {"token": token})


def _back(request: TenantRequest) -> HttpResponse:
    return redirect(f"/t/{request.tenant.slug}/settings/tokens/")
