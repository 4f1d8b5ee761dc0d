"""Identifiers of things: a prefix that says what it is, and enough randomness that nobody counts or guesses them."""

import os
import time
from collections import deque
from functools import lru_cache

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Byte -> character. 256 is no multiple of 62, so eight characters come up a little oftener: 5.95 bits a character.
_AS_BASE62 = bytes(ord(_ALPHABET[byte % 62]) for byte in range(256))


_LONGEST = 32
_AT_ONCE = 128
_ready: deque[bytes] = deque()
os.register_at_fork(after_in_child=_ready.clear)


def new_id(prefix: str, length: int = 16) -> str:
    """`ten_4nVq8sJ0eYc2uBf6`: 16 characters are about 95 bits; at most 32."""
    return f"{prefix}_{_randomness()[:length].translate(_AS_BASE62).decode()}"


def dated_id(prefix: str, length: int) -> str:
    """The same, beginning with the second in which it was made: six characters, in order. Of what there are millions of
    rows, so that an index grows at its end and not all over: random ids cost a drain some pages of it for each row."""
    return f"{prefix}_{_second(int(time.time()))}{_randomness()[: length - 6].translate(_AS_BASE62).decode()}"


@lru_cache(maxsize=4)
def _second(number: int) -> str:
    characters = ""
    for _ in range(6):
        number, rest = divmod(number, len(_ALPHABET))
        characters = _ALPHABET[rest] + characters
    return characters


def _randomness() -> bytes:
    """32 bytes that nobody else gets. Drawn many at once: every request makes two ids, each would be a system call."""
    while True:
        try:
            return _ready.popleft()
        except IndexError:
            drawn = os.urandom(_LONGEST * _AT_ONCE)
            _ready.extend(drawn[start : start + _LONGEST] for start in range(0, len(drawn), _LONGEST))


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
