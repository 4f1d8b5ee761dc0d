"""What is shown once and done once: a new secret on the page after the one that made it, a form that was sent twice."""

import hashlib
import logging
import secrets
import time
from collections.abc import Callable

import redis
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import cache
from django_redis.exceptions import ConnectionInterrupted

from tenants import crypto
from tenants.errors import PolicyUnavailable
from tokonomics.console.access import TenantRequest

log = logging.getLogger(__name__)

LIFE = 600  # seconds that a secret waits for the page that shows it
CLAIM, KEPT, PATIENCE = 60, 3600, 10.0  # seconds: a form under way, where it led, how long its double waits
_PLACE = "shown_once"
_UNREACHABLE = (ConnectionInterrupted, redis.RedisError, OSError)


# --- A secret --------------------------------------------------------------------------------------------------------


def keep_secret(session: SessionBase, ident: str, secret: str) -> None:
    """Until the next page about `ident`: encrypted, in the session. Raises EncryptionUnavailable."""
    session[_PLACE] = {"of": ident, "sealed": crypto.encrypt(secret), "at": int(time.time())}


def take_secret(session: SessionBase, ident: str) -> str:
    """The secret that was kept for `ident`, and no second time; empty where there is none."""
    kept = session.get(_PLACE)
    if not kept or kept["of"] != ident:
        return ""
    del session[_PLACE]
    return crypto.decrypt(kept["sealed"]) if time.time() - kept["at"] < LIFE else ""


# --- A form ----------------------------------------------------------------------------------------------------------


def new_form_id() -> str:
    """For the hidden field `form_id` of a form whose second sending must not make a second thing."""
    return secrets.token_urlsafe(12)


def first_time(request: TenantRequest, make: Callable[[], str]) -> str:
    """Where `make` leads, now or when the same form was sent before: a double click makes one thing.

    Raises PolicyUnavailable where that cannot be known, and what `make` raises; a form that failed may be sent again.
    """
    form_id = request.POST.get("form_id", "")
    if not form_id:
        return make()
    words = f"{request.tenant.pk}\0{request.user.pk}\0{form_id}"
    place = "form:" + hashlib.sha256(words.encode()).hexdigest()
    try:
        if not cache.add(place, "", CLAIM):
            return _where_it_led(place)
    except _UNREACHABLE as error:
        raise PolicyUnavailable from error
    try:
        address = make()
    except BaseException:
        _tell(lambda: cache.delete(place))
        raise
    _tell(lambda: cache.set(place, address, KEPT))
    return address


def _where_it_led(place: str) -> str:
    """The first sending may still be under way."""
    deadline = time.monotonic() + PATIENCE
    while not (address := cache.get(place)):
        if address is None or time.monotonic() > deadline:
            raise PolicyUnavailable(
                "Not saved: this form was being sent already. Look whether it is done, then try again."
            )
        time.sleep(0.05)
    return str(address)


def _tell(change: Callable[[], object]) -> None:
    """The thing is made or not made by now; that this cannot be noted changes nothing about it."""
    try:
        change()
    except _UNREACHABLE as error:
        log.warning("a form's outcome could not be noted: %s", error)
