"""Error pages that keep the words: what, why, one way on. Inside a company they keep the rail too (`request.frame`)."""

import logging
from collections.abc import Callable

import redis
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from proxy import refusals
from proxy.providers import registry, unmetered
from tenants.errors import PolicyUnavailable
from tenants.store import StoreUnavailable

logger = logging.getLogger(__name__)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 403, str(exception or ""))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """A stranger and a member of another company get the very same page; a client whose base URL is wrong gets JSON."""
    if unmetered.is_outside(request.path):
        refusal = refusals.route_not_metered(request.method or "", request.path)
        answer = registry.dialect_for(f"/v1{request.path}").error(refusal.body, "")
        return HttpResponse(answer, status=404, content_type="application/json", headers={"x-should-retry": "false"})
    return _page(request, 404)


def failed(request: HttpRequest) -> HttpResponse:
    """Without context processors: what failed may be what they need."""
    return HttpResponse(render_to_string("500.html", {"request": request}), status=500)


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(
        request, 403, "This form was open too long, or came from elsewhere. Go back, reload the page, send it again."
    )


def unavailable(request: HttpRequest) -> HttpResponse:
    response = _page(request, 503)
    response["Retry-After"] = "5"
    return response


def _page(request: HttpRequest, status: int, why: str = "") -> HttpResponse:
    frame = getattr(request, "frame", None)
    context = {"why": why, "frame": frame, "layout": "console/base.html" if frame else "public/base.html"}
    return render(request, f"{status}.html", context, status=status)


class LedgerOutOfReach:
    """A page that needs Redis and does not reach it answers 503 in words, not 500."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if request.path.startswith("/api/") or not isinstance(
            exception, (StoreUnavailable, PolicyUnavailable, redis.ConnectionError, redis.TimeoutError)
        ):
            return None
        logger.warning("%s: the ledger's Redis cannot be reached: %s", request.path, exception)
        return unavailable(request)
