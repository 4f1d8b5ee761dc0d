"""The operator's page: is anything wrong, whose is what is in flight, audit and mend. For staff; to others no page."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from budgets import journal
from proxy import metrics
from tenants.audit import Actor
from tenants.models import Tenant, User
from tenants.store import StoreUnavailable
from tokonomics.console import drift, health, operating, operator_words
from tokonomics.console import presentation as show

View = Callable[..., HttpResponse]
OPERATE = "tenants.change_tenant"  # what the actions at /admin/ ask for too


def staff(view: View) -> View:
    """A stranger and a company's owner get the same 404 as for an address that does not exist."""

    @wraps(view)
    def enter(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not (request.user.is_active and request.user.is_staff):
            raise Http404
        if request.method == "POST" and not request.user.has_perm(OPERATE):
            raise PermissionDenied("You may look at this, and not change it. Ask a superuser for the permission.")
        response = view(request, *args, **kwargs)
        patch_cache_control(response, private=True, no_store=True)
        return response

    return enter


@require_safe
@staff
def page(request: HttpRequest) -> HttpResponse:
    redis, database = health.redis_state(), health.database_problem()
    search = request.GET.get("q", "").strip()[:80]
    try:
        seen = None if redis.problem or database else operating.overview(search=search, number=_page_number(request))
    except StoreUnavailable:  # it went away in between
        seen, redis = None, health.RedisState(reachable=False, maxmemory_policy="unknown", problem=health.NO_ANSWER)
    lines = operator_words.lines(redis.problem, database, metrics.total(), seen)
    context = {
        "seen": seen,
        "wrong": [line for line in lines if not line.fine],
        "fine": [line for line in lines if line.fine],
        "differing": _differing(seen.audited) if seen and seen.audited else [],
        "search": search,
        "may_change": request.user.has_perm(OPERATE),
    }
    return render(request, "operator/page.html", context)


def _page_number(request: HttpRequest) -> int:
    asked = request.GET.get("page", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 1


def _differing(audited: drift.Audited) -> list[operator_words.Differing]:
    known = Tenant.objects.in_bulk({one.tenant_id for one in audited.differences})
    return operator_words.by_company(audited, known)


@require_POST
@staff
def audit(request: HttpRequest) -> HttpResponse:
    try:
        found = drift.audit_now()
    except StoreUnavailable:
        messages.error(request, "Not audited: the spending ledger cannot be reached.")
    else:
        if not found.differences:  # else the page itself says so
            companies = show.counted(found.companies, "company", "companies")
            messages.success(request, f"{companies} audited. Every counter equals the ledger.")
    return redirect("operator")


@require_http_methods(["GET", "HEAD", "POST"])
@staff
def mend(request: HttpRequest, slug: str) -> HttpResponse:
    """Asked first, with what would be moved; then moved by what it differs at that moment."""
    tenant = get_object_or_404(Tenant, slug=slug)
    try:
        if request.method == "POST":
            actor = Actor.operator(cast("User", request.user), request.META.get("REMOTE_ADDR"))
            moved = drift.mend(tenant, actor)
            messages.success(request, operator_words.mended(tenant.name, len(moved)))
            return redirect("operator")
        found = drift.differences_of(tenant.pk)
    except StoreUnavailable:
        messages.error(request, "Nothing was moved: the spending ledger cannot be reached.")
        return redirect("operator")
    except journal.Stuck:
        messages.error(request, operator_words.stuck(tenant))
        return redirect("operator")
    context = {"tenant": tenant, "found": found, "may_change": request.user.has_perm(OPERATE)}
    return render(request, "operator/mend.html", context)
