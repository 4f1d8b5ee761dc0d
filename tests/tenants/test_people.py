"""Who belongs to a company, and that somebody is always there to manage it."""

import threading

import pytest
from django.db import connection

from tenants import services
from tenants.errors import AlreadyMember, EmailTaken, InvalidValue, LastOwner, NotFound
from tenants.models import AuditEvent, Membership, Role, Tenant, User
from tenants.services import Actor, NewPerson
from tests.support.valkey import ValkeyServer


@pytest.fixture
def colleague(db: None) -> User:
    return User.objects.create_user("ada@fernhill.example")


def test_a_member_is_added_once(fernhill: Tenant, colleague: User, by_owner: Actor) -> None:
    services.add_member(tenant=fernhill, user=colleague, role=Role.MEMBER, actor=by_owner)
    event = AuditEvent.objects.order_by("created_at").last()
    assert (event.action, event.target_label) == ("member.added", "ada@fernhill.example")
    assert event.changes == {"role": [None, "member"]}
    with pytest.raises(AlreadyMember):
        services.add_member(tenant=fernhill, user=colleague, role=Role.OWNER, actor=by_owner)
    assert Membership.objects.get(user=colleague).role == Role.MEMBER


def test_the_last_owner_can_neither_leave_nor_step_down(fernhill: Tenant, owner: User, by_owner: Actor) -> None:
    with pytest.raises(LastOwner, match="needs an owner"):
        services.remove_member(tenant=fernhill, user_id=owner.pk, actor=by_owner)
    with pytest.raises(LastOwner):
        services.change_role(tenant=fernhill, user_id=owner.pk, role=Role.ADMIN, actor=by_owner)
    assert Membership.objects.get(user=owner).role == Role.OWNER


def test_with_a_second_owner_the_first_may_go(fernhill: Tenant, owner: User, colleague: User, by_owner: Actor) -> None:
    services.add_member(tenant=fernhill, user=colleague, role=Role.ADMIN, actor=by_owner)
    services.change_role(tenant=fernhill, user_id=colleague.pk, role=Role.OWNER, actor=by_owner)
    services.remove_member(tenant=fernhill, user_id=owner.pk, actor=by_owner)
    assert [member.user for member in fernhill.memberships.all()] == [colleague]
    actions = list(AuditEvent.objects.order_by("created_at").values_list("action", "changes"))[-2:]
    assert actions == [
        ("member.role_changed", {"role": ["admin", "owner"]}),
        ("member.removed", {"role": ["owner", None]}),
    ]


def test_a_person_of_another_company_is_no_member(stranger: Tenant, owner: User, by_owner: Actor) -> None:
    with pytest.raises(NotFound):
        services.remove_member(tenant=stranger, user_id=owner.pk, actor=by_owner)


def test_an_email_is_taken_in_any_case_of_letters(db: None) -> None:
    services.register(NewPerson("ada@fernhill.example", "a-long-enough-secret"))
    with pytest.raises(EmailTaken):
        services.register(NewPerson(" Ada@Fernhill.Example ", "a-long-enough-secret"))
    assert User.objects.count() == 1


@pytest.mark.parametrize("password", ["short", "password1234", "ada@fernhill.example"])
def test_a_weak_password_is_refused_with_the_reason(db: None, password: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        services.register(NewPerson("ada@fernhill.example", password))
    assert refused.value.field == "password"
    assert not User.objects.exists()


def test_a_person_without_a_password_cannot_log_in_with_an_empty_one(db: None) -> None:
    user = services.register(NewPerson("ada@fernhill.example"))
    assert not user.has_usable_password()
    assert not user.check_password("")


def test_a_password_is_not_in_what_python_prints_of_a_person() -> None:
    assert "a-long-enough-secret" not in repr(NewPerson("ada@fernhill.example", "a-long-enough-secret"))


def test_two_owners_who_leave_at_once_leave_one_behind(transactional_db: None, store: ValkeyServer) -> None:
    tenant = services.create_tenant(name="Fernhill Labs", owner=NewPerson("one@fernhill.example"))
    two = services.register(NewPerson("two@fernhill.example"))
    services.add_member(tenant=tenant, user=two, role=Role.OWNER, actor=Actor.operator())
    barrier, outcomes = threading.Barrier(2), []

    def leave(user_id: int) -> None:
        barrier.wait(10)
        try:
            services.remove_member(tenant=tenant, user_id=user_id, actor=Actor.operator())
            outcomes.append("left")
        except LastOwner:
            outcomes.append("stayed")
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=[member.user_id]) for member in tenant.memberships.all()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["left", "stayed"]
    assert tenant.memberships.filter(role=Role.OWNER).count() == 1
