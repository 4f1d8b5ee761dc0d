"""Every page of a company, under `/t/<slug>/`."""

from django.urls import path

from tokonomics.console import urls_alerts, urls_writing, views_onboarding, views_overview, views_usage

urlpatterns = [
    # --- The reading side: overview, usage, one request, onboarding
    path("", views_overview.page, name="overview"),
    path("usage/", views_usage.page, name="usage"),
    path("usage/export.csv", views_usage.export, name="usage_export"),
    path("usage/<slug:request_id>/", views_usage.one, name="usage_request"),
    path("onboarding/", views_onboarding.page, name="onboarding"),
    path("onboarding/test-key/", views_onboarding.test_key, name="onboarding_test_key"),
    path("onboarding/try/", views_onboarding.try_it, name="onboarding_try"),
    path("onboarding/start-over/", views_onboarding.start_over, name="onboarding_start_over"),
    # --- The writing side: keys, settings, providers, team, audit
    *urls_writing.urlpatterns,
    *urls_alerts.urlpatterns,
]
