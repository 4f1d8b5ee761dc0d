"""Providers' secrets at rest: Fernet (AES-128-CBC, HMAC-SHA256) under TOKONOMICS_ENCRYPTION_KEYS, newest key first."""

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from tenants.errors import EncryptionUnavailable

__all__ = ["EncryptionUnavailable", "decrypt", "encrypt", "reencrypt"]

_NONE_OPENS = "No key in TOKONOMICS_ENCRYPTION_KEYS opens a stored provider key. Put the old one back, or replace it."


def encrypt(secret: str) -> str:
    """Raises EncryptionUnavailable where no usable key is set."""
    return _fernet().encrypt(secret.encode()).decode()


def decrypt(ciphertext: str) -> str:
    """Raises EncryptionUnavailable where none of the keys opens it."""
    try:
        return _fernet().decrypt(ciphertext.encode()).decode()
    except InvalidToken as error:
        raise EncryptionUnavailable(_NONE_OPENS) from error


def reencrypt(ciphertext: str) -> str:
    """The same secret under the newest key: after that an older key can be taken away. Raises EncryptionUnavailable."""
    try:
        return _fernet().rotate(ciphertext.encode()).decode()
    except InvalidToken as error:
        raise EncryptionUnavailable(_NONE_OPENS) from error


def _fernet() -> MultiFernet:
    if not settings.ENCRYPTION_KEYS:
        raise EncryptionUnavailable
    return _for_keys(tuple(settings.ENCRYPTION_KEYS))


@lru_cache(maxsize=4)
def _for_keys(keys: tuple[str, ...]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise EncryptionUnavailable("TOKONOMICS_ENCRYPTION_KEYS takes Fernet keys: 32 bytes in base64.") from error
