"""Who an application acts for, as the ledger keeps it: told apart, not known."""

import hashlib


def end_user_hash(tenant_id: str, end_user: str) -> str:
    """What a usage record says for the `user` of a request. Another tenant's user of the same name is another hash."""
    return hashlib.sha256(f"{tenant_id}\0{end_user}".encode()).hexdigest()[:24]
