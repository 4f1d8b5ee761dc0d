"""How holds and journal entries are kept: those of an earlier version, amounts of any size, short and long lives."""

import asyncio
from typing import Any

import pytest

from budgets import journal, keyspace, recovery
from budgets.claims import Reservation, hold_id
from budgets.entries import Entry
from budgets.ledger import Ledger
from budgets.ledger_errors import HoldGone
from budgets.models import UsageRecord
from budgets.money import MAX_CAP
from budgets.reach import AnyLane
from tests.budgets.test_ledger import TENANT, USD, counters, lane, ledger, reserve, state  # noqa: F401
from tests.budgets.test_recovery import Scene, scene, settled  # noqa: F401
from tests.support.clock import Clock, clock_of
from tests.support.valkey import ValkeyServer

META = b'{"key":"key_1","mode":"live","provider":"openai","model":"gpt-4o","endpoint":"/x","user":"","stream":false}'


async def hold_of_before(lane: AnyLane, ledger: Ledger, amount: int) -> Reservation:  # noqa: F811
    """An open hold as it was kept until 2026-11-24: a hash."""
    places, at, name = counters(ledger), int(lane.now() * 1000), hold_id()
    made = Reservation(name, TENANT, places, amount, at, None, META)
    fields: dict[str, Any] = {"state": "open", "amount": amount, "k": made.counter_keys, "at": at, "o": "w", "m": META}
    pairs = [part for pair in (fields | {"left": ""}).items() for part in pair]
    await lane.command("HSET", keyspace.hold(TENANT, name), *pairs)
    await lane.command("ZADD", keyspace.holds(TENANT), at + 60_000, name)
    for place in places:
        await lane.command("HINCRBY", place.key, "held", amount)
        await lane.command("EXPIREAT", place.key, place.window.expires_at)
    return made


@pytest.mark.parametrize("ending", ["settled", "released", "extended", "lapsed"])
async def test_a_hold_of_an_earlier_version_ends_once_like_any_other(
    lane: AnyLane,  # noqa: F811
    ledger: Ledger,  # noqa: F811
    ending: str,
) -> None:
    before = await hold_of_before(lane, ledger, USD)
    again = await reserve(ledger, 5 * USD, hold=before.id)
    assert (again.held, again.at_ms, again.remaining) == (USD, before.at_ms, None), "it is answered as the first time"
    cost = 0 if ending == "released" else 7
    if ending == "extended":
        assert await ledger.extend(before, least=USD, most=USD) == 2 * USD
        assert await state(lane, before.counters[0]) == (0, 2 * USD)
    elif ending == "lapsed":
        await lane.command("ZADD", keyspace.holds(TENANT), 1, before.id)
        assert await asyncio.to_thread(recovery.end_leases, TENANT) == 1
        assert await state(lane, before.counters[0]) == (USD, 0)
    if ending == "released":
        assert await ledger.release(TENANT, before.id, b"{}")
        assert not await ledger.release(TENANT, before.id, b"{}")
    else:
        assert await ledger.settle(before, cost, b"{}")
        assert not await ledger.settle(before, cost, b"{}")
    assert [await state(lane, place) for place in before.counters] == [(cost, 0)] * 3
    with pytest.raises(HoldGone):
        await reserve(ledger, 1, hold=before.id)


async def test_tombstones_and_ended_holds_of_an_earlier_version_are_obeyed(lane: AnyLane, ledger: Ledger) -> None:  # noqa: F811
    before = await hold_of_before(lane, ledger, USD)
    await lane.command("HSET", keyspace.hold(TENANT, "req_gone"), "state", "released")
    await lane.command("HSET", keyspace.hold(TENANT, before.id), "state", "ended")
    await lane.command("EXPIRE", keyspace.hold(TENANT, before.id), 86_400)
    for place in before.counters:  # as its lease had left them
        await lane.command("HSET", place.key, "held", 0, "spent", USD)
    with pytest.raises(HoldGone):
        await reserve(ledger, 1, hold="req_gone")
    assert await ledger.settle(before, 9, b"{}"), "a correction"
    assert [await state(lane, place) for place in before.counters] == [(9, 0)] * 3


async def test_entries_of_an_earlier_version_become_rows_and_count_in_a_rebuild(scene: Scene) -> None:  # noqa: F811
    flying = await scene.reserve(USD)
    fields = {"t": "settled", "h": flying.id, "c": 5, "a": USD, "k": flying.counter_keys, "at": flying.at_ms}
    fields |= {"now": flying.at_ms + 90, "m": flying.meta.decode(), "u": '{"status":"settled","in":3}'}
    pairs = [part for pair in fields.items() for part in pair]
    await scene.lane.command("XADD", keyspace.journal(scene.tenant.pk), "*", *pairs)
    await scene.lane.command("DEL", keyspace.hold(scene.tenant.pk, flying.id))
    await scene.lane.command("ZREM", keyspace.holds(scene.tenant.pk), flying.id)
    await scene(recovery.rebuild, scene.tenant.pk, force=True, grace_seconds=0)
    assert await scene.state() == (5, 0)
    await settled(scene)
    row = await UsageRecord.objects.aget()
    assert (row.pk, row.cost, row.held, row.input_tokens, row.end_user) == (flying.id, 5, USD, 3, "u1")


@pytest.mark.parametrize("amount", [10**14 + 1, 10**15, MAX_CAP - 1])
async def test_an_amount_of_any_size_is_kept_to_the_nanodollar(lane: AnyLane, ledger: Ledger, amount: int) -> None:  # noqa: F811
    places = counters(ledger, tenant=MAX_CAP)
    granted = await reserve(ledger, amount, on=places)
    assert (granted.held, granted.remaining) == (amount, MAX_CAP - amount)
    assert await reserve(ledger, amount, on=places, hold=granted.id) == granted
    assert await ledger.settle(granted, amount - 1, b"{}")
    assert [await state(lane, place) for place in places] == [(amount - 1, 0)] * 3
    [(entry_id, fields)] = await lane.command("XRANGE", keyspace.journal(TENANT), "-", "+")
    entry = Entry.decode(entry_id, dict(zip(fields[::2], fields[1::2], strict=True)))
    assert (entry.cost, entry.amount, entry.at_ms) == (amount - 1, amount, granted.at_ms)


async def test_a_counter_that_was_gone_gets_a_bounded_life(lane: AnyLane, ledger: Ledger) -> None:  # noqa: F811
    granted = await reserve(ledger, USD)
    kept, *_, gone = granted.counters
    await lane.command("DEL", gone.key)
    await ledger.settle(granted, 5, b"{}")
    assert 0 < await lane.command("TTL", gone.key) <= 3 * 86_400
    assert await lane.command("EXPIRETIME", kept.key) == kept.window.expires_at, "and no other is touched"


async def acknowledged(clock: Clock, entry: str, *holds: Reservation) -> None:
    await asyncio.to_thread(journal.acknowledge, TENANT, entry, [each.id for each in holds])


async def test_tombstones_stay_two_minutes_after_their_rows_are_written(
    lane: AnyLane,  # noqa: F811
    ledger: Ledger,  # noqa: F811
    store: ValkeyServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    granted = [await reserve(ledger, 1) for _ in range(12)]
    entries = [await ledger.settle(each, 1, b"{}") for each in granted]
    with clock_of(store, monkeypatch) as clock:
        clock.set("2026-11-24T12:00:00")
        for each, entry in zip(granted[:6], entries, strict=False):
            await acknowledged(clock, entry, each)
        clock.step(119)
        await acknowledged(clock, entries[6], granted[6])
        assert await left(lane, granted) == granted
        clock.step(2)
        await acknowledged(clock, entries[7], granted[7])
        assert await left(lane, granted) == granted[4:], "a bounded number of batches at once"
        await acknowledged(clock, entries[8])
        assert await left(lane, granted) == granted[6:]
        clock.step(120)
        await acknowledged(clock, entries[9])
        assert await left(lane, granted) == granted[8:], "of which no row is known to be written"


async def left(lane: AnyLane, of: list[Reservation]) -> list[Reservation]:  # noqa: F811
    texts = [await lane.command("GET", keyspace.hold(TENANT, each.id)) for each in of]
    return [each for each, text in zip(of, texts, strict=True) if text is not None]


async def test_an_acknowledgement_lets_no_open_hold_go(
    lane: AnyLane,  # noqa: F811
    ledger: Ledger,  # noqa: F811
    store: ValkeyServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two with an end in the journal that was drained, one is open again: the store was put back meanwhile."""
    ended, open_again = await reserve(ledger, USD), await reserve(ledger, USD)
    entry = await ledger.settle(ended, 5, b"{}")
    with clock_of(store, monkeypatch) as clock:
        clock.set("2026-11-24T12:00:00")
        await acknowledged(clock, entry, ended, open_again)
        clock.step(121)
        await acknowledged(clock, entry)
    assert await left(lane, [ended, open_again]) == [open_again]
    assert await lane.command("TTL", keyspace.hold(TENANT, open_again.id)) == -1


@pytest.mark.django_db(transaction=True)
async def test_a_hold_whose_lease_ended_is_kept_after_its_row_is_written(scene: Scene) -> None:  # noqa: F811
    flying = await scene.reserve(USD)
    await scene.lane.command("ZADD", keyspace.holds(scene.tenant.pk), 1, flying.id)
    await scene(recovery.end_leases, scene.tenant.pk)
    await scene(journal.drain, scene.tenant.pk)
    graves = keyspace.graves(scene.tenant.pk)
    assert await scene.lane.command("LLEN", graves) == 0, "its worker may come back and know what it cost"
    await scene.ledger.settle(flying, 5, b"{}")
    await scene(journal.drain, scene.tenant.pk)
    assert await scene.lane.command("LLEN", graves) == 1
    assert await scene.state() == (5, 0)
    assert (await UsageRecord.objects.aget()).cost == 5


@pytest.mark.django_db(transaction=True)
async def test_a_row_of_the_drain_reads_as_one_that_django_has_saved(scene: Scene) -> None:  # noqa: F811
    """The drain writes columns by itself: each of them, of each type, in every database."""
    ending = {
        "status": "cut_short",
        "http": 200,
        "ms": 5,
        "rid": "rq_1",
        "fb": 4,
        "tier": "flex",
        "in": 7,
        "out": 3,
        "bound": {"input": 9},
        "usage": {"input_tokens": 7},
        "flags": ["client_gone", "é"],
        "price": {"input": 2},
    }
    await scene.spend(5, **ending)
    await scene(journal.drain, scene.tenant.pk)
    mine = await UsageRecord.objects.aget()
    saved = UsageRecord(**{field.attname: getattr(mine, field.attname) for field in UsageRecord._meta.concrete_fields})
    saved.pk = "req_saved"
    await saved.asave(force_insert=True)

    def columns(pk: str) -> dict[str, Any]:
        return UsageRecord.objects.filter(pk=pk).values().get() | {"id": ""}

    assert await scene(columns, mine.pk) == await scene(columns, "req_saved")
    assert (mine.flags, mine.usage, mine.price) == (["client_gone", "é"], {"input_tokens": 7}, {"input": 2})
    assert (mine.first_byte_ms, mine.service_tier, mine.stream, mine.price_since) == (4, "flex", True, None)
    same_moment = UsageRecord.objects.filter(reserved_at=mine.reserved_at, settled_at=mine.settled_at, day=mine.day)
    assert await same_moment.acount() == 2, "found by time as the other is"
