"""`estimate/`: what a request could cost, would hold and would meet, said without sending it or holding anything."""

import json
from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from budgets import usual
from budgets.money import ceil_div
from budgets.price_api import usd
from budgets.pricing import cost
from budgets.pricing.rates import Model, NotPriceable, Purpose
from budgets.pricing.usage import Usage
from budgets.serializers import Usd
from proxy import refusals
from proxy.estimate import Estimate, estimate
from proxy.policies import load_policy
from proxy.providers import registry
from proxy.providers.base import ParsedRequest
from proxy.quoting import Call
from proxy.refusals import Refusal
from tenants import keys
from tenants.api import checked
from tenants.authentication import HasKeyOrToken, KeyOrTokenAuthentication, secret_in
from tenants.errors import InvalidValue, NotFound
from tenants.models import ApiKey, ManagementToken
from tenants.serializers import Query, Strict, Text
from tokonomics.api.parsers import LongJSONParser

# What a reply is taken to be where no reply of the company says otherwise, output tokens a choice.
ASSUMED_OUTPUT = 300
_REQUEST_ID = "rq_estimate"
_PER_TOKEN = (Purpose.TEXT, Purpose.EMBEDDING)


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
    path, _, query = asked["endpoint"].partition("?")
    adapter = registry.adapter_for(path, query)
    if adapter is None:
        return _answer(asked, None, refusals.route_not_metered("POST", path))
    headers = {name.lower(): value for name, value in asked.get("headers", {}).items()}
    policy = load_policy(digest)
    if policy is None:
        raise NotFound
    made = estimate(Call(adapter, "", headers, json.dumps(asked["body"]).encode(), _REQUEST_ID), policy)
    return {**_answer(asked, made, made.refusal), "expected": _expected(made, key)}


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
    whole = registry.dialect_for(endpoint.partition("?")[0]).error(body, _REQUEST_ID)
    said = {"status": body.status, "code": body.code, "message": body.message}
    return {**said, "retry": refusal.retry, "body": json.loads(whole)}


# --- What it will likely cost ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Expected:
    cost: int
    learned_from: str
    replies: int
    input_tokens: int
    output_tokens: int


def _expected(made: Estimate, key: ApiKey) -> _Expected | None:
    if made.plan is None or made.parsed is None or made.model is None:
        return None
    most = made.output_limit * made.parsed.choices
    known = usual.usual_of(key, made.parsed.model, made.call.adapter.path)
    if known is None:
        output = min(most, ASSUMED_OUTPUT * made.parsed.choices)
        return _reckoned(made, made.parsed, made.model, "assumption", 0, made.plan.quote.input_tokens, output)
    input_tokens = ceil_div(made.plan.quote.input_tokens * known.input_share, usual.PARTS)
    whose, output = "key" if known.of_key else "company", min(most, known.output_tokens)
    if made.model.purpose not in _PER_TOKEN:
        return _Expected(min(known.cost, made.plan.quote.most), whose, known.replies, input_tokens, output)
    return _reckoned(made, made.parsed, made.model, whose, known.replies, input_tokens, output)


def _reckoned(
    made: Estimate, parsed: ParsedRequest, model: Model, whose: str, replies: int, input_tokens: int, output: int
) -> _Expected | None:
    """At the plain rates of the tier that was asked for; never above the bound."""
    assert made.plan is not None
    usage = Usage(input_tokens=input_tokens, output_tokens=output, service_tier=parsed.service_tier)
    if model.purpose not in _PER_TOKEN:
        return None
    try:
        amount = cost.cost(model, usage)
    except NotPriceable:
        return None
    return _Expected(min(amount, made.plan.quote.most), whose, replies, input_tokens, output)
