"""A company that is made is ready to work, however it was made."""

import pytest

from budgets import recovery
from budgets.models import Cap
from tenants import policy, services
from tenants.errors import EmailTaken, InvalidValue
from tenants.models import Membership, Tenant, User
from tenants.store import StoreUnavailable
from tests.support.valkey import ValkeyServer
from tokonomics.console.services import opening, sign_up

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-enough-secret"


def run_id_of(server: ValkeyServer, tenant: Tenant) -> str | None:
    return server.cli("HGET", policy.policy_key(tenant.pk), "run_id")


def test_signing_up_makes_a_person_a_company_a_test_budget_and_an_open_ledger(store: ValkeyServer) -> None:
    founded = sign_up(email="Ada@Fernhill.example", password=PASSWORD, company="Fernhill Labs", address="192.0.2.7")
    user = User.objects.get(email="ada@fernhill.example")
    assert user.check_password(PASSWORD)
    assert Membership.objects.get().role == "owner"
    cap = Cap.objects.get()
    assert (cap.mode, cap.amount, cap.hard) == ("test", 10_000_000_000, True)
    assert run_id_of(store, founded.tenant) is not None
    first = founded.tenant.audit_events.order_by("created_at").first()
    assert (first.action, first.actor, first.address) == ("tenant.created", user, "192.0.2.7")


@pytest.mark.parametrize(("password", "company"), [("short", "Fernhill"), (PASSWORD, " ")])
def test_a_sign_up_that_will_not_do_leaves_nothing(store: ValkeyServer, password: str, company: str) -> None:
    with pytest.raises(InvalidValue):
        sign_up(email="ada@fernhill.example", password=password, company=company)
    assert not User.objects.exists() and not Tenant.objects.exists()


def test_nobody_signs_up_over_an_account_that_exists(store: ValkeyServer) -> None:
    sign_up(email="ada@fernhill.example", password=PASSWORD, company="Fernhill Labs")
    with pytest.raises(EmailTaken):
        sign_up(email="ADA@fernhill.example", password="another-long-secret", company="Other")
    assert User.objects.get().check_password(PASSWORD)
    assert Tenant.objects.count() == 1


def test_without_redis_nobody_signs_up(store: ValkeyServer) -> None:
    store.stop()
    with pytest.raises(policy.PolicyUnavailable):
        sign_up(email="ada@fernhill.example", password=PASSWORD, company="Fernhill Labs")
    assert not User.objects.exists()


def test_a_ledger_that_could_not_be_opened_leaves_the_company_and_a_word_in_the_log(
    store: ValkeyServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(tenant_id: str) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(recovery, "open_ledger", gone)
    founded = sign_up(email="ada@fernhill.example", password=PASSWORD, company="Fernhill Labs")
    assert "its first request will do it" in caplog.text
    assert run_id_of(store, founded.tenant) is None, (
        "cold: the first request is refused or rebuilds, never admitted blind"
    )


def test_a_second_company_of_a_person_begins_like_the_first(store: ValkeyServer) -> None:
    owner = services.register(services.NewPerson("ada@fernhill.example"))
    for name in ("First", "Second"):
        with opening(name=name, owner=owner) as founded:
            pass
        assert Cap.objects.filter(tenant=founded.tenant, mode="test").exists()
