"""`Idempotency-Key`: a POST that is sent again after a lost answer gets that answer, and changes nothing twice.

Kept in the cache for a day, encrypted, for the answer holds a secret. If this process dies between the change and its
record, a repeat after `CLAIM_SECONDS` makes the change again.
"""

import hashlib
import logging
from collections.abc import Callable
from typing import Any

import orjson
import redis
from django.core.cache import cache
from django_redis.exceptions import ConnectionInterrupted
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import crypto
from tenants.errors import Conflict, InvalidValue
from tenants.store import StoreUnavailable

log = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
CLAIM_SECONDS, KEPT_SECONDS = 60, 86_400
_UNREACHABLE = (ConnectionInterrupted, redis.RedisError, OSError)


class KeyReused(Conflict):
    code = "idempotency_key_reused"
    message = f"This {HEADER} was sent with another request before. Use a new one."


class InProgress(Conflict):
    code = "idempotency_in_progress"
    message = f"The first request with this {HEADER} is not answered yet. Send it again in a moment."


def once(request: Request, tenant_id: str, make: Callable[[], Response]) -> Response:
    """What `make` answers, now or then. Without the header simply that.

    Raises InvalidValue, KeyReused, InProgress, EncryptionUnavailable, StoreUnavailable, and what `make` raises.
    """
    given = request.headers.get(HEADER)
    if given is None:
        return make()
    if not 1 <= len(given) <= 255 or not given.isascii() or not given.isprintable():
        raise InvalidValue(HEADER, f"Send an {HEADER} of 1 to 255 printable ASCII characters.")
    place = "idempotent:" + hashlib.sha256(f"{tenant_id}\0{request.path}\0{given}".encode()).hexdigest()
    asked = hashlib.sha256(orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)).hexdigest()
    if not _claim(place, asked):
        return _answer_of(place, asked)
    try:
        answer = make()
    except BaseException:
        _forget(place)
        raise
    _keep(place, {"asked": asked, "status": answer.status_code, "answer": answer.data})
    return answer


def _claim(place: str, asked: str) -> bool:
    try:
        return cache.add(place, _sealed({"asked": asked}), CLAIM_SECONDS)
    except _UNREACHABLE as error:
        raise StoreUnavailable(str(error)) from error


def _answer_of(place: str, asked: str) -> Response:
    try:
        sealed = cache.get(place)
    except _UNREACHABLE as error:
        raise StoreUnavailable(str(error)) from error
    kept: dict[str, Any] = orjson.loads(crypto.decrypt(sealed)) if sealed else {"asked": asked}
    if kept["asked"] != asked:
        raise KeyReused
    if "answer" not in kept:
        raise InProgress
    return Response(kept["answer"], status=kept["status"], headers={"Idempotent-Replayed": "true"})


def _keep(place: str, record: dict[str, Any]) -> None:
    """The change is made: an answer that cannot be kept is given all the same."""
    try:
        cache.set(place, _sealed(record), KEPT_SECONDS)
    except _UNREACHABLE as error:
        log.warning("an answer could not be kept for its %s: %s", HEADER, error)


def _forget(place: str) -> None:
    try:
        cache.delete(place)
    except _UNREACHABLE as error:
        log.warning("a claim is left to end by itself: %s", error)


def _sealed(record: dict[str, Any]) -> str:
    return crypto.encrypt(orjson.dumps(record).decode())
