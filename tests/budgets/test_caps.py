"""Caps: every change holds from the next request, and its record has both amounts."""

import pytest

from budgets import services as budgets
from budgets.models import Cap
from budgets.money import MAX_CAP, NANO
from budgets.windows import WindowKind
from tenants import policy, services
from tenants.errors import InvalidValue, KeyNotActive, NotFound
from tenants.models import ApiKey, AuditEvent, KeyMode, Tenant
from tenants.services import Actor, NewPerson
from tests.support.valkey import ValkeyServer

BY = Actor.operator()


@pytest.fixture
def tenant(db: None, store: ValkeyServer) -> Tenant:
    return services.create_tenant(name="Fernhill Labs", owner=NewPerson("owner@fernhill.example"))


@pytest.fixture
def key(tenant: Tenant) -> ApiKey:
    return services.create_api_key(tenant=tenant, name="support-bot", actor=BY).key


def recorded() -> list[dict[str, object]]:
    return list(
        AuditEvent.objects.filter(action="cap.changed").order_by("created_at").values_list("changes", flat=True)
    )


def caps_of(key: ApiKey) -> dict[str, tuple[int, bool]]:
    return {cap.window: (cap.amount, cap.hard) for cap in Cap.objects.filter(api_key=key)}


def test_a_budget_is_hard_at_first_published_and_recorded_with_both_amounts(tenant: Tenant) -> None:
    budgets.set_tenant_cap(tenant=tenant, amount=49 * NANO, actor=BY)
    budgets.set_tenant_cap(tenant=tenant, amount=60 * NANO, actor=BY)
    cap = Cap.objects.get()
    assert (cap.amount, cap.hard, cap.mode, cap.window, cap.api_key) == (60 * NANO, True, "live", "month", None)
    assert recorded() == [
        {"amount_usd": [None, "49.00"], "hard": [None, True]},
        {"amount_usd": ["49.00", "60.00"], "hard": [True, True]},
    ]
    assert policy.published(tenant.pk).version == policy.current(tenant.pk) == 3


def test_the_toggle_alone_leaves_the_amount_and_records_what_it_was_turned_off_at(tenant: Tenant) -> None:
    budgets.set_tenant_cap(tenant=tenant, amount=49 * NANO, actor=BY)
    cap = budgets.set_tenant_cap(tenant=tenant, hard=False, actor=BY)
    assert (cap.amount, cap.hard) == (49 * NANO, False)
    assert recorded()[-1] == {"amount_usd": ["49.00", "49.00"], "hard": [True, False]}


def test_an_amount_alone_leaves_the_toggle(tenant: Tenant) -> None:
    budgets.set_tenant_cap(tenant=tenant, amount=49 * NANO, hard=False, actor=BY)
    assert not budgets.set_tenant_cap(tenant=tenant, amount=50 * NANO, actor=BY).hard


def test_the_toggle_needs_a_budget(tenant: Tenant) -> None:
    with pytest.raises(InvalidValue, match="Set a monthly budget first"):
        budgets.set_tenant_cap(tenant=tenant, hard=False, actor=BY)


def test_zero_is_a_cap(tenant: Tenant, key: ApiKey) -> None:
    assert budgets.set_tenant_cap(tenant=tenant, amount=0, actor=BY).amount == 0
    cap = budgets.set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.DAY, amount=0, actor=BY)
    assert cap is not None and cap.amount == 0


@pytest.mark.parametrize("amount", [-1, MAX_CAP + 1])
def test_an_amount_out_of_range_is_refused_and_nothing_changes(tenant: Tenant, amount: int) -> None:
    budgets.set_tenant_cap(tenant=tenant, amount=5, actor=BY)
    with pytest.raises(InvalidValue, match=r"\$9,000,000"):
        budgets.set_tenant_cap(tenant=tenant, amount=amount, actor=BY)
    assert Cap.objects.get().amount == 5


def test_live_and_test_budgets_are_two(tenant: Tenant) -> None:
    budgets.set_starting_caps(tenant=tenant, actor=BY)
    budgets.set_tenant_cap(tenant=tenant, amount=49 * NANO, actor=BY)
    amounts = dict(Cap.objects.values_list("mode", "amount"))
    assert amounts == {KeyMode.TEST: 10 * NANO, KeyMode.LIVE: 49 * NANO}


def test_without_redis_the_old_cap_goes_on(tenant: Tenant, store: ValkeyServer) -> None:
    budgets.set_tenant_cap(tenant=tenant, amount=49 * NANO, actor=BY)
    store.stop()
    with pytest.raises(policy.PolicyUnavailable):
        budgets.set_tenant_cap(tenant=tenant, amount=60 * NANO, actor=BY)
    assert Cap.objects.get().amount == 49 * NANO
    assert len(recorded()) == 1


def test_a_key_has_a_cap_a_month_and_a_cap_a_day(tenant: Tenant, key: ApiKey) -> None:
    budgets.set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.MONTH, amount=9 * NANO, actor=BY)
    budgets.set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.DAY, amount=NANO, actor=BY)
    assert caps_of(key) == {"month": (9 * NANO, True), "day": (NANO, True)}


def test_hard_is_one_for_both_caps_of_a_key(tenant: Tenant, key: ApiKey) -> None:
    budgets.set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.MONTH, amount=9, actor=BY)
    budgets.set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.DAY, amount=1, hard=False, actor=BY)
    assert caps_of(key) == {"month": (9, False), "day": (1, False)}
    budgets.set_key_hard(tenant=tenant, key_id=key.pk, hard=True, actor=BY)
    assert caps_of(key) == {"month": (9, True), "day": (1, True)}


def test_a_second_cap_follows_the_first_in_being_hard(tenant: Tenant, key: ApiKey) -> None:
    budgets.set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.MONTH, amount=9, hard=False, actor=BY)
    budgets.set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.DAY, amount=1, actor=BY)
    assert caps_of(key) == {"month": (9, False), "day": (1, False)}


def test_a_key_cap_is_taken_away(tenant: Tenant, key: ApiKey) -> None:
    budgets.set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.MONTH, amount=9 * NANO, actor=BY)
    assert budgets.set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.MONTH, amount=None, actor=BY) is None
    assert caps_of(key) == {}
    assert recorded()[-1] == {"amount_usd": ["9.00", None], "hard": [True, None]}


def test_the_caps_of_a_test_key_are_test_caps(tenant: Tenant) -> None:
    key = services.create_api_key(tenant=tenant, name="t", mode=KeyMode.TEST, actor=BY).key
    cap = budgets.set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.MONTH, amount=1, actor=BY)
    assert cap is not None and cap.mode == KeyMode.TEST


def test_hard_needs_a_cap(tenant: Tenant, key: ApiKey) -> None:
    with pytest.raises(InvalidValue, match="Set a cap for this key first"):
        budgets.set_key_hard(tenant=tenant, key_id=key.pk, hard=False, actor=BY)


def test_a_revoked_key_takes_no_cap(tenant: Tenant, key: ApiKey) -> None:
    services.revoke_api_key(tenant=tenant, key_id=key.pk, actor=BY)
    with pytest.raises(KeyNotActive):
        budgets.set_key_cap(tenant=tenant, key_id=key.pk, window=WindowKind.MONTH, amount=1, actor=BY)


def test_the_cap_of_another_companys_key_is_out_of_reach(tenant: Tenant, key: ApiKey) -> None:
    other = services.create_tenant(name="Stranger", owner=NewPerson("owner@stranger.example"))
    with pytest.raises(NotFound):
        budgets.set_key_cap(tenant=other, key_id=key.pk, window=WindowKind.MONTH, amount=1, actor=BY)
    with pytest.raises(NotFound):
        budgets.set_key_hard(tenant=other, key_id=key.pk, hard=False, actor=BY)
    assert not Cap.objects.exists()


def test_a_key_and_its_caps_are_made_in_one_change(tenant: Tenant) -> None:
    """Between the two, a request could have spent without the cap."""
    before = policy.current(tenant.pk)
    with policy.change(tenant.pk) as locked:
        key = services.create_api_key(tenant=locked, name="new", actor=BY).key
        budgets.set_key_cap(tenant=locked, key_id=key.pk, window=WindowKind.MONTH, amount=1, actor=BY)
    assert policy.current(tenant.pk) == before + 1


def test_the_same_again_leaves_no_record(tenant: Tenant) -> None:
    budgets.set_tenant_cap(tenant=tenant, amount=49 * NANO, actor=BY)
    budgets.set_tenant_cap(tenant=tenant, amount=49 * NANO, hard=True, actor=BY)
    assert len(recorded()) == 1
