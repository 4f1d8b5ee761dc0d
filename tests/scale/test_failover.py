"""A replica takes over that lacks what its master wrote last: nothing is spent twice, nothing is forgotten."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from budgets import journal, keyspace, recovery
from budgets.claims import Reservation
from budgets.clockwork import Clockwork
from budgets.inflight import InFlight
from budgets.ledger import Ledger
from budgets.ledger_errors import CapExceeded, LedgerCold, LedgerOpening, LedgerUnavailable
from budgets.models import Cap, UsageRecord
from budgets.reach import open_lane
from tenants import store as blocking
from tenants.models import ApiKey, Tenant
from tests.budgets.test_recovery import USD, Scene, settled
from tests.support.fleet import Cluster, Fleet, Node, Watched, await_promotion, part

pytestmark = pytest.mark.django_db(transaction=True)

GRACE = 2.0  # seconds: as shipped
numbers = itertools.count()


@pytest.fixture(params=["cluster", "sentinel"])
def fleet(request: pytest.FixtureRequest, tmp_path: Any, settings: Any) -> Iterator[Fleet]:
    made = Cluster(tmp_path, replicas=1) if request.param == "cluster" else Watched(tmp_path)
    with made as running:
        settings.REDIS_URL = running.url
        settings.LEDGER_GRACE_SECONDS = GRACE
        blocking.reset()
        yield running
        blocking.reset()


def founded(fleet: Fleet) -> tuple[Tenant, ApiKey]:
    """A tenant that the first master keeps, with a cap of ten dollars."""
    name = "ten_failover_%d"
    if isinstance(fleet, Cluster):
        name = fleet.key_at(fleet.nodes[0], "policy:{" + name + "}")[8:-1]
    tenant = Tenant.objects.create(pk=name.replace("%d", "0"), slug="fernhill", name="Fernhill Labs")
    key = ApiKey.objects.create(tenant=tenant, name="bot", prefix="tk_live_x", last_four="abcd", digest="d" * 64)
    Cap.objects.create(tenant=tenant, window="month", amount=10 * USD)
    recovery.open_ledger(tenant.pk)
    return tenant, key


@asynccontextmanager
async def worker(fleet: Fleet, tenant: Tenant, key: ApiKey) -> AsyncIterator[Scene]:
    """One web process's ledger and what it has in flight, with its clockwork running."""
    lane = open_lane(fleet.url, timeout=0.5)
    await lane.command("EXISTS", keyspace.policy(tenant.pk))
    scene = Scene(lane, tenant, key)  # type: ignore[arg-type]
    scene.ledger = Ledger(lane, f"worker-{next(numbers)}", lease_seconds=60)
    scene.inflight = InFlight(scene.ledger)
    scene.clockwork = Clockwork(scene.ledger, scene.inflight, nudge=lambda tenants: None)
    scene.clockwork.start()
    try:
        yield scene
    finally:
        await scene.clockwork.stop()
        await lane.aclose()


async def admitted(scene: Scene, amount: int) -> Reservation:
    """As the proxy admits: again after a refusal that passes, until it is let in or the cap refuses."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await scene.reserve(amount)
            except LedgerOpening as opening:
                await asyncio.sleep(opening.wait)
            except LedgerCold:
                try:
                    await scene.inflight.recover(scene.tenant.pk)
                except (blocking.StoreUnavailable, LedgerUnavailable):
                    await asyncio.sleep(0.1)
            except LedgerUnavailable:
                await asyncio.sleep(0.1)


async def lose_the_master(scene: Scene, fleet: Fleet, meanwhile: Callable[[], Any]) -> Node:
    """The first master writes on for a while, unheard by its replica, and dies. The new master."""
    master, replica = fleet.nodes[0], fleet.nodes[3 if isinstance(fleet, Cluster) else 1]
    await scene(part, master)
    await meanwhile()
    await scene(master.kill)
    await scene(await_promotion, replica)
    return replica


@pytest.mark.fault("Redis: failover to a replica that lacks the last second", promises=("P1", "P3", "P6"))
async def test_a_replica_that_lacks_the_last_second_is_told_by_every_worker_before_it_admits(fleet: Fleet) -> None:
    tenant, key = await asyncio.to_thread(founded, fleet)
    async with worker(fleet, tenant, key) as first, worker(fleet, tenant, key) as second:
        await first.spend(2 * USD, held=2 * USD)
        await first(journal.drain, tenant.pk)
        flying: list[Reservation] = []

        async def unheard() -> None:
            await first.spend(3 * USD, held=3 * USD)  # settled, not drained
            flying.append(await second.reserve(4 * USD))

        await lose_the_master(first, fleet, unheard)
        with pytest.raises(CapExceeded) as refusal:
            await admitted(first, 2 * USD)  # 2 + 3 spent, 4 held: one dollar is left
        assert (refusal.value.spent, refusal.value.held) == (5 * USD, 4 * USD)
        last = await admitted(first, USD)
        first.inflight.settle(last, USD, b"{}")
        second.inflight.settle(flying[0], USD, b"{}")
        await asyncio.sleep(0.2)
        audit = await settled(first)
        assert max(scope.ledger_spent for scope in audit.scopes) == 7 * USD
        assert await UsageRecord.objects.acount() == 4


@pytest.mark.fault("Redis: failover to a replica that lacks the last second", promises=("P3", "P4", "P6"))
@pytest.mark.parametrize("fleet", ["sentinel"], indirect=True)
async def test_while_no_master_is_there_all_is_refused_and_what_ends_meanwhile_is_settled_after(fleet: Fleet) -> None:
    tenant, key = await asyncio.to_thread(founded, fleet)
    async with worker(fleet, tenant, key) as scene:
        flying = await scene.reserve(4 * USD)
        master, replica = fleet.nodes[0], fleet.nodes[3 if isinstance(fleet, Cluster) else 1]
        await scene(master.freeze)
        outcomes = await asyncio.gather(*[scene.reserve(USD) for _ in range(5)], return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {LedgerUnavailable}
        scene.inflight.settle(flying, 3 * USD, b"{}")
        await scene(await_promotion, replica)
        await scene(master.kill)
        last = await admitted(scene, 7 * USD)
        scene.inflight.settle(last, 7 * USD, b"{}")
        await asyncio.sleep(0.2)
        with pytest.raises(CapExceeded):
            await admitted(scene, 1)
        await scene(journal.drain, tenant.pk)
        await settled(scene)
