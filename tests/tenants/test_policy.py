"""P5: a change holds from the next request on every worker, and whatever interrupts one mends itself."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from tenants import policy
from tenants.models import AuditEvent, Tenant
from tests.support.valkey import ValkeyServer


class Crash(BaseException):
    """The process is gone: nothing after this line runs, not even an `except Exception`."""


@pytest.fixture
def tenant(db: None, store: ValkeyServer) -> Tenant:
    tenant = Tenant.objects.create(slug="fernhill", name="Fernhill Labs")
    policy.heal(tenant.pk, [])
    return tenant


def saved_name(tenant: Tenant) -> str:
    return Tenant.objects.values_list("name", flat=True).get(pk=tenant.pk)


def crash_when(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    def crash(*args: object) -> None:
        raise Crash

    monkeypatch.setattr(policy, function, crash)


def test_a_change_is_committed_published_and_leaves_no_fence(tenant: Tenant) -> None:
    with policy.change(tenant.pk) as locked:
        locked.name = "Fernhill"
        locked.save()
    assert saved_name(tenant) == "Fernhill"
    assert policy.current(tenant.pk) == 2
    assert policy.published(tenant.pk) == policy.Published(version=2, fence=())


def test_the_fence_stands_before_the_commit(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the fence came after it, a request between the two would be admitted under the old policy."""
    seen: list[tuple[bool, int]] = []
    put = policy._put_fence

    def watched(tenant_id: str, token: str) -> None:
        put(tenant_id, token)
        seen.append((connection.in_atomic_block, len(policy.published(tenant_id).fence)))

    monkeypatch.setattr(policy, "_put_fence", watched)
    blocks_around = len(connection.atomic_blocks)
    with policy.change(tenant.pk):
        assert len(connection.atomic_blocks) == blocks_around + 1
    assert seen == [(True, 1)]


@pytest.mark.fault("change: while Redis is away", promises=("P4", "P5"))
def test_without_redis_the_write_fails_and_the_database_is_unchanged(tenant: Tenant, store: ValkeyServer) -> None:
    store.stop()
    with (
        pytest.raises(policy.PolicyUnavailable, match="what held before still holds"),
        policy.change(tenant.pk) as locked,
    ):
        locked.name = "Fernhill"
        locked.save()
    assert saved_name(tenant) == "Fernhill Labs"
    assert policy.current(tenant.pk) == 1


@pytest.mark.fault("change: while Redis is away", promises=("P4", "P5"))
def test_with_redis_frozen_the_write_fails_and_what_may_have_arrived_is_healed(
    tenant: Tenant, store: ValkeyServer
) -> None:
    with policy.change(tenant.pk):
        pass  # the connection is open: the next call is sent, and only its answer is missing
    store.freeze()
    try:
        with pytest.raises(policy.PolicyUnavailable), policy.change(tenant.pk) as locked:
            locked.name = "Fernhill"
            locked.save()
    finally:
        store.thaw()
    assert saved_name(tenant) == "Fernhill Labs"
    left = policy.published(tenant.pk).fence
    assert policy.heal(tenant.pk, left) == 2
    assert policy.published(tenant.pk) == policy.Published(version=2, fence=())


def test_a_body_that_fails_rolls_back_and_never_troubles_the_proxies(tenant: Tenant) -> None:
    with pytest.raises(ValueError, match="no"), policy.change(tenant.pk) as locked:
        locked.name = "Fernhill"
        locked.save()
        raise ValueError("no")
    assert saved_name(tenant) == "Fernhill Labs"
    assert policy.published(tenant.pk) == policy.Published(version=1, fence=())


@pytest.mark.fault("change: its process dies", promises=("P5",))
def test_a_crash_between_fence_and_commit_is_healed_to_the_old_version(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = policy._put_fence

    def put_and_crash(*args: str) -> None:
        put(*args)
        raise Crash

    monkeypatch.setattr(policy, "_put_fence", put_and_crash)
    with pytest.raises(Crash), policy.change(tenant.pk) as locked:
        locked.name = "Fernhill"
        locked.save()
    fenced = policy.published(tenant.pk)
    assert (fenced.version, len(fenced.fence)) == (1, 1)
    assert policy.heal(tenant.pk, fenced.fence) == 1
    assert policy.published(tenant.pk) == policy.Published(version=1, fence=())
    assert saved_name(tenant) == "Fernhill Labs"


@pytest.mark.fault("change: its process dies", promises=("P5",))
def test_a_crash_after_the_commit_is_healed_to_the_new_version(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        crash_when(broken, "_publish")
        with pytest.raises(Crash), policy.change(tenant.pk) as locked:
            locked.name = "Fernhill"
            locked.save()
    fenced = policy.published(tenant.pk)
    assert (fenced.version, len(fenced.fence)) == (1, 1)
    assert policy.heal(tenant.pk, fenced.fence) == 2
    assert policy.published(tenant.pk) == policy.Published(version=2, fence=())
    assert saved_name(tenant) == "Fernhill"


def test_redis_gone_after_the_commit_is_no_error_and_the_fence_outlives_it(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def out_of_reach(*args: object) -> None:
        raise policy.PolicyUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(policy, "_publish", out_of_reach)
        with policy.change(tenant.pk) as locked:
            locked.name = "Fernhill"
            locked.save()
    assert saved_name(tenant) == "Fernhill"
    assert "its fence stays" in caplog.text
    assert len(policy.published(tenant.pk).fence) == 1


def test_a_healer_takes_off_only_the_tokens_that_it_saw(tenant: Tenant) -> None:
    policy._put_fence(tenant.pk, "seen")
    policy._put_fence(tenant.pk, "put-meanwhile")
    policy.heal(tenant.pk, ["seen", "gone-already"])
    assert policy.published(tenant.pk).fence == ("put-meanwhile",)


def test_a_writer_takes_off_only_its_own_token(tenant: Tenant) -> None:
    policy._put_fence(tenant.pk, "of-another")
    with policy.change(tenant.pk):
        pass
    assert policy.published(tenant.pk) == policy.Published(version=2, fence=("of-another",))


def test_publishing_never_lowers_the_version(tenant: Tenant) -> None:
    """Two writers commit 9 and 10 and publish in the other order; numbers, not strings, are compared."""
    assert policy._publish(tenant.pk, 10, []) == 10
    assert policy._publish(tenant.pk, 9, []) == 10
    assert policy.published(tenant.pk).version == 10


@pytest.mark.fault("database: restored from a backup", promises=("P5",))
def test_a_database_behind_what_was_published_is_brought_past_it(tenant: Tenant) -> None:
    """Restored from a backup: were it left behind, every proxy would be STALE for good; at the very version that was
    published, a proxy could go on with what it kept from before."""
    policy._publish(tenant.pk, 41, [])
    assert policy.heal(tenant.pk, []) == 42
    assert policy.current(tenant.pk) == 42
    assert policy.published(tenant.pk) == policy.Published(version=42, fence=())


def test_a_change_within_a_change_is_an_error(tenant: Tenant) -> None:
    with pytest.raises(RuntimeError, match="durable"), policy.change(tenant.pk), policy.change(tenant.pk):
        pass
    assert policy.current(tenant.pk) == 1


def test_a_change_within_a_transaction_is_an_error(tenant: Tenant) -> None:
    """It would publish before the outer transaction commits."""
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"), policy.change(tenant.pk):
        pass


def test_within_joins_the_change_that_the_tenant_is_locked_in(tenant: Tenant) -> None:
    with policy.change(tenant.pk) as locked, policy.within(locked) as joined:
        assert joined is locked
    assert policy.current(tenant.pk) == 2
    with policy.within(locked) as another:  # over: the same instance starts a change of its own
        assert another.locked
    assert policy.current(tenant.pk) == 3


def test_a_transaction_broken_in_the_body_never_publishes_a_version_that_was_not_committed(tenant: Tenant) -> None:
    with pytest.raises(transaction.TransactionManagementError), policy.change(tenant.pk):
        transaction.set_rollback(True)
    assert policy.published(tenant.pk) == policy.Published(version=1, fence=())


def test_founding_needs_redis(tenant: Tenant, store: ValkeyServer) -> None:
    store.stop()
    with pytest.raises(policy.PolicyUnavailable, match="Nothing was created"), policy.founding():
        pytest.fail("the transaction was opened")


# --- Two at once: real commits, real locks ---------------------------------------------------------------------------


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    result: list[Any] = []

    def run() -> None:
        try:
            result.append(work())
        except Exception as error:
            result.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


@pytest.fixture
def committed(transactional_db: None, store: ValkeyServer) -> Tenant:
    tenant = Tenant.objects.create(slug="fernhill", name="Fernhill Labs")
    policy.heal(tenant.pk, [])
    return tenant


@pytest.mark.fault("change: made while requests flow", promises=("P5",))
def test_a_healer_waits_for_the_writer_whose_fence_it_met(committed: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    fenced, go_on = threading.Event(), threading.Event()
    put = policy._put_fence

    def put_and_wait(*args: str) -> None:
        put(*args)
        fenced.set()
        assert go_on.wait(10)

    monkeypatch.setattr(policy, "_put_fence", put_and_wait)
    writer, _ = in_thread(lambda: _rename(committed.pk, "Fernhill"))
    assert fenced.wait(10)
    tokens = policy.published(committed.pk).fence
    healer, healed = in_thread(lambda: policy.heal(committed.pk, tokens))
    healer.join(0.3)
    assert healer.is_alive(), "it answered while the write was open"
    go_on.set()
    writer.join(10)
    healer.join(10)
    assert healed == [2]
    assert policy.published(committed.pk) == policy.Published(version=2, fence=())


def test_writers_at_once_each_raise_the_version(committed: Tenant) -> None:
    threads = [in_thread(lambda n=n: _rename(committed.pk, f"Fernhill {n}")) for n in range(6)]
    for thread, result in threads:
        thread.join(20)
        assert result == [None]
    assert policy.current(committed.pk) == 7
    assert policy.published(committed.pk) == policy.Published(version=7, fence=())


def test_a_second_writer_waits_and_sees_what_the_first_wrote(committed: Tenant) -> None:
    entered, seen = threading.Event(), []

    def second() -> None:
        entered.set()
        with policy.change(committed.pk) as locked:
            seen.append((locked.name, locked.policy_version))

    with policy.change(committed.pk) as locked:
        thread, _ = in_thread(second)
        assert entered.wait(10)
        locked.name = "Fernhill"
        locked.save()
        thread.join(0.3)
        assert not seen
    thread.join(10)
    assert seen == [("Fernhill", 3)]


def test_rows_that_only_point_at_the_tenant_are_written_while_a_change_is_open(committed: Tenant) -> None:
    """The journal's drain must not wait for somebody's change. (SQLite has one writer at a time, and waits.)"""
    if connection.vendor != "postgresql":
        pytest.skip("needs row locks")
    with policy.change(committed.pk):
        thread, result = in_thread(lambda: AuditEvent.objects.create(tenant_id=committed.pk, action="x").pk)
        thread.join(5)
        assert not thread.is_alive()
        assert isinstance(result[0], str)


def _rename(tenant_id: str, name: str) -> None:
    with policy.change(tenant_id) as locked:
        locked.name = name
        locked.save()
