"""Addresses of alerts outside of a company's pages and of the API."""

from django.urls import path

from alerts import views

urlpatterns = [path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe")]
