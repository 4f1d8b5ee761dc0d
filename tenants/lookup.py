"""Find who a secret belongs to, by its digest. The proxy keeps what it finds under the tenant's policy version."""

from dataclasses import dataclass
from datetime import datetime

from tenants.models import ApiKey, RetiredSecret


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, and until when the secret that was shown opens it (None: no end). Whether it is revoked the key says."""

    key: ApiKey
    expires_at: datetime | None


def find_api_key(digest: str) -> FoundKey | None:
    """By the SHA-256 of the secret as it is now, or as it was before a rotation whose overlap may last still."""
    key = ApiKey.objects.select_related("tenant").filter(digest=digest).first()
    if key is not None:
        return FoundKey(key, key.expires_at)
    retired = RetiredSecret.objects.select_related("api_key__tenant").filter(digest=digest).first()
    if retired is None:
        return None
    key = retired.api_key
    return FoundKey(key, min(retired.expires_at, key.expires_at or retired.expires_at))
