"""`/metrics`, for Prometheus. Numbers of the whole installation, so not for everyone who can reach the port."""

import hmac
from importlib.metadata import version
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import InfoMetricFamily
from prometheus_client.registry import Collector

from proxy.metrics import ProxyCollector
from tokonomics import __version__


class _Build(Collector):
    def collect(self) -> list[InfoMetricFamily]:
        about = InfoMetricFamily("tokonomics_build", "What runs here.")
        about.add_metric([], {"version": __version__, "django": version("django"), "prices": version("genai-prices")})
        return [about]


registry = CollectorRegistry()
registry.register(ProxyCollector())
registry.register(_Build())


def metrics(request: HttpRequest) -> HttpResponse:
    """With TOKONOMICS_METRICS_TOKEN: for who sends it as a bearer. Without: for this machine alone. Else 404."""
    if not _may_see(request):
        return HttpResponseNotFound("not found\n", content_type="text/plain")
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_see(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        sent = request.headers.get("Authorization", "").encode("latin-1", "replace")
        return hmac.compare_digest(sent, f"Bearer {settings.METRICS_TOKEN}".encode())
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False  # it came through a proxy on this machine
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
