"""The one page of alerts that needs no account: where the link in an e-mail leads its reader."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from alerts import services
from alerts.unsubscribe import recipient_of


@csrf_exempt  # mail programs post here by themselves (RFC 8058); the signed token is what lets them
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks, because link scanners follow links; POST does it, and `again` undoes it."""
    recipient = recipient_of(token)
    if recipient is None:
        raise Http404
    if request.method == "POST":
        change = services.subscribe if "again" in request.POST else services.unsubscribe
        change(recipient=recipient)
        recipient.refresh_from_db()
    context = {"recipient": recipient, "company_name": recipient.channel.tenant.name}
    return render(request, "alerts/unsubscribe.html", context)
