"""Does a provider accept the key that is stored? Asks it for its list of models, which costs nothing."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import crypto, netguard
from tenants.api import TenantView
from tenants.models import ProviderCredential
from tenants.providers import BY_ID, Auth, title_of
from tenants.serializers import Strict
from tenants.services import record_provider_test
from tokonomics.api.serializers import ProviderCheckSerializer

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
MOST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class ProviderCheck:
    """`message` says what was asked and what came back; never the key. `models`: None where none were listed."""

    ok: bool
    message: str
    http_status: int | None = None
    models: int | None = None
    refused: bool = False

    @property
    def verdict(self) -> bool | None:
        """Whether the provider takes the key; None where it did not say, or could not be asked."""
        return True if self.ok else False if self.refused else None


def check_provider(credential: ProviderCredential) -> ProviderCheck:
    """One GET where the credential's requests go; no redirect is followed. Raises EncryptionUnavailable."""
    name, url = title_of(credential.provider), address_of(credential)
    headers = _headers(credential.provider, crypto.decrypt(credential.ciphertext))
    try:
        status, body = _get(url, headers) if not credential.base_url else _get_guarded(url, headers)
    except httpx.TimeoutException:
        return ProviderCheck(False, f"{name} could not be asked: GET {url} got no answer in time.")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return ProviderCheck(False, f"{name} could not be asked: GET {url} failed ({type(error).__name__}).")
    except netguard.NotSent as error:
        return ProviderCheck(False, f"{name} could not be asked: {error}")
    return _verdict(credential.provider, name, url, status, body)


def address_of(credential: ProviderCredential) -> str:
    """What is asked: the list of models, below where the credential's requests go."""
    known = BY_ID.get(credential.provider)
    base = credential.base_url or settings.PROVIDER_BASE_URLS[credential.provider]
    return str(base).rstrip("/") + (known.check_path if known else "/models")


def _verdict(provider: str, name: str, url: str, status: int, body: bytes) -> ProviderCheck:
    if status in (401, 403) or (provider == "gemini" and status == 400):
        return ProviderCheck(False, f"{name} refuses this key: GET {url} answered {status}.", status, refused=True)
    if status != 200:
        return ProviderCheck(False, f"{name} did not say: GET {url} answered {status}.", status)
    answer = _object(body)
    models = _count(answer)
    if models is not None:
        return ProviderCheck(True, f"{name} accepts this key: GET {url} listed {models} models.", status, models)
    if provider in BY_ID and "models" not in BY_ID[provider].check_path and isinstance(answer, dict):
        return ProviderCheck(True, f"{name} accepts this key: GET {url} answered {status}.", status)
    return ProviderCheck(False, f"GET {url} answered 200 with something that is no list of models.", status)


def _headers(provider: str, secret: str) -> dict[str, str]:
    auth = BY_ID[provider].auth if provider in BY_ID else Auth.BEARER
    if not secret:
        return {}
    if auth is Auth.BEARER:
        return {"authorization": f"Bearer {secret}"}
    version = {"anthropic-version": "2023-06-01"} if provider == "anthropic" else {}
    return {str(auth): secret, **version}


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


def _get_guarded(url: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """An address that a tenant named: judged, and connected to as it was judged."""
    private = settings.PROVIDERS_ALLOW_PRIVATE_URLS
    answer = netguard.get(netguard.parse(url), headers, private=private, most=MOST_BYTES)
    return answer.status, answer.body.encode()


def _object(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _count(found: Any) -> int | None:
    """Most answer `{"data": [...]}`, Google `{"models": [...]}`, Together a list that is never empty."""
    listed = (found.get("data") or found.get("models")) if isinstance(found, dict) else found or None
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
        found = check_provider(credential)
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
