"""One abusive end user cannot drain the rest: P1, P4, P5 and P6 of their caps, on a real Valkey and a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from budgets import auditing, journal, keyspace, recovery, services, user_counters
from budgets.claims import Request, Reservation
from budgets.clockwork import Clockwork
from budgets.end_users import end_user_hash
from budgets.inflight import InFlight
from budgets.ledger import Ledger
from budgets.ledger_errors import CapExceeded
from budgets.models import Cap, EndUserCap, UsageRecord
from budgets.reach import AnyLane, open_lane
from budgets.windows import WindowKind
from proxy import refusals
from proxy.admission import Admission, Ask, PolicyChanged
from proxy.refusals import Fit
from tenants import keys
from tenants.errors import Conflict
from tenants.models import ApiKey, AuditEvent, Tenant
from tenants.services import Actor, create_api_key, update_api_key
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.django_db(transaction=True)

USD = 1_000_000_000
DAY, MONTH = WindowKind.DAY, WindowKind.MONTH
OPERATOR = Actor.operator()


class Desk:
    """One company with a key, a worker that admits, and short ways to say what happens."""

    def __init__(self, lane: AnyLane, tenant: Tenant, key: ApiKey, secret: str) -> None:
        self.lane, self.tenant, self.key, self.secret = lane, tenant, key, secret
        self.ledger = Ledger(lane, "worker", lease_seconds=60)
        self.inflight = InFlight(self.ledger)
        self.clockwork = Clockwork(self.ledger, self.inflight, nudge=lambda tenants: None)
        self.admission = Admission(self.ledger, self.inflight, held_wait=0.0)

    async def reserve(self, user: str, amount: int = USD, secret: str = "") -> Reservation:
        """As the proxy does it: again on the policy that holds, if it was decided on another."""
        end_user = end_user_hash(self.tenant.pk, user) if user else ""
        while True:
            caller = await self.admission.caller(secret or self.secret)
            request = Request(
                tenant_id=caller.tenant_id, key_id=caller.key_id, mode=caller.mode, provider="openai", model="gpt-4o",
                endpoint="/chat/completions", end_user=end_user, stream=False, price=(("input", 5),),
            )  # fmt: skip
            try:
                return await self.admission.admit(secret or self.secret, caller, request, Ask(amount, amount))
            except PolicyChanged:
                continue

    async def settle(self, reservation: Reservation, cost: int | None = None) -> None:
        self.inflight.settle(
            reservation, reservation.held if cost is None else cost, orjson.dumps({"status": "settled"})
        )
        await asyncio.sleep(0.02)

    async def spend(self, user: str, amount: int = USD) -> None:
        await self.settle(await self.reserve(user, amount))

    async def cap(
        self, amount: int | None, window: WindowKind = DAY, *, user: str = "", key: ApiKey | None = None
    ) -> None:
        await self(
            services.set_end_user_cap,
            tenant=self.tenant,
            key_id=(key or self.key).pk,
            window=window,
            amount=amount,
            end_user=end_user_hash(self.tenant.pk, user) if user else "",
            actor=OPERATOR,
        )

    async def spent(self, user: str) -> int:
        """Today, by the counter in Redis."""
        end_user = end_user_hash(self.tenant.pk, user) if user else "anonymous"
        day = self.ledger.windows().day.suffix
        name = keyspace.user_counter(self.tenant.pk, end_user, self.key.pk, day)
        return int(await self.lane.command("HGET", name, "spent") or 0)

    async def at_rest(self) -> auditing.Audit:
        """Drained, and audited: Redis equals the ledger, also of every end user."""
        await self(journal.drain, self.tenant.pk)
        audit = await self(auditing.audit, self.tenant.pk)
        assert audit.ok, [scope for scope in audit.scopes if not scope.ok]
        return audit

    async def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(function, *args, **kwargs)


def found() -> tuple[Tenant, ApiKey, str]:
    tenant = Tenant.objects.create(slug="fernhill", name="Fernhill Labs")
    Cap.objects.create(tenant=tenant, window="month", amount=100 * USD)
    recovery.open_ledger(tenant.pk)
    key, secret = create_api_key(tenant=tenant, name="bot", actor=OPERATOR)
    return tenant, key, secret


@pytest.fixture
async def desk(store: ValkeyServer, transactional_db: None, settings: Any) -> AsyncIterator[Desk]:
    settings.LEDGER_GRACE_SECONDS = 0.0
    tenant, key, secret = await asyncio.to_thread(found)
    lane = open_lane(store.url, timeout=1)
    await lane.command("PING")
    yield Desk(lane, tenant, key, secret)
    await lane.aclose()


async def refused(desk: Desk, user: str, amount: int = USD) -> CapExceeded:
    with pytest.raises(CapExceeded) as caught:
        await desk.reserve(user, amount)
    return caught.value


# --- The cap ---------------------------------------------------------------------------------------------------------


async def test_a_drained_end_user_is_refused_and_the_others_are_not(desk: Desk) -> None:
    await desk.cap(2 * USD)
    for _ in range(2):
        await desk.spend("ada")
    error = await refused(desk, "ada")
    assert (error.counter.scope, str(error.counter.window.kind)) == ("end_user", "day")
    assert (error.spent, error.cap, error.held_only) == (2 * USD, 2 * USD, False)
    refusal = refusals.cap_exceeded(error, Fit(1, 0, useful=False), "gpt-4o")
    assert refusal.end_user == end_user_hash(desk.tenant.pk, "ada") and "end_user" not in refusal.body.details
    await desk.spend("bob", 2 * USD)
    await desk.spend("")
    assert (await desk.at_rest()).end_users == 6  # three of them, each with a day and a month


async def test_of_many_parallel_requests_each_end_user_gets_exactly_what_is_its(desk: Desk) -> None:
    await desk.cap(5 * USD)
    await desk.cap(4 * USD, MONTH)
    users = ["ada", "bob", "eve"] * 12
    outcomes = await asyncio.gather(*[desk.reserve(user) for user in users], return_exceptions=True)
    granted = [user for user, outcome in zip(users, outcomes, strict=True) if isinstance(outcome, Reservation)]
    assert {user: granted.count(user) for user in ("ada", "bob", "eve")} == {"ada": 4, "bob": 4, "eve": 4}
    held = [outcome for outcome in outcomes if isinstance(outcome, CapExceeded)]
    assert {(error.counter.scope, str(error.counter.window.kind), error.held_only) for error in held} == {
        ("end_user", "month", True)
    }
    for outcome in outcomes:
        if isinstance(outcome, Reservation):
            desk.inflight.settle(outcome, USD // 2, b"{}")
    await asyncio.sleep(0.05)
    await desk.at_rest()
    assert await desk.spent("eve") == 2 * USD


async def test_a_stream_that_outruns_its_hold_stays_under_its_end_users_cap(desk: Desk) -> None:
    await desk.cap(2 * USD)
    stream = await desk.reserve("ada", USD)
    with pytest.raises(CapExceeded) as caught:
        await desk.ledger.extend(stream, least=USD + 1, most=USD + 1)
    assert caught.value.counter.scope == "end_user"
    assert await desk.ledger.extend(stream, least=USD, most=USD) == 2 * USD
    await desk.settle(stream)
    await refused(desk, "ada", 1)
    await desk.at_rest()


async def test_who_names_nobody_shares_the_cap_of_one(desk: Desk) -> None:
    await desk.cap(2 * USD)
    await desk.spend("", 2 * USD)
    assert (await refused(desk, "", 1)).counter.scope == "end_user"
    assert await desk.spent("") == 2 * USD


async def test_a_cap_of_zero_refuses_each_of_them_and_leaves_nothing_behind(desk: Desk) -> None:
    """Names cost nothing to make up: a refusal may not fill the store, the journal or anybody's inbox."""
    await desk.cap(0)
    await refused(desk, "the first", 1)
    before = await desk.lane.command("DBSIZE")
    for number in range(50):
        assert (await refused(desk, f"user {number}", 1)).cap == 0
    assert await desk.lane.command("DBSIZE") == before
    assert await desk(journal.lag, desk.tenant.pk) == 0


async def test_a_named_end_user_has_a_cap_of_its_own(desk: Desk) -> None:
    await desk.cap(1 * USD)
    await desk.cap(3 * USD, user="ada")
    await desk.cap(0, user="eve")
    await desk.spend("ada", 3 * USD)
    await desk.spend("bob", 1 * USD)
    for user in ("ada", "bob", "eve"):
        await refused(desk, user, 1)
    await desk.cap(None, user="eve")
    await desk.spend("eve", 1 * USD)
    await refused(desk, "eve", 1)


async def test_one_cap_of_one_end_user_leaves_the_others_uncapped(desk: Desk) -> None:
    await desk.cap(1 * USD, user="eve")
    await desk.spend("ada", 9 * USD)
    await refused(desk, "eve", 2 * USD)
    await desk.at_rest()


async def test_each_key_counts_for_itself(desk: Desk) -> None:
    """Another application's user 42 is somebody else."""
    other, secret = await desk(create_api_key, tenant=desk.tenant, name="other", actor=OPERATOR)
    await desk.cap(1 * USD)
    await desk.cap(1 * USD, key=other)
    await desk.spend("42")
    await refused(desk, "42")
    await desk.settle(await desk.reserve("42", secret=secret))
    await desk.at_rest()


async def test_a_key_without_such_caps_counts_no_end_user(desk: Desk) -> None:
    reservation = await desk.reserve("ada")
    assert [counter.scope for counter in reservation.counters] == ["tenant", "api_key", "api_key"]
    await desk.settle(reservation)
    assert await desk.lane.command("KEYS", "*:user:*") == []
    assert (await desk.at_rest()).end_users == 0


async def test_counters_of_end_users_expire_like_all_others(desk: Desk) -> None:
    await desk.cap(5 * USD)
    reservation = await desk.reserve("ada")
    for counter in reservation.counters:
        expires = await desk.lane.command("EXPIRETIME", counter.key)
        assert expires == counter.window.expires_at


# --- A change holds from the next request ----------------------------------------------------------------------------


async def test_a_first_cap_counts_what_was_spent_before_it(desk: Desk) -> None:
    await desk.spend("ada", 5 * USD)
    await desk(journal.drain, desk.tenant.pk)
    await desk.spend("bob", 1 * USD)
    await desk(journal.drain, desk.tenant.pk)
    await desk.cap(2 * USD)
    assert (await refused(desk, "ada", 1)).spent == 5 * USD
    await desk.spend("bob", 1 * USD)
    await refused(desk, "bob", 1)
    await desk.at_rest()


async def test_what_is_in_flight_as_the_counting_begins_is_known_to_be_uncounted(desk: Desk) -> None:
    """Three of them, in three states; the audit is exact about each, as entries, as rows, and after a rebuild."""
    await desk.spend("ada", 1 * USD)  # journaled, not drained
    ended, flying = await desk.reserve("ada", 2 * USD), await desk.reserve("ada", 3 * USD)
    await desk.cap(10 * USD)
    new = await desk.reserve("ada", 4 * USD)
    await desk.settle(ended)
    await desk.at_rest()
    await desk.settle(flying)
    await desk.settle(new)
    await desk.at_rest()
    assert await UsageRecord.objects.filter(user_uncounted=True).acount() == 3
    assert await desk.spent("ada") == 4 * USD
    await desk(recovery.rebuild, desk.tenant.pk, force=True)
    assert await desk.spent("ada") == 4 * USD
    await desk.at_rest()


async def test_a_cap_is_changed_and_taken_away_from_the_next_request_on(desk: Desk) -> None:
    await desk.cap(1 * USD)
    await desk.spend("ada")
    await refused(desk, "ada")
    await desk.cap(2 * USD)
    await desk.spend("ada")
    await refused(desk, "ada")
    await desk.cap(None)
    await desk.spend("ada", 7 * USD)
    await desk.at_rest()
    await desk.cap(9 * USD, MONTH)  # and again, over another window: what came meanwhile counts
    assert (await refused(desk, "ada", 1)).spent == 9 * USD
    await desk.at_rest()


async def test_counting_that_stops_and_begins_again_in_mid_flight_stays_exact(desk: Desk) -> None:
    await desk.cap(50 * USD)
    counted = await desk.reserve("ada", 1 * USD)
    await desk.cap(None)
    uncounted = await desk.reserve("ada", 2 * USD)
    await desk.spend("bob", 1 * USD)
    await desk.cap(50 * USD)
    await desk.at_rest()
    for reservation in (counted, uncounted):
        await desk.settle(reservation)
    await desk.at_rest()
    assert await desk.spent("ada") == 1 * USD


async def test_a_cap_on_a_new_key_interrupts_nobody(desk: Desk) -> None:
    built = await desk.lane.command("HGET", keyspace.policy(desk.tenant.pk), "built")
    key, secret = await desk(create_api_key, tenant=desk.tenant, name="new", actor=OPERATOR)
    settings: dict[str, Any] = {"tenant": desk.tenant, "key_id": key.pk, "window": DAY, "actor": OPERATOR}
    await desk(services.set_end_user_cap, **settings, amount=USD, new_key=True)
    await desk.reserve("ada", secret=secret)
    assert await desk.lane.command("HGET", keyspace.policy(desk.tenant.pk), "built") == built


async def test_changes_are_on_record_without_a_name(desk: Desk) -> None:
    await desk.cap(1 * USD)
    await desk.cap(2 * USD, MONTH, user="ada@customer.example")
    targets = [event.target_label async for event in AuditEvent.objects.filter(action="cap.changed").order_by("pk")]
    hashed = end_user_hash(desk.tenant.pk, "ada@customer.example")
    assert sorted(targets) == ["bot, cap a day for each end user", f"bot, cap a month for end user {hashed}"]


async def test_named_caps_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_NAMED_CAPS", 2)
    other, _ = await desk(create_api_key, tenant=desk.tenant, name="other", actor=OPERATOR)
    await desk.cap(USD, user="ada", key=other)
    await desk.cap(USD, user="bob")
    with pytest.raises(Conflict):
        await desk.cap(USD, user="eve")
    await desk.cap(2 * USD, user="bob")
    await desk.cap(USD, MONTH)
    assert await EndUserCap.objects.acount() == 3


async def test_whether_an_end_user_is_required_holds_from_the_next_request(desk: Desk) -> None:
    assert not (await desk.admission.caller(desk.secret)).requires_end_user
    await desk(update_api_key, tenant=desk.tenant, key_id=desk.key.pk, actor=OPERATOR, requires_end_user=True)
    with pytest.raises(PolicyChanged):
        await desk.admission.confirm(desk.secret)
    assert (await desk.admission.caller(desk.secret)).requires_end_user


# --- A store that was lost -------------------------------------------------------------------------------------------


@pytest.mark.fault("Redis: emptied (FLUSHALL, disk lost)", promises=("P1", "P6"))
async def test_after_flushall_the_drained_stay_drained(desk: Desk, store: ValkeyServer) -> None:
    await desk.cap(3 * USD)
    await desk.spend("ada", 1 * USD)
    await desk(journal.drain, desk.tenant.pk)
    await desk.spend("ada", 1 * USD)  # not a row yet
    flying = await desk.reserve("ada", 1 * USD)
    await desk.spend("bob", 1 * USD)
    store.flushall()
    await desk.clockwork.pulse()
    assert (await refused(desk, "ada", 1)).held_only
    await desk.spend("bob", 2 * USD)
    await desk.settle(flying)
    assert (await refused(desk, "ada", 1)).spent == 3 * USD
    assert (await refused(desk, "bob", 1)).spent == 3 * USD
    await desk.at_rest()


@pytest.mark.fault("Redis: restarted", promises=("P6",))
async def test_a_restart_with_its_data_counts_no_end_user_twice(desk: Desk) -> None:
    """The counters, the journal's tail and the holds are all still there, and ada is no row yet."""
    await desk.cap(5 * USD)
    await desk.spend("ada", 1 * USD)
    flying = await desk.reserve("ada", 1 * USD)
    await desk.lane.command("HSET", keyspace.policy(desk.tenant.pk), "run_id", "f" * 40)
    await desk.inflight.recover(desk.tenant.pk)
    assert await desk.spent("ada") == 1 * USD
    audit = await desk(auditing.audit, desk.tenant.pk)
    assert audit.ok and audit.end_users == 2
    await desk.settle(flying)
    await desk.at_rest()


@pytest.mark.fault("web worker: killed", promises=("P3", "P6"))
async def test_a_vanished_worker_is_charged_to_its_end_user_too(desk: Desk) -> None:
    await desk.cap(5 * USD)
    dying = replace_ledger(desk, lease_seconds=0)
    lost = await dying.reserve("ada", 2 * USD)
    await asyncio.sleep(0.01)
    await desk(recovery.end_leases, desk.tenant.pk)
    assert await desk.spent("ada") == 2 * USD
    await desk.settle(lost, USD // 2)
    assert await desk.spent("ada") == USD // 2
    await desk.at_rest()


def replace_ledger(desk: Desk, lease_seconds: int) -> Desk:
    other = Desk(desk.lane, desk.tenant, desk.key, desk.secret)
    other.ledger.lease_ms = lease_seconds * 1000
    return other


@pytest.mark.fault("counters: drifted (edited by hand)", promises=("P6",))
async def test_the_audit_sees_drift_of_one_end_user_and_mends_it(desk: Desk) -> None:
    await desk.cap(5 * USD)
    await desk.spend("ada")
    reservation = await desk.reserve("bob")
    (user_day,) = [counter for counter in reservation.counters if counter.scope == "end_user"][1:]
    await desk.lane.command("HINCRBY", user_day.key, "held", 7)
    audit = await desk(auditing.audit, desk.tenant.pk)
    [wrong] = [scope for scope in audit.scopes if not scope.ok]
    assert (wrong.place.scope, wrong.difference) == (f"user:{end_user_hash(desk.tenant.pk, 'bob')}:{desk.key.pk}", 7)
    await desk(auditing.mend, audit)
    assert (await desk(auditing.audit, desk.tenant.pk)).ok


async def test_a_rebuild_of_many_end_users_goes_in_batches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BATCH", "LOOKED_AT_ONCE"):
        monkeypatch.setattr(user_counters, name, 3)
    await desk.cap(2 * USD)
    for number in range(8):
        await desk.spend(f"user {number}", USD + number)
    await desk(journal.drain, desk.tenant.pk)
    day = desk.ledger.windows().day.suffix
    drifted = keyspace.user_counter(desk.tenant.pk, end_user_hash(desk.tenant.pk, "user 1"), desk.key.pk, day)
    await desk.lane.command("HSET", drifted, "held", 7)
    await desk(recovery.rebuild, desk.tenant.pk, force=True)
    assert await desk.lane.command("HGET", drifted, "held") is None, "nobody holds it"
    assert [await desk.spent(f"user {number}") for number in range(8)] == [USD + number for number in range(8)]
    assert (await desk.at_rest()).end_users == 16


async def test_a_key_is_told_apart_by_its_secret(desk: Desk) -> None:
    """The policy is loaded by the digest alone, and carries the caps of that key."""
    await desk.cap(2 * USD, user="ada")
    found = await desk.admission.policies.find(desk.secret)
    assert found is not None and keys.digest(desk.secret) == desk.key.digest
    assert replace(found.end_users).named == {end_user_hash(desk.tenant.pk, "ada"): {"day": 2 * USD}}  # type: ignore[type-var]
