"""What pages, sweeps and health ask of the store, on a Cluster: several companies on several nodes, and nodes away."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from budgets import live, recovery, refusals
from budgets.reach import open_lane
from budgets.refusals import Refused, Tally
from tenants import policy
from tenants import store as blocking
from tests.budgets.test_recovery import USD, Scene, scene  # noqa: F401
from tests.support.fleet import Cluster
from tokonomics.console import companies, health, in_flight, operating

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def frozen(store: Cluster) -> Iterator[Cluster]:
    store.freeze()
    yield store
    store.thaw()


async def test_every_reader_finds_what_there_is(scene: Scene, store: Cluster, settings: Any) -> None:  # noqa: F811
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}  # it has its own Redis
    tenant_id = scene.tenant.pk
    scene.inflight.admitting(tenant_id)
    await scene.reserve(2 * USD)
    await scene.spend(USD)
    refused = Refused(
        int(scene.lane.now() * 1000), "rq_1", scene.key.pk, "live", "budget_cap_exceeded", "", "", "m", "no"
    )
    tally = Tally(scene.lane)
    assert tally.count(tenant_id, refused.code, refused.key_id)
    tally.keep(tenant_id, refused)
    today = datetime.fromtimestamp(scene.lane.now(), UTC).date()
    tally.flush(today)
    await asyncio.sleep(0.05)
    assert (await scene(in_flight.open_holds, tenant_id)).total == 1
    assert await scene(recovery.active_tenants) == [tenant_id]
    assert await scene(refusals.counts, tenant_id, [today]) == {"budget_cap_exceeded": {scene.key.pk: 1}}
    assert await scene(refusals.recent, tenant_id) == [refused]
    standing = (await scene(live.tenant_standings, tenant_id))["live"]
    assert (standing.spent, standing.held, standing.live) == (USD, 2 * USD, True)
    (company,) = await scene(companies.every_one, {})
    assert (company.id, company.redis.holds, company.redis.overdue, company.redis.waiting) == (tenant_id, 1, 0, 1)
    assert [len(holds) for holds in (await scene(operating.holds_of, [company])).values()] == [1]


def test_all_masters_have_to_be_fit(store: Cluster) -> None:
    assert health.redis_state() == health.RedisState(True, "noeviction", "")
    last = store.nodes[-1]
    last.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        assert health.redis_state().maxmemory_policy == "allkeys-lru"
    finally:
        last.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")


@pytest.mark.fault("Redis: frozen or slow", promises=("P4",))
def test_a_cluster_that_does_not_answer_is_out_of_reach_for_all(frozen: Cluster, settings: Any) -> None:
    settings.LEDGER_TIMEOUT = 0.1
    blocking.reset()
    assert not health.redis_state().reachable
    for ask in (in_flight.open_holds, recovery.end_leases, refusals.recent):
        with pytest.raises(blocking.StoreUnavailable):
            ask("ten_any")
    with pytest.raises(policy.PolicyUnavailable):
        policy.published("ten_any")
    assert live.look("ten_any", []) == []


async def test_a_lane_to_nobody_says_so_and_ends(settings: Any) -> None:
    lane = open_lane("redis+cluster://127.0.0.1:1,127.0.0.1:2", timeout=0.2)
    outcomes = await asyncio.gather(*[lane.command("PING") for _ in range(3)], return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {blocking.StoreUnavailable}
    assert not lane.connected
    await lane.aclose()
    with pytest.raises(blocking.StoreUnavailable):
        await lane.command("PING")
