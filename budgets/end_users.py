"""Who an application acts for, as the ledger keeps it: told apart, not known. And what each of them may spend."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from budgets.models import EndUserCap

ANONYMOUS = "anonymous"
"""In the place of a hash: whoever a request names nobody for. They share the cap of one end user."""

LONGEST_NAME = 256
"""Characters of a name that an end user is given a cap by, or that the header carries."""

_HASH = re.compile(rf"[0-9a-f]{{24}}|{ANONYMOUS}")

HEADER = "X-Tokonomics-User"
"""Names the end user where the body does not, or otherwise. It stays with us: no provider gets it."""


def end_user_hash(tenant_id: str, end_user: str) -> str:
    """What a usage record says for the `user` of a request. Another tenant's user of the same name is another hash."""
    return hashlib.sha256(f"{tenant_id}\0{end_user}".encode()).hexdigest()[:24]


def is_hash(text: str) -> bool:
    """Whether it is what rows call an end user by. A name may look the same: it is then taken for a hash."""
    return _HASH.fullmatch(text) is not None


def name_in_header(value: str) -> str:
    """Servers read headers as Latin-1; a name in UTF-8 is the same name as in a body."""
    name = value.strip()
    if name.isascii():
        return name
    try:
        return name.encode("latin-1").decode()
    except UnicodeError:
        return name


@dataclass(frozen=True, slots=True)
class EndUserCaps:
    """What the end users of one key may spend, nanodollars by window.

    each    what any of them may; a window that is not named has no cap
    named   what holds in its place for some, by hash (or ANONYMOUS)
    """

    each: Mapping[str, int]
    named: Mapping[str, Mapping[str, int]]

    def of(self, end_user: str, window: str) -> int | None:
        """The cap of one end user; None for none."""
        own = self.named.get(end_user)
        if own is not None and window in own:
            return own[window]
        return self.each.get(window)


def caps_of(key_id: str) -> EndUserCaps | None:
    """None: this key does not count its end users."""
    each: dict[str, int] = {}
    named: dict[str, dict[str, int]] = {}
    for cap in EndUserCap.objects.filter(api_key_id=key_id):
        own = named.setdefault(cap.end_user, {}) if cap.end_user else each
        own[cap.window] = cap.amount
    return EndUserCaps(each, named) if each or named else None


def caps_of_each(key_ids: Iterable[str]) -> dict[str, dict[str, int]]:
    """What each end user of these keys may spend, nanodollars by window; keys without such caps are left out."""
    found: dict[str, dict[str, int]] = {}
    for cap in EndUserCap.objects.filter(api_key_id__in=list(key_ids), end_user=""):
        found.setdefault(cap.api_key_id, {})[cap.window] = cap.amount
    return found


def counting_keys(tenant_id: str) -> set[str]:
    """The keys of a tenant that count their end users."""
    return set(EndUserCap.objects.filter(tenant_id=tenant_id).values_list("api_key_id", flat=True))
