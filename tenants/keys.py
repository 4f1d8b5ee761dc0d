"""The secrets that we hand out: `tk_live_...` and `tk_test_...` for applications, `tkm_...` for the REST API.

A secret is a prefix, 32 random base-62 characters (190 bits) and 8 that are a truncated HMAC-SHA256 of those before
them, under a key drawn from SECRET_KEY. So a made-up key is dropped by arithmetic, without a database call (about one
guess in 10**14 gets as far as the look-up, and finds nothing there). Only the SHA-256 digest of a secret is stored.
"""

import hashlib
import hmac
import secrets
from functools import lru_cache

from django.conf import settings

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Byte -> character. 256 is no multiple of 62, so that eight characters are a little likelier: harmless in a MAC.
_AS_BASE62 = bytes(ord(_ALPHABET[byte % 62]) for byte in range(256))
_RANDOM, _MAC = 32, 8

API_KEY_PREFIXES = {"live": "tk_live_", "test": "tk_test_"}
MANAGEMENT_PREFIX = "tkm_"
_API_KEY_STARTS = tuple(API_KEY_PREFIXES.values())
_API_KEY_LENGTH = len("tk_live_") + _RANDOM + _MAC
_MANAGEMENT_LENGTH = len(MANAGEMENT_PREFIX) + _RANDOM + _MAC


def mint(mode: str) -> str:
    """A new API key for `live` or `test`. It cannot be had a second time."""
    return _mint(API_KEY_PREFIXES[mode])


def mint_management_token() -> str:
    return _mint(MANAGEMENT_PREFIX)


def looks_minted(key: str) -> bool:
    """Whether this installation may have made the API key. Says nothing about its being known, active or unexpired."""
    return len(key) == _API_KEY_LENGTH and key.startswith(_API_KEY_STARTS) and _mac_fits(key)


def token_looks_minted(token: str) -> bool:
    """The same for a management token."""
    return len(token) == _MANAGEMENT_LENGTH and token.startswith(MANAGEMENT_PREFIX) and _mac_fits(token)


def digest(key: str) -> str:
    """What is stored and looked up: SHA-256, hex. (A slow hash is for passwords; this is 190 random bits.)"""
    return hashlib.sha256(key.encode()).hexdigest()


def shown_prefix(key: str) -> str:
    """The beginning that people tell keys apart by: the prefix and four random characters."""
    return key[: key.rindex("_") + 5]


def _mint(prefix: str) -> str:
    body = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return body + _mac(_mac_keys()[0], body.encode()).decode()


def _mac_fits(key: str) -> bool:
    if not key.isascii():
        return False
    raw = key.encode()
    body, given = raw[:-_MAC], raw[-_MAC:]
    return any(hmac.compare_digest(_mac(mac_key, body), given) for mac_key in _mac_keys())


def _mac(mac_key: bytes, body: bytes) -> bytes:
    return hmac.digest(mac_key, body, "sha256")[:_MAC].translate(_AS_BASE62)


def _mac_keys() -> tuple[bytes, ...]:
    """The key that new secrets are made under, then those that older ones may have been made under."""
    return _derived(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def _derived(secret: str, fallbacks: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(hmac.digest(key.encode(), b"tokonomics.keys.v1", "sha256") for key in (secret, *fallbacks))
