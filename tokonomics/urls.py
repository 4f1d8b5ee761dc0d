"""Every address that stock Django answers; the metered routes are in proxy/urls.py and go through proxy.asgi."""

from django.contrib import admin
from django.urls import include, path

from tokonomics.console import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
    path("", include("allauth.urls")),
]
