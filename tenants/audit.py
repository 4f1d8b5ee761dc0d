"""Who did it, and the row that says so. Every change in every app is recorded through here, in its own transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tenants.models import AuditEvent, ManagementToken, Tenant, User

# {"field": [from, to]}; money as USD strings (`budgets.money.format_usd`), times as ISO 8601, never a secret.
Changes = Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change, and from which address."""

    kind: Literal["user", "token", "operator", "rule"]
    label: str
    address: str | None = None
    user: User | None = None

    @classmethod
    def of_user(cls, user: User, address: str | None = None) -> "Actor":
        return cls("user", user.email, address, user)

    @classmethod
    def of_token(cls, token: ManagementToken, address: str | None = None) -> "Actor":
        # The word before the name, so that a token called like a person's e-mail does not pass for that person.
        return cls("token", f"token {token.name}", address)

    @classmethod
    def operator(cls, user: User | None = None, address: str | None = None) -> "Actor":
        """The command line, or a member of the staff at /admin/ (whose name is for the operator's eyes only)."""
        return cls("operator", "operator", address, user)

    @classmethod
    def of_rule(cls, name: str) -> "Actor":
        """Nobody at that moment: a rule that somebody has set."""
        return cls("rule", name)


def record(
    tenant: Tenant | None,
    actor: Actor,
    action: str,
    *,
    target_id: str = "",
    target: str = "",
    changes: Changes | None = None,
) -> AuditEvent:
    """Add one event. `action` is `thing.happened`; `target` is how people call it; tenant None: the operator's own."""
    return AuditEvent.objects.create(
        tenant=tenant,
        actor=actor.user,
        actor_label=actor.label[:254],
        address=actor.address,
        action=action,
        target_id=target_id,
        target_label=target[:120],
        changes={field: [_plain(before), _plain(after)] for field, (before, after) in (changes or {}).items()},
    )


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
