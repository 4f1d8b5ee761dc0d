"""The one door of a company's pages: who gets in, who is told what, and who learns nothing."""

import re
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import Client, RequestFactory

from tenants import services
from tenants.models import Role, Tenant, User
from tenants.roles import Action
from tenants.services import Actor, NewPerson
from tests.support.valkey import ValkeyServer
from tokonomics.console import access
from tokonomics.console.services import opening

pytestmark = pytest.mark.django_db


@pytest.fixture
def fernhill(store: ValkeyServer) -> Tenant:
    with opening(name="Fernhill Labs", owner=NewPerson("owner@fernhill.example")) as founded:
        pass
    return founded.tenant


def member(tenant: Tenant, role: Role, email: str) -> User:
    user = User.objects.create_user(email)
    services.add_member(tenant=tenant, user=user, role=role, actor=Actor.operator())
    return user


def plain(answer: Any) -> str:
    """A page without its CSRF tokens, which are another at each look, and without the address that was asked for."""
    return re.sub(r'[A-Za-z0-9]{64}|value="/t/[a-z-]+/"', "", answer.content.decode())


def test_nobody_signed_in_goes_to_the_login_and_comes_back(client: Client, fernhill: Tenant) -> None:
    answer = client.get("/t/fernhill-labs/?stack=model")
    assert answer.status_code == 302
    assert answer["Location"] == "/login/?next=/t/fernhill-labs/%3Fstack%3Dmodel"


def test_a_stranger_gets_the_same_404_as_for_a_company_that_does_not_exist(client: Client, fernhill: Tenant) -> None:
    client.force_login(User.objects.create_user("stranger@else.example"))
    foreign, unknown = client.get("/t/fernhill-labs/"), client.get("/t/no-such-company/")
    assert foreign.status_code == unknown.status_code == 404
    assert plain(foreign) == plain(unknown)


def test_a_member_of_another_company_gets_that_404_too(client: Client, fernhill: Tenant) -> None:
    with opening(name="Bracken", owner=NewPerson("owner@bracken.example")) as founded:
        pass
    client.force_login(founded.owner)
    foreign, unknown = client.get("/t/fernhill-labs/"), client.get("/t/no-such-company/")
    assert foreign.status_code == unknown.status_code == 404
    assert plain(foreign) == plain(unknown)
    assert b"Fernhill" not in foreign.content


def test_a_person_who_is_switched_off_gets_in_nowhere(client: Client, fernhill: Tenant) -> None:
    owner = User.objects.get(email="owner@fernhill.example")
    client.force_login(owner)
    owner.is_active = False
    owner.save()
    assert client.get("/t/fernhill-labs/").status_code == 302


@pytest.mark.parametrize("role", Role.values)
def test_every_role_reads_and_no_copy_is_kept(client: Client, fernhill: Tenant, role: str) -> None:
    client.force_login(member(fernhill, Role(role), f"a-{role}@fernhill.example"))
    answer = client.get("/t/fernhill-labs/")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"] and "private" in answer["Cache-Control"]


def test_who_may_not_is_told_who_can_and_whom_to_ask(client: Client, fernhill: Tenant) -> None:
    member(fernhill, Role.ADMIN, "admin@fernhill.example")
    assert access.no_right(fernhill, Action.CHANGE_BUDGET, "change the budget") == (
        "Only admins and owners can change the budget. Ask admin@fernhill.example or owner@fernhill.example."
    )
    assert access.no_right(fernhill, Action.MANAGE_PEOPLE, "invite people") == (
        "Only owners can invite people. Ask owner@fernhill.example."
    )
    assert access.no_right(fernhill, Action.MANAGE_OWN_KEYS, "make keys") == (
        "Only members, admins and owners can make keys. Ask admin@fernhill.example or owner@fernhill.example."
    )


def test_reading_is_for_all_and_sending_the_form_for_those_who_may_change(rf: RequestFactory, fernhill: Tenant) -> None:
    @access.page("settings", change=Action.CHANGE_BUDGET, to="change the budget")
    def settings_page(request: access.TenantRequest, slug: str) -> HttpResponse:
        return HttpResponse(f"{request.tenant.slug} {request.role}")

    viewer = member(fernhill, Role.VIEWER, "viewer@fernhill.example")
    reading, sending = rf.get("/"), rf.post("/")
    reading.user = sending.user = viewer
    assert settings_page(reading, "fernhill-labs").content == b"fernhill-labs viewer"
    with pytest.raises(PermissionDenied, match=r"^Only admins and owners can change the budget\. Ask owner@fernhill"):
        settings_page(sending, "fernhill-labs")


def test_a_suspended_company_keeps_its_pages_and_says_so_on_each(client: Client, fernhill: Tenant) -> None:
    services.suspend_tenant(tenant=fernhill, actor=Actor.operator())
    client.force_login(User.objects.get(email="owner@fernhill.example"))
    page = client.get("/t/fernhill-labs/").content.decode()
    assert "Fernhill Labs is suspended since" in page
    assert "Every request is refused until your operator resumes it." in page
