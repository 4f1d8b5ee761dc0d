"""Does a provider accept the key that is stored? Asks it for its list of models, which costs nothing."""

import json
from dataclasses import dataclass

import httpx
from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import crypto
from tenants.api import TenantView
from tenants.models import ProviderCredential
from tenants.serializers import Strict
from tenants.services import record_provider_test
from tokonomics.api.serializers import ProviderCheckSerializer

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
MOST_BYTES = 4_000_000
_NAMES = {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Google"}
_PATHS = {"openai": "/models", "anthropic": "/v1/models", "gemini": "/v1beta/models"}


@dataclass(frozen=True, slots=True)
class ProviderCheck:
    """`message` says what was asked and what came back; never the key."""

    ok: bool
    message: str
    http_status: int | None = None
    models: int | None = None
    refused: bool = False

    @property
    def verdict(self) -> bool | None:
        """Whether the provider takes the key; None where it did not say, or could not be asked."""
        return True if self.ok else False if self.refused else None


def check_provider(provider: str, secret: str) -> ProviderCheck:
    """One GET at the provider's configured base URL; no redirect is followed."""
    name = _NAMES.get(provider, provider)
    url = settings.PROVIDER_BASE_URLS[provider].rstrip("/") + _PATHS[provider]
    try:
        status, body = _get(url, _headers(provider, secret))
    except httpx.TimeoutException:
        return ProviderCheck(False, f"{name} could not be asked: GET {url} got no answer in time.")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return ProviderCheck(False, f"{name} could not be asked: GET {url} failed ({type(error).__name__}).")
    if status in (401, 403) or (provider == "gemini" and status == 400):
        return ProviderCheck(False, f"{name} refuses this key: GET {url} answered {status}.", status, refused=True)
    if status != 200:
        return ProviderCheck(False, f"{name} did not say: GET {url} answered {status}.", status)
    models = _count(body)
    if models is None:
        return ProviderCheck(False, f"GET {url} answered 200 with something that is no list of models.", status)
    return ProviderCheck(True, f"{name} accepts this key: GET {url} listed {models} models.", status, models)


def _headers(provider: str, secret: str) -> dict[str, str]:
    match provider:
        case "anthropic":
            return {"x-api-key": secret, "anthropic-version": "2023-06-01"}
        case "gemini":
            return {"x-goog-api-key": secret}
    return {"authorization": f"Bearer {secret}"}


def _get(url: str, headers: dict[str, str]) -> tuple[int, bytes]:
    # As the proxy itself reaches providers: through the environment's proxy only where httpx was chosen for that.
    through_proxy = settings.UPSTREAM_TRANSPORT == "httpx"
    with (
        httpx.Client(timeout=TIMEOUT, trust_env=through_proxy) as client,
        client.stream("GET", url, headers=headers) as reply,
    ):
        body = b""
        for chunk in reply.iter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                break
        return reply.status_code, body


def _count(body: bytes) -> int | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    listed = (found.get("data") or found.get("models")) if isinstance(found, dict) else None
    return len(listed) if isinstance(listed, list) else None


@extend_schema(tags=["Provider credentials"])
class CheckProvider(TenantView):
    queryset = ProviderCredential.objects.all()

    @extend_schema(
        summary="Ask the provider whether it accepts the stored key",
        description="Lists the provider's models, which costs nothing. What it said is kept with the credential.",
        request=None,
        responses=ProviderCheckSerializer,
    )
    def post(self, request: Request, pk: str) -> Response:
        self.body(Strict)
        credential = self.get_object()
        found = check_provider(credential.provider, crypto.decrypt(credential.ciphertext))
        tested = record_provider_test(
            tenant=self.tenant, provider=credential.provider, result=found.message, actor=self.actor, ok=found.verdict
        )
        answer = {
            "id": tested.pk,
            "provider": tested.provider,
            "ok": found.ok,
            "message": found.message,
            "http_status": found.http_status,
            "models": found.models,
            "tested_at": tested.tested_at,
        }
        return Response(ProviderCheckSerializer(answer).data)
