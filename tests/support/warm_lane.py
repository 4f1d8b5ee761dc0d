"""A lane of the proxy to a tenant whose counters are live: what a worker has after the first request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from budgets import keyspace
from budgets.reach import AnyLane, open_lane


@asynccontextmanager
async def warm_lane(url: str, tenant_id: str) -> AsyncIterator[AnyLane]:
    """Version 1 of its policy, on this very server."""
    opened = open_lane(url, timeout=0.5)
    policy = keyspace.policy(tenant_id)
    await opened.command("EXISTS", policy)
    await opened.command("HSET", policy, "run_id", opened.run_id_at(policy), "version", 1)
    yield opened
    await opened.aclose()
