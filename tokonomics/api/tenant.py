"""`tenant/`: the company of the token, its budget and its settings."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from budgets import live
from budgets.models import Cap
from budgets.services import set_tenant_cap
from budgets.windows import WindowKind
from tenants import policy
from tenants.api import TenantView
from tenants.errors import PolicyUnavailable
from tenants.models import KeyMode, Tenant
from tenants.services import update_tenant
from tokonomics.api.serializers import TenantChange, TenantSerializer
from tokonomics.console import words

_SETTINGS = ("name", "default_output_limit", "least_output_limit", "hold_policy", "allowed_fields")
_BUDGET = ("monthly_budget_usd", "hard_cap")


@extend_schema(tags=["Tenant"])
class TenantSettings(TenantView):
    """The company: settings, budget, and how the month stands."""

    queryset = Tenant.objects.none()  # there is one, the token's own
    serializer_class = TenantSerializer

    @extend_schema(summary="The company, its budget, and how the month stands")
    def get(self, request: Request) -> Response:
        return Response(self._shown(self.tenant))

    @extend_schema(
        summary="Change the budget, the toggle or settings",
        description="All of it or nothing; it holds from the next request on, on every worker.",
        request=TenantChange,
    )
    def patch(self, request: Request) -> Response:
        asked = self.body(TenantChange)
        if not asked:
            return Response(self._shown(self.tenant))
        try:
            with policy.within(self.tenant) as tenant:
                self._change(tenant, asked)
        except PolicyUnavailable as error:
            raise _not_saved(self.tenant, asked) from error
        return Response(self._shown(tenant))

    def _change(self, tenant: Tenant, asked: dict[str, Any]) -> None:
        settings = {name: asked[name] for name in _SETTINGS if name in asked}
        if settings:
            update_tenant(tenant=tenant, actor=self.actor, **settings)
        if any(name in asked for name in _BUDGET):
            amount, hard = (asked.get(name) for name in _BUDGET)
            set_tenant_cap(tenant=tenant, actor=self.actor, amount=amount, hard=hard)
        if "test_budget_usd" in asked:
            set_tenant_cap(tenant=tenant, actor=self.actor, amount=asked["test_budget_usd"], mode=KeyMode.TEST)

    def _shown(self, tenant: Any) -> Any:
        standings = live.tenant_standings(tenant.pk)
        tenant.live, tenant.test = standings[KeyMode.LIVE], standings[KeyMode.TEST]
        return self.get_serializer(tenant).data


def _not_saved(tenant: Tenant, asked: dict[str, Any]) -> PolicyUnavailable:
    """What holds instead: the old cap, by its amount, where that was to change."""
    cap = Cap.objects.filter(tenant=tenant, api_key=None, mode=KeyMode.LIVE, window=WindowKind.MONTH).first()
    if "monthly_budget_usd" not in asked:
        return PolicyUnavailable()
    return PolicyUnavailable(words.save_failed(cap.amount if cap else None))
