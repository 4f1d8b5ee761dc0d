"""A store that answers late, or not, or is full: refused in time, and in the end each thing has happened once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from budgets import clockwork, journal, keyspace, recovery, scripts
from budgets.claims import hold_id
from budgets.ledger_errors import LedgerUnavailable
from budgets.models import DailySpend, UsageRecord
from budgets.reach import open_lane
from tenants import policy
from tenants import store as blocking
from tests.budgets.test_recovery import USD, Scene, found, scene, scene_on, settled  # noqa: F401
from tests.support.road import Road
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def road(store: ValkeyServer) -> AsyncIterator[Road]:
    async with Road(store.embedded.socket) as built:
        yield built


@pytest.fixture
async def far(road: Road, transactional_db: None) -> AsyncIterator[Scene]:
    """A worker at the other end of the road; what blocks takes the short way."""
    tenant, key = await asyncio.to_thread(found)
    await asyncio.to_thread(recovery.open_ledger, tenant.pk)
    lane = open_lane(road.url, timeout=0.3)
    for script in (scripts.RESERVE, scripts.EXTEND, scripts.SETTLE, scripts.RELEASE):
        await lane.command("SCRIPT", "LOAD", script.source)  # so that a reply that is lost is not a NOSCRIPT
    yield Scene(lane, tenant, key)
    road.delay, road.silent = 0.0, False
    await lane.aclose()


async def admitted_or_disowned(scene: Scene, amount: int) -> None:  # noqa: F811
    """As admission does: a reserve that got no answer is disowned and its request refused."""
    hold = hold_id()
    try:
        await scene.reserve(amount, hold=hold)
    except LedgerUnavailable:
        scene.inflight.disown(scene.tenant.pk, hold, b"{}")
        raise


async def pulse_until_confirmed(scene: Scene) -> None:  # noqa: F811
    async with asyncio.timeout(5):
        while scene.inflight.standing().unconfirmed:
            await scene.clockwork.pulse()
            await asyncio.sleep(0.02)


@pytest.mark.fault("Redis: the connection is reset before the reply", promises=("P1", "P3", "P6"))
async def test_a_reserve_that_was_done_but_not_answered_holds_nothing_in_the_end(far: Scene, road: Road) -> None:
    road.cut = True
    with pytest.raises(LedgerUnavailable):
        await admitted_or_disowned(far, USD)
    assert road.cuts == 1
    await pulse_until_confirmed(far)
    assert await far.state() == (0, 0)
    audit = await settled(far)
    assert audit.open_holds == []
    row = await UsageRecord.objects.aget()
    assert (row.cost, row.held) == (0, USD), "it had been held: that is on record"


@pytest.mark.fault("Redis: the connection is reset before the reply", promises=("P3", "P6"))
async def test_a_settle_that_was_done_but_not_answered_counts_once(far: Scene, road: Road) -> None:
    granted = await far.reserve(USD)
    road.cut = True
    far.inflight.settle(granted, USD // 2, b"{}")
    await asyncio.sleep(0.05)
    assert (road.cuts, far.inflight.standing().unconfirmed) == (1, 1)
    await pulse_until_confirmed(far)
    await settled(far)
    assert await far.state() == (USD // 2, 0)
    assert (await DailySpend.objects.aget()).cost == USD // 2


@pytest.mark.fault("Redis: the connection is reset before the reply", promises=("P3", "P6"))
async def test_an_extension_that_was_done_but_not_answered_is_given_back_with_its_hold(far: Scene, road: Road) -> None:
    granted = await far.reserve(USD)
    road.cut = True
    with pytest.raises(LedgerUnavailable):
        await far.ledger.extend(granted, least=USD, most=USD)
    assert await far.state() == (0, 2 * USD)
    far.inflight.settle(granted, USD, b"{}")
    await asyncio.sleep(0.05)
    assert await far.state() == (USD, 0)
    await settled(far)


@pytest.mark.fault("Redis: the connection is reset before the reply", promises=("P5",))
@pytest.mark.parametrize("lost", ["_put_fence", "_publish"])
async def test_a_change_whose_fence_or_publish_was_not_answered_is_made_or_not_but_known_to_all(
    far: Scene, road: Road, settings: Any, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    settings.REDIS_URL = road.url
    blocking.reset()
    await far(_rename, far.tenant.pk)  # so that the connection is there, and knows the scripts
    told = getattr(policy, lost)

    def told_but_not_answered(*args: Any) -> Any:
        road.cut = True
        return told(*args)

    with monkeypatch.context() as patch:
        patch.setattr(policy, lost, told_but_not_answered)
        if lost == "_put_fence":
            with pytest.raises(policy.PolicyUnavailable):
                await far(_rename, far.tenant.pk)
        else:
            await far(_rename, far.tenant.pk)  # committed: the next request would find out
    assert road.cuts == 1
    seen = await far(policy.published, far.tenant.pk)
    assert len(seen.fence) == (1 if lost == "_put_fence" else 0)
    version = await far(policy.heal, far.tenant.pk, seen.fence)
    after = await far(policy.published, far.tenant.pk)
    assert (after.version, after.fence) == (version, ())
    assert version == await far(policy.current, far.tenant.pk) == (2 if lost == "_put_fence" else 3)


@pytest.mark.fault("Redis: frozen or slow", promises=("P4", "P6"))
async def test_a_slow_store_is_waited_for_within_the_timeout_and_refused_beyond_it(far: Scene, road: Road) -> None:
    road.delay = 0.1
    granted = await far.reserve(USD)
    road.delay = 0.6
    loop = asyncio.get_running_loop()
    began = loop.time()
    outcomes = await asyncio.gather(*[admitted_or_disowned(far, USD) for _ in range(5)], return_exceptions=True)
    assert loop.time() - began < 1.2
    assert {type(outcome) for outcome in outcomes} == {LedgerUnavailable}
    far.inflight.settle(granted, USD, b"{}")
    road.delay = 0.0
    await pulse_until_confirmed(far)
    assert await far.state() == (USD, 0)
    await settled(far)


@pytest.mark.fault("Redis: replies are lost, connections stay", promises=("P4", "P6"))
async def test_a_store_that_hears_but_is_not_heard_holds_nothing_in_the_end(far: Scene, road: Road) -> None:
    road.silent = True
    outcomes = await asyncio.gather(*[admitted_or_disowned(far, USD) for _ in range(5)], return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {LedgerUnavailable}
    road.silent = False
    await pulse_until_confirmed(far)
    assert await far.state() == (0, 0)
    await settled(far)


# --- Full -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def full(store: ValkeyServer) -> Iterator[ValkeyServer]:
    """`fill()` leaves no room for a write."""
    yield store
    store.cli("CONFIG", "SET", "maxmemory", 0)


def fill(store: ValkeyServer) -> None:
    store.cli("CONFIG", "SET", "maxmemory", "1mb")


@pytest.mark.fault("Redis: memory full", promises=("P3", "P4", "P6"))
async def test_a_full_store_refuses_and_settles_once_there_is_room(
    scene: Scene,  # noqa: F811
    full: ValkeyServer,
) -> None:
    flying = await scene.reserve(2 * USD)
    fill(full)
    with pytest.raises(LedgerUnavailable, match="OOM"):
        await admitted_or_disowned(scene, USD)
    scene.inflight.settle(flying, USD, b"{}")
    await asyncio.sleep(0.05)
    await scene.clockwork.pulse()
    assert scene.inflight.standing().unconfirmed > 0, "kept here, and sent again"
    assert await scene.state() == (0, 2 * USD), "nothing of it happened by half"
    full.cli("CONFIG", "SET", "maxmemory", 0)
    await pulse_until_confirmed(scene)
    assert await scene.state() == (USD, 0)
    await settled(scene)


@pytest.mark.fault("Redis: memory full", promises=("P4", "P5"))
async def test_what_blocks_is_told_that_a_full_store_is_not_fit(
    scene: Scene,  # noqa: F811
    full: ValkeyServer,
) -> None:
    await scene.spend(USD)
    fill(full)
    assert await scene(recovery.rebuild, scene.tenant.pk, force=True), "a cold tenant can be built even then"
    with pytest.raises(policy.PolicyUnavailable):
        await scene(_rename, scene.tenant.pk)
    assert await scene(journal.lag, scene.tenant.pk) == 1
    full.cli("CONFIG", "SET", "maxmemory", 0)
    await scene(_rename, scene.tenant.pk)
    await settled(scene)


@pytest.mark.fault("Redis: memory full", promises=("P3",))
async def test_the_drain_makes_room_in_a_full_store(scene: Scene, full: ValkeyServer) -> None:  # noqa: F811
    """To trim needs no memory: a journal that has filled the store can be emptied."""
    for _ in range(5):
        await scene.spend(USD // 10, held=USD // 10)
    fill(full)
    await scene(journal.drain, scene.tenant.pk)
    assert await scene(journal.lag, scene.tenant.pk) == 0
    assert await UsageRecord.objects.acount() == 5


def _rename(tenant_id: str) -> None:
    with policy.change(tenant_id) as tenant:
        tenant.name = "Another"
        tenant.save()


# --- Down from the start ----------------------------------------------------------------------------------------------


@pytest.mark.fault("Redis: down at boot", promises=("P4",))
async def test_a_worker_that_starts_before_its_store_refuses_and_then_serves(
    own_valkey: ValkeyServer, transactional_db: None
) -> None:
    tenant, key = await asyncio.to_thread(found)
    await asyncio.to_thread(recovery.open_ledger, tenant.pk)
    await asyncio.to_thread(own_valkey.stop)
    lane = open_lane(own_valkey.url, timeout=0.3)
    early = Scene(lane, tenant, key)
    with pytest.raises(LedgerUnavailable):
        await early.reserve(USD)
    await asyncio.to_thread(own_valkey.start)
    await early.inflight.recover(tenant.pk)
    await asyncio.sleep(2.1)  # a store that came back waits for what workers have to show
    assert (await early.reserve(USD)).held == USD
    await lane.aclose()


@pytest.mark.fault("Redis: restarted", promises=("P1",))
async def test_what_is_in_flight_is_shown_to_a_store_as_soon_as_it_is_back(
    own_valkey: ValkeyServer, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the next pulse: that may be waiting for the old server yet, while others are let in."""
    monkeypatch.setattr(clockwork, "PULSE_SECONDS", 60)
    async with scene_on(own_valkey) as scene:  # noqa: F811
        scene.clockwork.start()
        granted = await scene.reserve(USD)
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(own_valkey.start)
        async with asyncio.timeout(2):
            while scene.inflight.building(scene.tenant.pk) == granted.building:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await scene.state() == (0, USD)
        await scene.clockwork.stop()


@pytest.mark.fault("database: restored from a backup", promises=("P3", "P8"))
async def test_a_company_that_cannot_be_rebuilt_keeps_no_other_from_its_leases(
    scene: Scene,  # noqa: F811
    store: ValkeyServer,
) -> None:
    """Its database lacks what was drained, so that it is refused for good; the others are renewed all the same."""
    other = Scene(scene.lane, *await asyncio.to_thread(found, "moorfield"))
    await scene(recovery.open_ledger, other.tenant.pk)
    other.inflight = scene.inflight
    stuck, well = await scene.reserve(USD), await other.reserve(USD)
    await scene.lane.command(
        "HSET", keyspace.policy(scene.tenant.pk), "run_id", "f" * 40, "drained_upto", "99999999999999-0"
    )
    before = await scene.lane.command("ZSCORE", keyspace.holds(other.tenant.pk), well.id)
    await asyncio.sleep(0.01)
    await scene.clockwork.renew()
    assert float(await scene.lane.command("ZSCORE", keyspace.holds(other.tenant.pk), well.id)) > float(before)
    with pytest.raises(recovery.DatabaseBehind):
        await scene.inflight.recover(scene.tenant.pk)
    assert stuck.id in scene.inflight.shares[scene.tenant.pk].open


def test_a_ledger_is_not_opened_without_a_store(own_valkey: ValkeyServer, transactional_db: None) -> None:
    own_valkey.stop()
    with pytest.raises(policy.PolicyUnavailable), policy.founding():
        raise AssertionError("something would have been created")
