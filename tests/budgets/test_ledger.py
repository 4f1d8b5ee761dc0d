"""The Lua of the ledger on a real Valkey, through the lane that the proxy uses: promises P1, P3 and P4."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from budgets import keyspace, recovery
from budgets.claims import Counter, Request, Reservation, hold_id
from budgets.clockwork import Clockwork
from budgets.inflight import InFlight
from budgets.ledger import Ledger
from budgets.ledger_errors import (
    CapExceeded,
    HoldGone,
    LedgerCold,
    LedgerOpening,
    LedgerUnavailable,
    PolicyFenced,
    PolicyStale,
    WindowMoved,
)
from budgets.reach import AnyLane, open_lane
from budgets.windows import windows_of
from tests.support.valkey import ValkeyServer
from tests.support.warm_lane import warm_lane

TENANT = "ten_ledger"
USD = 1_000_000_000
REQUEST = Request(TENANT, "key_1", "live", "openai", "gpt-4o", "/chat/completions", "", False, (("input", 1),))


@pytest.fixture
async def lane(store: ValkeyServer) -> AsyncIterator[AnyLane]:
    async with warm_lane(store.url, TENANT) as lane:
        yield lane


@pytest.fixture
def ledger(lane: AnyLane) -> Ledger:
    return Ledger(lane, "worker-1", lease_seconds=60)


def counters(
    ledger: Ledger,
    *,
    tenant: int | None = 10 * USD,
    key: int | None = None,
    day: int | None = None,
    hard: bool = True,
    key_id: str = "key_1",
) -> tuple[Counter, ...]:
    windows = ledger.windows()
    month, today = windows.month, windows.day
    return (
        Counter("tenant", month, keyspace.tenant_counter(TENANT, "live", month.suffix), tenant, hard),
        Counter("api_key", month, keyspace.key_counter(TENANT, key_id, month.suffix), key, True),
        Counter("api_key", today, keyspace.key_counter(TENANT, key_id, today.suffix), day, True),
    )


async def reserve(
    ledger: Ledger,
    least: int,
    most: int | None = None,
    *,
    hold: str = "",
    version: int = 1,
    on: tuple[Counter, ...] | None = None,
) -> Reservation:
    places = counters(ledger) if on is None else on
    return await ledger.reserve(
        REQUEST,
        places,
        day=ledger.windows().day,
        version=version,
        least=least,
        most=most or least,
        hold=hold or hold_id(),
    )


async def state(lane: AnyLane, counter: Counter) -> tuple[int, int]:
    spent, held = await lane.command("HMGET", counter.key, "spent", "held")
    return int(spent or 0), int(held or 0)


async def journal(lane: AnyLane) -> list[dict[str, str]]:
    entries = await lane.command("XRANGE", keyspace.journal(TENANT), "-", "+")
    pairs = [[part.decode() for part in fields] for _, fields in entries]
    named = [dict(zip(fields[::2], fields[1::2], strict=True)) for fields in pairs]
    return [entry | dict(zip("ak", entry["r"].split("\n")[:2], strict=True)) for entry in named]


# --- P1: never above the cap -----------------------------------------------------------------------------------------


@pytest.mark.fault("load: many at once on several workers", promises=("P1",))
async def test_concurrent_reserves_never_exceed_the_cap(store: ValkeyServer, lane: AnyLane, ledger: Ledger) -> None:
    patient = [open_lane(store.url, timeout=10) for _ in range(2)]  # whom a busy machine does not refuse as too late
    ledgers = [Ledger(each, f"worker-{number}", lease_seconds=60) for number, each in enumerate(patient)]
    asked = [reserve(ledgers[n % 2], USD // 10) for n in range(200)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    granted = [outcome for outcome in outcomes if isinstance(outcome, Reservation)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, CapExceeded)]
    assert (len(granted), len(refused)) == (100, 100)
    assert await state(lane, counters(ledger)[0]) == (0, 10 * USD)
    assert all(error.held_only for error in refused)
    for each in patient:
        await each.aclose()


@pytest.mark.fault("load: many at once on several workers", promises=("P1",))
async def test_a_reserve_holds_on_every_counter_or_on_none(lane: AnyLane, ledger: Ledger) -> None:
    on = counters(ledger, tenant=10 * USD, key=5 * USD, day=USD)
    with pytest.raises(CapExceeded) as refusal:
        await reserve(ledger, 2 * USD, on=on)
    assert (refusal.value.counter.scope, refusal.value.counter.window.kind) == ("api_key", "day")
    assert [await state(lane, counter) for counter in on] == [(0, 0)] * 3
    granted = await reserve(ledger, USD, on=on)
    assert granted.remaining == 0
    assert [await state(lane, counter) for counter in on] == [(0, USD)] * 3


async def test_a_cap_of_zero_refuses_everything(ledger: Ledger) -> None:
    with pytest.raises(CapExceeded) as refusal:
        await reserve(ledger, 1, on=counters(ledger, tenant=0))
    assert not refusal.value.held_only


async def test_a_soft_cap_lets_pass_and_says_what_is_left(ledger: Ledger) -> None:
    granted = await reserve(ledger, 3 * USD, on=counters(ledger, tenant=USD, hard=False))
    assert (granted.held, granted.remaining) == (3 * USD, -2 * USD)


async def test_the_grant_shrinks_to_the_headroom_but_never_below_the_least(ledger: Ledger) -> None:
    """While there is plenty the most; when it is short a share, so that whoever comes first does not take it all."""
    on = counters(ledger, tenant=8 * USD)
    granted = [(await reserve(ledger, USD // 2, 3 * USD, on=on)).held for _ in range(10)]
    assert granted[:3] == [3 * USD, 5 * USD // 6, 595_238_095]  # all of it; a sixth of what is left; a seventh of that
    assert granted[4:] == [USD // 2] * 6 and sum(granted) <= 8 * USD
    with pytest.raises(CapExceeded) as refusal:
        await reserve(ledger, USD, 5 * USD, on=on)
    assert refusal.value.held_only


async def test_fifty_at_once_all_get_a_share_of_the_last_money(ledger: Ledger) -> None:
    on = counters(ledger, tenant=USD)
    asked = [reserve(ledger, USD // 100, USD // 5, on=on) for _ in range(50)]
    granted = [one for one in await asyncio.gather(*asked, return_exceptions=True) if isinstance(one, Reservation)]
    assert len(granted) > 25
    assert sum(one.held for one in granted) <= USD


async def test_a_first_step_is_taken_where_the_whole_is_too_much(ledger: Ledger) -> None:
    """Nothing between least and most is of use: either one, and the whole only while there is plenty."""
    on = counters(ledger, tenant=10 * USD)

    async def step() -> int:
        return (await take(ledger, on, USD // 10, 2 * USD)).held

    assert [await step() for _ in range(4)] == [2 * USD, USD // 10, USD // 10, USD // 10]


async def take(ledger: Ledger, on: tuple[Counter, ...], least: int, most: int) -> Reservation:
    terms = {"day": ledger.windows().day, "version": 1, "hold": hold_id()}
    return await ledger.reserve(REQUEST, on, least=least, most=most, between=False, **terms)


async def test_an_extension_asks_for_the_caps_that_hold_now(lane: AnyLane, ledger: Ledger) -> None:
    granted = await reserve(ledger, USD)
    assert await ledger.extend(granted, least=USD, most=USD, version=1) == 2 * USD
    await lane.command("HSET", keyspace.policy(TENANT), "version", 2)
    with pytest.raises(PolicyStale):
        await ledger.extend(granted, least=USD, most=USD, version=1)
    await lane.command("HSET", keyspace.policy(TENANT), "fence", "aa")
    with pytest.raises(PolicyFenced):
        await ledger.extend(granted, least=USD, most=USD, version=2)
    assert await state(lane, granted.counters[0]) == (0, 2 * USD)


async def test_spent_is_told_from_held(ledger: Ledger) -> None:
    first = await reserve(ledger, 6 * USD)
    with pytest.raises(CapExceeded) as blocked:
        await reserve(ledger, 5 * USD)
    await ledger.settle(first, 6 * USD, b"")
    with pytest.raises(CapExceeded) as capped:
        await reserve(ledger, 5 * USD)
    assert (blocked.value.held_only, capped.value.held_only) == (True, False)
    assert (capped.value.spent, capped.value.held, capped.value.cap) == (6 * USD, 0, 10 * USD)


async def test_amounts_near_the_largest_cap_are_exact(lane: AnyLane, ledger: Ledger) -> None:
    on = counters(ledger, tenant=9_000_000 * USD)
    granted = await reserve(ledger, 8_999_999 * USD + 999_999_999, on=on)
    await ledger.settle(granted, granted.held, b"")
    last = await reserve(ledger, 1, on=on)
    await ledger.settle(last, 1, b"")
    assert await state(lane, on[0]) == (9_000_000 * USD, 0)
    with pytest.raises(CapExceeded):
        await reserve(ledger, 1, on=on)


# --- P3: each hold ends once -----------------------------------------------------------------------------------------


async def test_a_settle_takes_the_hold_off_and_the_cost_on(lane: AnyLane, ledger: Ledger) -> None:
    granted = await reserve(ledger, USD)
    await ledger.settle(granted, 123_456_789, b'{"status":"settled"}')
    assert [await state(lane, counter) for counter in granted.counters] == [(123_456_789, 0)] * 3
    [entry] = await journal(lane)
    assert (entry["t"], entry["h"], entry["c"], entry["a"]) == ("settled", granted.id, "123456789", str(USD))
    assert await lane.command("ZCARD", keyspace.holds(TENANT)) == 0


@pytest.mark.fault("Redis: a reply is lost", promises=("P3", "P6"))
async def test_every_ending_is_idempotent_by_hold(lane: AnyLane, ledger: Ledger) -> None:
    granted = await reserve(ledger, USD)
    entry = await ledger.settle(granted, USD // 2, b"")
    assert entry
    assert await ledger.settle(granted, USD // 2, b"") == ""
    assert await ledger.release(TENANT, granted.id, b"") == ""
    assert await state(lane, granted.counters[0]) == (USD // 2, 0)
    assert len(await journal(lane)) == 1


@pytest.mark.fault("Redis: a reply is lost", promises=("P1",))
async def test_a_repeated_reserve_answers_as_the_first_did(lane: AnyLane, ledger: Ledger) -> None:
    first = await reserve(ledger, USD, 20 * USD, hold="req_same")
    again = await reserve(ledger, USD, 20 * USD, hold="req_same")
    assert (again.held, again.at_ms, again.remaining) == (first.held, first.at_ms, first.remaining)
    assert await state(lane, first.counters[0]) == (0, 5 * USD)


async def test_a_release_gives_the_hold_back_and_leaves_a_row_of_cost_nothing(lane: AnyLane, ledger: Ledger) -> None:
    granted = await reserve(ledger, USD)
    assert await ledger.release(TENANT, granted.id, b"")
    assert await state(lane, granted.counters[0]) == (0, 0)
    [entry] = await journal(lane)
    assert (entry["t"], entry["c"], entry["a"]) == ("settled", "0", str(USD))


@pytest.mark.fault("Redis: a reply is lost", promises=("P4", "P6"))
async def test_a_release_of_an_unknown_hold_stops_a_late_reserve(lane: AnyLane, ledger: Ledger) -> None:
    assert await ledger.release(TENANT, "req_late", b"") == ""
    with pytest.raises(HoldGone):
        await reserve(ledger, USD, hold="req_late")
    assert await journal(lane) == []


@pytest.mark.fault("provider: bills more than was held", promises=("P3",))
async def test_a_cost_above_the_hold_is_recorded_not_refused(lane: AnyLane, ledger: Ledger) -> None:
    granted = await reserve(ledger, USD)
    await ledger.settle(granted, 12 * USD, b"")
    assert await state(lane, granted.counters[0]) == (12 * USD, 0)


async def test_a_settle_of_a_hold_nobody_knows_is_refused_unless_adopted(lane: AnyLane, ledger: Ledger) -> None:
    granted = await reserve(ledger, USD)
    await lane.command("DEL", keyspace.hold(TENANT, granted.id))
    for counter in granted.counters:
        await lane.command("DEL", counter.key)
    with pytest.raises(HoldGone):
        await ledger.settle(granted, USD // 4, b"")
    assert await ledger.settle(granted, USD // 4, b"", adopt=True)
    assert [await state(lane, counter) for counter in granted.counters] == [(USD // 4, 0)] * 3


# --- Leases ----------------------------------------------------------------------------------------------------------


@pytest.mark.fault("web worker: killed", promises=("P1", "P3"))
async def test_a_hold_whose_lease_ended_is_charged_by_the_next_reserve(lane: AnyLane) -> None:
    short = Ledger(lane, "worker-dies", lease_seconds=0)
    lost = await reserve(short, USD)
    await asyncio.sleep(0.01)
    await reserve(short, USD)
    spent, _ = await state(lane, lost.counters[0])
    assert spent == USD
    [entry] = await journal(lane)
    assert (entry["t"], entry["h"], entry["c"]) == ("lapsed", lost.id, str(USD))


@pytest.mark.fault("web worker: paused past its lease", promises=("P3",))
@pytest.mark.parametrize(("late", "spent_after"), [("settle", USD // 5), ("release", 0)])
async def test_a_late_ending_corrects_what_the_lease_charged(lane: AnyLane, late: str, spent_after: int) -> None:
    short = Ledger(lane, "worker-slow", lease_seconds=0)
    slow = await reserve(short, USD)
    await asyncio.sleep(0.01)
    trigger = await reserve(Ledger(lane, "other", lease_seconds=60), 1)
    await short.release(TENANT, trigger.id, b"")
    if late == "settle":
        await short.settle(slow, USD // 5, b"")
    else:
        await short.release(TENANT, slow.id, b"")
    assert await state(lane, slow.counters[0]) == (spent_after, 0)
    kinds = [entry["t"] for entry in await journal(lane) if entry["h"] == slow.id]
    assert kinds == ["lapsed", "corrected"]


async def test_renewing_keeps_a_lease_and_names_the_ended_ones(lane: AnyLane, ledger: Ledger) -> None:
    granted = await reserve(ledger, USD)
    before = await lane.command("ZSCORE", keyspace.holds(TENANT), granted.id)
    await asyncio.sleep(0.01)
    _, missing = await ledger.renew(TENANT, [granted.id, "req_gone"])
    assert missing == ["req_gone"]
    assert float(await lane.command("ZSCORE", keyspace.holds(TENANT), granted.id)) > float(before)


async def test_extending_an_ended_hold_says_gone(ledger: Ledger) -> None:
    granted = await reserve(ledger, USD)
    assert await ledger.extend(granted, least=2 * USD, most=2 * USD) == 3 * USD
    await ledger.settle(granted, USD, b"")
    with pytest.raises(HoldGone):
        await ledger.extend(granted, least=1, most=1)


@pytest.mark.fault("Redis: a reply is lost", promises=("P1",))
async def test_a_repeated_extension_adds_nothing_again(lane: AnyLane, ledger: Ledger) -> None:
    granted = await reserve(ledger, USD)
    await ledger.extend(granted, least=USD, most=USD)
    granted.held = USD  # the reply was lost: its caller asks again with what it knew before
    assert await ledger.extend(granted, least=USD, most=USD) == 2 * USD
    assert await state(lane, granted.counters[0]) == (0, 2 * USD)


@pytest.mark.fault("Redis: restarted", promises=("P3",))
async def test_leases_are_not_ended_on_counters_of_another_server(lane: AnyLane) -> None:
    short = Ledger(lane, "worker-dies", lease_seconds=0)
    lost = await reserve(short, USD)
    await asyncio.sleep(0.01)
    await lane.command("HSET", keyspace.policy(TENANT), "run_id", "f" * 40)
    assert await asyncio.to_thread(recovery.end_leases, TENANT) == 0
    assert await state(lane, lost.counters[0]) == (0, USD)
    assert await journal(lane) == []


@pytest.mark.fault("load: many at once on several workers", promises=("P1",))
async def test_an_extension_fits_under_every_cap(lane: AnyLane, ledger: Ledger) -> None:
    on = counters(ledger, tenant=10 * USD, key=3 * USD)
    granted = await reserve(ledger, USD, on=on)
    assert await ledger.extend(granted, least=USD, most=9 * USD) == 2 * USD, "where it is short, others need some too"
    assert await ledger.extend(granted, least=USD, most=9 * USD) == 3 * USD
    with pytest.raises(CapExceeded):
        await ledger.extend(granted, least=1, most=1)
    assert [await state(lane, counter) for counter in on] == [(0, 3 * USD)] * 3


# --- P4 and P5: when in doubt, refuse --------------------------------------------------------------------------------


@pytest.mark.fault("change: made while requests flow", promises=("P4", "P5"))
async def test_an_old_policy_is_stale_and_a_fence_stops_all(lane: AnyLane, ledger: Ledger) -> None:
    await lane.command("HSET", keyspace.policy(TENANT), "version", 7)
    with pytest.raises(PolicyStale):
        await reserve(ledger, USD, version=6)
    await lane.command("HSET", keyspace.policy(TENANT), "fence", "aa bb")
    with pytest.raises(PolicyFenced) as fenced:
        await reserve(ledger, USD, version=7)
    assert fenced.value.tokens == ["aa", "bb"]
    await lane.command("HDEL", keyspace.policy(TENANT), "fence")
    assert (await reserve(ledger, USD, version=7)).held == USD


@pytest.mark.fault("Redis: restarted", promises=("P4",))
@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P4",))
@pytest.mark.parametrize("loss", ["another server", "flushed"])
async def test_counters_of_another_server_are_cold_for_every_call(
    store: ValkeyServer, lane: AnyLane, ledger: Ledger, loss: str
) -> None:
    granted = await reserve(ledger, USD)
    if loss == "flushed":
        store.flushall()
    else:
        await lane.command("HSET", keyspace.policy(TENANT), "run_id", "f" * 40)
    with pytest.raises(LedgerCold):
        await reserve(ledger, USD)
    with pytest.raises(LedgerCold):
        await ledger.settle(granted, USD, b"")
    with pytest.raises(LedgerCold):
        await ledger.release(TENANT, granted.id, b"")
    with pytest.raises(LedgerCold):
        await ledger.extend(granted, least=1, most=1)
    with pytest.raises(LedgerCold):
        await ledger.renew(TENANT, [granted.id])
    assert await journal(lane) == []


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P1", "P4"))
async def test_nothing_is_admitted_before_the_grace_is_over(lane: AnyLane, ledger: Ledger) -> None:
    await lane.command("HSET", keyspace.policy(TENANT), "open_at", int((lane.now() + 30) * 1000))
    with pytest.raises(LedgerOpening) as opening:
        await reserve(ledger, USD)
    assert 29 < opening.value.wait <= 30.5


@pytest.mark.fault("Redis: frozen or slow", promises=("P4", "P6"))
async def test_a_script_that_starts_after_its_caller_gave_up_changes_nothing(
    store: ValkeyServer, lane: AnyLane, ledger: Ledger
) -> None:
    await reserve(ledger, 1)  # the server knows the script from here on: a late call would run, not be NOSCRIPT
    store.freeze()
    with pytest.raises(LedgerUnavailable):
        await reserve(ledger, USD, hold="req_late")
    store.thaw()
    fresh = open_lane(store.url, timeout=2)
    assert await state(fresh, counters(ledger)[0]) == (0, 1)
    assert await fresh.command("EXISTS", keyspace.hold(TENANT, "req_late")) == 0
    await fresh.aclose()


@pytest.mark.fault("Redis: frozen or slow", promises=("P4", "P6"))
async def test_an_extension_that_starts_after_its_caller_gave_up_changes_nothing(
    store: ValkeyServer, lane: AnyLane, ledger: Ledger
) -> None:
    """The stream was cut where nobody answered: what came of it then would stay held for no one."""
    granted = await reserve(ledger, USD)
    await ledger.extend(granted, least=1, most=1)
    store.freeze()
    with pytest.raises(LedgerUnavailable):
        await ledger.extend(granted, least=USD, most=USD)
    store.thaw()
    fresh = open_lane(store.url, timeout=2)
    assert await state(fresh, granted.counters[0]) == (0, USD + 1)
    await fresh.aclose()


@pytest.mark.fault("Redis: frozen or slow", promises=("P4",))
async def test_a_frozen_store_refuses_in_time_and_serves_again_after(
    store: ValkeyServer, lane: AnyLane, ledger: Ledger
) -> None:
    loop = asyncio.get_running_loop()
    store.freeze()
    began = loop.time()
    outcomes = await asyncio.gather(*[reserve(ledger, USD) for _ in range(20)], return_exceptions=True)
    took = loop.time() - began
    store.thaw()
    assert all(isinstance(outcome, LedgerUnavailable) for outcome in outcomes)
    assert took < 1.5
    assert (await reserve(ledger, USD)).held == USD


@pytest.mark.fault("clock: another day at a worker than at Redis", promises=("P1", "P4"))
async def test_the_windows_are_those_of_the_clock_of_redis(ledger: Ledger) -> None:
    yesterday = windows_of(ledger.windows().day.first_day.replace(year=2020))
    with pytest.raises(WindowMoved):
        await ledger.reserve(REQUEST, counters(ledger), day=yesterday.day, version=1, least=1, most=1, hold=hold_id())
    assert (await reserve(ledger, 1)).held == 1


async def test_the_first_refusal_of_a_window_is_journaled_once(lane: AnyLane, ledger: Ledger) -> None:
    for _ in range(3):
        with pytest.raises(CapExceeded):
            await reserve(ledger, 11 * USD)
    [entry] = await journal(lane)
    assert (entry["t"], entry["k"]) == ("refused", counters(ledger)[0].key)


# --- Lanes -----------------------------------------------------------------------------------------------------------


async def test_one_failing_command_fails_only_its_caller(lane: AnyLane) -> None:
    await lane.command("SET", "text", "not a number")
    outcomes = await asyncio.gather(
        lane.command("INCR", "text"),
        lane.command("INCR", "n"),
        lane.command("NOSUCH"),
        lane.command("INCR", "n"),
        return_exceptions=True,
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["ScriptError", "int", "ScriptError", "int"]


@pytest.mark.fault("Redis: SCRIPT FLUSH", promises=("P4",))
async def test_scripts_survive_a_script_flush(store: ValkeyServer, lane: AnyLane, ledger: Ledger) -> None:
    await reserve(ledger, 1)
    store.cli("SCRIPT", "FLUSH")
    outcomes = await asyncio.gather(*[reserve(ledger, 1) for _ in range(10)])
    assert [outcome.held for outcome in outcomes] == [1] * 10


@pytest.mark.fault("Redis: connection closed", promises=("P4",))
async def test_a_lane_reconnects_after_the_server_closed_it(store: ValkeyServer, lane: AnyLane, ledger: Ledger) -> None:
    opened = lane.opened
    store.cli("CLIENT", "KILL", "TYPE", "normal")
    await asyncio.sleep(0.05)
    assert (await reserve(ledger, 1)).held == 1
    assert lane.opened > opened


async def test_counters_outlive_their_window_and_then_go(lane: AnyLane, ledger: Ledger) -> None:
    granted = await reserve(ledger, USD)
    for counter in granted.counters:
        left = await lane.command("TTL", counter.key)
        now = int(lane.now())
        assert abs(left - (counter.window.expires_at - now)) <= 2


# --- What is in flight at a worker -----------------------------------------------------------------------------------


@pytest.mark.fault("Redis: frozen or slow", promises=("P3",))
@pytest.mark.fault("Redis: a reply is lost", promises=("P3",))
async def test_a_settle_that_got_no_answer_is_sent_again(store: ValkeyServer, lane: AnyLane, ledger: Ledger) -> None:
    inflight = InFlight(ledger)
    granted = await reserve(ledger, USD)
    inflight.opened(granted)
    store.freeze()
    inflight.settle(granted, USD // 2, b"")
    await asyncio.sleep(0.9)
    assert inflight.standing().unconfirmed == 1
    store.thaw()
    await Clockwork(ledger, inflight, nudge=lambda tenants: None).pulse()
    assert inflight.standing().unconfirmed == 0
    assert await state(lane, granted.counters[0]) == (USD // 2, 0)
    assert len(await journal(lane)) == 1


def test_hold_ids_do_not_repeat() -> None:
    assert len({hold_id() for _ in itertools.repeat(None, 10_000)}) == 10_000
