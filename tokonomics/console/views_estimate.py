"""Estimate a request: what it can cost and whether it would be admitted now. Nothing is sent, held or kept."""

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from proxy.providers import registry
from tenants.errors import NotFound
from tenants.models import ApiKey, KeyMode
from tenants.roles import Action
from tokonomics.api.foreseen import foresee
from tokonomics.console import access, estimate_words, words_keys
from tokonomics.console.access import TenantRequest
from tokonomics.console.estimate_words import Answer
from tokonomics.console.forms import sent
from tokonomics.console.forms_estimate import EXAMPLES, EstimateForm, example_of


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("prices", name="Estimate a request")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    """`?example=` and `?key=` say what to begin with."""
    keys = _keys(request)
    example = example_of(request.GET.get("example", ""))
    initial = {"key": request.GET.get("key") or _first(keys), "endpoint": example.endpoint, "body": example.body}
    form = EstimateForm(sent(request), initial=initial, keys=keys.values())
    answer = _answered(form, keys) if request.method == "POST" and form.is_valid() else None
    context: dict[str, Any] = {
        "form": form,
        "answer": answer,
        "keys": keys,
        "examples": EXAMPLES,
        "example": example.id if request.method != "POST" else "",
        "chosen": form["key"].value(),
        "endpoints": [path for path in registry.ADAPTERS if "{" not in path],
        "headers_open": bool(form["headers"].value()) or bool(form.errors.get("headers")),
        "none_yet": words_keys.NONE_YET,
        "may_make_keys": access.allowed(request, Action.MANAGE_OWN_KEYS),
    }
    return access.show(request, "console/estimate.html", context)


def _keys(request: TenantRequest) -> dict[str, ApiKey]:
    """Those that work, and paused ones: the answer says that they are."""
    works = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    found = ApiKey.objects.filter(works, tenant=request.tenant).order_by("name", "pk")
    return {key.pk: key for key in found}


def _first(keys: dict[str, ApiKey]) -> str:
    """A live key where there is one, for it is what apps send with."""
    return min(keys.values(), key=lambda key: (key.mode != KeyMode.LIVE, key.paused_at is not None)).pk if keys else ""


def _answered(form: EstimateForm, keys: dict[str, ApiKey]) -> Answer | None:
    """What the pasted request would meet; a refusal of what was pasted is said at its field too."""
    given = dict(form.cleaned_data)
    key = keys[given["key"]]
    try:
        seen = foresee(key, key.digest, given["endpoint"], given["body"], given["headers"])
    except NotFound:  # revoked in this very moment
        form.add_error("key", "That key is gone. Choose another.")
        return None
    if (field := estimate_words.at_field(seen)) and seen.refusal is not None:
        form.add_error(field, seen.refusal.body.message)
    return estimate_words.answer_of(seen, given["endpoint"])
