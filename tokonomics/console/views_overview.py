"""The overview: how much is left, who spends it, what happens next and when."""

from django.http import HttpResponse

from tokonomics.console import access
from tokonomics.console.access import TenantRequest


@access.page("overview")
def overview(request: TenantRequest, slug: str) -> HttpResponse:
    return access.show(request, "console/overview.html")
