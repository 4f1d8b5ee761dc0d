"""Try it: requests of a visitor's own test key, sent from the page to our own metered route.

The key is made for the purpose, with a small cap and a short life; its secret is kept in the session, encrypted, and
never reaches the browser. The way is the one that every application takes: what comes back is the very reply.
"""

import ipaddress
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

import httpx
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import timezone

from budgets.money import NANO
from budgets.services import set_key_cap
from budgets.windows import WindowKind
from tenants import crypto, policy
from tenants.errors import EncryptionUnavailable, KeyNotActive, NotFound
from tenants.models import ApiKey, KeyMode, Tenant
from tenants.services import Actor, create_api_key, revoke_api_key

NAME = "playground"
CAP = 5 * NANO // 100
LIFE = timedelta(hours=12)
MODEL = "gpt-4o"
SMALL_REPLY, LARGE_REPLY = 120, 1_000  # output tokens; five large ones meet the cap
MOST_TRIES = 40
MOST_LISTED = 8
MOST_SHOWN = 4_000  # characters of a reply
TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Try:
    """One request. `cost` and `left` as the reply's headers say them, in USD; `body` is the reply itself."""

    status: int
    cost: str
    left: str
    code: str
    body: str

    @property
    def refused(self) -> bool:
        return self.code == "budget_cap_exceeded"

    @property
    def dollars(self) -> str:
        return f"${self.cost}"

    @property
    def left_dollars(self) -> str:
        return f"${self.left}"


@dataclass(slots=True)
class Playground:
    """What a visitor's session keeps of it: the key, its secret (encrypted), the requests so far."""

    key_id: str
    secret: str = field(repr=False)
    tries: list[Try] = field(default_factory=list)

    @property
    def last(self) -> Try | None:
        return self.tries[-1] if self.tries else None

    @property
    def shown(self) -> list[Try]:
        """The last few, newest first."""
        return self.tries[: -MOST_LISTED - 1 : -1]

    @property
    def at_the_wall(self) -> bool:
        return self.last is not None and self.last.refused

    def key(self, tenant: Tenant) -> ApiKey | None:
        """None once it is revoked or its time is over."""
        key = ApiKey.objects.filter(tenant=tenant, pk=self.key_id, revoked_at=None).first()
        return key if key is not None and (key.expires_at is None or key.expires_at > timezone.now()) else None


def _slot(tenant: Tenant) -> str:
    return f"playground:{tenant.pk}"


def load(session: SessionBase, tenant: Tenant) -> Playground | None:
    kept = session.get(_slot(tenant))
    if kept is None:
        return None
    return Playground(kept["key_id"], kept["secret"], [Try(**each) for each in kept["tries"]])


def save(session: SessionBase, tenant: Tenant, playground: Playground) -> None:
    """Of the replies, only the last is kept: a session is no archive."""
    kept = playground.tries[-MOST_TRIES:]
    tries = [asdict(each if each is playground.last else replace(each, body="")) for each in kept]
    session[_slot(tenant)] = {"key_id": playground.key_id, "secret": playground.secret, "tries": tries}


def open_new(session: SessionBase, tenant: Tenant, actor: Actor) -> Playground:
    """A new key with an untouched cap; the one before it is revoked. Raises TenantError."""
    before = load(session, tenant)
    if before is not None:
        _revoke(tenant, before.key_id, actor)
    with policy.within(tenant) as locked:
        made = create_api_key(
            tenant=locked, name=NAME, mode=KeyMode.TEST, actor=actor, expires_at=timezone.now() + LIFE
        )
        set_key_cap(tenant=locked, key_id=made.key.pk, window=WindowKind.MONTH, amount=CAP, actor=actor)
        playground = Playground(made.key.pk, crypto.encrypt(made.secret))
    save(session, tenant, playground)
    return playground


def _revoke(tenant: Tenant, key_id: str, actor: Actor) -> None:
    try:
        revoke_api_key(tenant=tenant, key_id=key_id, actor=actor)
    except (KeyNotActive, NotFound):
        return  # somebody did it on the keys page: what was wanted


def send(request: HttpRequest, playground: Playground, prompt: str, *, large: bool) -> Try:
    """One request over loopback to our own route. Raises httpx.HTTPError, EncryptionUnavailable."""
    output = LARGE_REPLY if large else SMALL_REPLY
    reply = httpx.post(
        f"{_own_address(request)}/v1/chat/completions",
        headers={
            "authorization": f"Bearer {crypto.decrypt(playground.secret)}",
            "x-tokonomics-sandbox": f"output={output}",
        },
        json={"model": MODEL, "messages": [{"role": "user", "content": prompt}], "max_tokens": output},
        timeout=TIMEOUT,
        trust_env=False,
    )
    tried = Try(
        status=reply.status_code,
        cost=reply.headers.get("x-tokonomics-cost-usd", ""),
        left=reply.headers.get("x-tokonomics-budget-remaining-usd", ""),
        code=_code(reply),
        body=_verbatim(reply),
    )
    playground.tries.append(tried)
    return tried


def _own_address(request: HttpRequest) -> str:
    """The socket that this very request came in on. Never the Host header, which the visitor writes."""
    host, port = request.META["SERVER_NAME"], request.META["SERVER_PORT"]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://127.0.0.1:{port}"
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def _code(reply: httpx.Response) -> str:
    if reply.is_success:
        return ""
    try:
        body: Any = reply.json()
        return str(body["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "unreadable"


def _verbatim(reply: httpx.Response) -> str:
    """The body as it came, on lines of their own; cut where it is very long."""
    try:
        text = json.dumps(reply.json(), indent=2, ensure_ascii=False)
    except ValueError:
        text = reply.text
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


__all__ = ["EncryptionUnavailable", "Playground", "Try", "load", "open_new", "save", "send"]
