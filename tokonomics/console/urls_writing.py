"""Addresses of the pages that change things: keys, settings, providers, tokens, team, audit."""

from django.urls import path, re_path

from tokonomics.console import views_key, views_key_changes, views_keys

urlpatterns = [
    path("keys/", views_keys.page, name="keys"),
    path("keys/new/", views_keys.new, name="key_new"),
    path("keys/<slug:key_id>/", views_key.page, name="key"),
    path("keys/<slug:key_id>/row/", views_keys.row, name="key_row"),
    re_path(r"^keys/(?P<key_id>\w+)/cap/(?P<window>month|day)/$", views_keys.cap, name="key_cap"),
    path("keys/<slug:key_id>/edit/", views_key_changes.edit, name="key_edit"),
    path("keys/<slug:key_id>/rotate/", views_key_changes.rotate, name="key_rotate"),
    path("keys/<slug:key_id>/stop-old/", views_key_changes.stop_old, name="key_stop_old"),
    path("keys/<slug:key_id>/revoke/", views_key_changes.revoke, name="key_revoke"),
]
