"""Tenants themselves: founded, changed, suspended."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from tenants import policy
from tenants.audit import Actor, record
from tenants.errors import Conflict, InvalidValue
from tenants.models import HoldPolicy, Role, Tenant, User
from tenants.services import values
from tenants.services.people import NewPerson, add_member, register
from tenants.slugs import checked_slug, unique_slug

_CHECKS: dict[str, Callable[[Any], object]] = {
    "name": lambda value: values.name("name", value, longest=100, what="the company"),
    "slug": checked_slug,
    "default_output_limit": lambda value: values.output_limit("default_output_limit", value),
    "least_output_limit": lambda value: values.output_limit("least_output_limit", value),
    "hold_policy": lambda value: values.one_of("hold_policy", value, HoldPolicy.values),
    "allowed_fields": lambda value: values.words("allowed_fields", value, what="fields"),
    "time_zone": lambda value: values.time_zone("time_zone", value),
}


@dataclass(frozen=True, slots=True)
class Founded:
    """A tenant whose transaction is still open; `actor` is who founds it."""

    tenant: Tenant
    owner: User
    actor: Actor


@contextmanager
def founding(
    *, name: str, owner: User | NewPerson, actor: Actor | None = None, address: str | None = None
) -> Iterator[Founded]:
    """A new tenant with its owner, open for more (keys, caps, providers) in the same transaction: all of it or nothing.

    `actor` None: the owner founds it, from `address`. Raises InvalidValue, EmailTaken, PolicyUnavailable.
    """
    name = values.name("name", name, longest=100, what="the company")
    with policy.founding():
        user = register(owner) if isinstance(owner, NewPerson) else owner
        actor = actor or Actor.of_user(user, address)
        tenant = _with_free_slug(name)
        with policy.newborn(tenant):
            record(tenant, actor, "tenant.created", target_id=tenant.pk, target=name, changes={"name": (None, name)})
            add_member(tenant=tenant, user=user, role=Role.OWNER, actor=actor)
            yield Founded(tenant, user, actor)


def create_tenant(
    *, name: str, owner: User | NewPerson, actor: Actor | None = None, address: str | None = None
) -> Tenant:
    """A tenant with an owner and nothing else."""
    with founding(name=name, owner=owner, actor=actor, address=address) as founded:
        return founded.tenant


def update_tenant(
    *,
    tenant: Tenant,
    actor: Actor,
    name: str | None = None,
    slug: str | None = None,
    default_output_limit: int | None = None,
    least_output_limit: int | None = None,
    hold_policy: str | None = None,
    allowed_fields: Sequence[str] | None = None,
    time_zone: str | None = None,
) -> Tenant:
    """Change what is given; None leaves it. Raises InvalidValue, SlugTaken, PolicyUnavailable."""
    asked = {
        "name": name,
        "slug": slug,
        "default_output_limit": default_output_limit,
        "least_output_limit": least_output_limit,
        "hold_policy": hold_policy,
        "allowed_fields": allowed_fields,
        "time_zone": time_zone,
    }
    with policy.within(tenant) as locked:
        new = {field: value for field, value in asked.items() if value not in (None, getattr(locked, field))}
        changes = values.assign(locked, **{field: _CHECKS[field](value) for field, value in new.items()})
        if locked.least_output_limit > locked.default_output_limit:
            raise InvalidValue("least_output_limit", "Enter a least output limit that is not above the usual one.")
        if changes:
            record(locked, actor, "tenant.changed", target_id=locked.pk, target=locked.name, changes=changes)
    return locked


def suspend_tenant(*, tenant: Tenant, actor: Actor) -> Tenant:
    """Refuse every request of the tenant from the next one on; its pages stay open."""
    with policy.within(tenant) as locked:
        if locked.suspended_at is not None:
            raise Conflict("This company is suspended already.")
        changes = values.assign(locked, suspended_at=timezone.now())
        record(locked, actor, "tenant.suspended", target_id=locked.pk, target=locked.name, changes=changes)
    return locked


def resume_tenant(*, tenant: Tenant, actor: Actor) -> Tenant:
    with policy.within(tenant) as locked:
        if locked.suspended_at is None:
            raise Conflict("This company is not suspended.")
        changes = values.assign(locked, suspended_at=None)
        record(locked, actor, "tenant.resumed", target_id=locked.pk, target=locked.name, changes=changes)
    return locked


def _with_free_slug(name: str) -> Tenant:
    """Somebody may take the slug between the question and the row: ask again, with another."""
    for _ in range(3):
        try:
            with transaction.atomic():
                return Tenant.objects.create(name=name, slug=unique_slug(name))
        except IntegrityError:
            continue
    raise Conflict("Many companies of this name are being created just now. Try again.")
