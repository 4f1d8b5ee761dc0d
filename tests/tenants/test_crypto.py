"""Providers' secrets at rest."""

from typing import Any

import pytest
from cryptography.fernet import Fernet

from tenants import crypto

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_what_is_encrypted_can_be_read_again_and_is_not_to_be_seen() -> None:
    ciphertext = crypto.encrypt("sk-12345678")
    assert "12345678" not in ciphertext
    assert crypto.decrypt(ciphertext) == "sk-12345678"
    assert crypto.encrypt("sk-12345678") != ciphertext


def test_without_keys_it_says_what_to_set(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(crypto.EncryptionUnavailable, match="set TOKONOMICS_ENCRYPTION_KEYS"):
        crypto.encrypt("sk-12345678")


def test_a_key_that_is_no_fernet_key_is_said_to_be_none(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = ["too short"]
    with pytest.raises(crypto.EncryptionUnavailable, match="takes Fernet keys"):
        crypto.encrypt("sk-12345678")


def test_a_ciphertext_of_a_lost_key_is_an_error_and_never_another_secret(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    ciphertext = crypto.encrypt("sk-12345678")
    settings.ENCRYPTION_KEYS = [NEW]
    with pytest.raises(crypto.EncryptionUnavailable, match="Put the old one back"):
        crypto.decrypt(ciphertext)
    with pytest.raises(crypto.EncryptionUnavailable):
        crypto.reencrypt(ciphertext)


def test_the_keys_can_be_changed_without_a_moment_in_which_a_secret_cannot_be_read(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    ciphertext = crypto.encrypt("sk-12345678")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert crypto.decrypt(ciphertext) == "sk-12345678"
    renewed = crypto.reencrypt(ciphertext)
    settings.ENCRYPTION_KEYS = [NEW]
    assert crypto.decrypt(renewed) == "sk-12345678"
