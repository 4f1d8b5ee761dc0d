"""Who may send what: finds the caller behind a key, and obtains the hold that lets a request out.

Policies are cached by key and correct by version, not by time: a reserve carries the version that the decision was made
on, and Redis answers STALE where it is not the one that holds. A refusal that was decided on a cached policy alone is
confirmed against that version before it is given.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from budgets import end_users, keyspace, ledger
from budgets.end_users import ANONYMOUS, EndUserCaps
from budgets.inflight import InFlight
from budgets.lanes import ScriptError
from budgets.ledger import Counter, Ledger, Request, Reservation
from budgets.models import Cap
from budgets.prices import book_of
from budgets.pricing.own import PriceBook
from budgets.values import value
from budgets.windows import Windows
from proxy import metrics, refusals
from proxy.providers.base import Endpoint
from proxy.waiting import WaitingRoom
from tenants import crypto, keys, policy
from tenants.database import in_thread
from tenants.errors import PolicyUnavailable
from tenants.lookup import FoundKey, find_api_key
from tenants.models import ProviderCredential
from tenants.store import StoreUnavailable

log = logging.getLogger(__name__)

MOST_POLICIES = 120_000  # some 2.5 KB each
ATTEMPTS = 6
OPENING_SECONDS = 3.0  # how long is waited for a ledger that is being rebuilt

CapPlace = tuple[str, str]
"""Scope (`tenant`, `api_key`) and window (`month`, `day`)."""


@value
class Ask:
    """How much is to be held, nanodollars: the least that does, the most, and whether anything between does too."""

    least: int
    most: int
    between: bool = True


class PolicyChanged(Exception):
    """The policy that a decision was made on does not hold any more: decide again."""


@dataclass(slots=True)
class KeyPolicy:
    """Everything that decides about the requests of one key, as of one version of its tenant's policy."""

    tenant_id: str
    key_id: str
    mode: str
    version: int
    revoked: bool
    paused: bool
    suspended: bool
    expires_at: float | None
    """Epoch seconds."""
    allowed_models: frozenset[str]
    allowed_fields: frozenset[str]
    default_output_limit: int
    least_output_limit: int
    caps: Mapping[CapPlace, tuple[int, bool]]
    raises: Mapping[CapPlace, tuple[date, int]]
    """What holds in place of a cap in the one window that begins on a day."""
    ciphertexts: Mapping[str, str]
    """Provider secrets, encrypted, by provider."""
    requires_end_user: bool
    end_users: EndUserCaps | None
    """None: it does not count its end users."""
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    """Where those providers are that are at an address of the tenant's own."""
    prices: PriceBook | None = None
    """The tenant's own prices and discounts; None: the list's hold."""
    hold_policy: str = "bound"
    """Or `estimate`, by choice of the tenant."""
    _secrets: dict[str, str] = field(default_factory=dict)
    _counters: tuple[Windows, tuple[Counter, ...]] | None = None

    def secret(self, provider: str) -> str | None:
        """The tenant's key at a provider; None where there is none. Raises EncryptionUnavailable."""
        if provider not in self._secrets:
            if provider not in self.ciphertexts:
                return None
            self._secrets[provider] = crypto.decrypt(self.ciphertexts[provider])
        return self._secrets[provider]

    def counters(self, windows: Windows, end_user: str = "") -> tuple[Counter, ...]:
        """Every counter that a request of this key touches now, the widest scope first. `end_user`: a hash, or ''."""
        if self._counters is None or self._counters[0] is not windows:
            self._counters = (windows, tuple(self._reckon(windows)))
        if self.end_users is None:
            return self._counters[1]
        return self._counters[1] + self._of_end_user(self.end_users, windows, end_user or ANONYMOUS)

    def _of_end_user(self, caps: EndUserCaps, windows: Windows, end_user: str) -> tuple[Counter, Counter]:
        """Both windows are counted, whichever is capped: a cap that comes later finds what was spent before."""
        month, day = (
            Counter(
                "end_user",
                window,
                keyspace.user_counter(self.tenant_id, end_user, self.key_id, window.suffix),
                caps.of(end_user, str(window.kind)),
                True,
            )
            for window in (windows.month, windows.day)
        )
        return month, day

    def _reckon(self, windows: Windows) -> list[Counter]:
        month, day = windows.month, windows.day
        tenant = keyspace.tenant_counter(self.tenant_id, self.mode, month.suffix)
        places = [("tenant", month, tenant)]
        places += [
            ("api_key", window, keyspace.key_counter(self.tenant_id, self.key_id, window.suffix))
            for window in (month, day)
        ]
        counters = []
        for scope, window, key in places:
            amount, hard = self.caps.get((scope, str(window.kind)), (None, False))
            raised_on, raised_to = self.raises.get((scope, str(window.kind)), (None, None))
            if raised_on == window.first_day:
                amount = raised_to
            counters.append(Counter(scope, window, key, amount, hard))
        return counters


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


def refuse_unusable(found: KeyPolicy, now: float) -> None:
    """Raises Refusal for a key that may send nothing at all. `now`: epoch seconds."""
    if found.suspended:
        raise refusals.key_refused("tenant_suspended", "This account is suspended. Contact the operator.")
    if found.revoked:
        raise refusals.key_refused("api_key_revoked", "This API key was revoked. Use another one.")
    if found.paused:
        raise refusals.key_refused("api_key_paused", "This API key is paused. Ask whoever manages it to resume it.")
    if found.expires_at is not None and now >= found.expires_at:
        raise refusals.key_refused("api_key_expired", "This API key has expired. Use another one.")


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


class Admission:
    """Decides for one event loop, on the ledger of that loop."""

    def __init__(self, the_ledger: Ledger, inflight: InFlight, held_wait: float, waiters: int = 256) -> None:
        """`held_wait`: how many seconds a request may wait for what others hold, and how many of a tenant's at once."""
        self.policies = Policies()
        self.room = WaitingRoom(held_wait, waiters)
        self._ledger, self._inflight = the_ledger, inflight

    async def caller(self, secret: str) -> KeyPolicy:
        """The policy behind a key. Raises Refusal; one that a newer policy might not give is confirmed by `confirm`."""
        found = await self.policies.find(secret)
        if found is None:
            raise refusals.invalid_api_key()
        refuse_unusable(found, self._ledger.lane.now())
        return found

    async def confirm(self, secret: str) -> None:
        """Return if the cached policy of this key is the one that holds. Raises PolicyChanged or LedgerUnavailable."""
        known = await self.policies.find(secret)
        if known is None:
            return
        lane = self._ledger.lane
        try:
            run_id, version, fence = await lane.command(
                "HMGET", keyspace.policy(known.tenant_id), "run_id", "version", "fence"
            )
        except (StoreUnavailable, ScriptError) as error:
            raise ledger.LedgerUnavailable(str(error)) from error
        if fence:
            await self._heal(known, str(fence, "ascii").split())
        elif run_id is None or str(run_id, "ascii") != lane.run_id_at(keyspace.policy(known.tenant_id)):
            await self.recover(known.tenant_id)
        elif int(version or 0) == known.version:
            return
        else:
            await self._reload(secret, int(version or 0))
            raise PolicyChanged
        self.policies.forget(secret)
        raise PolicyChanged

    async def admit(
        self, secret: str, caller: KeyPolicy, request: Request, ask: Ask, *, waited: bool = False
    ) -> Reservation:
        """The hold for a request; where it would fit but for what others hold, after waiting in line for a while.

        `waited`: it has done that already. Raises CapExceeded, PolicyChanged, LedgerUnavailable.
        """
        if self._inflight.full(caller.tenant_id):
            raise ledger.LedgerUnavailable("too much waits to be written to the database")
        self._inflight.admitting(caller.tenant_id)
        if waited:
            return await self._hold(secret, caller, request, ask)
        if self.room.busy(caller.tenant_id):
            counters = caller.counters(self._ledger.windows(), request.end_user)
            if wall := self.room.wall_before(caller.tenant_id, (counter.key for counter in counters)):
                return await self._queue(wall, None, secret, caller, request, ask)
        try:
            return await self._hold(secret, caller, request, ask)
        except ledger.CapExceeded as error:
            if not error.held_only:
                raise
            refused = error
        return await self._queue(refused.counter.key, refused, secret, caller, request, ask)

    async def _queue(
        self,
        wall: str,
        refused: ledger.CapExceeded | None,
        secret: str,
        caller: KeyPolicy,
        request: Request,
        ask: Ask,
    ) -> Reservation:
        """Wait in line before a wall; `refused` None: not tried yet, as others stood there already."""
        with self.room.place(caller.tenant_id, wall) as place:
            while place is not None and await place.turn():
                try:
                    return await self._hold(secret, caller, request, ask)
                except ledger.CapExceeded as error:
                    if not error.held_only:
                        raise
                    refused = error
        if refused is not None:
            raise refused
        return await self._hold(secret, caller, request, ask)  # nobody is refused unasked

    async def _hold(self, secret: str, caller: KeyPolicy, request: Request, ask: Ask) -> Reservation:
        """The hold, at once or not at all. Raises as `admit` does."""
        hold = ledger.hold_id()
        patience = asyncio.get_running_loop().time() + OPENING_SECONDS
        for _ in range(ATTEMPTS):
            windows = self._ledger.windows()
            asked = time.monotonic()
            try:
                reservation = await self._ledger.reserve(
                    request,
                    caller.counters(windows, request.end_user),
                    day=windows.day,
                    version=caller.version,
                    least=ask.least,
                    most=ask.most,
                    between=ask.between,
                    hold=hold,
                    building=self._inflight.building(caller.tenant_id),
                )
            except ledger.PolicyStale as stale:
                await self._reload(secret, stale.version)
                raise PolicyChanged from None
            except ledger.PolicyFenced as error:
                await self._heal(caller, error.tokens)
                self.policies.forget(secret)
                raise PolicyChanged from None
            except ledger.WindowMoved:
                pass
            except ledger.LedgerOpening as error:
                if asyncio.get_running_loop().time() + error.wait > patience:
                    raise
                await asyncio.sleep(error.wait)
            except ledger.LedgerCold:
                await self.recover(caller.tenant_id)
            except ledger.HoldGone as error:
                raise ledger.LedgerUnavailable(f"the hold has ended: {error}") from error
            except ledger.LedgerUnavailable:
                self._inflight.disown(caller.tenant_id, hold, b"")
                raise
            except asyncio.CancelledError:
                self._inflight.disown(caller.tenant_id, hold, b"")
                raise
            else:
                metrics.numbers.reserve.observe(time.monotonic() - asked)
                self._inflight.opened(reservation)
                return reservation
        raise ledger.LedgerUnavailable("the ledger did not come to rest")

    async def renewed(self, secret: str, published: int) -> KeyPolicy:
        """The policy of a key after another version of it was published. Raises Refusal, LedgerUnavailable."""
        await self._reload(secret, published)
        return await self.caller(secret)

    async def _reload(self, secret: str, published: int) -> None:
        """Load a policy again. Where the database says another version than Redis and no fence stands (a database put
        back from a backup, a published version lost), both are brought together first."""
        self.policies.forget(secret)
        fresh = await self.policies.find(secret)
        if fresh is not None and fresh.version != published:
            await self._heal(fresh, [])
            self.policies.forget(secret)

    async def _heal(self, caller: KeyPolicy, tokens: list[str]) -> None:
        try:
            await in_thread(policy.heal, caller.tenant_id, tokens)
        except PolicyUnavailable as error:
            raise ledger.LedgerUnavailable(str(error)) from error

    async def recover(self, tenant_id: str) -> None:
        """Build a tenant's counters again, and show what is in flight here. Raises LedgerUnavailable."""
        try:
            await self._inflight.recover(tenant_id)
        except ledger.LedgerUnavailable:
            raise
        except (StoreUnavailable, ScriptError, ledger.LedgerError) as error:
            raise ledger.LedgerUnavailable(str(error)) from error
