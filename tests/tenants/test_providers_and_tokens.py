"""Providers' keys and management tokens: kept sealed, or not at all."""

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone

from tenants import crypto, keys, policy, services
from tenants.errors import Conflict, EncryptionUnavailable, InvalidValue, NotFound
from tenants.models import AuditEvent, ManagementToken, ProviderCredential, Tenant
from tenants.services import Actor

SECRET = "sk-proj-1234567890"


def stored() -> str:
    """Everything that the database holds of them, and of what happened."""
    rows = [*ProviderCredential.objects.values(), *ManagementToken.objects.values(), *AuditEvent.objects.values()]
    return json.dumps(rows, default=str)


def test_a_providers_key_is_sealed_and_told_to_the_proxies(fernhill: Tenant, by_owner: Actor) -> None:
    credential = services.set_provider_credential(
        tenant=fernhill, provider="openai", secret=f" {SECRET}\n", actor=by_owner
    )
    assert crypto.decrypt(credential.ciphertext) == SECRET
    assert SECRET not in stored()
    assert policy.published(fernhill.pk).version == 2
    event = AuditEvent.objects.order_by("created_at").last()
    assert (event.action, event.changes) == ("provider.set", {"last_four": [None, "7890"]})


def test_a_new_key_replaces_the_old_and_its_test(fernhill: Tenant, by_owner: Actor) -> None:
    services.set_provider_credential(tenant=fernhill, provider="openai", secret=SECRET, actor=by_owner)
    services.record_provider_test(tenant=fernhill, provider="openai", result="listed 68 models", actor=by_owner)
    assert ProviderCredential.objects.get().tested_at is not None
    services.set_provider_credential(tenant=fernhill, provider="openai", secret="sk-proj-new-4321", actor=by_owner)
    credential = ProviderCredential.objects.get()
    assert (crypto.decrypt(credential.ciphertext), credential.tested_at, credential.test_result) == (
        *("sk-proj-new-4321", None),
        "",
    )
    assert AuditEvent.objects.order_by("created_at").last().changes == {"last_four": ["7890", "4321"]}


@pytest.mark.parametrize(
    "secret",
    ["", "  ", "x" * 513, "sk-proj 12345678", "sk-1234\r\nx-evil: 5678", "sk-ключ-12345678", "sk-123\x7f4567"],
)
def test_what_could_break_out_of_a_header_is_refused(fernhill: Tenant, by_owner: Actor, secret: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        services.set_provider_credential(tenant=fernhill, provider="openai", secret=secret, actor=by_owner)
    assert refused.value.field == "secret"
    assert secret == "" or secret not in str(refused.value)


def test_an_unknown_provider_is_refused(fernhill: Tenant, by_owner: Actor) -> None:
    with pytest.raises(InvalidValue, match="anthropic, gemini"):
        services.set_provider_credential(tenant=fernhill, provider="closedai", secret=SECRET, actor=by_owner)


def test_without_encryption_keys_nothing_is_stored(fernhill: Tenant, by_owner: Actor, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(EncryptionUnavailable):
        services.set_provider_credential(tenant=fernhill, provider="openai", secret=SECRET, actor=by_owner)
    assert not ProviderCredential.objects.exists()


def test_a_removed_key_is_gone(fernhill: Tenant, by_owner: Actor) -> None:
    services.set_provider_credential(tenant=fernhill, provider="openai", secret=SECRET, actor=by_owner)
    services.remove_provider_credential(tenant=fernhill, provider="openai", actor=by_owner)
    assert not ProviderCredential.objects.exists()
    assert policy.published(fernhill.pk).version == 3
    with pytest.raises(NotFound):
        services.remove_provider_credential(tenant=fernhill, provider="openai", actor=by_owner)


def test_another_companys_provider_key_is_out_of_reach(fernhill: Tenant, stranger: Tenant, by_owner: Actor) -> None:
    services.set_provider_credential(tenant=fernhill, provider="openai", secret=SECRET, actor=by_owner)
    with pytest.raises(NotFound):
        services.remove_provider_credential(tenant=stranger, provider="openai", actor=by_owner)
    with pytest.raises(NotFound):
        services.record_provider_test(tenant=stranger, provider="openai", result="x", actor=by_owner)
    assert ProviderCredential.objects.count() == 1


def test_reencrypting_lets_an_old_key_be_taken_away(fernhill: Tenant, by_owner: Actor, settings: Any) -> None:
    new = Fernet.generate_key().decode()
    services.set_provider_credential(tenant=fernhill, provider="openai", secret=SECRET, actor=by_owner)
    services.set_provider_credential(tenant=fernhill, provider="anthropic", secret=SECRET, actor=by_owner)
    settings.ENCRYPTION_KEYS = [new, *settings.ENCRYPTION_KEYS]
    call_command("reencrypt_credentials")
    settings.ENCRYPTION_KEYS = [new]
    assert [crypto.decrypt(sealed.ciphertext) for sealed in ProviderCredential.objects.all()] == [SECRET, SECRET]


def test_reencrypting_with_a_lost_key_changes_nothing(fernhill: Tenant, by_owner: Actor, settings: Any) -> None:
    services.set_provider_credential(tenant=fernhill, provider="openai", secret=SECRET, actor=by_owner)
    before = ProviderCredential.objects.get().ciphertext
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="Put the old one back"):
        call_command("reencrypt_credentials")
    assert ProviderCredential.objects.get().ciphertext == before


def test_a_management_token_is_shown_once_and_kept_as_a_digest(fernhill: Tenant, by_owner: Actor) -> None:
    token, secret = services.create_management_token(tenant=fernhill, name="ci", actor=by_owner, scopes=["read"])
    assert keys.token_looks_minted(secret)
    assert (token.digest, token.scopes) == (keys.digest(secret), ["read"])
    assert secret not in stored()


@pytest.mark.parametrize("given", [{"scopes": []}, {"scopes": ["admin"]}, {"name": ""}])
def test_a_management_token_that_will_not_do_is_refused(
    fernhill: Tenant, by_owner: Actor, given: dict[str, Any]
) -> None:
    with pytest.raises(InvalidValue):
        services.create_management_token(**{"tenant": fernhill, "name": "ci", "actor": by_owner, **given})
    with pytest.raises(InvalidValue):
        past = timezone.now() - timedelta(days=1)
        services.create_management_token(tenant=fernhill, name="ci", actor=by_owner, expires_at=past)


def test_a_management_token_is_revoked_once_and_by_its_own_company(
    fernhill: Tenant, stranger: Tenant, by_owner: Actor
) -> None:
    token = services.create_management_token(tenant=fernhill, name="ci", actor=by_owner).token
    with pytest.raises(NotFound):
        services.revoke_management_token(tenant=stranger, token_id=token.pk, actor=by_owner)
    services.revoke_management_token(tenant=fernhill, token_id=token.pk, actor=by_owner)
    assert ManagementToken.objects.get().revoked_at is not None
    with pytest.raises(Conflict):
        services.revoke_management_token(tenant=fernhill, token_id=token.pk, actor=by_owner)
