"""Identifiers of things: a prefix that says what it is, and enough randomness that nobody counts or guesses them."""

import secrets

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Byte -> character. 256 is no multiple of 62, so eight characters come up a little oftener: 5.95 bits a character.
_AS_BASE62 = bytes(ord(_ALPHABET[byte % 62]) for byte in range(256))


def new_id(prefix: str, length: int = 16) -> str:
    """`ten_4nVq8sJ0eYc2uBf6`: 16 characters are about 95 bits. One system call: every request makes two of these."""
    return f"{prefix}_{secrets.token_bytes(length).translate(_AS_BASE62).decode()}"


def tenant_id() -> str:
    return new_id("ten")


def api_key_id() -> str:
    return new_id("key")


def credential_id() -> str:
    return new_id("cred")


def token_id() -> str:
    return new_id("tok")


def invitation_id() -> str:
    return new_id("inv")


def price_id() -> str:
    return new_id("prc")


def audit_event_id() -> str:
    return new_id("aud")
