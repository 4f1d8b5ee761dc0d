"""A company with an owner, for tests of who."""

import pytest

from tenants import services
from tenants.models import Membership, Tenant, User
from tenants.services import Actor, NewPerson
from tests.support.valkey import ValkeyServer


@pytest.fixture
def fernhill(db: None, store: ValkeyServer) -> Tenant:
    return services.create_tenant(name="Fernhill Labs", owner=NewPerson("owner@fernhill.example"))


@pytest.fixture
def owner(fernhill: Tenant) -> User:
    return Membership.objects.get(tenant=fernhill, role="owner").user


@pytest.fixture
def by_owner(owner: User) -> Actor:
    return Actor.of_user(owner, "192.0.2.7")


@pytest.fixture
def stranger(db: None, store: ValkeyServer) -> Tenant:
    """Another company, whose things are none of Fernhill's business."""
    return services.create_tenant(name="Stranger Ltd", owner=NewPerson("owner@stranger.example"))
