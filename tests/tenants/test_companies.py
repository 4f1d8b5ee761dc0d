"""Companies: founded whole or not at all, each at an address of its own."""

import pytest

from tenants import policy, services, slugs
from tenants.errors import Conflict, EmailTaken, InvalidValue, SlugTaken
from tenants.models import AuditEvent, Membership, Tenant, User
from tenants.services import Actor, NewPerson
from tests.support.valkey import ValkeyServer


def test_a_company_begins_with_its_owner_and_says_so_in_its_audit_log(fernhill: Tenant, owner: User) -> None:
    assert fernhill.slug == "fernhill-labs"
    events = AuditEvent.objects.filter(tenant=fernhill).order_by("created_at")
    assert [(event.action, event.actor) for event in events] == [("tenant.created", owner), ("member.added", owner)]


def test_what_fails_while_it_is_founded_leaves_nothing(db: None, store: ValkeyServer) -> None:
    with pytest.raises(InvalidValue), services.founding(name="Fernhill", owner=NewPerson("a@b.example")) as founded:
        services.create_api_key(tenant=founded.tenant, name="", actor=founded.actor)
    assert not Tenant.objects.exists() and not User.objects.exists() and not AuditEvent.objects.exists()


def test_an_account_that_exists_is_not_taken_over_by_founding(fernhill: Tenant) -> None:
    with pytest.raises(EmailTaken):
        services.create_tenant(name="Other", owner=NewPerson("OWNER@fernhill.example", "a-long-enough-secret"))
    assert Tenant.objects.count() == 1


def test_one_person_may_own_several_companies(fernhill: Tenant, owner: User) -> None:
    services.create_tenant(name="Second", owner=owner)
    assert Membership.objects.filter(user=owner, role="owner").count() == 2


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Fernhill Labs", "fernhill-labs"), ("  Ünïcode & Söhne ", "unicode-sohne"), ("x" * 100, "x" * 43)],
)
def test_an_address_is_drawn_from_the_name(db: None, name: str, slug: str) -> None:
    assert slugs.unique_slug(name) == slug


@pytest.mark.parametrize("name", ["Admin", "株式会社", "New", "!!!"])
def test_reserved_and_empty_addresses_are_never_given(db: None, name: str) -> None:
    slug = slugs.unique_slug(name)
    assert slug not in slugs.RESERVED
    assert len(slug) >= 3


def test_an_address_taken_in_between_is_asked_for_again(
    fernhill: Tenant, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers = iter([fernhill.slug, "fernhill-labs-2"])
    monkeypatch.setattr("tenants.services.companies.unique_slug", lambda name: next(offers))
    assert services.create_tenant(name="Fernhill Labs", owner=owner).slug == "fernhill-labs-2"


def test_settings_are_changed_recorded_and_published(fernhill: Tenant, by_owner: Actor) -> None:
    services.update_tenant(
        tenant=fernhill, actor=by_owner, name="Fernhill", default_output_limit=4096, time_zone="Europe/Berlin"
    )
    event = AuditEvent.objects.order_by("created_at").last()
    assert event.changes == {
        "name": ["Fernhill Labs", "Fernhill"],
        "default_output_limit": [16384, 4096],
        "time_zone": ["UTC", "Europe/Berlin"],
    }
    assert policy.published(fernhill.pk).version == 2
    fernhill.refresh_from_db()
    assert (fernhill.name, fernhill.default_output_limit) == ("Fernhill", 4096)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"slug": "Fern hill"}, "slug"),
        ({"default_output_limit": 0}, "default_output_limit"),
        ({"default_output_limit": True}, "default_output_limit"),
        ({"least_output_limit": 20_000}, "least_output_limit"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"allowed_fields": ["a b"]}, "allowed_fields"),
    ],
)
def test_a_setting_that_will_not_do_names_its_field_and_changes_nothing(
    fernhill: Tenant, by_owner: Actor, given: dict[str, object], field: str
) -> None:
    before = Tenant.objects.filter(pk=fernhill.pk).values().get()
    with pytest.raises(InvalidValue) as refused:
        services.update_tenant(tenant=fernhill, actor=by_owner, **given)
    assert refused.value.field == field
    assert Tenant.objects.filter(pk=fernhill.pk).values().get() == before


@pytest.mark.parametrize("slug", ["admin", "stranger-ltd"])
def test_an_address_that_is_not_free_cannot_be_chosen(
    fernhill: Tenant, stranger: Tenant, by_owner: Actor, slug: str
) -> None:
    with pytest.raises(SlugTaken, match="is not free"):
        services.update_tenant(tenant=fernhill, actor=by_owner, slug=slug)


def test_suspending_is_told_to_the_proxies_and_undone(fernhill: Tenant) -> None:
    services.suspend_tenant(tenant=fernhill, actor=Actor.operator())
    assert Tenant.objects.get(pk=fernhill.pk).suspended_at is not None
    assert policy.published(fernhill.pk).version == 2
    with pytest.raises(Conflict):
        services.suspend_tenant(tenant=fernhill, actor=Actor.operator())
    services.resume_tenant(tenant=fernhill, actor=Actor.operator())
    assert Tenant.objects.get(pk=fernhill.pk).suspended_at is None
    assert policy.published(fernhill.pk).version == 3
    with pytest.raises(Conflict):
        services.resume_tenant(tenant=fernhill, actor=Actor.operator())


def test_a_token_named_like_a_person_does_not_pass_for_that_person(fernhill: Tenant, by_owner: Actor) -> None:
    token = services.create_management_token(tenant=fernhill, name="owner@fernhill.example", actor=by_owner).token
    services.update_tenant(tenant=fernhill, actor=Actor.of_token(token), name="Fernhill")
    event = AuditEvent.objects.order_by("created_at").last()
    assert (event.actor, event.actor_label) == (None, "token owner@fernhill.example")


def test_the_operators_name_is_not_shown_to_a_company(fernhill: Tenant) -> None:
    staff = User.objects.create_superuser("root@operator.example")
    services.suspend_tenant(tenant=fernhill, actor=Actor.operator(staff))
    event = AuditEvent.objects.order_by("created_at").last()
    assert (event.actor, event.actor_label) == (staff, "operator")
