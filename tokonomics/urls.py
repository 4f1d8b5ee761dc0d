"""Every address that stock Django answers; the metered routes are in proxy/urls.py and go through proxy.asgi."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from tokonomics.console import errors, health, scrape, views_invited, views_operator, views_public, views_start

handler403, handler404, handler500 = errors.forbidden, errors.not_found, errors.failed

urlpatterns = [
    path("", views_public.landing, name="landing"),
    path("theme/", views_public.theme, name="theme"),
    path("signup/", views_public.signup, name="account_signup"),
    path("register/", RedirectView.as_view(pattern_name="account_signup", query_string=True)),
    path("register", RedirectView.as_view(pattern_name="account_signup", query_string=True)),
    path("invited/<str:secret>/", views_invited.invited, name="invited"),
    path("t/<slug:slug>/start/", views_start.start, name="start"),
    path("t/<slug:slug>/", include("tokonomics.console.urls")),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", scrape.metrics),
    path("admin/", admin.site.urls),
    path("operator/", views_operator.page, name="operator"),
    path("operator/audit/", views_operator.audit, name="operator_audit"),
    path("operator/mend/<slug:slug>/", views_operator.mend, name="operator_mend"),
    path("alerts/", include("alerts.urls")),
    path("api/", include("tokonomics.api.urls")),
    path("", include("allauth.urls")),
]
