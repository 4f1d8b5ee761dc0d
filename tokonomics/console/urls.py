"""Every page of a company, under `/t/<slug>/`."""

from django.urls import path

from tokonomics.console import views_overview

urlpatterns = [
    # --- The reading side: overview, usage, one request, onboarding
    path("", views_overview.overview, name="overview"),
    # --- The writing side: keys, settings, providers, team, audit -----------------------------------------------------
    # (add yours below this line; addresses as in console.frame.PLACES, one key at keys/<str:key_id>/)
]
