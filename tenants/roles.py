"""What each role may do. Pure: views, API and pages ask here and nowhere else."""

from enum import StrEnum

from tenants.models import Role


class Action(StrEnum):
    READ = "read"  # every page of the tenant: spend, keys, alerts, team, audit log
    MANAGE_OWN_KEYS = "manage_own_keys"  # create keys; change, rotate and revoke those that one created
    MANAGE_KEYS = "manage_keys"  # everybody's keys, and their caps
    CHANGE_BUDGET = "change_budget"  # the tenant's caps and the toggle
    CHANGE_SETTINGS = "change_settings"
    MANAGE_PROVIDERS = "manage_providers"
    MANAGE_ALERTS = "manage_alerts"
    MANAGE_TOKENS = "manage_tokens"  # management tokens of the REST API
    MANAGE_PEOPLE = "manage_people"
    DELETE_TENANT = "delete_tenant"


_VIEWER = frozenset({Action.READ})
_MEMBER = _VIEWER | {Action.MANAGE_OWN_KEYS}
_ADMIN = _MEMBER | {
    Action.MANAGE_KEYS,
    Action.CHANGE_BUDGET,
    Action.CHANGE_SETTINGS,
    Action.MANAGE_PROVIDERS,
    Action.MANAGE_ALERTS,
    Action.MANAGE_TOKENS,
}
_OWNER = _ADMIN | {Action.MANAGE_PEOPLE, Action.DELETE_TENANT}

_ALLOWED: dict[str, frozenset[Action]] = {
    Role.VIEWER: _VIEWER,
    Role.MEMBER: _MEMBER,
    Role.ADMIN: _ADMIN,
    Role.OWNER: _OWNER,
}


def may(role: str | None, action: Action) -> bool:
    """`role` None is somebody who is no member: nothing."""
    return action in _ALLOWED.get(role or "", frozenset())


def may_manage_key(role: str | None, *, own: bool) -> bool:
    """Change, rotate or revoke a key; `own`: the asker created it."""
    return may(role, Action.MANAGE_KEYS) or (own and may(role, Action.MANAGE_OWN_KEYS))
