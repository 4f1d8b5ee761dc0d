"""Providers' keys of a tenant: encrypted before they are stored, and never shown again."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from tenants import crypto, policy
from tenants.audit import Actor, record
from tenants.errors import InvalidValue, NotFound
from tenants.models import ProviderCredential, Tenant


def set_provider_credential(*, tenant: Tenant, provider: str, secret: str, actor: Actor) -> ProviderCredential:
    """Store or replace it. Raises InvalidValue, EncryptionUnavailable, PolicyUnavailable."""
    provider, secret = _known(provider), _usable(secret)
    ciphertext = crypto.encrypt(secret)
    with policy.within(tenant) as locked:
        before = ProviderCredential.objects.filter(tenant=locked, provider=provider).first()
        credential, _ = ProviderCredential.objects.update_or_create(
            tenant=locked,
            provider=provider,
            defaults={
                "ciphertext": ciphertext,
                "last_four": secret[-4:] if len(secret) >= 12 else "",  # four of a short one would be too much of it
                "created_by": actor.user,
                "created_at": timezone.now(),
                "tested_at": None,
                "test_ok": None,
                "test_result": "",
            },
        )
        change = {"last_four": (before.last_four if before else None, credential.last_four)}
        record(locked, actor, "provider.set", target_id=credential.pk, target=provider, changes=change)
    return credential


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


def _known(provider: str) -> str:
    if provider not in settings.PROVIDER_BASE_URLS:
        raise InvalidValue("provider", f"Choose one of {', '.join(sorted(settings.PROVIDER_BASE_URLS))}.")
    return provider


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
