"""Midnight, the end of a month, clocks that differ: each request counts in one window, that of its reservation."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from budgets import auditing, journal, keyspace, recovery
from budgets.claims import Counter, Reservation, hold_id
from budgets.ledger_errors import CapExceeded, LedgerUnavailable, WindowMoved
from budgets.models import DailySpend, UsageRecord
from budgets.reach import open_lane
from budgets.windows import GRACE_SECONDS, Windows, windows_of
from tests.budgets.test_recovery import USD, Scene, found
from tests.support.clock import Clock, clock_of
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.django_db(transaction=True)

DAY_CAP, MONTH_CAP = 2 * USD, 10 * USD
BOUNDARIES = {
    "a day": ("2031-11-24T23:59:59", date(2031, 11, 24), date(2031, 11, 25)),
    "a month": ("2031-11-30T23:59:59", date(2031, 11, 30), date(2031, 12, 1)),
    "a year": ("2031-12-31T23:59:59", date(2031, 12, 31), date(2032, 1, 1)),
    "January to February": ("2032-01-31T23:59:59", date(2032, 1, 31), date(2032, 2, 1)),
    "a leap day begins": ("2032-02-28T23:59:59", date(2032, 2, 28), date(2032, 2, 29)),
    "a leap day ends": ("2032-02-29T23:59:59", date(2032, 2, 29), date(2032, 3, 1)),
    "no leap year": ("2033-02-28T23:59:59", date(2033, 2, 28), date(2033, 3, 1)),
}


class Capped(Scene):
    """The key has a cap of two dollars a day, the tenant ten a month; `admit` retries as the proxy does."""

    clock: Clock

    def counters(self) -> tuple[Counter, ...]:
        return self.counters_in(self.ledger.windows())

    def counters_in(self, windows: Windows) -> tuple[Counter, ...]:
        tenant, key = self.tenant.pk, self.key.pk
        month, day = windows.month, windows.day
        return (
            Counter("tenant", month, keyspace.tenant_counter(tenant, "live", month.suffix), MONTH_CAP, True),
            Counter("api_key", month, keyspace.key_counter(tenant, key, month.suffix), None, False),
            Counter("api_key", day, keyspace.key_counter(tenant, key, day.suffix), DAY_CAP, True),
        )

    async def admit(self, amount: int) -> Reservation:
        hold = hold_id()
        for _ in range(4):
            try:
                return await self.reserve(amount, hold=hold)
            except WindowMoved:
                continue
        raise AssertionError("the windows do not come to rest")

    async def end(self, reservation: Reservation, cost: int) -> None:
        self.inflight.settle(reservation, cost, b"{}")
        await asyncio.sleep(0.02)

    async def spent_in(self, day: date) -> tuple[int, int]:
        """Of the tenant's month and the key's day that a day lies in."""
        month, _, of_day = self.counters_in(windows_of(day))
        found = [await self.lane.command("HMGET", counter.key, "spent", "held") for counter in (month, of_day)]
        assert all(int(held or 0) == 0 for _, held in found)
        return int(found[0][0] or 0), int(found[1][0] or 0)


@pytest.fixture
async def scene(store: ValkeyServer, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Capped]:
    with clock_of(store, monkeypatch) as clock:
        clock.set("2031-06-15T12:00:00")
        tenant, key = await asyncio.to_thread(found)
        await asyncio.to_thread(recovery.open_ledger, tenant.pk)
        lane = open_lane(store.url, timeout=5)
        await lane.command("PING")
        made = Capped(lane, tenant, key)
        made.clock = clock
        clock.tell(lane)
        yield made
        await lane.aclose()


async def at_rest(scene: Capped) -> None:
    await scene(journal.drain, scene.tenant.pk)
    audit = await scene(auditing.audit, scene.tenant.pk)
    assert audit.ok, [scope for scope in audit.scopes if not scope.ok]
    assert (audit.open_holds, audit.journal_lag) == ([], 0)


@pytest.mark.fault("clock: the end of a day, month or year", promises=("P1", "P3", "P6"))
@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_a_request_in_flight_over_a_boundary_counts_where_it_was_reserved(scene: Capped, boundary: str) -> None:
    moment, before, after = BOUNDARIES[boundary]
    scene.clock.set(moment)
    scene.clock.tell(scene.lane)
    flying = await scene.admit(2 * USD)
    with pytest.raises(CapExceeded):
        await scene.admit(1)
    scene.clock.step(2)
    fresh = await scene.admit(2 * USD)  # the worker does not know yet that it is another day
    await scene.end(flying, USD)
    await scene.end(fresh, 2 * USD)
    with pytest.raises(CapExceeded) as refusal:
        await scene.admit(1)
    assert refusal.value.counter.window.first_day == after
    same_month = (before.year, before.month) == (after.year, after.month)
    assert await scene.spent_in(before) == (3 * USD if same_month else USD, USD)
    assert await scene.spent_in(after) == (3 * USD if same_month else 2 * USD, 2 * USD)
    await at_rest(scene)
    rows = {row.pk: row async for row in UsageRecord.objects.all()}
    assert (rows[flying.id].day, rows[fresh.id].day) == (before, after)
    assert {rollup.day: rollup.cost async for rollup in DailySpend.objects.all()} == {before: USD, after: 2 * USD}


@pytest.mark.fault("clock: the end of a day, month or year", promises=("P1",))
async def test_what_is_refused_before_midnight_passes_after_it_and_no_sooner(scene: Capped) -> None:
    """A client that keeps asking: by Redis's clock, to the millisecond."""
    scene.clock.set("2031-12-31T23:59:59.990")
    scene.clock.tell(scene.lane)
    await scene.end(await scene.admit(2 * USD), 2 * USD)
    for _ in range(9):
        with pytest.raises(CapExceeded):
            await scene.admit(USD)
        scene.clock.step(0.001)
    with pytest.raises(CapExceeded):
        await scene.admit(USD)
    scene.clock.step(0.001)
    granted = await scene.admit(USD)
    assert [counter.window.suffix for counter in granted.counters] == ["2032-01", "2032-01", "2032-01-01"]


@pytest.mark.fault("clock: another day at a worker than at Redis", promises=("P1", "P4", "P6"))
@pytest.mark.parametrize("off_by", [-40 * 86_400, -3 * 3600, -90, -2, 2, 90, 3 * 3600, 40 * 86_400])
async def test_a_worker_whose_clock_is_off_counts_in_the_windows_of_redis(scene: Capped, off_by: float) -> None:
    scene.clock.set("2031-12-31T23:59:30")
    scene.clock.tell(scene.lane, off_by=off_by)
    refusals = 0
    for _ in range(5):
        try:
            granted = await scene.admit(USD // 10)
        except LedgerUnavailable:
            refusals += 1  # so far behind that by its own deadline it has given up already; it has learnt the time
            continue
        assert granted.counters[2].window.suffix == "2031-12-31"
        await scene.end(granted, USD // 10)
    assert refusals <= 1
    assert await scene.spent_in(date(2032, 1, 1)) == (0, 0)
    await at_rest(scene)


@pytest.mark.fault("clock: another day at a worker than at Redis", promises=("P1",))
async def test_two_workers_whose_clocks_differ_share_one_cap_over_midnight(scene: Capped, store: ValkeyServer) -> None:
    other = open_lane(store.url, timeout=5)
    await other.command("PING")
    early = Capped(other, scene.tenant, scene.key)
    scene.clock.set("2031-12-31T23:59:58")
    scene.clock.tell(scene.lane, off_by=-30)
    scene.clock.tell(other, off_by=30)  # for it the new year has begun
    taken: list[Reservation] = []
    for number in range(12):
        try:
            taken.append(await (early if number % 2 else scene).admit(USD // 2))
        except (CapExceeded, LedgerUnavailable):
            pass
        scene.clock.step(0.4)
    by_day: dict[str, int] = {}
    for granted in taken:
        suffix = granted.counters[2].window.suffix
        by_day[suffix] = by_day.get(suffix, 0) + granted.held
    assert by_day == {"2031-12-31": DAY_CAP, "2032-01-01": DAY_CAP}
    await other.aclose()


@pytest.mark.fault("clock: another day at a worker than at Redis", promises=("P4",))
async def test_a_worker_that_is_late_by_its_own_reckoning_is_refused_once_and_has_learnt(scene: Capped) -> None:
    scene.clock.tell(scene.lane, off_by=-3600)
    with pytest.raises(LedgerUnavailable, match="too late"):
        await scene.admit(USD)
    assert abs(scene.lane.now() - scene.clock.at()) < 1
    assert (await scene.admit(USD)).held == USD


@pytest.mark.fault("clock: the end of a day, month or year", promises=("P3", "P6"))
async def test_counters_outlive_their_windows_by_the_grace_and_then_go(scene: Capped) -> None:
    scene.clock.set("2032-02-29T23:59:59")
    scene.clock.tell(scene.lane)
    granted = await scene.admit(USD)
    for counter in granted.counters:
        assert await scene.lane.command("EXPIRETIME", counter.key) == counter.window.end + GRACE_SECONDS
    gone = granted.counters[2].key
    await scene.lane.command("DEL", gone)
    await scene.end(granted, USD)
    assert 0 < await scene.lane.command("TTL", gone) <= GRACE_SECONDS, "one that comes back does not stay for ever"


@pytest.mark.fault("clock: the end of a day, month or year", promises=("P3", "P6"))
async def test_a_store_lost_after_midnight_is_rebuilt_with_the_window_of_what_is_in_flight(
    scene: Capped, store: ValkeyServer, settings: Any
) -> None:
    settings.LEDGER_GRACE_SECONDS = 0.0
    scene.clock.set("2031-12-31T23:59:59")
    scene.clock.tell(scene.lane)
    await scene.end(await scene.admit(USD // 2), USD // 2)
    await scene(journal.drain, scene.tenant.pk)
    flying = await scene.admit(USD)
    scene.clock.step(3600)
    store.flushall()
    scene.clock.step(0)
    await scene.clockwork.pulse()
    month, _, day = flying.counters
    for counter in (month, day):
        assert await scene.lane.command("HMGET", counter.key, "spent", "held") == [b"500000000", b"1000000000"]
    await scene.end(flying, USD)
    assert await scene.spent_in(date(2031, 12, 31)) == (USD + USD // 2, USD + USD // 2)
    assert await scene.spent_in(date(2032, 1, 1)) == (0, 0)
    await at_rest(scene)


def test_the_boundaries_are_what_they_are_called() -> None:
    for moment, before, after in BOUNDARIES.values():
        assert datetime.fromisoformat(moment).replace(tzinfo=UTC).date() == before
        assert (after - before).days == 1
