"""`keys/`: what applications call with, and what each may spend."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from budgets import live
from budgets.end_users import caps_of_each
from budgets.models import Cap
from budgets.services import set_end_user_cap, set_key_cap, set_key_hard
from budgets.windows import WindowKind
from tenants import policy, services
from tenants.api import ListView, TenantView
from tenants.audit import Actor
from tenants.errors import PolicyUnavailable
from tenants.models import ApiKey, Tenant
from tenants.serializers import Strict
from tokonomics.api import idempotency
from tokonomics.api.serializers import (
    ApiKeyChange,
    ApiKeySerializer,
    CreatedApiKey,
    KeyQuery,
    NewApiKey,
    RotatedApiKey,
    Rotation,
)
from tokonomics.console import words

CAPS = {"cap_usd": WindowKind.MONTH, "daily_cap_usd": WindowKind.DAY}
OF_EACH_END_USER = {"end_user_monthly_cap_usd": WindowKind.MONTH, "end_user_daily_cap_usd": WindowKind.DAY}

_IDEMPOTENCY_KEY = OpenApiParameter(
    idempotency.HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Text of your own: the same request sent again within a day gets the same answer and no second key.",
)


class KeyView(TenantView):
    queryset = ApiKey.objects.all()
    serializer_class = ApiKeySerializer

    def shown(
        self, api_key: ApiKey, shape: type[ApiKeySerializer] = ApiKeySerializer, /, **more: Any
    ) -> dict[str, Any]:
        """A key as it stands now, in a shape that may show `more` than its row knows."""
        return shape(_standing(self.tenant, [api_key], **more)[0]).data


@extend_schema(tags=["Keys"])
class ApiKeys(KeyView, ListView):
    """Keys of the company, revoked ones included."""

    query_class = KeyQuery

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(mode=self.params["mode"]) if "mode" in self.params else queryset

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(ApiKeySerializer(_standing(self.tenant, page or []), many=True).data)

    @extend_schema(
        summary="Create a key; its secret is shown this once",
        request=NewApiKey,
        responses={201: CreatedApiKey},
        parameters=[_IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        asked = self.body(NewApiKey)
        return idempotency.once(request, self.tenant.pk, lambda: self._created(asked))

    def _created(self, asked: dict[str, Any]) -> Response:
        caps, settings = _parted(asked)
        with policy.within(self.tenant) as tenant:
            key, secret = services.create_api_key(tenant=tenant, actor=self.actor, **settings)
            _set_caps(tenant, key, caps, self.actor, new_key=True)
        return Response(self.shown(key, CreatedApiKey, key=secret), status=201)


@extend_schema(tags=["Keys"])
class OneApiKey(KeyView):
    @extend_schema(summary="A key, its caps, and what it has spent")
    def get(self, request: Request, pk: str) -> Response:
        return Response(self.shown(self.get_object()))

    @extend_schema(
        summary="Change a key's caps or settings",
        description="All of it or nothing; it holds from the next request on. Null takes a cap away.",
        request=ApiKeyChange,
    )
    def patch(self, request: Request, pk: str) -> Response:
        caps, settings = _parted(self.body(ApiKeyChange))
        key = self.get_object()
        if caps or settings:
            with _naming_what_holds(key, caps), policy.within(self.tenant) as tenant:
                key = services.update_api_key(tenant=tenant, key_id=pk, actor=self.actor, **settings)
                _set_caps(tenant, key, caps, self.actor)
        return Response(self.shown(key))


@extend_schema(tags=["Keys"])
class RevokeApiKey(KeyView):
    @extend_schema(summary="Revoke a key, for good: its next request is refused", request=None)
    def post(self, request: Request, pk: str) -> Response:
        self.body(Strict)
        key = services.revoke_api_key(tenant=self.tenant, key_id=pk, actor=self.actor)
        return Response(self.shown(key))


@extend_schema(tags=["Keys"])
class RotateApiKey(KeyView):
    @extend_schema(
        summary="A new secret for the same key; the old one may work on for a while",
        description="Caps, counters and reports stay with the key: a rotation is no way to a second cap.",
        request=Rotation,
        responses=RotatedApiKey,
    )
    def post(self, request: Request, pk: str) -> Response:
        overlap = timedelta(seconds=self.body(Rotation).get("overlap_seconds", 0))
        key, secret = services.rotate_api_key(tenant=self.tenant, key_id=pk, overlap=overlap, actor=self.actor)
        stops_at = key.retired_secrets.latest("retired_at").expires_at
        return Response(self.shown(key, RotatedApiKey, key=secret, old_key_stops_at=stops_at))


def _standing(tenant: Tenant, keys: Sequence[ApiKey], **more: Any) -> list[ApiKey]:
    """The keys with their `month`, `day` and `of_each_end_user`, for the serializers."""
    standings, of_each = live.key_standings(tenant.pk, keys), caps_of_each(key.pk for key in keys)
    for key in keys:
        month, day = standings[key.pk]
        caps = of_each.get(key.pk, {})
        of_each_end_user = {str(window): caps.get(window) for window in WindowKind}
        vars(key).update(month=month, day=day, of_each_end_user=of_each_end_user, **more)
    return list(keys)


def _parted(asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what it may spend, everything else)."""
    are_caps = {*CAPS, *OF_EACH_END_USER, "hard_cap"}
    caps = {name: value for name, value in asked.items() if name in are_caps}
    return caps, {name: value for name, value in asked.items() if name not in caps}


def _set_caps(tenant: Tenant, key: ApiKey, caps: dict[str, Any], actor: Actor, *, new_key: bool = False) -> None:
    """`hard_cap` true is what a first cap will be, so it needs none; false without a cap would be lost: refused."""
    hard = caps.get("hard_cap")
    for name, window in CAPS.items():
        if name in caps:
            set_key_cap(tenant=tenant, key_id=key.pk, window=window, amount=caps[name], hard=hard, actor=actor)
    for name, window in OF_EACH_END_USER.items():
        if name in caps:
            set_end_user_cap(
                tenant=tenant, key_id=key.pk, window=window, amount=caps[name], new_key=new_key, actor=actor
            )
    if hard is not None and (not hard or Cap.objects.filter(api_key=key).exists()):
        set_key_hard(tenant=tenant, key_id=key.pk, hard=hard, actor=actor)


@contextmanager
def _naming_what_holds(key: ApiKey, caps: dict[str, Any]) -> Iterator[None]:
    """A change of a cap that could not be made says which cap holds instead."""
    try:
        yield
    except PolicyUnavailable as error:
        changing = next((window for name, window in CAPS.items() if name in caps), None)
        cap = Cap.objects.filter(api_key=key, window=changing).first()
        raise (PolicyUnavailable(words.save_failed(cap.amount)) if cap else error) from error
