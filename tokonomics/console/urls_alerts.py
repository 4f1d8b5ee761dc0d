"""Addresses of the pages of alerts."""

from django.urls import path

from tokonomics.console import views_alert_channels as channels
from tokonomics.console import views_alert_rules as rules
from tokonomics.console import views_alerts as alerts

urlpatterns = [
    path("alerts/", alerts.page, name="alerts"),
    path("alerts/keys/<slug:key_id>/resume/", alerts.resume, name="alert_resume"),
    path("alerts/deliveries/", alerts.deliveries, name="deliveries"),
    path("alerts/deliveries/<slug:delivery_id>/", alerts.delivery, name="delivery"),
    path("alerts/deliveries/<slug:delivery_id>/send-again/", alerts.send_again, name="delivery_again"),
    path("alerts/channels/new/", channels.new, name="alert_channel_new"),
    path("alerts/channels/<slug:channel_id>/", channels.one, name="alert_channel"),
    path("alerts/channels/<slug:channel_id>/test/", channels.test, name="alert_channel_test"),
    path("alerts/channels/<slug:channel_id>/rotate/", channels.rotate, name="alert_channel_rotate"),
    path("alerts/channels/<slug:channel_id>/remove/", channels.remove, name="alert_channel_remove"),
    path("alerts/rules/new/", rules.new, name="alert_rule_new"),
    path("alerts/rules/<slug:rule_id>/", rules.one, name="alert_rule"),
    path("alerts/rules/<slug:rule_id>/remove/", rules.remove, name="alert_rule_remove"),
]
