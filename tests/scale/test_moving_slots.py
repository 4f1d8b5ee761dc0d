"""A Cluster that is being re-arranged: a tenant's slot moves to another node while its requests go on."""

import asyncio
from typing import Any

import pytest

from budgets import keyspace, scripts
from budgets.lanes import ScriptError
from budgets.ledger import Ledger
from budgets.ledger_errors import LedgerCold
from budgets.reach import AnyLane
from tenants import store as blocking
from tests.budgets.test_ledger import TENANT, USD, lane, ledger, reserve, state  # noqa: F401
from tests.budgets.test_recovery import settled
from tests.scale.test_failover import admitted, founded, worker
from tests.support.fleet import Cluster, Node
from tests.support.processes import wait_until

POLICY = keyspace.policy(TENANT)


def move(cluster: Cluster, key: str) -> Node:
    """Its slot, with all that is in it, to another master at once; which one."""
    source = cluster.master_of(key)
    target = next(node for node in cluster.nodes if node is not source)
    slot = source.cli("CLUSTER", "KEYSLOT", key)
    source.cli("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.cli("CLUSTER", "MYID"))
    wait_until(lambda: cluster.master_of(key) is target, what="the slot moved")
    return target


@pytest.mark.django_db(transaction=True)
@pytest.mark.fault("Redis: a Cluster's slot moves to another node", promises=("P1", "P3", "P6"))
async def test_a_tenant_that_moves_to_another_node_loses_nothing_and_gets_no_second_budget(store: Cluster) -> None:
    tenant, key = await asyncio.to_thread(founded, store)
    async with worker(store, tenant, key) as scene:
        flying = await scene.reserve(2 * USD)
        done = asyncio.Event()

        async def client() -> None:
            while not done.is_set():
                granted = await admitted(scene, USD // 100)
                await asyncio.sleep(0.01)
                scene.inflight.settle(granted, USD // 1000, b"{}")

        clients = [asyncio.create_task(client()) for _ in range(8)]
        await asyncio.sleep(0.1)
        await scene(move, store, keyspace.policy(tenant.pk))
        await asyncio.sleep(0.1)
        done.set()
        await asyncio.gather(*clients)
        scene.inflight.settle(flying, USD, b"{}")
        await asyncio.sleep(0.2)
        assert scene.inflight.standing().unconfirmed == 0
        await settled(scene)


async def test_the_counters_of_a_tenant_that_moved_are_cold_and_are_not_asked_elsewhere(
    store: Cluster,
    lane: AnyLane,  # noqa: F811
    ledger: Ledger,  # noqa: F811
) -> None:
    granted = await reserve(ledger, USD)
    before = lane.run_id_at(POLICY)
    target = await asyncio.to_thread(move, store, POLICY)
    with pytest.raises(LedgerCold):
        await reserve(ledger, USD)
    assert lane.run_id_at(POLICY) == target.cli("INFO", "server")["run_id"] != before
    assert await state(lane, granted.counters[0]) == (0, USD), "its data came along"


async def test_blocking_code_follows_a_tenant_that_moved(store: Cluster, lane: AnyLane) -> None:  # noqa: F811
    arguments: list[Any] = [keyspace.hold_prefix(TENANT), 10]
    keys = [POLICY, keyspace.holds(TENANT), keyspace.journal(TENANT)]
    assert blocking.run(scripts.LAPSE, keys, arguments) == [b"OK", 0, b""]
    await asyncio.to_thread(move, store, POLICY)
    assert blocking.run(scripts.LAPSE, keys, arguments) == [b"COLD"]
    assert blocking.client().hget(POLICY, "version") == b"1"


async def test_a_call_that_is_told_to_ask_elsewhere_asks_there_once(store: Cluster, lane: AnyLane) -> None:  # noqa: F811
    """Redis's older way of moving a slot, key by key: what has moved already is asked for at the other node."""
    key = "n{asked}"
    source = store.master_of(key)
    target = next(node for node in store.nodes if node is not source)
    slot = source.cli("CLUSTER", "KEYSLOT", key)
    target.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", source.cli("CLUSTER", "MYID"))
    source.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", target.cli("CLUSTER", "MYID"))
    try:
        assert await asyncio.gather(*[lane.command("INCR", key) for _ in range(3)]) == [1, 2, 3]
        assert target.cli("CLUSTER", "COUNTKEYSINSLOT", slot) == 1
        assert source.cli("CLUSTER", "COUNTKEYSINSLOT", slot) == 0
    finally:
        for node in (source, target):
            node.cli("CLUSTER", "SETSLOT", slot, "STABLE")
        target.cli("FLUSHALL")


async def test_an_error_of_one_node_is_its_own_callers_alone(store: Cluster, lane: AnyLane) -> None:  # noqa: F811
    keys = [store.key_at(node, "n%d") for node in store.nodes]
    await lane.command("SET", keys[0], "text")
    outcomes = await asyncio.gather(*[lane.command("INCR", key) for key in keys], return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ScriptError, int, int]
