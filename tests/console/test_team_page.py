"""Team: roles in words, invitations by link and by mail, joining, leaving; somebody always stays to manage people."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client

from tenants import services
from tenants.models import AuditEvent, Invitation, Membership, Role, User
from tests.support.fernhill import PASSWORD, Fernhill, founded
from tests.support.people import at_desk, fields, text, title
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    return founded()


@pytest.fixture
def with_mail(settings: Any) -> None:
    settings.EMAIL_URL = "smtp://mail.example:25"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


def link(owner: Client, fernhill: Fernhill, email: str = "ada@fernhill.example", role: str = "admin") -> str:
    """The address that an invitation leads to, as the owner copies it."""
    address = f"{fernhill.home}team/invite/"
    sent = owner.post(address, fields(owner.get(address)) | {"email": email, "role": role})
    page = owner.get(sent["Location"])
    assert f"Give {email} this link. It is shown this once." in text(page)
    found = re.search(r"http://testserver(/invited/[\w-]+/)", text(page))
    assert found is not None
    assert found[1] not in owner.get(sent["Location"]).content.decode()
    return found[1]


# --- Who is there ----------------------------------------------------------------------------------------------------


def test_people_are_listed_with_their_roles_in_words(owner: Client, fernhill: Fernhill) -> None:
    viewer = fernhill.member("viewer")
    fernhill.member("admin")
    Authenticator.objects.create(user=viewer, type=Authenticator.Type.TOTP, data={})
    page = owner.get(f"{fernhill.home}team/")
    said = text(page)
    assert "3 people" in said
    assert "Owner everything, people too" in said
    assert "Admin changes caps, settings and everybody's keys, not people" in said
    rows = {person.role: person for person in page.context["people"]}
    assert [person.role for person in page.context["people"]] == ["owner", "admin", "viewer"]
    assert (rows["viewer"].second_factor, rows["admin"].second_factor) == ("authenticator app", "")
    assert rows["owner"].is_you and "Turn it on" in said


def test_a_role_is_changed_and_the_page_says_what_it_means(owner: Client, fernhill: Fernhill) -> None:
    member = fernhill.member("member")
    done = owner.post(f"{fernhill.home}team/{member.pk}/", {"role": "viewer"}, follow=True)
    assert "Saved. member@fernhill.example is viewer now: reads." in text(done)
    assert Membership.objects.get(user=member).role == Role.VIEWER
    assert "Choose one of these roles." in text(owner.post(f"{fernhill.home}team/{member.pk}/", {"role": "king"}))


def test_the_last_owner_can_neither_leave_nor_step_down(owner: Client, fernhill: Fernhill) -> None:
    sentence = "A company needs an owner. Make somebody else owner first."
    for answer in (
        owner.post(f"{fernhill.home}team/leave/"),
        owner.post(f"{fernhill.home}team/{fernhill.owner.pk}/", {"role": "admin"}),
        owner.post(f"{fernhill.home}team/{fernhill.owner.pk}/remove/"),
    ):
        assert sentence in text(answer) and title(answer).startswith("Error: ")
    assert Membership.objects.get(user=fernhill.owner).role == Role.OWNER


def test_somebody_is_removed_and_their_keys_work_on(owner: Client, fernhill: Fernhill) -> None:
    member = fernhill.member("member")
    services.create_api_key(tenant=fernhill.tenant, name="theirs", actor=services.Actor.of_user(member))
    asked = text(owner.get(f"{fernhill.home}team/{member.pk}/remove/"))
    assert "Remove member@fernhill.example? They see nothing of Fernhill Labs any more." in asked
    assert "The key that they made works on, for apps depend on it." in asked
    owner.post(f"{fernhill.home}team/{member.pk}/remove/")
    assert at_desk(member).get(f"{fernhill.home}").status_code == 404
    assert fernhill.tenant.api_keys.get(name="theirs").revoked_at is None
    assert owner.post(f"{fernhill.home}team/{member.pk}/remove/").status_code == 404


def test_anybody_may_leave(fernhill: Fernhill) -> None:
    viewer = fernhill.member("viewer")
    client = at_desk(viewer)
    assert "Leave Fernhill Labs? You see nothing of it any more" in text(client.get(f"{fernhill.home}team/leave/"))
    assert client.post(f"{fernhill.home}team/leave/")["Location"] == "/"
    assert not Membership.objects.filter(user=viewer).exists()


# --- Invitations -----------------------------------------------------------------------------------------------------


def test_a_newcomer_makes_an_account_by_the_link_and_is_in(owner: Client, fernhill: Fernhill) -> None:
    address = link(owner, fernhill)
    guest = Client()
    page = guest.get(address)
    assert "Join Fernhill Labs" in text(page)
    assert "owner@fernhill.example invites ada@fernhill.example as admin: changes caps" in text(page)
    assert "At least 12 characters" in text(guest.post(address, {"password": "short"}))
    joined = guest.post(address, {"password": PASSWORD})
    assert joined["Location"] == fernhill.home
    assert guest.get(fernhill.home).status_code == 200
    ada = User.objects.get(email="ada@fernhill.example")
    assert Membership.objects.get(user=ada).role == Role.ADMIN
    assert EmailAddress.objects.get(user=ada).verified is False  # a link that was handed over proves no address
    closed = Client().get(address)
    assert closed.status_code == 404 and "This invitation does not work any more. Ask for a new one." in text(closed)


def test_it_works_where_nobody_may_sign_up(owner: Client, fernhill: Fernhill, settings: Any) -> None:
    settings.SIGNUP_OPEN = False
    guest = Client()
    assert guest.post(link(owner, fernhill), {"password": PASSWORD})["Location"] == fernhill.home
    assert guest.get(fernhill.home).status_code == 200


def test_somebody_with_an_account_logs_in_and_joins(owner: Client, fernhill: Fernhill) -> None:
    ada = User.objects.create_user("ada@fernhill.example", PASSWORD)
    address = link(owner, fernhill)
    page = Client().get(address)
    assert f'href="/login/?next={address.replace("/", "%2F")}"' in page.content.decode()
    assert Client().post(address, {"password": PASSWORD}).status_code == 200  # no second account, no way in
    assert not Membership.objects.filter(user=ada).exists()
    client = at_desk(ada)
    assert "Join Fernhill Labs" in text(client.get(address))
    assert client.post(address)["Location"] == fernhill.home
    assert Membership.objects.get(user=ada).role == Role.ADMIN


def test_nobody_else_can_use_the_link(owner: Client, fernhill: Fernhill) -> None:
    address = link(owner, fernhill)
    stranger = User.objects.create_user("stranger@else.example", PASSWORD)
    client = at_desk(stranger)
    for answer in (client.get(address), client.post(address)):
        assert "this invitation is for ada@fernhill.example" in text(answer)
    assert not Membership.objects.filter(user=stranger).exists()


def test_a_withdrawn_invitation_is_over(owner: Client, fernhill: Fernhill) -> None:
    address = link(owner, fernhill)
    assert "ada@fernhill.example" in text(owner.get(f"{fernhill.home}team/"))
    one = Invitation.objects.get()
    done = owner.post(f"{fernhill.home}team/invitations/{one.pk}/withdraw/", follow=True)
    assert "Withdrawn. The link of ada@fernhill.example does not work any more." in text(done)
    assert Client().get(address).status_code == 404
    assert AuditEvent.objects.filter(action="invitation.withdrawn").exists()


@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("", "Enter the e-mail of whom you invite."),
        ("ada", "Enter an e-mail address, like name@company.example."),
        ("OWNER@fernhill.example", "owner@fernhill.example is already a member."),
    ],
)
def test_whom_nobody_can_invite_is_said(owner: Client, fernhill: Fernhill, email: str, sentence: str) -> None:
    wrong = owner.post(f"{fernhill.home}team/invite/", {"email": email, "role": "viewer"})
    assert text(wrong).count(sentence) == 2 and title(wrong).startswith("Error: ")
    assert not Invitation.objects.exists()


@pytest.mark.usefixtures("with_mail")
def test_with_mail_the_link_goes_to_whom_it_is_for_and_to_nobody_else(owner: Client, fernhill: Fernhill) -> None:
    address = f"{fernhill.home}team/invite/"
    form = fields(owner.get(address)) | {"email": "ada@fernhill.example", "role": "viewer"}
    page = owner.post(address, form, follow=True)
    owner.post(address, form)  # sent twice, mailed once
    (sent,) = mail.outbox
    assert sent.to == ["ada@fernhill.example"]
    assert sent.subject == "owner@fernhill.example invites you to Fernhill Labs"
    found = re.search(r"http://testserver(/invited/[\w-]+/)", sent.body)
    assert found is not None and found[1] not in page.content.decode()
    assert "Invited. The mail to ada@fernhill.example has a link that works once, for a week." in text(page)
    guest = Client()
    assert guest.post(found[1], {"password": PASSWORD})["Location"] == fernhill.home
    assert guest.get(fernhill.home).status_code == 200
    assert EmailAddress.objects.get(email="ada@fernhill.example").verified is True


@pytest.mark.usefixtures("with_mail")
def test_a_link_in_a_mail_does_not_trust_the_host_header(owner: Client, fernhill: Fernhill, settings: Any) -> None:
    settings.PUBLIC_URL = "https://tokonomics.fernhill.example"
    address = f"{fernhill.home}team/invite/"
    owner.post(address, {"email": "ada@fernhill.example", "role": "viewer"}, headers={"host": "evil.example"})
    (sent,) = mail.outbox
    assert "https://tokonomics.fernhill.example/invited/" in sent.body and "evil.example" not in sent.body


@pytest.mark.usefixtures("with_mail")
def test_a_mail_that_cannot_be_sent_invites_nobody(owner: Client, fernhill: Fernhill, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 2
    page = owner.post(f"{fernhill.home}team/invite/", {"email": "ada@fernhill.example", "role": "viewer"})
    assert "Nobody was invited: the mail could not be sent." in text(page)
    assert services.open_invitations(fernhill.tenant) == []


# --- Who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["admin", "member", "viewer"])
def test_people_are_the_owners_business(fernhill: Fernhill, role: str) -> None:
    somebody = fernhill.member(role)
    client = at_desk(somebody)
    said = text(client.get(f"{fernhill.home}team/"))
    assert "Only owners can invite people and change their roles. Ask owner@fernhill.example." in said
    assert "Remove" not in said and "Leave" in said
    assert client.post(f"{fernhill.home}team/{somebody.pk}/", {"role": "owner"}).status_code == 403
    assert client.post(f"{fernhill.home}team/invite/", {"email": "a@b.example", "role": "owner"}).status_code == 403
    assert Membership.objects.get(user=somebody).role == role and not Invitation.objects.exists()
