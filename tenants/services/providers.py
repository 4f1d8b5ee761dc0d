"""Providers' keys of a tenant: encrypted before they are stored, and never shown again."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from tenants import crypto, policy, providers
from tenants.audit import Actor, Changes, record
from tenants.errors import InvalidValue, NotFound
from tenants.models import ProviderCredential, Tenant
from tenants.services import endpoints

MOST_CUSTOM = 50
NOT_TESTED: dict[str, Any] = {"tested_at": None, "test_ok": None, "test_result": ""}


def set_provider_credential(
    *,
    tenant: Tenant,
    provider: str,
    secret: str,
    actor: Actor,
    name: str = "",
    base_url: str = "",
    api_version: str = "",
    deployments: Mapping[str, str] | None = None,
) -> ProviderCredential:
    """Store or replace it. `provider` is an id of `tenants.providers`; or `custom`, or an earlier `name`, for an
    endpoint of the tenant's own, which has a `base_url` and may have no secret. Azure has a `base_url`, an
    `api_version` (empty for its newer API) and `deployments`, by name the model of each.

    Raises InvalidValue, EncryptionUnavailable, PolicyUnavailable.
    """
    place = endpoints.checked(provider, name, base_url, api_version, deployments or {})
    secret = _usable(secret) if secret.strip() or not providers.is_custom(place.provider) else ""
    ciphertext = crypto.encrypt(secret)
    with policy.within(tenant) as locked:
        before = ProviderCredential.objects.filter(tenant=locked, provider=place.provider).first()
        if before is None and provider == providers.CUSTOM:
            _room_for_another(locked)
        credential, _ = ProviderCredential.objects.update_or_create(
            tenant=locked,
            provider=place.provider,
            defaults={
                "ciphertext": ciphertext,
                "last_four": secret[-4:] if len(secret) >= 12 else "",  # four of a short one would be too much of it
                "base_url": place.base_url,
                "api_version": place.api_version,
                "deployments": place.deployments,
                "created_by": actor.user,
                "created_at": timezone.now(),
                **NOT_TESTED,
            },
        )
        changes = _changes(before, credential)
        record(locked, actor, "provider.set", target_id=credential.pk, target=place.provider, changes=changes)
    return credential


def _changes(before: ProviderCredential | None, after: ProviderCredential) -> Changes:
    """What the audit log keeps of it. A secret that was replaced by one that ends alike is a change too."""
    was, now = _said(before), _said(after)
    return {name: (was[name], now[name]) for name in now if name == "last_four" or was[name] != now[name]}


def _said(credential: ProviderCredential | None) -> dict[str, str | None]:
    """In words, and never the secret."""
    names = ("last_four", "base_url", "api_version")
    said = {name: getattr(credential, name, None) or None for name in names}
    deployments = credential.deployments if credential is not None else {}
    return said | {"deployments": ", ".join(f"{name} = {model}" for name, model in deployments.items()) or None}


def remove_provider_credential(*, tenant: Tenant, provider: str, actor: Actor) -> None:
    """Requests to this provider are refused from the next one on. Raises NotFound, PolicyUnavailable."""
    with policy.within(tenant) as locked:
        credential = _credential(locked, provider)
        change = {"last_four": (credential.last_four, None)}
        record(locked, actor, "provider.removed", target_id=credential.pk, target=provider, changes=change)
        credential.delete()


def record_provider_test(
    *, tenant: Tenant, provider: str, result: str, actor: Actor, ok: bool | None = None
) -> ProviderCredential:
    """Keep what a test of the key said, in one sentence, and whether it was good (None: it could not be asked).

    Proxies need not know. Raises NotFound.
    """
    with transaction.atomic():
        credential = _credential(tenant, provider)
        credential.tested_at, credential.test_ok, credential.test_result = timezone.now(), ok, result[:200]
        credential.save(update_fields=["tested_at", "test_ok", "test_result"])
        change = {"test_result": (None, credential.test_result)}
        record(tenant, actor, "provider.tested", target_id=credential.pk, target=provider, changes=change)
    return credential


def reencrypt_credentials() -> int:
    """All of them under the newest key, so that an older one can be taken away; how many. Raises EncryptionUnavailable.

    The secrets stay what they are, so that no proxy has to be told.
    """
    with transaction.atomic():
        credentials = list(ProviderCredential.objects.select_for_update(no_key=True))
        for credential in credentials:
            credential.ciphertext = crypto.reencrypt(credential.ciphertext)
        ProviderCredential.objects.bulk_update(credentials, ["ciphertext"])
    return len(credentials)


def _room_for_another(tenant: Tenant) -> None:
    if tenant.provider_credentials.exclude(provider__in=providers.BY_ID).count() >= MOST_CUSTOM:
        raise InvalidValue("provider", f"There are {MOST_CUSTOM} endpoints of your own already. Remove one first.")


def _usable(secret: str) -> str:
    """It goes out in a header: whatever could end that header must not get in."""
    cleaned = secret.strip()
    if not 1 <= len(cleaned) <= 512:
        raise InvalidValue("secret", "Paste the provider's whole key: up to 512 characters.")
    if not cleaned.isascii() or not cleaned.isprintable() or " " in cleaned:
        raise InvalidValue("secret", "Paste the provider's key alone: letters, digits and signs, without spaces.")
    return cleaned


def _credential(tenant: Tenant, provider: str) -> ProviderCredential:
    credential = ProviderCredential.objects.filter(tenant=tenant, provider=provider).first()
    if credential is None:
        raise NotFound("No key of this provider is stored.")
    return credential
