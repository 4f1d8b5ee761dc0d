"""Live figures: what the ledger in Redis says, what the database says without it, and never a guess for either."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async

from budgets import keyspace, live, recovery
from budgets.claims import Counter, Request, hold_id
from budgets.ledger import Ledger
from budgets.live import Place
from budgets.models import DailySpend
from budgets.money import NANO
from budgets.reach import AnyLane, open_lane
from budgets.services import set_key_cap, set_starting_caps, set_tenant_cap
from budgets.windows import WindowKind, windows_at
from tenants import services
from tenants.models import ApiKey, KeyMode, Tenant
from tenants.services import Actor, NewPerson
from tests.support.valkey import ValkeyServer

ACTOR = Actor.operator()


def open_company() -> tuple[Tenant, ApiKey, ApiKey]:
    tenant = services.create_tenant(name="Fernhill", owner=NewPerson("owner@fernhill.example"))
    set_starting_caps(tenant=tenant, actor=ACTOR)
    set_tenant_cap(tenant=tenant, amount=49 * NANO, actor=ACTOR)
    keys = [services.create_api_key(tenant=tenant, name=mode, mode=mode, actor=ACTOR).key for mode in ("live", "test")]
    set_key_cap(tenant=tenant, key_id=keys[0].pk, window=WindowKind.DAY, amount=NANO, actor=ACTOR, hard=False)
    recovery.open_ledger(tenant.pk)
    return tenant, keys[0], keys[1]


@pytest.fixture
def company(db: None, store: ValkeyServer) -> tuple[Tenant, ApiKey, ApiKey]:
    return open_company()


def spend(key: ApiKey, cost: int, *, days_ago: int = 0) -> None:
    day = datetime.now(UTC).date() - timedelta(days=days_ago)
    DailySpend.objects.create(
        tenant=key.tenant, api_key=key, mode=key.mode, day=day, provider="openai", model="m", cost=cost, requests=1
    )


def test_caps_and_counters_come_together(company: tuple[Tenant, ApiKey, ApiKey]) -> None:
    tenant, key, _ = company
    spend(key, 3 * NANO)
    recovery.rebuild(tenant.pk, grace_seconds=0, force=True)
    month, day = live.key_standings(tenant.pk, [key])[key.pk]
    assert (month.cap, month.spent, month.remaining) == (None, 3 * NANO, None)
    assert (day.cap, day.hard, day.spent, day.remaining) == (NANO, False, 3 * NANO, -2 * NANO)
    of_tenant = live.tenant_standings(tenant.pk)
    assert (of_tenant["live"].cap, of_tenant["live"].spent) == (49 * NANO, 3 * NANO)
    assert (of_tenant["test"].cap, of_tenant["test"].spent) == (10 * NANO, 0)


def test_the_database_alone_says_the_same_spend_by_scope_and_window(company: tuple[Tenant, ApiKey, ApiKey]) -> None:
    tenant, key, test_key = company
    spend(key, 3 * NANO)
    spend(test_key, 5 * NANO)
    spend(key, 7 * NANO, days_ago=40)
    recovery.rebuild(tenant.pk, grace_seconds=0, force=True)
    windows = windows_at(live.now())
    places = [Place(windows.month, mode) for mode in KeyMode.values]
    places += [Place(window, key.mode, key.pk) for key in (key, test_key) for window in (windows.month, windows.day)]
    by_redis = [standing.spent for standing in live.look(tenant.pk, places)]
    assert live._from_database(tenant.pk, places) == by_redis == [3 * NANO, 5 * NANO, *[3 * NANO] * 2, *[5 * NANO] * 2]


def test_without_redis_it_says_so(company: tuple[Tenant, ApiKey, ApiKey], own_valkey: ValkeyServer) -> None:
    tenant, key, _ = company
    spend(key, 3 * NANO)
    own_valkey.kill()
    standing = live.tenant_standings(tenant.pk)["live"]
    assert (standing.live, standing.spent, standing.held, standing.remaining) == (False, 3 * NANO, None, None)


def test_a_store_that_forgot_the_tenant_is_not_read_as_nothing_spent(
    company: tuple[Tenant, ApiKey, ApiKey], store: ValkeyServer
) -> None:
    tenant, key, _ = company
    spend(key, 3 * NANO)
    store.flushall()
    standing = live.tenant_standings(tenant.pk)["live"]
    assert (standing.live, standing.spent) == (True, 3 * NANO)


def test_a_look_changes_nothing(company: tuple[Tenant, ApiKey, ApiKey], store: ValkeyServer) -> None:
    tenant, key, _ = company
    before = (store.cli("DBSIZE"), store.cli("HGETALL", keyspace.policy(tenant.pk)))
    live.standings_of(key)
    live.tenant_standings(tenant.pk)
    assert (store.cli("DBSIZE"), store.cli("HGETALL", keyspace.policy(tenant.pk))) == before


def test_the_tightest_is_a_capped_one() -> None:
    windows = windows_at(0)

    def standing(cap: int | None, spent: int, held: int = 0) -> live.Standing:
        return live.Standing(Place(windows.month), cap, True, spent, held, False, True)

    loose, tight, uncapped = standing(100, 10), standing(50, 20, 15), standing(None, 999)
    assert live.tightest([loose, tight, uncapped]) is tight
    assert live.tightest([uncapped]) is None and live.tightest([]) is None


# --- With the ledger itself ------------------------------------------------------------------------------------------


@pytest.fixture
async def lane(store: ValkeyServer) -> AsyncIterator[AnyLane]:
    opened = open_lane(store.url, timeout=0.5)
    await opened.command("PING")
    yield opened
    await opened.aclose()


@pytest.mark.django_db(transaction=True)
async def test_a_hold_shows_at_once_and_moves_to_spent_when_settled(lane: AnyLane) -> None:
    tenant, key, _ = await sync_to_async(open_company)()
    ledger = Ledger(lane, "worker", lease_seconds=60)
    windows = ledger.windows()
    counters = [
        Counter(place.scope, place.window, place.key(tenant.pk), 49 * NANO, True)
        for place in (Place(windows.month), Place(windows.month, "live", key.pk), Place(windows.day, "live", key.pk))
    ]
    version = await sync_to_async(lambda: Tenant.objects.get(pk=tenant.pk).policy_version)()
    request = Request(tenant.pk, key.pk, "live", "openai", "m", "/v1/chat/completions", "", False, ())
    held = await ledger.reserve(
        request, counters, day=windows.day, version=version, least=NANO, most=2 * NANO, hold=hold_id()
    )
    standings = await sync_to_async(live.standings_of)(key)
    assert [(each.spent, each.held) for each in standings] == [(0, 2 * NANO)] * 3
    assert standings[0].remaining == held.remaining == 47 * NANO
    await ledger.settle(held, NANO // 2, b"{}")
    standings = await sync_to_async(live.standings_of)(key)
    assert [(each.spent, each.held) for each in standings] == [(NANO // 2, 0)] * 3
