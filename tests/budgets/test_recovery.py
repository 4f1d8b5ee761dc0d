"""From the journal to rows, and from rows back to counters: P3, P4 and P6 on a real Valkey and a real database."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import DatabaseError, transaction

from budgets import auditing, journal, keyspace, recovery
from budgets.claims import Counter, Request, Reservation, hold_id
from budgets.clockwork import Clockwork
from budgets.inflight import InFlight
from budgets.ledger import Ledger
from budgets.ledger_errors import CapExceeded, LedgerCold, LedgerOpening
from budgets.models import Cap, Crossing, DailySpend, JournalCursor, UsageRecord
from budgets.reach import AnyLane, open_lane
from tenants import store as blocking
from tenants.models import ApiKey, Tenant
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.django_db(transaction=True)

USD = 1_000_000_000


class Scene:
    """One tenant with one key under a cap, a worker, and short ways to say what happens."""

    def __init__(self, lane: AnyLane, tenant: Tenant, key: ApiKey) -> None:
        self.lane, self.tenant, self.key = lane, tenant, key
        self.ledger = Ledger(lane, "worker", lease_seconds=60)
        self.inflight = InFlight(self.ledger)
        self.clockwork = Clockwork(self.ledger, self.inflight, nudge=lambda tenants: None)

    def counters(self) -> tuple[Counter, ...]:
        windows, tenant, key = self.ledger.windows(), self.tenant.pk, self.key.pk
        month, day = windows.month, windows.day
        return (
            Counter("tenant", month, keyspace.tenant_counter(tenant, "live", month.suffix), 10 * USD, True),
            Counter("api_key", month, keyspace.key_counter(tenant, key, month.suffix), None, False),
            Counter("api_key", day, keyspace.key_counter(tenant, key, day.suffix), None, False),
        )

    async def reserve(
        self, amount: int, ledger: Ledger | None = None, *, building: str = "", hold: str = "", version: int = 1
    ) -> Reservation:
        request = Request(
            self.tenant.pk, self.key.pk, "live", "openai", "gpt-4o", "/chat/completions", "u1", True, (("input", 5),)
        )
        reservation = await (ledger or self.ledger).reserve(
            request,
            self.counters(),
            day=self.ledger.windows().day,
            version=version,
            least=amount,
            most=amount,
            hold=hold or hold_id(),
            building=building,
        )
        self.inflight.opened(reservation)
        return reservation

    async def spend(self, cost: int, held: int = USD, **ending: Any) -> Reservation:
        reservation = await self.reserve(held)
        body = {"status": "settled", "usage": {"input_tokens": 7}, "in": 7, "out": 3, "http": 200, "ms": 12} | ending
        self.inflight.settle(reservation, cost, orjson.dumps(body))
        await asyncio.sleep(0.02)
        return reservation

    async def state(self) -> tuple[int, int]:
        spent, held = await self.lane.command("HMGET", self.counters()[0].key, "spent", "held")
        return int(spent or 0), int(held or 0)

    async def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(function, *args, **kwargs)


def found(slug: str = "fernhill") -> tuple[Tenant, ApiKey]:
    tenant = Tenant.objects.create(slug=slug, name="Fernhill Labs")
    key = ApiKey.objects.create(tenant=tenant, name="bot", prefix="tk_live_x", last_four="abcd", digest=slug.ljust(64))
    Cap.objects.create(tenant=tenant, window="month", amount=10 * USD)
    return tenant, key


@asynccontextmanager
async def scene_on(server: ValkeyServer) -> AsyncIterator[Scene]:
    tenant, key = await asyncio.to_thread(found)
    await asyncio.to_thread(recovery.open_ledger, tenant.pk)
    lane = open_lane(server.url, timeout=1)
    await lane.command("PING")
    yield Scene(lane, tenant, key)
    await lane.aclose()


@pytest.fixture
async def scene(store: ValkeyServer, transactional_db: None) -> AsyncIterator[Scene]:
    async with scene_on(store) as made:
        yield made


async def settled(scene: Scene) -> auditing.Audit:
    """Drained and audited: nothing open, nothing left in the journal."""
    await scene(journal.drain, scene.tenant.pk)
    audit = await scene(auditing.audit, scene.tenant.pk)
    assert audit.ok, [scope for scope in audit.scopes if not scope.ok]
    assert (audit.open_holds, audit.journal_lag) == ([], 0)
    return audit


# --- The drain ------------------------------------------------------------------------------------------------------


async def test_each_ending_becomes_one_row_with_its_rollup(scene: Scene) -> None:
    spent = await scene.spend(123_456_789)
    refused = await scene.reserve(USD)
    scene.inflight.release(refused, orjson.dumps({"status": "provider_error", "http": 400, "ms": 5}))
    await asyncio.sleep(0.02)
    await settled(scene)
    row = await UsageRecord.objects.aget(pk=spent.id)
    assert (row.cost, row.held, row.status, row.input_tokens, row.output_tokens) == (123_456_789, USD, "settled", 7, 3)
    assert (row.model, row.end_user, row.stream, row.price) == ("gpt-4o", "u1", True, {"input": 5})
    assert (row.day, row.http_status, row.duration_ms) == (row.reserved_at.date(), 200, 12)
    given_back = await UsageRecord.objects.aget(pk=refused.id)
    assert (given_back.cost, given_back.status, given_back.http_status) == (0, "provider_error", 400)
    rollup = await DailySpend.objects.aget()
    assert (rollup.cost, rollup.requests, rollup.input_tokens, rollup.output_tokens) == (123_456_789, 2, 7, 3)


@pytest.mark.fault("Celery worker: killed between commit and trim", promises=("P3", "P6"))
async def test_an_entry_that_is_read_twice_counts_once(scene: Scene) -> None:
    await scene.spend(USD)
    await scene(journal.drain, scene.tenant.pk)
    entries = await scene.spend(USD // 2)
    before = await JournalCursor.objects.aget()

    def crash_before_the_trim() -> None:
        original, journal.acknowledge = journal.acknowledge, lambda *args: None
        try:
            journal.drain(scene.tenant.pk)
        finally:
            journal.acknowledge = original

    await scene(crash_before_the_trim)
    assert await scene(journal.lag, scene.tenant.pk) == 1
    await scene(journal.drain, scene.tenant.pk)
    await JournalCursor.objects.filter(tenant=scene.tenant).aupdate(last_id=before.last_id)  # and a cursor put back
    await scene(journal.drain, scene.tenant.pk)
    assert await UsageRecord.objects.filter(pk=entries.id).acount() == 1
    assert (await DailySpend.objects.aget()).cost == USD + USD // 2


@pytest.mark.fault("database: fails in the middle of a drain", promises=("P3", "P6"))
async def test_a_drain_that_fails_half_way_writes_nothing_and_loses_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.spend(USD)

    def fail(batch: journal.Batch) -> None:
        raise DatabaseError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_note_crossings", fail)
        with pytest.raises(DatabaseError):
            await scene(journal.drain, scene.tenant.pk)
    assert (await UsageRecord.objects.acount(), await DailySpend.objects.acount()) == (0, 0)
    await settled(scene)
    assert (await DailySpend.objects.aget()).cost == USD


@pytest.mark.fault("Celery worker: several drain one company", promises=("P3", "P6"))
async def test_parallel_drains_of_one_tenant_count_each_entry_once(scene: Scene) -> None:
    for _ in range(20):
        await scene.spend(USD // 100, held=USD // 10)
    await asyncio.gather(*[scene(journal.drain, scene.tenant.pk) for _ in range(4)])
    await settled(scene)
    assert (await UsageRecord.objects.acount(), (await DailySpend.objects.aget()).cost) == (20, USD // 5)


@pytest.mark.fault("Celery worker: killed between commit and trim", promises=("P6",))
async def test_what_is_in_the_database_is_not_counted_again_from_a_journal_that_was_not_trimmed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.spend(USD)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "acknowledge", lambda *args: None)
        await scene(journal.drain, scene.tenant.pk)
    assert await scene(journal.lag, scene.tenant.pk) == 1
    assert await scene(recovery.rebuild, scene.tenant.pk, force=True)
    assert await scene.state() == (USD, 0)
    await settled(scene)


@pytest.mark.fault("Celery worker: killed between commit and trim", promises=("P3",))
async def test_only_what_is_in_the_database_leaves_the_journal(scene: Scene) -> None:
    """Entries of one millisecond, of which a batch took the first alone."""
    first, second = "9999999999999-1", "9999999999999-2"
    for entry_id in (first, second):
        await scene.lane.command("XADD", keyspace.journal(scene.tenant.pk), entry_id, "t", "cursor")
    await scene(journal.acknowledge, scene.tenant.pk, first, [])
    left = await scene.lane.command("XRANGE", keyspace.journal(scene.tenant.pk), "-", "+")
    assert [entry_id.decode() for entry_id, _ in left] == [second]


@pytest.mark.fault("Celery worker: several drain one company", promises=("P3", "P6"))
async def test_a_drain_that_was_overtaken_writes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its reading and its writing another one did all of the work."""
    await scene.spend(USD)
    original = journal.read

    def overtaken(*args: Any) -> list[journal.Entry]:
        entries = original(*args)
        monkeypatch.setattr(journal, "read", original)
        journal.drain(scene.tenant.pk)
        return entries

    monkeypatch.setattr(journal, "read", overtaken)
    await scene(journal.drain, scene.tenant.pk)
    await settled(scene)
    assert await scene.state() == (USD, 0)
    assert (await DailySpend.objects.aget()).cost == USD


async def test_a_drain_does_not_chase_what_comes_while_it_runs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would make a transaction for every few entries and never end; more than a batch at once it takes whole."""
    monkeypatch.setattr(journal, "BATCH", 5)
    for _ in range(7):
        await scene.spend(USD // 100, held=USD // 10)
    original, place = journal.read, keyspace.journal(scene.tenant.pk)
    (_, like), looks = (await scene(journal.raw, scene.tenant.pk, "0-0", 1))[0], []

    def another_comes_after_each_look(*args: Any) -> list[journal.Entry]:
        looks.append(original(*args))
        assert len(looks) < 20, "it chases the journal"
        blocking.client().xadd(place, {**like, b"h": b"req_%d" % len(looks)})
        return looks[-1]

    monkeypatch.setattr(journal, "read", another_comes_after_each_look)
    assert await scene(journal.drain, scene.tenant.pk) == 8
    assert [len(look) for look in looks] == [5, 3]
    assert await scene(journal.lag, scene.tenant.pk) == 1, "what came last waits for the next nudge"


async def test_a_drain_that_was_overtaken_takes_what_the_other_did_not_see(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nudge that it came of may have told of that alone."""
    await scene.spend(USD)
    original = journal.read
    late = await scene.spend(USD // 2)
    reads: list[Any] = []

    def overtaken(*args: Any) -> list[journal.Entry]:
        entries = original(*args)
        if not reads:
            reads.append(entries)
            with monkeypatch.context() as patch:
                patch.setattr(journal, "read", lambda *args: original(*args)[:1])
                patch.setattr(journal, "acknowledge", lambda *args: None)
                journal.drain(scene.tenant.pk)
        return entries

    monkeypatch.setattr(journal, "read", overtaken)
    await scene(journal.drain, scene.tenant.pk)
    assert await UsageRecord.objects.filter(pk=late.id).aexists()
    await settled(scene)


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P3", "P6"))
async def test_a_hold_that_two_stores_charged_counts_once(scene: Scene) -> None:
    """The row was written, the store forgot the hold, and its worker told it of the end once more."""
    spent = await scene.spend(USD)
    await scene(journal.drain, scene.tenant.pk)
    await scene.lane.command("DEL", keyspace.hold(scene.tenant.pk, spent.id))
    assert await scene.ledger.settle(spent, USD, b"{}", adopt=True)
    assert await scene.state() == (2 * USD, 0)
    await settled(scene)
    assert await scene.state() == (USD, 0)
    assert (await UsageRecord.objects.acount(), (await DailySpend.objects.aget()).cost) == (1, USD)


@pytest.mark.fault("Celery worker: several drain one company", promises=("P7",))
async def test_thresholds_are_crossed_once_each(scene: Scene) -> None:
    for cost in (6, 3, 1):
        await scene.spend(cost * USD, held=cost * USD)
        await scene(journal.drain, scene.tenant.pk)
        await scene(journal.drain, scene.tenant.pk)
    percents = [crossing.threshold_percent async for crossing in Crossing.objects.order_by("threshold_percent")]
    assert percents == [50, 80, 95, 100]


async def test_the_first_refusal_crosses_one_hundred_percent(scene: Scene) -> None:
    for _ in range(2):
        with pytest.raises(CapExceeded):
            await scene.reserve(11 * USD)
    await scene(journal.drain, scene.tenant.pk)
    crossing = await Crossing.objects.aget()
    assert (crossing.threshold_percent, crossing.by_refusal, crossing.spent) == (100, True, 0)


# --- Leases ---------------------------------------------------------------------------------------------------------


@pytest.mark.fault("web worker: killed", promises=("P3",))
@pytest.mark.fault("web worker: paused past its lease", promises=("P3",))
async def test_a_vanished_worker_is_charged_at_its_hold_and_corrected_if_it_comes_back(scene: Scene) -> None:
    dying = Ledger(scene.lane, "dying", lease_seconds=0)
    lost = await scene.reserve(USD, dying)
    await asyncio.sleep(0.01)
    assert await scene(recovery.end_leases, scene.tenant.pk) == 1
    await scene(journal.drain, scene.tenant.pk)
    row = await UsageRecord.objects.aget(pk=lost.id)
    assert (row.cost, row.status) == (USD, "lease_ended")
    assert await scene.state() == (USD, 0)
    scene.inflight.settle(lost, USD // 4, orjson.dumps({"status": "settled", "in": 9, "out": 1}))
    await asyncio.sleep(0.02)
    await settled(scene)
    row = await UsageRecord.objects.aget(pk=lost.id)
    assert (row.cost, row.status, row.flags, row.input_tokens) == (USD // 4, "settled", ["corrected"], 9)
    rollup = await DailySpend.objects.aget()
    assert (rollup.cost, rollup.requests, rollup.input_tokens) == (USD // 4, 1, 9)


# --- A store that was lost ------------------------------------------------------------------------------------------


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P1", "P3", "P4", "P6"))
async def test_flushall_loses_no_spend_and_admits_only_after_every_worker_has_shown_its_holds(
    scene: Scene, store: ValkeyServer, settings: Any
) -> None:
    settings.LEDGER_GRACE_SECONDS = 1.0
    await scene.spend(2 * USD, held=2 * USD)
    await scene(journal.drain, scene.tenant.pk)
    await scene.spend(3 * USD, held=3 * USD)  # not drained yet
    flying = await scene.reserve(4 * USD)
    store.flushall()
    await scene.clockwork.pulse()
    assert await scene.state() == (5 * USD, 4 * USD)
    with pytest.raises(LedgerOpening):
        await scene.reserve(USD)
    await asyncio.sleep(1.05)
    with pytest.raises(CapExceeded):
        await scene.reserve(2 * USD)
    scene.inflight.settle(flying, USD, b"{}")
    await asyncio.sleep(0.02)
    audit = await settled(scene)
    assert max(scope.ledger_spent for scope in audit.scopes) == 6 * USD


@pytest.mark.fault("Redis: restored from an older snapshot", promises=("P1", "P6"))
async def test_a_store_restored_from_an_older_snapshot_is_rebuilt_from_the_ledger(
    own_valkey: ValkeyServer, transactional_db: None
) -> None:
    async with scene_on(own_valkey) as scene:
        await scene.spend(USD)
        await scene(journal.drain, scene.tenant.pk)
        own_valkey.cli("BGREWRITEAOF")
        await asyncio.sleep(0.3)
        old = own_valkey.folder.parent / "old"
        await scene(own_valkey.stop)
        await scene(lambda: shutil.copytree(own_valkey.folder, old))
        await scene(own_valkey.start)
        await scene.inflight.recover(scene.tenant.pk)
        await asyncio.sleep(2.5)
        await scene.spend(4 * USD, held=4 * USD)
        await scene(journal.drain, scene.tenant.pk)
        await scene(own_valkey.kill)
        await scene(lambda: shutil.rmtree(own_valkey.folder))
        await scene(lambda: shutil.copytree(old, own_valkey.folder))
        await scene(own_valkey.start)
        await scene.inflight.recover(scene.tenant.pk)
        assert await scene.state() == (5 * USD, 0)
        await settled(scene)


@pytest.mark.fault("Redis: killed", promises=("P3", "P6"))
async def test_a_crash_of_the_store_keeps_holds_and_journal(own_valkey: ValkeyServer, transactional_db: None) -> None:
    async with scene_on(own_valkey) as scene:
        await scene.spend(USD)
        flying = await scene.reserve(2 * USD)
        await asyncio.sleep(1.2)  # the append-only file is written out every second
        await scene(own_valkey.kill)
        await scene(own_valkey.start)
        await scene.inflight.recover(scene.tenant.pk)
        assert await scene.state() == (USD, 2 * USD)
        scene.inflight.settle(flying, 2 * USD, b"{}")
        await asyncio.sleep(0.05)
        await settled(scene)
        assert (await DailySpend.objects.aget(end_user="u1")).cost == 3 * USD


@pytest.mark.fault("Redis: restarted", promises=("P1", "P6"))
async def test_rebuilding_counts_undrained_entries_and_open_holds(scene: Scene) -> None:
    await scene.spend(USD)
    await scene.reserve(2 * USD)
    assert await scene(recovery.rebuild, scene.tenant.pk, force=True)
    assert await scene.state() == (USD, 2 * USD)


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P3", "P6"))
async def test_after_flushall_a_hold_whose_worker_vanished_is_ended_although_nobody_asks_again(
    scene: Scene, store: ValkeyServer
) -> None:
    """The sweeps must know the tenant again from the rebuild on, not only from its next request."""
    scene.inflight.admitting(scene.tenant.pk)
    held = await scene.reserve(USD)
    store.flushall()
    await scene.clockwork.pulse()
    assert await scene(recovery.active_tenants) == [scene.tenant.pk]
    await scene.lane.command("ZADD", keyspace.holds(scene.tenant.pk), 1, held.id)  # its worker is gone, its lease over
    await scene(recovery.look_after, await scene(recovery.active_tenants))
    assert await scene.state() == (USD, 0)


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P3",))
@pytest.mark.parametrize("confirmed", [True, False], ids=["after its end", "before its end"])
async def test_a_request_that_cost_nothing_has_its_row_although_the_store_forgot_it(
    scene: Scene, store: ValkeyServer, settings: Any, confirmed: bool
) -> None:
    settings.LEDGER_GRACE_SECONDS = 0.0
    refused = await scene.reserve(USD)
    if not confirmed:
        store.flushall()
    scene.inflight.release(refused, orjson.dumps({"status": "provider_error", "http": 529}))
    await asyncio.sleep(0.05)
    if confirmed:
        store.flushall()
    await scene.clockwork.pulse()
    await settled(scene)
    row = await UsageRecord.objects.aget()
    assert (row.id, row.status, row.http_status, row.cost, row.held) == (refused.id, "provider_error", 529, 0, USD)


@pytest.mark.fault("Redis: restarted", promises=("P1", "P4"))
async def test_a_building_that_has_not_seen_a_workers_holds_is_cold_to_it(scene: Scene) -> None:
    """Another worker was the first to build the counters: what this one has in flight may not be in them."""
    flying = await scene.reserve(USD)
    await asyncio.sleep(0.002)  # a building is known by its millisecond
    assert await scene(recovery.rebuild, scene.tenant.pk, force=True)
    with pytest.raises(LedgerCold):
        await scene.reserve(USD, building=flying.building)
    with pytest.raises(LedgerCold):
        await scene.ledger.renew(scene.tenant.pk, [flying.id], flying.building)
    await scene.inflight.recover(scene.tenant.pk)
    await scene.reserve(USD, building=scene.inflight.building(scene.tenant.pk))
    assert await scene.state() == (0, 2 * USD)


@pytest.mark.fault("Redis: restarted", promises=("P1", "P6"))
async def test_live_counters_are_not_built_again(scene: Scene) -> None:
    """Many workers find the old counters gone at once; the first builds them, and the rest find them built."""
    before = await scene.lane.command("HGET", keyspace.policy(scene.tenant.pk), "built")
    await asyncio.sleep(0.002)
    assert not await scene(recovery.rebuild, scene.tenant.pk)
    assert await scene.lane.command("HGET", keyspace.policy(scene.tenant.pk), "built") == before


@pytest.mark.fault("Redis: restarted", promises=("P1", "P6"))
async def test_a_hold_that_is_shown_twice_is_held_once(scene: Scene) -> None:
    flying = await scene.reserve(USD)
    assert await scene.ledger.present(flying, state="open") == "open"
    assert await scene.state() == (0, USD)


@pytest.mark.fault("database: restored from a backup", promises=("P1", "P4"))
async def test_a_ledger_that_lacks_what_was_drained_rebuilds_nothing(scene: Scene) -> None:
    """Its sums would give back money that is spent."""
    await scene.spend(USD)
    await scene(journal.drain, scene.tenant.pk)
    await JournalCursor.objects.filter(tenant=scene.tenant).aupdate(last_id="0-0")
    await DailySpend.objects.aupdate(cost=0)
    await scene.lane.command("HSET", keyspace.policy(scene.tenant.pk), "run_id", "f" * 40)
    with pytest.raises(recovery.DatabaseBehind):
        await scene(recovery.rebuild, scene.tenant.pk)
    with pytest.raises(LedgerCold):
        await scene.reserve(USD)


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P3",))
async def test_a_settle_that_the_store_forgot_but_the_database_knows_is_not_charged_again(
    scene: Scene, store: ValkeyServer, settings: Any
) -> None:
    settings.LEDGER_GRACE_SECONDS = 0.0
    await scene.spend(3 * USD, held=3 * USD)
    await scene(journal.drain, scene.tenant.pk)  # drained, but the worker has not heard of it yet
    store.flushall()
    await scene.clockwork.pulse()
    assert await scene.state() == (3 * USD, 0)
    await settled(scene)


@pytest.mark.fault("clock: that of Redis goes back", promises=("P3", "P6"))
async def test_new_entries_come_after_the_cursor_even_when_the_clock_of_the_store_went_back(
    scene: Scene, store: ValkeyServer, settings: Any
) -> None:
    settings.LEDGER_GRACE_SECONDS = 0.0
    await scene.spend(USD)
    await scene(journal.drain, scene.tenant.pk)
    ahead = f"{int((scene.lane.now() + 86_400) * 1000)}-0"
    await JournalCursor.objects.filter(tenant=scene.tenant).aupdate(last_id=ahead)
    store.flushall()
    await scene.inflight.recover(scene.tenant.pk)
    await scene.spend(USD)
    await settled(scene)
    assert (await DailySpend.objects.aget()).cost == 2 * USD


# --- The audit -------------------------------------------------------------------------------------------------------


@pytest.mark.fault("counters: drifted (edited by hand)", promises=("P6",))
async def test_the_audit_sees_drift_and_mends_it_by_the_difference(scene: Scene) -> None:
    await scene.spend(USD)
    key = scene.counters()[0].key
    await scene.lane.command("HINCRBY", key, "spent", 5)
    await scene.lane.command("HINCRBY", key, "held", 7)
    audit = await scene(auditing.audit, scene.tenant.pk)
    [wrong] = [scope for scope in audit.scopes if not scope.ok]
    assert (wrong.place.scope, wrong.difference) == ("tenant", 12)
    assert await scene(auditing.mend, audit) == 2
    await settled(scene)


@pytest.mark.fault("counters: drifted (edited by hand)", promises=("P6",))
async def test_mending_while_money_moves_takes_nothing_of_it_away(scene: Scene) -> None:
    async def busy() -> None:
        for _ in range(40):
            await scene.spend(USD // 1000, held=USD // 100)

    async def mend() -> None:
        await asyncio.sleep(0.2)
        await scene.lane.command("HINCRBY", scene.counters()[0].key, "spent", -USD // 2)
        audit = await scene(auditing.audit, scene.tenant.pk)
        await scene(journal.drain, scene.tenant.pk)  # and between the look and the move rows are written
        assert await scene(auditing.mend, audit) == 1

    await asyncio.gather(busy(), mend())
    await settled(scene)
    assert await scene.state() == (40 * (USD // 1000), 0)


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P6",))
async def test_a_store_that_forgot_everything_meanwhile_is_not_mended_by_what_it_was(
    scene: Scene, store: ValkeyServer, settings: Any
) -> None:
    settings.LEDGER_GRACE_SECONDS = 0.0
    await scene.spend(USD)
    await scene.lane.command("HINCRBY", scene.counters()[0].key, "spent", 5)
    audit = await scene(auditing.audit, scene.tenant.pk)
    store.flushall()
    assert await scene(auditing.mend, audit) == 0
    await scene.clockwork.pulse()
    await settled(scene)
    assert await scene.state() == (USD, 0)


@pytest.mark.fault("counters: looked at while money moves", promises=("P6",))
async def test_the_audit_holds_while_money_moves(scene: Scene) -> None:
    async def busy() -> None:
        for _ in range(40):
            await scene.spend(USD // 1000, held=USD // 100)

    async def look() -> None:
        for _ in range(8):
            audit = await scene(auditing.audit, scene.tenant.pk)
            assert audit.ok, [scope for scope in audit.scopes if not scope.ok]
            await scene(journal.drain, scene.tenant.pk)

    await asyncio.gather(busy(), look())
    await settled(scene)


@pytest.mark.fault("clock: month end", promises=("P6",))
async def test_a_month_boundary_leaves_the_old_window_its_own_spend(scene: Scene) -> None:
    spent = await scene.spend(USD)
    await scene(journal.drain, scene.tenant.pk)
    await UsageRecord.objects.filter(pk=spent.id).aupdate(day=spent_day(scene) - timedelta(days=40))
    await DailySpend.objects.aupdate(day=spent_day(scene) - timedelta(days=40))
    assert await scene(recovery.rebuild, scene.tenant.pk, force=True)
    assert await scene.state() == (0, 0)


def spent_day(scene: Scene) -> Any:
    return scene.ledger.windows().day.first_day


def test_the_blocking_client_learns_the_server_of_each_connection(own_valkey: ValkeyServer) -> None:
    first = blocking.client().info("server")["run_id"]
    own_valkey.stop()
    own_valkey.start()
    with transaction.atomic():
        pass
    from tenants.store import Script

    echo = own_valkey.folder / "echo.lua"
    echo.write_text("return ARGV[1]")
    seen = None
    for _ in range(3):
        try:
            seen = blocking.run(Script(echo), ["k"], []).decode()
            break
        except blocking.StoreUnavailable:
            continue
    assert seen == blocking.client().info("server")["run_id"] != first
