"""A drain that is killed in the middle of its work, drains that meet, an entry that is none: each becomes one row."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import DataError, OperationalError, connection

from budgets import auditing, journal, keyspace, recovery
from budgets.clockwork import Clockwork
from budgets.inflight import InFlight
from budgets.models import DailySpend, UsageRecord
from tests.budgets.test_recovery import USD, Scene, found, scene, settled  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parent.parent.parent


def database_url() -> str:
    """The database of this very test, for another process."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    return f"postgres://{found['USER']}@{found['HOST']}:{found['PORT']}/{found['NAME']}"


@contextmanager
def drainer(tenant_id: str, batch: int) -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "DATABASE_URL": database_url(), "REDIS_URL": django_settings.REDIS_URL}
    command = [sys.executable, "-m", "tests.support.drainer", tenant_id, str(batch)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        process.stdout.close()


@pytest.mark.fault("Celery worker: killed in the middle of a drain", promises=("P3", "P6"))
async def test_a_drain_that_is_killed_leaves_whole_batches_and_the_next_one_the_rest(
    scene: Scene,  # noqa: F811
) -> None:
    count, rng = 900, random.Random(5)
    for _ in range(count):
        granted = await scene.reserve(USD // 1000)
        scene.inflight.settle(granted, USD // 1000, b"{}")
    await asyncio.sleep(0.1)
    for _ in range(3):
        before = await UsageRecord.objects.acount()
        with drainer(scene.tenant.pk, batch=5) as process:
            while process.poll() is None and await UsageRecord.objects.acount() == before:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await asyncio.sleep(rng.random() * 0.05)
        made = await UsageRecord.objects.acount()
        assert before < made
        assert (await DailySpend.objects.aget()).requests == made, "rows and sums, both or neither"
    assert made < count, "killed before the end, or this shows nothing"
    await settled(scene)
    assert await UsageRecord.objects.acount() == count
    assert (await DailySpend.objects.aget()).cost == count * (USD // 1000)


# --- Locks ------------------------------------------------------------------------------------------------------------


@pytest.mark.fault("database: rows locked in reversed order", promises=("P3", "P6"))
async def test_drains_rebuilds_audits_and_changes_of_one_company_do_not_lock_each_other_out(
    scene: Scene,  # noqa: F811
) -> None:
    """They lock tenant, cursor and sums; whatever order they come in, none waits for one that waits for it."""
    from tenants import policy

    def rename() -> None:
        with policy.change(scene.tenant.pk) as tenant:
            tenant.name += "!"
            tenant.save()

    failures: list[BaseException] = []
    done = threading.Event()

    def over_and_over(work: Any, *args: Any, **kwargs: Any) -> None:
        while not done.is_set():
            try:
                work(*args, **kwargs)
            except Exception as error:
                failures.append(error)
        connection.close()

    tenant_id = scene.tenant.pk
    jobs = [
        (journal.drain, (tenant_id,), {}),
        (journal.drain, (tenant_id,), {}),
        (recovery.rebuild, (tenant_id,), {"force": True, "grace_seconds": 0}),
        (auditing.audit, (tenant_id,), {}),
        (rename, (), {}),
    ]
    threads = [threading.Thread(target=over_and_over, args=(work, *args), kwargs=kwargs) for work, args, kwargs in jobs]
    for thread in threads:
        thread.start()
    held = [await _granted_soon(scene) for _ in range(40)]
    for granted in held:
        scene.inflight.settle(granted, USD // 1000, b"{}")
        await asyncio.sleep(0.01)
    done.set()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert failures == []
    await scene.clockwork.pulse()
    await settled(scene)
    assert await UsageRecord.objects.acount() == 40


async def _granted_soon(scene: Scene) -> Any:  # noqa: F811
    """Whatever version holds now, and whichever building."""
    from budgets.ledger_errors import LedgerError
    from tenants import policy

    async with asyncio.timeout(20):
        while True:
            try:
                return await scene.reserve(USD // 1000, version=await scene(policy.current, scene.tenant.pk))
            except LedgerError:
                await asyncio.sleep(0.005)


# --- One tenant's trouble --------------------------------------------------------------------------------------------


@pytest.mark.fault("journal: an entry that no row can be made of", promises=("P3", "P8"))
async def test_an_entry_that_cannot_be_written_stops_its_own_company_alone(scene: Scene) -> None:  # noqa: F811
    await scene.spend(USD)
    key = keyspace.journal("ten_stuck")
    await scene.lane.command("XADD", key, "*", "t", "settled", "h", "req_x", "c", "not a number")
    with pytest.raises(journal.Stuck, match="not a number"):
        await scene(recovery.look_after, ["ten_stuck", scene.tenant.pk])
    assert await UsageRecord.objects.acount() == 1, "the other one was drained"


@pytest.mark.fault("journal: an entry that no row can be made of", promises=("P8",))
async def test_a_stuck_journal_takes_no_more_than_half_of_the_room(scene: Scene) -> None:  # noqa: F811
    other = Scene(scene.lane, *await asyncio.to_thread(found, "moorfield"))
    await scene(recovery.open_ledger, other.tenant.pk)
    shared = scene.inflight = other.inflight = InFlight(scene.ledger, most_undrained=8)
    for _ in range(4):
        await scene.spend(1)
    assert (shared.full(scene.tenant.pk), shared.full(other.tenant.pk)) == (True, False)
    for _ in range(3):
        await other.spend(1)
    assert not shared.full(other.tenant.pk)
    await other.spend(1)
    assert (shared.full(other.tenant.pk), shared.full("ten_third")) == (True, True), "no more in all"
    await scene(journal.drain, scene.tenant.pk)
    clockwork = Clockwork(scene.ledger, shared, nudge=lambda tenants: None)
    await clockwork.look_for_drained([(scene.tenant.pk, shared.shares[scene.tenant.pk])])
    assert (shared.full(scene.tenant.pk), shared.full(other.tenant.pk)) == (False, True)


@pytest.mark.parametrize(("error", "others"), [(DataError("too long"), 1), (OperationalError("away"), 0)])
async def test_a_database_that_is_away_ends_the_sweep_and_bad_data_does_not(
    scene: Scene,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    others: int,
) -> None:
    await scene.spend(USD)
    original = recovery.end_leases

    def fail_for_one(tenant_id: str) -> int:
        if tenant_id == "ten_bad":
            raise error
        return original(tenant_id)

    monkeypatch.setattr(recovery, "end_leases", fail_for_one)
    with pytest.raises(type(error)):
        await scene(recovery.look_after, ["ten_bad", scene.tenant.pk])
    assert await UsageRecord.objects.acount() == others
