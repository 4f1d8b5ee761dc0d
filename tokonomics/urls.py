"""Every address that stock Django answers; the metered routes are in proxy/urls.py and go through proxy.asgi."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("allauth.urls")),
]
