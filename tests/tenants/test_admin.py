"""The operator sees everything but secrets, and changes what proxies obey through the services alone."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from budgets import services as budgets
from budgets.models import Cap, Crossing, DailySpend, JournalCursor, SetAsideEntry, TenantPrice, UsageRecord
from budgets.money import NANO
from budgets.windows import WindowKind
from tenants import policy, services
from tenants.models import ApiKey, AuditEvent, ManagementToken, ProviderCredential, RetiredSecret, Tenant, User
from tenants.services import Actor
from tests.support.valkey import ValkeyServer

OURS = [model for model in admin.site._registry if model._meta.app_label in ("tenants", "budgets")]


def permissions(*names: str) -> list[Permission]:
    create_permissions(apps.get_app_config("tenants"), verbosity=0)  # the test before may have emptied the database
    found = list(Permission.objects.filter(codename__in=names))
    assert len(found) == len(names)
    return found


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("root@operator.example", "a-long-enough-secret"))
    return client


@pytest.fixture
def populated(fernhill: Tenant, owner: User, by_owner: Actor) -> list[str]:
    """One row of everything; returns what must not be seen."""
    made = services.create_api_key(tenant=fernhill, name="support-bot", actor=by_owner)
    rotated = services.rotate_api_key(tenant=fernhill, key_id=made.key.pk, overlap=timedelta(days=1), actor=by_owner)
    token = services.create_management_token(tenant=fernhill, name="ci", actor=by_owner)
    services.set_provider_credential(tenant=fernhill, provider="openai", secret="sk-proj-12345678", actor=by_owner)
    cap = budgets.set_tenant_cap(tenant=fernhill, amount=49 * NANO, actor=by_owner)
    budgets.set_key_cap(tenant=fernhill, key_id=made.key.pk, window=WindowKind.DAY, amount=NANO, actor=by_owner)
    budgets.set_end_user_cap(
        tenant=fernhill, key_id=made.key.pk, window=WindowKind.DAY, amount=NANO, end_user="a" * 24, actor=by_owner
    )
    now = timezone.now()
    one = {"tenant": fernhill, "api_key": made.key, "mode": "live", "provider": "openai", "model": "gpt-4o"}
    UsageRecord.objects.create(
        id="hold-1", **one, status="settled", cost=123, held=456, day=now.date(), reserved_at=now, settled_at=now
    )
    DailySpend.objects.create(**one, day=now.date(), cost=123)
    Crossing.objects.create(
        cap=cap, tenant=fernhill, window_start=now.date(), threshold_percent=50, limit=49 * NANO, spent=25 * NANO
    )
    JournalCursor.objects.get_or_create(tenant=fernhill)
    SetAsideEntry.objects.create(tenant=fernhill, entry_id="1-1", fields={}, why="not a number", has_row=False)
    TenantPrice.objects.create(tenant=fernhill, provider="openai", model="*", discount=1_000)
    Authenticator.objects.create(user=owner, type="totp", data={"secret": "TOTPSECRETTOTPSECRET"})
    User.objects.filter(pk=owner.pk).update(password="pbkdf2-hash-of-the-owner")
    return [
        *(made.secret, rotated.secret, token.secret, "sk-proj-12345678", "TOTPSECRETTOTPSECRET"),
        *("pbkdf2-hash-of-the-owner", ProviderCredential.objects.get().ciphertext),
        *(ApiKey.objects.get().digest, RetiredSecret.objects.get().digest, ManagementToken.objects.get().digest),
    ]


def page_of(model: type, name: str, *arguments: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=arguments)


@pytest.mark.parametrize("model", [*OURS, Authenticator], ids=lambda model: model.__name__)
def test_every_row_can_be_seen_and_searched_and_no_secret_is_shown(
    staff: Client, populated: list[str], model: type
) -> None:
    row = model.objects.first()
    assert row is not None
    for url in (
        page_of(model, "changelist"),
        page_of(model, "changelist") + "?q=fernhill",
        page_of(model, "change", row.pk),
    ):
        response = staff.get(url)
        assert response.status_code == 200, url
        text = response.content.decode()
        assert not [secret for secret in populated if secret in text], url


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_nothing_can_be_added_or_deleted_and_only_people_can_be_changed(
    staff: Client, populated: list[str], model: type
) -> None:
    row = model.objects.first()
    assert staff.get(page_of(model, "add")).status_code == 403
    assert staff.post(page_of(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    if model is not User:
        assert staff.post(page_of(model, "change", row.pk), {}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_a_search_finds_by_name_and_misses_the_rest(staff: Client, fernhill: Tenant, stranger: Tenant) -> None:
    text = staff.get(page_of(Tenant, "changelist") + "?q=stranger").content.decode()
    assert "Stranger Ltd" in text and "Fernhill Labs" not in text


def test_revoking_a_key_goes_through_the_service(staff: Client, fernhill: Tenant, by_owner: Actor) -> None:
    key = services.create_api_key(tenant=fernhill, name="support-bot", actor=by_owner).key
    act(staff, ApiKey, "revoke", key.pk)
    assert ApiKey.objects.get().revoked_at is not None
    event = AuditEvent.objects.order_by("created_at").last()
    assert (event.action, event.actor_label) == ("api_key.revoked", "operator")
    assert policy.published(fernhill.pk) == policy.Published(version=3, fence=())
    again = act(staff, ApiKey, "revoke", key.pk)
    assert "This key is revoked already" in again


def test_revoking_a_token_goes_through_the_service(staff: Client, fernhill: Tenant, by_owner: Actor) -> None:
    token = services.create_management_token(tenant=fernhill, name="ci", actor=by_owner).token
    act(staff, ManagementToken, "revoke", token.pk)
    assert ManagementToken.objects.get().revoked_at is not None


def test_suspending_without_redis_says_that_it_was_not_done(
    staff: Client, fernhill: Tenant, store: ValkeyServer
) -> None:
    store.stop()
    assert "the spending ledger cannot be reached" in act(staff, Tenant, "suspend", fernhill.pk)
    assert Tenant.objects.get().suspended_at is None
    store.start()
    act(staff, Tenant, "suspend", fernhill.pk)
    assert Tenant.objects.get().suspended_at is not None
    act(staff, Tenant, "resume", fernhill.pk)
    assert Tenant.objects.get().suspended_at is None


def test_a_member_of_staff_who_may_only_look_gets_no_actions(client: Client, fernhill: Tenant) -> None:
    looker = User.objects.create_user("look@operator.example", is_staff=True)
    looker.user_permissions.add(*permissions("view_tenant"))
    client.force_login(looker)
    act(client, Tenant, "suspend", fernhill.pk)
    assert Tenant.objects.get().suspended_at is None


def test_who_may_change_people_cannot_make_an_operator_of_themselves(client: Client, fernhill: Tenant) -> None:
    helper = User.objects.create_user("help@operator.example", is_staff=True)
    helper.user_permissions.add(*permissions("view_user", "change_user"))
    client.force_login(helper)
    response = client.post(page_of(User, "change", helper.pk), {"is_active": "on", "is_superuser": "on"})
    assert response.status_code == 302
    helper.refresh_from_db()
    assert not helper.is_superuser


def test_a_change_of_a_person_is_recorded(staff: Client, owner: User) -> None:
    staff.post(page_of(User, "change", owner.pk), {})
    owner.refresh_from_db()
    assert not owner.is_active
    event = AuditEvent.objects.order_by("created_at").last()
    assert (event.action, event.tenant, event.changes) == ("user.changed", None, {"is_active": [True, False]})


def test_an_owner_of_a_company_is_no_operator(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert client.get(page_of(Tenant, "changelist")).status_code == 302


def test_amounts_are_shown_in_dollars(staff: Client, populated: list[str]) -> None:
    assert "49.00" in staff.get(page_of(Cap, "changelist")).content.decode()
    assert "0.000000123" in staff.get(page_of(UsageRecord, "changelist")).content.decode()


def act(client: Client, model: type, action: str, pk: object) -> str:
    data = {"action": action, "_selected_action": [pk]}
    return client.post(page_of(model, "changelist"), data, follow=True).content.decode()
