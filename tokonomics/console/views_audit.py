"""The audit log: who changed what, from what to what, when, from where."""

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from tokonomics.console import access, audit_log
from tokonomics.console.access import TenantRequest
from tokonomics.console.audit_log import Choice


@require_safe
@access.page("audit")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    choice = Choice.of(request.GET.dict())
    context = {
        "page": audit_log.look(request.tenant, choice),
        "choice": choice,
        "whats": audit_log.WHAT.items(),
        "whos": audit_log.who_changed(request.tenant),
    }
    return access.show(request, "console/audit.html", context)


@require_safe
@access.page("audit")
def export(request: TenantRequest, slug: str) -> HttpResponseBase:
    choice = Choice.of(request.GET.dict())
    response = StreamingHttpResponse(audit_log.as_csv(request.tenant, choice), content_type="text/csv; charset=utf-8")
    name = f"audit-{request.tenant.slug}-{timezone.now():%Y-%m-%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
