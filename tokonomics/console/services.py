"""Writes that compose several apps: a company that is ready to work from its first moment."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from allauth.account.models import EmailAddress

from alerts.services import set_starting_ladder
from budgets import recovery
from budgets.services import set_key_cap, set_starting_caps, set_tenant_cap
from budgets.windows import WindowKind
from tenants.models import KeyMode, Tenant, User
from tenants.services import (
    Actor,
    Founded,
    NewApiKey,
    NewManagementToken,
    NewPerson,
    create_api_key,
    create_management_token,
    founding,
    set_provider_credential,
)
from tenants.store import StoreUnavailable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TenantOrder:
    """What an operator orders with `create_tenant`. Amounts are nanodollars; no monthly cap: live keys are refused."""

    name: str
    owner_email: str
    owner_password: str | None = field(default=None, repr=False)
    monthly_cap: int | None = None
    hard: bool = True
    providers: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_name: str = "default"
    key_cap: int | None = None
    test_key: bool = False


@dataclass(frozen=True, slots=True)
class ReadyTenant:
    """A tenant and its secrets, which exist here and nowhere else."""

    tenant: Tenant
    api_key: NewApiKey
    test_api_key: NewApiKey | None
    management_token: NewManagementToken


def create_tenant(order: TenantOrder) -> ReadyTenant:
    """All of an order or nothing. Raises TenantError: InvalidValue, EncryptionUnavailable, PolicyUnavailable."""
    operator = Actor.operator()
    owner = User.objects.filter(email=order.owner_email.strip().lower()).first() or NewPerson(
        order.owner_email, order.owner_password, any_password=True
    )
    with opening(name=order.name, owner=owner, actor=operator) as founded:
        tenant = founded.tenant
        _let_in(founded.owner, order.owner_password)
        if order.monthly_cap is not None:
            set_tenant_cap(tenant=tenant, amount=order.monthly_cap, hard=order.hard, actor=operator)
        for provider, secret in order.providers.items():
            set_provider_credential(tenant=tenant, provider=provider, secret=secret, actor=operator)
        return ReadyTenant(
            tenant=tenant,
            api_key=_key(order, tenant, order.key_name, KeyMode.LIVE, operator),
            test_api_key=_key(order, tenant, f"{order.key_name} (test)", KeyMode.TEST, operator)
            if order.test_key
            else None,
            management_token=create_management_token(tenant=tenant, name="created with the company", actor=operator),
        )


def sign_up(*, email: str, password: str, company: str, address: str | None = None) -> Founded:
    """A person, their company and their place in it as owner. Raises InvalidValue, EmailTaken, PolicyUnavailable."""
    with opening(name=company, owner=NewPerson(email, password), address=address) as founded:
        return founded


@contextmanager
def opening(
    *, name: str, owner: User | NewPerson, actor: Actor | None = None, address: str | None = None
) -> Iterator[Founded]:
    """`founding`, with the caps and alerts that every company begins with, and its ledger opened once it is committed.

    The only way to make a company, for commands and pages alike.
    """
    with founding(name=name, owner=owner, actor=actor, address=address) as founded:
        set_starting_ladder(tenant=founded.tenant, owner_email=founded.owner.email, actor=founded.actor)
        set_starting_caps(tenant=founded.tenant, actor=founded.actor)
        yield founded
    try:
        recovery.open_ledger(founded.tenant.pk)
    except StoreUnavailable:
        # It exists, and is as cold as after a restart of Redis: its first request opens it.
        logger.warning("the ledger of %s could not be opened; its first request will do it", founded.tenant.pk)


def _let_in(owner: User, password: str | None) -> None:
    """The operator vouches for the address. A password that somebody has set already is theirs, and stays."""
    EmailAddress.objects.get_or_create(user=owner, email=owner.email, defaults={"verified": True, "primary": True})
    if password and not owner.has_usable_password():
        owner.set_password(password)
        owner.save(update_fields=["password"])


def _key(order: TenantOrder, tenant: Tenant, name: str, mode: KeyMode, actor: Actor) -> NewApiKey:
    made = create_api_key(tenant=tenant, name=name, mode=mode, actor=actor)
    if order.key_cap is not None:
        set_key_cap(tenant=tenant, key_id=made.key.pk, window=WindowKind.MONTH, amount=order.key_cap, actor=actor)
    return made
