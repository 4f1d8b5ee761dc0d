"""The policy version and its fence: a change holds from the next request, on every worker (DESIGN P5, section 4).

Everything that a proxy must obey (caps, keys, providers, a tenant's settings) carries one version a tenant, a column of
the tenant's row. A change goes: lock the row; do the work; raise the version; put a fence token into `policy:{tenant}`;
commit; publish the version and take the token off. A proxy that sends an old version is STALE and reloads; one that
meets a fence calls `heal`. Whatever stops a writer after its fence leaves the token behind, and the next request mends
it: `heal` waits for the row's lock, so it sees the write as committed or as undone, never as open.

The fence goes up last before the commit, and once it stands only a publish takes it off. A COMMIT whose answer was lost
may have happened: to take the token off on an error could leave every proxy on the old policy, with nothing to tell it.
"""

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from django.db import transaction

from tenants import store
from tenants.errors import PolicyUnavailable
from tenants.models import Tenant

__all__ = [
    "PolicyUnavailable",
    "Published",
    "change",
    "current",
    "founding",
    "heal",
    "newborn",
    "policy_key",
    "published",
    "within",
]

logger = logging.getLogger(__name__)

_LUA = Path(__file__).parent / "lua"
_FENCE = store.Script(_LUA / "fence.lua")
_PUBLISH = store.Script(_LUA / "publish.lua")


@dataclass(frozen=True, slots=True)
class Published:
    """What proxies are told: the version that they must hold (0: none known) and the fence tokens in their way."""

    version: int
    fence: tuple[str, ...]


def policy_key(tenant_id: str) -> str:
    return f"policy:{{{tenant_id}}}"


@contextmanager
def change(tenant_id: str) -> Iterator[Tenant]:
    """The only way to change what a proxy must obey: yields the tenant, locked, in a transaction of its own.

    Raises PolicyUnavailable with nothing changed where Redis cannot be reached, Tenant.DoesNotExist, and RuntimeError
    inside another transaction. Once committed it never raises: a publish that fails leaves the fence, which is safe.
    """
    token = secrets.token_hex(8)
    with transaction.atomic(durable=True):
        tenant = _lock(tenant_id)
        version = tenant.policy_version + 1
        with _marked(tenant):
            tenant.policy_version = version
            yield tenant
        version = max(version, tenant.policy_version)
        # After the work, not before it: a transaction that the work has broken fails here, and no fence goes up for it.
        Tenant.objects.filter(pk=tenant_id).update(policy_version=version)
        _put_fence(tenant_id, token)
    try:
        _publish(tenant_id, version, [token])
    except PolicyUnavailable:
        logger.warning("policy of %s: version %d committed, not published; its fence stays", tenant_id, version)


@contextmanager
def within(tenant: Tenant) -> Iterator[Tenant]:
    """The change that `tenant` is already locked in, or else one of its own: lets services join into one change."""
    if tenant.locked:
        yield tenant
    else:
        with change(tenant.pk) as locked:
            yield locked


@contextmanager
def founding() -> Iterator[None]:
    """The transaction in which a tenant comes into being. No proxy knows it yet, so nothing is fenced; but without
    Redis nothing is made either, for the tenant could not be opened. Raises PolicyUnavailable.
    """
    try:
        store.client().ping()
    except (redis.RedisError, OSError) as error:
        raise PolicyUnavailable("Nothing was created: the spending ledger cannot be reached.") from error
    with transaction.atomic(durable=True):
        yield


@contextmanager
def newborn(tenant: Tenant) -> Iterator[Tenant]:
    """A tenant made in this very transaction (`founding`): nobody else can see its row, so it counts as locked."""
    with _marked(tenant):
        yield tenant


def heal(tenant_id: str, tokens_seen: Sequence[str]) -> int:
    """What a proxy does on meeting a fence: waits for the writer, makes the outcome known, takes off the tokens it saw.

    Returns the version that holds. Raises PolicyUnavailable and Tenant.DoesNotExist. A database that is behind what was
    published (restored from a backup, or its last commits lost with the power) gets a version that no proxy has kept.
    """
    with transaction.atomic(durable=True):
        version = _lock(tenant_id).policy_version
        told = _publish(tenant_id, version, tokens_seen)
    if told <= version:
        return version
    with change(tenant_id) as tenant:
        tenant.policy_version = max(tenant.policy_version, told + 1)
    return tenant.policy_version


def current(tenant_id: str) -> int:
    """The version in the database, without waiting for a change under way."""
    return Tenant.objects.values_list("policy_version", flat=True).get(pk=tenant_id)


def published(tenant_id: str) -> Published:
    """What Redis tells the proxies now. Raises PolicyUnavailable."""
    try:
        version, fence = store.client().hmget(policy_key(tenant_id), "version", "fence")
    except (redis.RedisError, OSError) as error:
        raise PolicyUnavailable from error
    return Published(version=int(version or 0), fence=tuple(_text(fence).split()))


def _lock(tenant_id: str) -> Tenant:
    # NO KEY: rows that only point at the tenant (the journal's) are still written meanwhile. SQLite has no row locks;
    # there the transaction itself, begun IMMEDIATE, is the lock.
    return Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)


@contextmanager
def _marked(tenant: Tenant) -> Iterator[None]:
    tenant.locked = True
    try:
        yield
    finally:
        tenant.locked = False


def _text(answer: bytes | str | None) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer or ""


def _put_fence(tenant_id: str, token: str) -> None:
    _run(_FENCE, tenant_id, token)


def _publish(tenant_id: str, version: int, tokens: Sequence[str]) -> int:
    return int(_run(_PUBLISH, tenant_id, version, *tokens))


def _run(script: store.Script, tenant_id: str, *args: str | int) -> Any:
    try:
        return store.run(script, [policy_key(tenant_id)], args)
    except (store.StoreUnavailable, redis.RedisError) as error:
        raise PolicyUnavailable from error
