"""Every address of the REST API. Whatever else begins with /api/ is answered by `unknown`, in the API's own shape."""

from django.http import HttpRequest, HttpResponseBase
from django.urls import Resolver404, include, path, re_path, register_converter, resolve
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from alerts import api as alerts
from budgets import api as budgets
from budgets import price_api
from tenants import api as tenants
from tokonomics.api import docs, end_users, estimate, keys, provider_check, tenant


class IdConverter:
    """`key_4nVq8sJ0eYc2uBf6`: what ids are made of; anything else is an address that does not exist."""

    regex = "[A-Za-z0-9_]{1,40}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(IdConverter, "id")


class Unknown(APIView):
    """No such address."""

    authentication_classes, permission_classes, schema = [], [], None

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise NotFound


def unknown(request: HttpRequest) -> HttpResponseBase:
    """The same address with its last slash, where that is one: a slip that no client should have to hunt for."""
    if not request.path_info.endswith("/"):
        try:
            match = resolve(f"{request.path_info}/")
        except Resolver404:
            match = None
        if match is not None and match.func is not unknown:
            return match.func(request, *match.args, **match.kwargs)  # type: ignore[no-any-return]
    return Unknown.as_view()(request)


unknown.csrf_exempt = True  # type: ignore[attr-defined]

v1 = [
    path("tenant/", tenant.TenantSettings.as_view()),
    path("keys/", keys.ApiKeys.as_view()),
    path("keys/<id:pk>/", keys.OneApiKey.as_view()),
    path("keys/<id:pk>/revoke/", keys.RevokeApiKey.as_view()),
    path("keys/<id:pk>/rotate/", keys.RotateApiKey.as_view()),
    path("keys/<id:pk>/end-users/", end_users.EndUsers.as_view()),
    path("provider-credentials/", tenants.ProviderCredentials.as_view()),
    path("provider-credentials/<id:pk>/", tenants.OneProviderCredential.as_view()),
    path("provider-credentials/<id:pk>/test/", provider_check.CheckProvider.as_view()),
    path("usage/", budgets.Usage.as_view()),
    path("usage/summary/", budgets.UsageSummary.as_view()),
    path("usage/export.csv", budgets.UsageExport.as_view()),
    path("usage/<id:pk>/", budgets.OneUsageRecord.as_view()),
    path("budget/", budgets.KeyBudget.as_view()),
    path("estimate/", estimate.EstimateRequest.as_view()),
    path("tokens/", tenants.ManagementTokens.as_view()),
    path("tokens/<id:pk>/revoke/", tenants.RevokeManagementToken.as_view()),
    path("alert-channels/", alerts.AlertChannels.as_view()),
    path("alert-channels/<id:pk>/", alerts.OneAlertChannel.as_view()),
    path("alert-channels/<id:pk>/test/", alerts.TestAlertChannel.as_view()),
    path("alert-channels/<id:pk>/rotate-secret/", alerts.RotateChannelSecret.as_view()),
    path("alert-rules/", alerts.AlertRules.as_view()),
    path("alert-rules/<id:pk>/", alerts.OneAlertRule.as_view()),
    path("deliveries/", alerts.Deliveries.as_view()),
    path("deliveries/<id:pk>/", alerts.OneDelivery.as_view()),
    path("deliveries/<id:pk>/send-again/", alerts.SendAgain.as_view()),
    path("audit-events/", tenants.AuditEvents.as_view()),
    path("prices/", price_api.Prices.as_view()),
    path("prices/<id:pk>/", price_api.OneOwnPrice.as_view()),
    path("schema/", SpectacularJSONAPIView.as_view()),
]

urlpatterns = [
    path("v1/", include(v1)),
    path("docs/", docs.reference, name="api_reference"),
    path("v1/docs/", RedirectView.as_view(pattern_name="api_reference")),
    re_path(r"^.*$", unknown),
]
