"""The REST API of "who", and the view that every route of one tenant is made from."""

from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import services
from tenants.audit import Actor
from tenants.errors import InvalidValue
from tenants.models import AuditEvent, ManagementToken, ProviderCredential, Tenant
from tenants.serializers import (
    AuditEventSerializer,
    AuditQuery,
    CreatedManagementToken,
    ListQuery,
    ManagementTokenSerializer,
    NewManagementTokenSerializer,
    NewProviderCredential,
    ProviderCredentialSerializer,
    Query,
    Strict,
)


class TenantView(GenericAPIView[Any]):
    """What a management token may ask for. Another tenant's rows do not exist for it: `get_queryset` ends at its own.

    query_class  the parameters that the address may have; any other is refused
    newest_by    the time that lists are ordered by
    """

    query_class: ClassVar[type[Query]] = Query
    newest_by = "created_at"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.params = checked(self.query_class, request.query_params.dict())

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"  # figures of the moment, and now and then a secret
        return response

    @property
    def token(self) -> ManagementToken:
        assert isinstance(self.request.auth, ManagementToken)  # HasScope lets nobody else in
        return self.request.auth

    @property
    def tenant(self) -> Tenant:
        return self.token.tenant

    @cached_property
    def actor(self) -> Actor:
        return Actor.of_token(self.token, self.request.META.get("REMOTE_ADDR") or None)

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().filter(tenant=self.tenant)

    def body(self, serializer_class: type[Strict]) -> dict[str, Any]:
        """The request's body, checked: unknown names and wrong types are refused."""
        return checked(serializer_class, self.request.data)


class ListView(ListModelMixin, TenantView):
    """`GET` answers a page of the tenant's rows, newest first."""

    query_class = ListQuery

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)


def checked(serializer_class: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def in_range(queryset: QuerySet[Any], time: str, params: dict[str, Any]) -> QuerySet[Any]:
    """Rows whose `time` is in [from, to)."""
    bounds: dict[str, datetime] = {}
    if "from" in params:
        bounds[f"{time}__gte"] = params["from"]
    if "to" in params:
        bounds[f"{time}__lt"] = params["to"]
    return queryset.filter(**bounds)


@extend_schema(tags=["Provider credentials"])
class ProviderCredentials(ListView):
    """The company's own keys at providers."""

    queryset = ProviderCredential.objects.all()
    serializer_class = ProviderCredentialSerializer

    @extend_schema(
        summary="Store a provider's key, or replace the one that is stored",
        request=NewProviderCredential,
        responses={201: ProviderCredentialSerializer},
    )
    def post(self, request: Request) -> Response:
        made = services.set_provider_credential(
            tenant=self.tenant, actor=self.actor, **self.body(NewProviderCredential)
        )
        return Response(self.get_serializer(made).data, status=201)


@extend_schema(tags=["Provider credentials"])
class OneProviderCredential(TenantView):
    queryset = ProviderCredential.objects.all()
    serializer_class = ProviderCredentialSerializer

    @extend_schema(summary="One stored provider key, without its secret")
    def get(self, request: Request, pk: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(summary="Forget a provider's key: requests to it are refused from the next one on", request=None)
    def delete(self, request: Request, pk: str) -> Response:
        self.body(Strict)
        services.remove_provider_credential(tenant=self.tenant, provider=self.get_object().provider, actor=self.actor)
        return Response(status=204)


@extend_schema(tags=["Management tokens"])
class ManagementTokens(ListView):
    """Tokens that act on this API."""

    queryset = ManagementToken.objects.all()
    serializer_class = ManagementTokenSerializer

    @extend_schema(
        summary="Create a management token; it is shown this once",
        request=NewManagementTokenSerializer,
        responses={201: CreatedManagementToken},
    )
    def post(self, request: Request) -> Response:
        asked = self.body(NewManagementTokenSerializer)
        self._within_own_power(asked)
        token, secret = services.create_management_token(tenant=self.tenant, actor=self.actor, **asked)
        return Response({**self.get_serializer(token).data, "token": secret}, status=201)

    def _within_own_power(self, asked: dict[str, Any]) -> None:
        """A token makes none that may do more, or lasts longer, than itself."""
        asked.setdefault("scopes", list(self.token.scopes))
        if not set(asked["scopes"]) <= set(self.token.scopes):
            raise InvalidValue("scopes", "A token cannot give a scope that it does not have itself.")
        ends, wanted = self.token.expires_at, asked.get("expires_at")
        if ends is not None and (wanted is None or wanted > ends):
            message = f"A token cannot outlive the one that creates it, which ends at {ends:%Y-%m-%dT%H:%M:%SZ}."
            raise InvalidValue("expires_at", message)


@extend_schema(tags=["Management tokens"])
class RevokeManagementToken(TenantView):
    queryset = ManagementToken.objects.all()
    serializer_class = ManagementTokenSerializer

    @extend_schema(summary="Revoke a management token, for good", request=None)
    def post(self, request: Request, pk: str) -> Response:
        self.body(Strict)
        token = services.revoke_management_token(tenant=self.tenant, token_id=pk, actor=self.actor)
        return Response(self.get_serializer(token).data)


@extend_schema(tags=["Audit log"])
class AuditEvents(ListView):
    """Who changed what, from what to what."""

    queryset = AuditEvent.objects.all()
    serializer_class = AuditEventSerializer
    query_class = AuditQuery

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        given = {name: self.params[name] for name in ("action", "target_id") if name in self.params}
        return in_range(queryset.filter(**given), "created_at", self.params)
