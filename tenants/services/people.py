"""People: accounts, who belongs to a tenant, and in which role."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from tenants.audit import Actor, Changes, record
from tenants.errors import AlreadyMember, EmailTaken, InvalidValue, LastOwner, NotFound
from tenants.models import Membership, Role, Tenant, User
from tenants.services import values


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody without an account yet. Without a password they set one by the link that "Forgot?" sends.

    `any_password`: the operator answers for it; no rule is applied.
    """

    email: str
    password: str | None = field(default=None, repr=False)
    any_password: bool = False


def register(person: NewPerson) -> User:
    """Make the account. Raises InvalidValue, and EmailTaken in any case of letters."""
    email = values.email("email", person.email)
    if person.password is not None and not person.any_password:
        check_password("password", person.password, User(email=email))
    try:
        with transaction.atomic():
            return User.objects.create_user(email, person.password)
    except IntegrityError as error:
        raise EmailTaken from error


def check_password(field: str, password: str, user: User) -> None:
    """Raises InvalidValue with what the password lacks."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidValue(field, " ".join(error.messages)) from error


def add_member(*, tenant: Tenant, user: User, role: Role, actor: Actor) -> Membership:
    with _people_of(tenant):
        membership, is_new = Membership.objects.get_or_create(tenant=tenant, user=user, defaults={"role": role})
        if not is_new:
            raise AlreadyMember(user.email)
        _record(membership, actor, "member.added", {"role": (None, role.value)})
    return membership


def change_role(*, tenant: Tenant, user_id: int, role: Role, actor: Actor) -> Membership:
    """Raises LastOwner where nobody would be left to manage people."""
    with _people_of(tenant):
        membership = _membership(tenant, user_id)
        before = membership.role
        if before != role:
            if before == Role.OWNER:
                _keep_an_owner(membership)
            membership.role = role.value
            membership.save(update_fields=["role"])
            _record(membership, actor, "member.role_changed", {"role": (before, role.value)})
    return membership


def remove_member(*, tenant: Tenant, user_id: int, actor: Actor) -> None:
    """Raises LastOwner. The keys that they created stay: applications depend on them."""
    with _people_of(tenant):
        membership = _membership(tenant, user_id)
        if membership.role == Role.OWNER:
            _keep_an_owner(membership)
        _record(membership, actor, "member.removed", {"role": (membership.role, None)})
        membership.delete()


@contextmanager
def _people_of(tenant: Tenant) -> Iterator[None]:
    """One at a time a tenant: two owners who leave at the same moment would each see the other stay."""
    with transaction.atomic():
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        yield


def _membership(tenant: Tenant, user_id: int) -> Membership:
    membership = Membership.objects.select_related("user").filter(tenant=tenant, user_id=user_id).first()
    if membership is None:
        raise NotFound("This person is no member.")
    return membership


def _keep_an_owner(leaving: Membership) -> None:
    if not Membership.objects.filter(tenant=leaving.tenant_id, role=Role.OWNER).exclude(pk=leaving.pk).exists():
        raise LastOwner


def _record(membership: Membership, actor: Actor, action: str, changes: Changes) -> None:
    user = membership.user
    record(membership.tenant, actor, action, target_id=str(user.pk), target=user.email, changes=changes)
