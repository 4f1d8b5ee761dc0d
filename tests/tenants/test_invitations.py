"""Invitations: a link that is good once, for one e-mail, for a week."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tenants import services
from tenants.errors import AlreadyMember, InvalidValue, NotFound
from tenants.models import AuditEvent, Invitation, Membership, Role, Tenant, User
from tenants.services import Actor, InvitationClosed, InvitedSomebodyElse

pytestmark = pytest.mark.django_db


@pytest.fixture
def invited(fernhill: Tenant, by_owner: Actor) -> services.NewInvitation:
    return services.invite(tenant=fernhill, email="Ada@Fernhill.example", role=Role.ADMIN, actor=by_owner)


def test_who_was_invited_becomes_a_member_in_the_role_that_was_offered(
    fernhill: Tenant, invited: services.NewInvitation
) -> None:
    ada = User.objects.create_user("ada@fernhill.example")
    membership = services.accept_invitation(secret=invited.secret, user=ada, address="192.0.2.7")
    assert (membership.tenant, membership.role) == (fernhill, Role.ADMIN)
    event = AuditEvent.objects.get(action="member.added", target_label=ada.email)
    assert (event.actor_label, event.address) == (ada.email, "192.0.2.7")


def test_a_link_is_good_once(invited: services.NewInvitation) -> None:
    ada = User.objects.create_user("ada@fernhill.example")
    services.accept_invitation(secret=invited.secret, user=ada)
    Membership.objects.filter(user=ada).delete()
    with pytest.raises(InvitationClosed):
        services.accept_invitation(secret=invited.secret, user=ada)
    assert not Membership.objects.filter(user=ada).exists()


def test_nobody_else_can_use_it_and_it_stays_good_for_who_was_meant(invited: services.NewInvitation) -> None:
    stranger = User.objects.create_user("stranger@else.example")
    with pytest.raises(InvitedSomebodyElse, match=r"for ada@fernhill\.example"):
        services.accept_invitation(secret=invited.secret, user=stranger)
    assert services.find_invitation(invited.secret).pk == invited.invitation.pk


def test_it_ends_after_a_week(invited: services.NewInvitation) -> None:
    assert invited.invitation.expires_at - invited.invitation.created_at == timedelta(days=7)
    Invitation.objects.update(expires_at=timezone.now())
    with pytest.raises(InvitationClosed):
        services.find_invitation(invited.secret)


def test_a_withdrawn_one_does_not_work(fernhill: Tenant, by_owner: Actor, invited: services.NewInvitation) -> None:
    services.withdraw_invitation(tenant=fernhill, invitation_id=invited.invitation.pk, actor=by_owner)
    with pytest.raises(InvitationClosed):
        services.find_invitation(invited.secret)
    with pytest.raises(NotFound):
        services.withdraw_invitation(tenant=fernhill, invitation_id=invited.invitation.pk, actor=by_owner)
    assert AuditEvent.objects.filter(action="invitation.withdrawn", target_label="ada@fernhill.example").count() == 1


def test_a_second_one_for_the_same_person_takes_the_place_of_the_first(
    fernhill: Tenant, by_owner: Actor, invited: services.NewInvitation
) -> None:
    again = services.invite(tenant=fernhill, email="ada@fernhill.example", role=Role.VIEWER, actor=by_owner)
    with pytest.raises(InvitationClosed):
        services.find_invitation(invited.secret)
    assert [one.pk for one in services.open_invitations(fernhill)] == [again.invitation.pk]


def test_the_secret_is_stored_nowhere(invited: services.NewInvitation) -> None:
    stored = [str(value) for row in Invitation.objects.values() for value in row.values()]
    logged = [str(value) for row in AuditEvent.objects.values() for value in row.values()]
    assert not [value for value in stored + logged if invited.secret in value]


def test_a_member_is_not_invited_again_and_an_address_must_be_one(fernhill: Tenant, by_owner: Actor) -> None:
    with pytest.raises(AlreadyMember):
        services.invite(tenant=fernhill, email=by_owner.label.upper(), role=Role.VIEWER, actor=by_owner)
    with pytest.raises(InvalidValue, match="Enter an e-mail address"):
        services.invite(tenant=fernhill, email="ada", role=Role.VIEWER, actor=by_owner)


def test_another_company_cannot_withdraw_it(stranger: Tenant, by_owner: Actor, invited: services.NewInvitation) -> None:
    with pytest.raises(NotFound):
        services.withdraw_invitation(tenant=stranger, invitation_id=invited.invitation.pk, actor=by_owner)
    assert services.find_invitation(invited.secret)
