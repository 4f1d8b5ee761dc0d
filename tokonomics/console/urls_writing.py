"""Addresses of the pages that change things: keys, settings, providers, tokens, team, audit."""

from django.urls import path, re_path

from tokonomics.console import (
    views_audit,
    views_key,
    views_key_changes,
    views_keys,
    views_providers,
    views_settings,
    views_team,
    views_tokens,
)

urlpatterns = [
    path("keys/", views_keys.page, name="keys"),
    path("keys/new/", views_keys.new, name="key_new"),
    path("keys/<slug:key_id>/", views_key.page, name="key"),
    path("keys/<slug:key_id>/row/", views_keys.row, name="key_row"),
    re_path(r"^keys/(?P<key_id>\w+)/cap/(?P<window>month|day)/$", views_keys.cap, name="key_cap"),
    path("keys/<slug:key_id>/raise/", views_key_changes.raise_today, name="key_raise"),
    path("keys/<slug:key_id>/edit/", views_key_changes.edit, name="key_edit"),
    path("keys/<slug:key_id>/rotate/", views_key_changes.rotate, name="key_rotate"),
    path("keys/<slug:key_id>/stop-old/", views_key_changes.stop_old, name="key_stop_old"),
    path("keys/<slug:key_id>/pause/", views_key_changes.pause, name="key_pause"),
    path("keys/<slug:key_id>/resume/", views_key_changes.resume, name="key_resume"),
    path("keys/<slug:key_id>/revoke/", views_key_changes.revoke, name="key_revoke"),
    path("settings/", views_settings.page, name="settings"),
    path("settings/preview/", views_settings.preview, name="settings_preview"),
    path("settings/test-budget/", views_settings.test_budget, name="settings_test_budget"),
    path("settings/limits/", views_settings.limits, name="settings_limits"),
    path("settings/company/", views_settings.company, name="settings_company"),
    path("settings/tokens/", views_tokens.page, name="tokens"),
    path("settings/tokens/<slug:token_id>/revoke/", views_tokens.revoke, name="token_revoke"),
    path("settings/providers/", views_providers.page, name="providers"),
    path("settings/providers/<slug:provider>/", views_providers.key, name="provider_key"),
    path("settings/providers/<slug:provider>/test/", views_providers.test, name="provider_test"),
    path("settings/providers/<slug:provider>/remove/", views_providers.remove, name="provider_remove"),
    path("team/", views_team.page, name="team"),
    path("team/invite/", views_team.invite, name="team_invite"),
    path("team/invitations/<slug:invitation_id>/withdraw/", views_team.withdraw, name="team_withdraw"),
    path("team/leave/", views_team.leave, name="team_leave"),
    path("team/<int:user_id>/", views_team.person, name="team_person"),
    path("team/<int:user_id>/remove/", views_team.remove, name="team_remove"),
    path("audit/", views_audit.page, name="audit"),
    path("audit/export.csv", views_audit.export, name="audit_export"),
]
