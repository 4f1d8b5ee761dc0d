"""A daily cap that is raised for one day: it holds on that day, for every proxy, and is gone with it."""

from datetime import timedelta

import pytest

from budgets import live
from budgets.models import Cap, Crossing, DailySpend
from budgets.money import NANO
from budgets.services import raise_for_today, set_key_cap
from budgets.windows import WindowKind, windows_at, windows_of
from proxy.policies import load_policy
from tenants import policy, services
from tenants.errors import InvalidValue, NotFound
from tenants.models import ApiKey, AuditEvent, Tenant
from tenants.services import Actor, NewPerson
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant(store: ValkeyServer) -> Tenant:
    return services.create_tenant(name="Fernhill Labs", owner=NewPerson("owner@fernhill.example"))


@pytest.fixture
def key(tenant: Tenant) -> ApiKey:
    made = services.create_api_key(tenant=tenant, name="nightly-batch", actor=Actor.operator())
    for window, amount in ((WindowKind.MONTH, 400), (WindowKind.DAY, 15)):
        set_key_cap(tenant=tenant, key_id=made.key.pk, window=window, amount=amount * NANO, actor=Actor.operator())
    return made.key


def raised(tenant: Tenant, key: ApiKey, amount: int = 25) -> Cap:
    return raise_for_today(tenant=tenant, key_id=key.pk, amount=amount * NANO, actor=Actor.operator())


def caps_of_proxy(key: ApiKey, days_ahead: int = 0) -> list[int | None]:
    """(month, day) that a proxy holds the key to, in dollars."""
    loaded = load_policy(key.digest)
    assert loaded is not None
    day = windows_at(live.now()).day.first_day + timedelta(days=days_ahead)
    counters = [counter for counter in loaded.counters(windows_of(day)) if counter.scope == "api_key"]
    return [None if counter.cap is None else counter.cap // NANO for counter in counters]


def test_it_holds_today_and_the_old_one_from_midnight_by_itself(tenant: Tenant, key: ApiKey) -> None:
    raised(tenant, key)
    assert caps_of_proxy(key) == [400, 25]
    assert caps_of_proxy(key, days_ahead=1) == [400, 15]
    assert caps_of_proxy(key, days_ahead=-1) == [400, 15]


def test_every_proxy_hears_of_it_before_its_next_request(tenant: Tenant, key: ApiKey) -> None:
    before = policy.published(tenant.pk).version
    raised(tenant, key)
    assert policy.published(tenant.pk).version == before + 1 == load_policy(key.digest).version  # type: ignore[union-attr]


def test_pages_show_what_holds_now(tenant: Tenant, key: ApiKey) -> None:
    raised(tenant, key)
    month, day = live.key_standings(tenant.pk, [key])[key.pk]
    assert (month.cap, day.cap) == (400 * NANO, 25 * NANO)


def test_it_is_written_down_with_both_amounts(tenant: Tenant, key: ApiKey) -> None:
    raised(tenant, key)
    raised(tenant, key, 30)
    event = AuditEvent.objects.get(action="cap.raised_for_today", changes__amount_usd=["25.00", "30.00"])
    assert event.changes["day"] == [None, windows_at(live.now()).day.suffix]


def test_it_must_be_more_than_what_holds(tenant: Tenant, key: ApiKey) -> None:
    raised(tenant, key)
    for amount in (0, 15, 25):
        with pytest.raises(InvalidValue, match=r"Enter more than the \$25\.00 that holds today\."):
            raised(tenant, key, amount)
    with pytest.raises(InvalidValue, match="Enter an amount from"):
        raised(tenant, key, 9_000_001)


def test_a_key_without_a_daily_cap_has_none_to_raise(tenant: Tenant, key: ApiKey) -> None:
    set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.DAY, amount=None, actor=Actor.operator())
    with pytest.raises(InvalidValue, match=r"This key has no daily cap\. Set one first\."):
        raised(tenant, key)
    with pytest.raises(NotFound):
        raise_for_today(tenant=tenant, key_id="key_none", amount=NANO, actor=Actor.operator())


def test_a_new_daily_cap_ends_it(tenant: Tenant, key: ApiKey) -> None:
    raised(tenant, key)
    set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.DAY, amount=20 * NANO, actor=Actor.operator())
    assert caps_of_proxy(key) == [400, 20]


def test_what_was_passed_of_the_old_amount_is_not_passed_of_the_new_one(tenant: Tenant, key: ApiKey) -> None:
    today = windows_at(live.now()).day.first_day
    cap = Cap.objects.get(api_key=key, window=WindowKind.DAY)
    DailySpend.objects.create(
        tenant=tenant, api_key=key, mode="live", day=today, provider="openai", model="gpt-4o", cost=15 * NANO
    )
    Crossing.objects.create(
        cap=cap, tenant=tenant, window_start=today, threshold_percent=100, limit=15 * NANO, spent=15 * NANO
    )
    raised(tenant, key, 30)
    left = {(crossing.threshold_percent, crossing.limit // NANO) for crossing in Crossing.objects.filter(cap=cap)}
    assert left == {(50, 30)}
