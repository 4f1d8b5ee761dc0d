"""`estimate/`: what a request could cost, would hold and would meet, said without sending it or holding anything."""

import json
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from budgets.price_api import usd
from budgets.serializers import Usd
from proxy.estimate import Estimate
from proxy.refusals import Refusal
from tenants import keys
from tenants.api import checked
from tenants.authentication import HasKeyOrToken, KeyOrTokenAuthentication, secret_in
from tenants.errors import InvalidValue, NotFound
from tenants.models import ApiKey, ManagementToken
from tenants.serializers import Query, Strict, Text
from tokonomics.api.foreseen import client_body, foresee
from tokonomics.api.parsers import LongJSONParser


class EstimateBody(Strict):
    endpoint = Text(max_length=300, help_text="Where the request would be sent: `/v1/chat/completions`.")
    body = serializers.DictField(help_text="The request's own body, as it would be sent.")
    headers = serializers.DictField(child=Text(allow_blank=True), required=False, help_text="Those that matter to it.")
    api_key = Text(max_length=24, required=False, help_text="With a management token: the id of the key that sends it.")


class RefusalSerializer(serializers.Serializer[Any]):
    status = serializers.IntegerField()
    code = serializers.CharField()
    message = serializers.CharField()
    retry = serializers.BooleanField(help_text="Whether the same request may do better soon.")
    body = serializers.DictField(help_text="The very body that the client would get, in its own dialect.")


class ExpectedSerializer(serializers.Serializer[Any]):
    cost_usd = Usd(source="cost")
    learned_from = serializers.ChoiceField(["key", "company", "assumption"])
    replies = serializers.IntegerField(help_text="Of how many settled replies of this model it is the median.")
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()


class EstimateSerializer(serializers.Serializer[Any]):
    admitted = serializers.BooleanField(help_text="Whether it would be let through now.")
    refusal = RefusalSerializer(allow_null=True)
    endpoint = serializers.CharField()
    provider = serializers.CharField(allow_null=True)
    model = serializers.CharField(allow_null=True)
    free = serializers.BooleanField(help_text="The provider bills nothing for it.")
    bound_usd = Usd(source="bound", allow_null=True, help_text="The most that it can cost.")
    hold_usd = Usd(source="hold", allow_null=True, help_text="The most that would be held for it now.")
    hold_basis = serializers.ChoiceField(["bound", "partial", "estimate"], allow_null=True)
    expected = ExpectedSerializer(allow_null=True, help_text="What it will likely cost; nothing rests on it.")
    input_tokens = serializers.IntegerField(allow_null=True, help_text="The most that it can be billed for.")
    output_limit = serializers.IntegerField(allow_null=True, help_text="Output tokens a choice, as would be sent.")
    output_limit_given = serializers.BooleanField(help_text="By the request itself; else it would be written into it.")
    choices = serializers.IntegerField(allow_null=True)
    price = serializers.DictField(child=serializers.CharField(allow_null=True), allow_null=True)
    price_source = serializers.CharField(allow_null=True)
    price_since = serializers.DateField(allow_null=True)
    own_price = serializers.CharField(allow_null=True)


@extend_schema(tags=["Budget"])
class EstimateRequest(APIView):
    """A dry run: nothing is held, and no provider is asked."""

    authentication_classes = [KeyOrTokenAuthentication]
    permission_classes = [HasKeyOrToken]
    parser_classes = [LongJSONParser]

    @extend_schema(
        summary="What a request could cost, and whether it would be admitted now",
        description="With an application's own key, or with a management token that names a key (scope `read`).",
        request=EstimateBody,
        responses=EstimateSerializer,
    )
    def post(self, request: Request) -> Response:
        checked(Query, request.query_params.dict())
        asked = checked(EstimateBody, request.data)
        key, digest = _sender(request, asked.get("api_key"))
        answer = _answered(asked, key, digest)
        return Response(EstimateSerializer(answer).data, headers={"Cache-Control": "no-store"})


def _sender(request: Request, key_id: str | None) -> tuple[ApiKey, str]:
    """The key that the request would be sent with, and the digest that it is known by."""
    if isinstance(request.auth, ApiKey):
        if key_id is not None and key_id != request.auth.pk:
            raise PermissionDenied("An application's key asks for itself. Leave `api_key` out.", "forbidden")
        return request.auth, keys.digest(secret_in(request) or "")
    assert isinstance(request.auth, ManagementToken)  # HasKeyOrToken lets nobody else in
    if key_id is None:
        raise InvalidValue("api_key", "Name the key that would send it, by its id: `key_...`.")
    key = ApiKey.objects.select_related("tenant").filter(tenant=request.auth.tenant, pk=key_id).first()
    if key is None:
        raise NotFound
    return key, key.digest


def _answered(asked: dict[str, Any], key: ApiKey, digest: str) -> dict[str, Any]:
    endpoint, body = asked["endpoint"], json.dumps(asked["body"]).encode()
    seen = foresee(key, digest, endpoint, body, asked.get("headers", {}))
    return {**_answer(asked, seen.made, seen.refusal), "expected": seen.expected}


def _answer(asked: dict[str, Any], made: Estimate | None, refusal: Refusal | None) -> dict[str, Any]:
    parsed, model, plan = (made.parsed, made.model, made.plan) if made else (None, None, None)
    return {
        "admitted": refusal is None,
        "refusal": _refused(asked["endpoint"], refusal) if refusal else None,
        "endpoint": asked["endpoint"],
        "provider": made.call.adapter.provider if made else None,
        "model": parsed.model if parsed else None,
        "free": bool(made and made.free),
        "bound": plan.quote.most if plan else None,
        "hold": made.hold if made else None,
        "hold_basis": plan.basis.value if plan else None,
        "expected": None,
        "input_tokens": plan.quote.input_tokens if plan else None,
        "output_limit": made.output_limit if made and plan else None,
        "output_limit_given": bool(parsed and parsed.output_limit is not None),
        "choices": parsed.choices if parsed else None,
        "price": usd(model.rates) if model else None,
        "price_source": model.source if model else None,
        "price_since": model.since if model else None,
        "own_price": (model.own or None) if model else None,
    }


def _refused(endpoint: str, refusal: Refusal) -> dict[str, Any]:
    body = refusal.body
    said = {"status": body.status, "code": body.code, "message": body.message}
    return {**said, "retry": refusal.retry, "body": json.loads(client_body(endpoint, refusal))}
