"""Every write of "who". Keyword-only, typed; each records an AuditEvent by its Actor.

What a proxy must obey goes through `policy.within(tenant)`: with an ordinary Tenant it is one change of its own; with
the locked one that `policy.change` or `founding` yields, several services join into one.
"""

from tenants.audit import Actor
from tenants.services.api_keys import (
    NewApiKey,
    active_key,
    create_api_key,
    pause_api_key,
    resume_api_key,
    revoke_api_key,
    rotate_api_key,
    stop_retired_secrets,
    update_api_key,
)
from tenants.services.companies import Founded, create_tenant, founding, resume_tenant, suspend_tenant, update_tenant
from tenants.services.invitations import (
    InvitationClosed,
    InvitedSomebodyElse,
    NewInvitation,
    accept_invitation,
    find_invitation,
    invite,
    open_invitations,
    withdraw_invitation,
)
from tenants.services.people import NewPerson, add_member, change_role, check_password, register, remove_member
from tenants.services.providers import (
    record_provider_test,
    reencrypt_credentials,
    remove_provider_credential,
    set_provider_credential,
)
from tenants.services.tokens import NewManagementToken, create_management_token, revoke_management_token
from tenants.services.values import UNSET, Unset

__all__ = [
    "UNSET",
    "Actor",
    "Founded",
    "InvitationClosed",
    "InvitedSomebodyElse",
    "NewApiKey",
    "NewInvitation",
    "NewManagementToken",
    "NewPerson",
    "Unset",
    "accept_invitation",
    "active_key",
    "add_member",
    "change_role",
    "check_password",
    "create_api_key",
    "create_management_token",
    "create_tenant",
    "find_invitation",
    "founding",
    "invite",
    "open_invitations",
    "pause_api_key",
    "record_provider_test",
    "reencrypt_credentials",
    "register",
    "remove_member",
    "remove_provider_credential",
    "resume_api_key",
    "resume_tenant",
    "revoke_api_key",
    "revoke_management_token",
    "rotate_api_key",
    "set_provider_credential",
    "stop_retired_secrets",
    "suspend_tenant",
    "update_api_key",
    "update_tenant",
    "withdraw_invitation",
]
