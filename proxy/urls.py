"""The metered routes. All else below /v1, /v1beta and /openai is refused by the same view: nothing unpriced passes."""

from django.urls import path, re_path

from proxy import views

urlpatterns = [
    path("v1/models", views.models),
    path("v1beta/models", views.models),
    re_path(r"^v1(?:beta)?(?:/.*)?$", views.metered),
    re_path(r"^openai/", views.metered),
]
