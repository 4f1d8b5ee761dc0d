"""What decides about the requests of one key: its limits, its tenant's caps, where its providers are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from budgets import keyspace
from budgets.claims import Claim, Counter, Request
from budgets.end_users import ANONYMOUS, EndUserCaps
from budgets.ledger import Ledger
from budgets.pricing.own import PriceBook
from budgets.pricing.rates import Model
from budgets.windows import Windows
from proxy import refusals
from proxy.providers.base import Endpoint
from tenants import crypto

MOST_CLAIMS = 64  # some 2 KB each: as many models and endpoints as one key is used for

CapPlace = tuple[str, str]
"""Scope (`tenant`, `api_key`) and window (`month`, `day`)."""


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
    _requests: dict[tuple[str, str, str, bool, Model], Request] = field(default_factory=dict)
    _claims: dict[Request, Claim] = field(default_factory=dict)
    """Of the windows of `_counters`. Both are of requests for nobody in particular."""

    def secret(self, provider: str) -> str | None:
        """The tenant's key at a provider; None where there is none. Raises EncryptionUnavailable."""
        if provider not in self._secrets:
            if provider not in self.ciphertexts:
                return None
            self._secrets[provider] = crypto.decrypt(self.ciphertexts[provider])
        return self._secrets[provider]

    def request(self, provider: str, endpoint: str, name: str, end_user: str, model: Model, *, stream: bool) -> Request:
        """`name`: the model's as the client wrote it."""
        alike = (provider, endpoint, name, stream, model)
        if not end_user and (known := self._requests.get(alike)) is not None:
            return known
        request = Request(
            tenant_id=self.tenant_id,
            key_id=self.key_id,
            mode=self.mode,
            provider=provider,
            model=name,
            endpoint=endpoint,
            end_user=end_user,
            stream=stream,
            price=tuple(model.rates.given().items()),
            price_source=model.source,
            price_since=model.since.isoformat() if model.since else "",
            own_price=model.own,
        )
        if not end_user:
            if len(self._requests) >= MOST_CLAIMS:
                self._requests.clear()
            self._requests[alike] = request
        return request

    def claim(self, ledger: Ledger, windows: Windows, request: Request) -> Claim:
        """What such a request asks of the ledger now, whatever its amount."""
        counters = self.counters(windows, request.end_user)
        if (known := self._claims.get(request)) is not None:
            return known
        claim = ledger.claim(request, counters, day=windows.day, version=self.version)
        if self.end_users is None and not request.end_user:
            if len(self._claims) >= MOST_CLAIMS:
                self._claims.clear()
            self._claims[request] = claim
        return claim

    def counters(self, windows: Windows, end_user: str = "") -> tuple[Counter, ...]:
        """Every counter that a request of this key touches now, the widest scope first. `end_user`: a hash, or ''."""
        if self._counters is None or self._counters[0] is not windows:
            self._counters = (windows, tuple(self._reckon(windows)))
            self._claims.clear()
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
