"""The people of a company as rows, and what their roles mean in words."""

from dataclasses import dataclass

from allauth.mfa.models import Authenticator

from tenants.models import Membership, Role, Tenant, User

DOES = {
    Role.OWNER: "everything, people too",
    Role.ADMIN: "changes caps, settings and everybody's keys, not people",
    Role.MEMBER: "makes keys of their own, and reads",
    Role.VIEWER: "reads",
}
CHOICES = [(role.value, f"{role.label}: {does}") for role, does in DOES.items()]
_FACTORS = {Authenticator.Type.WEBAUTHN: "passkey", Authenticator.Type.TOTP: "authenticator app"}
_RANK = {role.value: rank for rank, role in enumerate(DOES)}


@dataclass(frozen=True, slots=True)
class Person:
    """`second_factor`: `passkey`, `authenticator app`, both; empty for none."""

    user: User
    role: str
    role_name: str
    does: str
    second_factor: str
    is_you: bool


def people(tenant: Tenant, you: User) -> list[Person]:
    """Owners first, then by role, then by e-mail."""
    members = list(Membership.objects.filter(tenant=tenant).select_related("user"))
    factors = _second_factors([member.user_id for member in members])
    rows = [_person(member, factors.get(member.user_id, ""), you) for member in members]
    return sorted(rows, key=lambda row: (_RANK[row.role], row.user.email))


def _person(member: Membership, second_factor: str, you: User) -> Person:
    role = Role(member.role)
    return Person(member.user, member.role, role.label, DOES[role], second_factor, member.user_id == you.pk)


def _second_factors(user_ids: list[int]) -> dict[int, str]:
    found: dict[int, list[str]] = {}
    kinds = Authenticator.objects.filter(user_id__in=user_ids, type__in=_FACTORS)
    for user_id, kind in kinds.values_list("user_id", "type").distinct().order_by("user_id", "-type"):
        found.setdefault(user_id, []).append(_FACTORS[kind])
    return {user_id: " and ".join(names) for user_id, names in found.items()}
