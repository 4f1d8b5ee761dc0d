"""The policies of keys: read from the database, kept by secret until something says that they have changed."""

import asyncio
from collections import OrderedDict
from datetime import date

from budgets import end_users
from budgets.models import Cap
from budgets.prices import book_of
from proxy.key_policy import CapPlace, KeyPolicy
from proxy.providers.base import Endpoint
from tenants import keys, policy
from tenants.database import in_thread
from tenants.lookup import FoundKey, find_api_key
from tenants.models import ProviderCredential

MOST_POLICIES = 120_000  # some 12 KB each, once used


def load_policy(digest: str) -> KeyPolicy | None:
    """From the database; None for a key that it does not know. Read twice where a change came in between."""
    while True:
        found = find_api_key(digest)
        if found is None:
            return None
        loaded = _policy_of(found)
        if policy.current(loaded.tenant_id) == loaded.version:
            return loaded


def _policy_of(found: FoundKey) -> KeyPolicy:
    key, tenant = found.key, found.key.tenant
    caps: dict[CapPlace, tuple[int, bool]] = {}
    raises: dict[CapPlace, tuple[date, int]] = {}
    for cap in Cap.objects.filter(tenant=tenant):
        if cap.api_key_id != key.pk and (cap.api_key_id is not None or cap.mode != key.mode):
            continue
        place = ("api_key" if cap.api_key_id else "tenant", cap.window)
        caps[place] = (cap.amount, cap.hard)
        if cap.raised_on is not None and cap.raised_to is not None:
            raises[place] = (cap.raised_on, cap.raised_to)
    credentials = list(tenant.provider_credentials.all())
    return KeyPolicy(
        tenant_id=tenant.pk,
        key_id=key.pk,
        mode=key.mode,
        version=tenant.policy_version,
        revoked=key.revoked_at is not None,
        paused=key.paused_at is not None,
        suspended=tenant.suspended_at is not None,
        expires_at=found.expires_at.timestamp() if found.expires_at else None,
        allowed_models=frozenset(key.allowed_models),
        allowed_fields=frozenset(tenant.allowed_fields),
        default_output_limit=key.default_output_limit or tenant.default_output_limit,
        least_output_limit=tenant.least_output_limit,
        hold_policy=tenant.hold_policy,
        caps=caps,
        raises=raises,
        ciphertexts={each.provider: each.ciphertext for each in credentials},
        endpoints={each.provider: _endpoint(each) for each in credentials if each.base_url},
        prices=book_of(tenant.pk),
        requires_end_user=key.requires_end_user,
        end_users=end_users.caps_of(key.pk),
    )


def _endpoint(credential: ProviderCredential) -> Endpoint:
    deployments = tuple(sorted(credential.deployments.items()))
    return Endpoint(credential.provider, credential.base_url, credential.api_version, deployments)


class Policies:
    """The bounded cache of key policies; look-ups of one key are made once at a time."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, KeyPolicy] = OrderedDict()
        self._loading: dict[str, asyncio.Task[KeyPolicy | None]] = {}

    async def find(self, secret: str) -> KeyPolicy | None:
        """The policy of a key as far as this process knows it; None for a key that does not exist."""
        if (known := self._known.get(secret)) is not None:
            return known
        if not keys.looks_minted(secret):
            return None
        if (loading := self._loading.get(secret)) is None:
            loading = self._loading[secret] = asyncio.create_task(in_thread(load_policy, keys.digest(secret)))
            loading.add_done_callback(lambda _: self._loading.pop(secret, None))
        loaded = await asyncio.shield(loading)
        if loaded is not None:
            self._known[secret] = loaded
            while len(self._known) > MOST_POLICIES:
                self._known.popitem(last=False)
        return loaded

    def known(self, secret: str) -> KeyPolicy | None:
        """What is in the cache: for telling whose key it was, not for deciding."""
        return self._known.get(secret)

    def forget(self, secret: str) -> None:
        self._known.pop(secret, None)
