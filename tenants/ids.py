"""Identifiers of things: a prefix that says what it is, and enough randomness that nobody counts or guesses them."""

import secrets

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_id(prefix: str, length: int = 16) -> str:
    """`ten_4nVq8sJ0eYc2uBf6`: 62**16 is about 95 bits."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def tenant_id() -> str:
    return new_id("ten")


def api_key_id() -> str:
    return new_id("key")


def credential_id() -> str:
    return new_id("cred")


def token_id() -> str:
    return new_id("tok")


def audit_event_id() -> str:
    return new_id("aud")
