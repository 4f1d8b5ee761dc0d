"""Holds that are on disk, or at a replica, before their requests go out (TOKONOMICS_REDIS_WAITAOF)."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from budgets import durable, keyspace
from budgets.durable import Copies, DurableLane
from budgets.ledger import Ledger
from budgets.ledger_errors import CapExceeded, LedgerUnavailable
from budgets.reach import AnyLane, open_lane
from tenants import store as blocking
from tests.budgets.test_ledger import TENANT, USD, counters, reserve, state
from tests.support.fleet import Cluster, Node, await_promotion, free_ports
from tests.support.processes import wait_until
from tokonomics.console import health

POLICY = keyspace.policy(TENANT)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    """A master and its replica, both of which sync to disk once a second."""
    first, second = free_ports(2)
    folder = tmp_path_factory.mktemp("pair")
    master = Node(folder / "master", first).start()
    replica = Node(folder / "replica", second, replicaof=f"127.0.0.1 {first}").start()
    wait_until(lambda: replica.cli("INFO", "replication")["master_link_status"] == "up", what="the replica in step")
    yield master, replica
    for node in (master, replica):
        node.kill()


@pytest.fixture
def master(pair: tuple[Node, Node], settings: Any) -> Iterator[Node]:
    node = pair[0]
    node.cli("FLUSHALL")
    node.cli("CONFIG", "SET", "appendfsync", "always")
    settings.REDIS_URL = f"redis://{node.address}/0"
    blocking.reset()
    yield node
    node.cli("CONFIG", "SET", "appendfsync", "everysec")
    blocking.reset()


async def opened(url: str, waitaof: str) -> AnyLane:
    lane = open_lane(url, 0.5, waitaof)
    await lane.command("EXISTS", POLICY)
    await lane.command("HSET", POLICY, "run_id", lane.run_id_at(POLICY), "version", 1)
    return lane


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "SYNC_SECONDS", 0.3)


@pytest.fixture
async def ledger(master: Node) -> AsyncIterator[Ledger]:
    lane = await opened(f"redis://{master.address}/0", "1,0")
    yield Ledger(lane, "worker", lease_seconds=60)
    await lane.aclose()


async def test_a_hold_is_on_disk_when_it_is_granted(master: Node, ledger: Ledger) -> None:
    asked = [reserve(ledger, USD // 100) for _ in range(100)]
    granted = await asyncio.gather(*asked)
    assert {one.held for one in granted} == {USD // 100}
    master.kill()
    master.start()
    survived = [master.cli("GET", keyspace.hold(TENANT, one.id)) for one in granted]
    assert all(hold.startswith("open\n") for hold in survived)


async def test_what_is_not_on_disk_in_time_is_refused_and_given_back(
    master: Node, ledger: Ledger, impatient: None
) -> None:
    master.cli("CONFIG", "SET", "appendfsync", "no")  # nobody syncs
    started = time.monotonic()
    with pytest.raises(LedgerUnavailable, match="on disk at 0 here"):
        await reserve(ledger, USD, hold="req_unsynced")
    assert time.monotonic() - started < 2
    await ledger.release(TENANT, "req_unsynced", b"{}")  # as admission does; this does not wait
    assert await state(ledger.lane, counters(ledger)[0]) == (0, 0)
    with pytest.raises(CapExceeded):
        await reserve(ledger, 11 * USD)


async def test_while_one_batch_waits_the_next_goes_out_beside_it(ledger: Ledger) -> None:
    asked = []
    for _ in range(60):
        asked.append(asyncio.create_task(reserve(ledger, USD // 1000)))
        await asyncio.sleep(0.002)
    assert {granted.held for granted in await asyncio.gather(*asked)} == {USD // 1000}


@pytest.mark.fault("Redis: failover to a replica that lacks the last second", promises=("P3",))
async def test_a_hold_that_a_replica_has_outlives_its_master_and_its_worker(
    pair: tuple[Node, Node], master: Node, tmp_path: Path
) -> None:
    """Both die at once: nothing else could tell of it. The hold is at the replica, and will be charged."""
    replica = pair[1]
    replica.cli("CONFIG", "SET", "appendfsync", "always")
    lane = await opened(f"redis://{master.address}/0", "0,1")
    granted = await reserve(Ledger(lane, "worker", lease_seconds=60), USD)
    master.kill()
    replica.cli("REPLICAOF", "NO", "ONE")
    await_promotion(replica)
    assert replica.cli("GET", keyspace.hold(TENANT, granted.id)).startswith("open\n")
    assert replica.cli("HGET", granted.counters[0].key, "held") == str(USD)
    await lane.aclose()
    master.start()
    replica.cli("REPLICAOF", "127.0.0.1", master.port)


async def test_without_its_replica_nothing_is_admitted(master: Node, impatient: None) -> None:
    lane = await opened(f"redis://{master.address}/0", "0,2")
    with pytest.raises(LedgerUnavailable, match="replicas only"):
        await reserve(Ledger(lane, "worker", lease_seconds=60), USD)
    await lane.aclose()


async def test_each_node_of_a_cluster_is_waited_for(store: Cluster) -> None:
    lane = await opened(store.url, "1,0")
    assert isinstance(lane, DurableLane)
    ledger = Ledger(lane, "worker", lease_seconds=60)
    granted = await asyncio.gather(*[reserve(ledger, USD // 100) for _ in range(20)])
    assert {one.held for one in granted} == {USD // 100}
    await lane.aclose()


@pytest.mark.parametrize(("waitaof", "said"), [("1,0", ""), ("0,5", "Redis has "), ("", "")])
def test_readiness_says_when_too_few_copies_can_be_had(master: Node, settings: Any, waitaof: str, said: str) -> None:
    settings.REDIS_WAITAOF = waitaof
    assert health.redis_state().problem.count(said) if said else not health.redis_state().problem


def test_a_server_that_answers_before_it_syncs_is_not_ready(master: Node, settings: Any) -> None:
    settings.REDIS_WAITAOF = "1,0"
    master.cli("CONFIG", "SET", "appendfsync", "everysec")
    assert "Set it to always" in health.redis_state().problem


@pytest.mark.parametrize("text", ["2,0", "1", "yes", "1,-1", "1,x"])
def test_a_setting_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="TOKONOMICS_REDIS_WAITAOF"):
        Copies.parse(text)


def test_nothing_to_wait_for_is_no_setting() -> None:
    assert Copies.parse("") is Copies.parse("0,0") is None
