"""API keys: only a fingerprint is kept, every change is recorded and told to the proxies."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from tenants import keys, lookup, policy, services
from tenants.errors import InvalidValue, KeyNotActive, NotFound
from tenants.models import ApiKey, AuditEvent, RetiredSecret, Tenant, User
from tenants.services import Actor
from tests.support.valkey import ValkeyServer


@pytest.fixture
def made(fernhill: Tenant, by_owner: Actor) -> services.NewApiKey:
    return services.create_api_key(tenant=fernhill, name="support-bot", actor=by_owner)


def last_event() -> AuditEvent:
    return AuditEvent.objects.order_by("created_at").last()


def test_a_key_is_created_with_nothing_of_its_secret_kept(
    made: services.NewApiKey, fernhill: Tenant, owner: User
) -> None:
    key, secret = made
    stored = ApiKey.objects.filter(pk=key.pk).values().get()
    assert secret not in json.dumps(stored, default=str)
    assert (stored["digest"], stored["prefix"], stored["last_four"]) == (keys.digest(secret), secret[:12], secret[-4:])
    assert key.created_by == owner
    event = last_event()
    assert (event.action, event.target_id, event.target_label) == ("api_key.created", key.pk, "support-bot")
    assert (event.actor, event.actor_label, event.address) == (owner, "owner@fernhill.example", "192.0.2.7")
    assert policy.published(fernhill.pk).version == policy.current(fernhill.pk) == 2


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"mode": "prod"}, "mode"),
        ({"allowed_models": ["gpt 4"]}, "allowed_models"),
        ({"allowed_models": [""]}, "allowed_models"),
        ({"default_output_limit": 0}, "default_output_limit"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expires_at"),
    ],
)
def test_a_value_that_will_not_do_names_its_field(
    fernhill: Tenant, by_owner: Actor, given: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        services.create_api_key(**{"tenant": fernhill, "name": "ok", "actor": by_owner, **given})
    assert refused.value.field == field
    assert not ApiKey.objects.exists()


def test_a_change_is_recorded_from_and_to(made: services.NewApiKey, fernhill: Tenant, by_owner: Actor) -> None:
    services.update_api_key(
        tenant=fernhill, key_id=made.key.pk, actor=by_owner, name="search", allowed_models=["gpt-4o", "gpt-4o"]
    )
    event = last_event()
    assert event.action == "api_key.changed"
    assert event.changes == {"name": ["support-bot", "search"], "allowed_models": [[], ["gpt-4o"]]}


def test_what_is_not_given_stays_and_none_takes_away(
    made: services.NewApiKey, fernhill: Tenant, by_owner: Actor
) -> None:
    later = timezone.now() + timedelta(days=1)
    services.update_api_key(
        tenant=fernhill, key_id=made.key.pk, actor=by_owner, expires_at=later, default_output_limit=100
    )
    key = services.update_api_key(tenant=fernhill, key_id=made.key.pk, actor=by_owner, expires_at=None)
    assert (key.expires_at, key.default_output_limit) == (None, 100)


def test_a_change_of_nothing_leaves_no_event(made: services.NewApiKey, fernhill: Tenant, by_owner: Actor) -> None:
    before = AuditEvent.objects.count()
    services.update_api_key(tenant=fernhill, key_id=made.key.pk, actor=by_owner, name="support-bot")
    assert AuditEvent.objects.count() == before


def test_a_revoked_key_is_known_as_revoked_and_stays_so(
    made: services.NewApiKey, fernhill: Tenant, by_owner: Actor, owner: User
) -> None:
    services.revoke_api_key(tenant=fernhill, key_id=made.key.pk, actor=by_owner)
    found = lookup.find_api_key(keys.digest(made.secret))
    assert found is not None and found.key.revoked_at is not None and found.key.revoked_by == owner
    assert last_event().action == "api_key.revoked"
    assert policy.published(fernhill.pk).version == 3
    for write in (services.revoke_api_key, services.update_api_key):
        with pytest.raises(KeyNotActive):
            write(tenant=fernhill, key_id=made.key.pk, actor=by_owner)
    with pytest.raises(KeyNotActive):
        services.rotate_api_key(tenant=fernhill, key_id=made.key.pk, overlap=timedelta(0), actor=by_owner)


def test_a_key_that_cannot_be_revoked_for_want_of_redis_is_said_to_go_on(
    made: services.NewApiKey, fernhill: Tenant, by_owner: Actor, store: ValkeyServer
) -> None:
    store.stop()
    with pytest.raises(policy.PolicyUnavailable):
        services.revoke_api_key(tenant=fernhill, key_id=made.key.pk, actor=by_owner)
    assert ApiKey.objects.get(pk=made.key.pk).revoked_at is None
    assert last_event().action == "api_key.created"


def test_a_rotated_key_is_the_same_key_with_a_new_secret(
    made: services.NewApiKey, fernhill: Tenant, by_owner: Actor
) -> None:
    """Were it another key, its counters would begin at 0: whoever may rotate could spend a cap twice."""
    rotated = services.rotate_api_key(tenant=fernhill, key_id=made.key.pk, overlap=timedelta(days=7), actor=by_owner)
    assert rotated.key.pk == made.key.pk
    new, old = lookup.find_api_key(keys.digest(rotated.secret)), lookup.find_api_key(keys.digest(made.secret))
    assert new is not None and new.expires_at is None
    assert old is not None and old.key == new.key and old.expires_at is not None
    assert timedelta(days=6, hours=23) < old.expires_at - timezone.now() <= timedelta(days=7)
    assert rotated.secret not in json.dumps(last_event().changes)


def test_the_old_secret_never_outlives_the_key(made: services.NewApiKey, fernhill: Tenant, by_owner: Actor) -> None:
    ends = timezone.now() + timedelta(hours=1)
    services.update_api_key(tenant=fernhill, key_id=made.key.pk, actor=by_owner, expires_at=ends)
    services.rotate_api_key(tenant=fernhill, key_id=made.key.pk, overlap=timedelta(days=7), actor=by_owner)
    old = lookup.find_api_key(keys.digest(made.secret))
    assert old is not None and old.expires_at == ends


def test_an_overlap_of_nothing_stops_the_old_secret_now(
    made: services.NewApiKey, fernhill: Tenant, by_owner: Actor
) -> None:
    services.rotate_api_key(tenant=fernhill, key_id=made.key.pk, overlap=timedelta(0), actor=by_owner)
    old = lookup.find_api_key(keys.digest(made.secret))
    assert old is not None and old.expires_at is not None and old.expires_at <= timezone.now()


def test_stop_it_now_ends_an_overlap(made: services.NewApiKey, fernhill: Tenant, by_owner: Actor) -> None:
    services.rotate_api_key(tenant=fernhill, key_id=made.key.pk, overlap=timedelta(days=7), actor=by_owner)
    version = policy.current(fernhill.pk)
    services.stop_retired_secrets(tenant=fernhill, key_id=made.key.pk, actor=by_owner)
    assert RetiredSecret.objects.get().expires_at <= timezone.now()
    assert policy.published(fernhill.pk).version == version + 1
    assert last_event().action == "api_key.old_secret_stopped"


def test_overlaps_have_a_bound(made: services.NewApiKey, fernhill: Tenant, by_owner: Actor) -> None:
    for overlap in (timedelta(days=91), timedelta(seconds=-1)):
        with pytest.raises(InvalidValue, match="0 to 90 days"):
            services.rotate_api_key(tenant=fernhill, key_id=made.key.pk, overlap=overlap, actor=by_owner)


def test_a_key_of_another_company_does_not_exist(made: services.NewApiKey, stranger: Tenant, by_owner: Actor) -> None:
    """P8: the same answer for another's key and for none."""
    for key_id in (made.key.pk, "key_0000000000000000"):
        with pytest.raises(NotFound, match="There is no such key"):
            services.revoke_api_key(tenant=stranger, key_id=key_id, actor=by_owner)
        with pytest.raises(NotFound, match="There is no such key"):
            services.update_api_key(tenant=stranger, key_id=key_id, actor=by_owner, name="mine")
        with pytest.raises(NotFound, match="There is no such key"):
            services.rotate_api_key(tenant=stranger, key_id=key_id, overlap=timedelta(0), actor=by_owner)
        with pytest.raises(NotFound, match="There is no such key"):
            services.stop_retired_secrets(tenant=stranger, key_id=key_id, actor=by_owner)
    assert ApiKey.objects.get(pk=made.key.pk).revoked_at is None


def test_several_services_join_into_one_change(fernhill: Tenant, by_owner: Actor) -> None:
    with policy.change(fernhill.pk) as locked:
        services.create_api_key(tenant=locked, name="a", actor=by_owner)
        services.create_api_key(tenant=locked, name="b", actor=by_owner)
    assert policy.current(fernhill.pk) == 2
    assert ApiKey.objects.count() == 2


def test_an_unknown_digest_is_nobodys(made: services.NewApiKey) -> None:
    assert lookup.find_api_key(keys.digest(keys.mint("live"))) is None
