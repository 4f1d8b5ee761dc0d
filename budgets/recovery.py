"""Putting the store right: rebuild counters from the ledger, end leases whose owner died."""

import logging
from collections.abc import Iterable
from typing import Any

import redis
from django.conf import settings
from django.db import OperationalError

from budgets import journal, keyspace, scripts, user_counters
from budgets.ledger_view import ledger_view
from budgets.models import DailySpend
from tenants import store

log = logging.getLogger(__name__)

SWEEP_BATCH = 200


class DatabaseBehind(store.StoreUnavailable):
    """The ledger lacks entries that were drained: the database was put back from a backup."""


def open_ledger(tenant_id: str) -> None:
    """Make a new tenant's counters live at once: nothing of it can be in flight yet."""
    rebuild(tenant_id, grace_seconds=0)


def rebuild(tenant_id: str, *, grace_seconds: float | None = None, force: bool = False) -> bool:
    """Build a cold tenant's counters from the ledger; False if another worker had done it. Raises StoreUnavailable.

    A store that has lost the tenant altogether (FLUSHALL) admits only after a grace, in which every worker shows what
    it has in flight; one that came back with its data (a restart) does so from when it was up that long.
    """
    grace = settings.LEDGER_GRACE_SECONDS if grace_seconds is None else grace_seconds
    grace_end = _server_grace_end_ms(tenant_id, grace)
    with ledger_view(tenant_id, DailySpend.objects.all()) as view:
        if not user_counters.build(tenant_id, view.now, live_too=force):
            return False
        arguments: list[str | int] = []
        for place, spent in view.spent.items():
            arguments += (spent, place.window.expires_at)
        reply = store.run(
            scripts.REBUILD,
            [*keyspace.whole(tenant_id), *(place.key for place in view.spent)],
            [
                *(view.version, view.cursor, keyspace.hold_prefix(tenant_id), int(grace * 1000), grace_end),
                *("1" if force else "", *arguments),
            ],
        )
    if reply[0] == b"RETRY":
        raise DatabaseBehind("the database lacks entries that were drained: was it put back from a backup?")
    if reply[0] == b"LIVE":
        return False
    log.info("rebuilt the counters of %s: %d entries, %d holds", tenant_id, reply[1], reply[2])
    return True


def _server_grace_end_ms(tenant_id: str, grace: float) -> int:
    """Until when a server that came back with its data, or a replica that became the master, waits for what it may
    lack, ms by its clock; 0 when that is past."""
    key = keyspace.policy(tenant_id)
    left = grace - store.age(key)
    return int((store.now(key) + left) * 1000) if left > 0 else 0


def end_leases(tenant_id: str) -> int:
    """Charge the holds whose worker has vanished; how many. A cold tenant is left for its rebuild."""
    ended = 0
    while True:
        reply = store.run(scripts.LAPSE, keyspace.whole(tenant_id), [keyspace.hold_prefix(tenant_id), SWEEP_BATCH])
        if reply[0] == b"COLD":
            return ended
        ended += int(reply[1])
        if not reply[2]:
            return ended


def look_after(tenant_ids: Iterable[str]) -> None:
    """End leases that ran out, and drain; each tenant for itself. What is wrong with one (its server is away, an entry
    that no row can be made of) keeps nobody else waiting; the first of it is raised when all have had their turn."""
    first: Exception | None = None
    for tenant_id in tenant_ids:
        try:
            end_leases(tenant_id)
            journal.drain(tenant_id)
        except OperationalError:
            raise  # the database is away, for everyone
        except Exception as error:
            log.exception("%s was not looked after", tenant_id)
            first = first or error
    if first is not None:
        raise first


def active_tenants(since_seconds: int = 2 * 86_400) -> list[str]:
    """The tenants that a worker has seen lately; the sweep of the whole database is `Tenant.objects`."""
    try:
        members: Any = store.client().zrangebyscore(keyspace.ACTIVE, store.now(keyspace.ACTIVE) - since_seconds, "+inf")
    except redis.RedisError as error:
        raise store.StoreUnavailable(str(error)) from error
    return [member.decode() for member in members]
