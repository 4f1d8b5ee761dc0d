"""What each role may do, written out."""

import pytest

from tenants.models import Role
from tenants.roles import Action, may, may_manage_key

MAY = {
    Role.VIEWER: {Action.READ},
    Role.MEMBER: {Action.READ, Action.MANAGE_OWN_KEYS},
    Role.ADMIN: set(Action) - {Action.MANAGE_PEOPLE, Action.DELETE_TENANT},
    Role.OWNER: set(Action),
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_a_role_may_do_what_is_written_here_and_nothing_else(role: Role, action: Action) -> None:
    assert may(role, action) == (action in MAY[role])
    assert may(str(role.value), action) == may(role, action)


@pytest.mark.parametrize("nobody", [None, "", "admins", "superuser"])
def test_who_is_no_member_may_do_nothing(nobody: str | None) -> None:
    assert not any(may(nobody, action) for action in Action)
    assert not may_manage_key(nobody, own=True)


@pytest.mark.parametrize(
    ("role", "own", "expected"),
    [("viewer", True, False), ("member", True, True), ("member", False, False), ("admin", False, True)],
)
def test_a_member_manages_keys_of_their_own_only(role: str, own: bool, expected: bool) -> None:
    assert may_manage_key(role, own=own) is expected
