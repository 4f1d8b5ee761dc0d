"""Changes of a key that are made of several services, each all or nothing: what it is called and may call, what it may
spend. Raises what they raise: InvalidValue, NotFound, KeyNotActive, PolicyUnavailable."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from budgets.models import Cap
from budgets.services import set_end_user_cap, set_key_cap, set_key_hard
from budgets.windows import WindowKind
from tenants import policy, services
from tenants.models import ApiKey, KeyMode, Tenant
from tenants.services import Actor, NewApiKey

CAPS = {"month_cap": WindowKind.MONTH, "day_cap": WindowKind.DAY}
OF_EACH_END_USER = {"user_month_cap": WindowKind.MONTH, "user_day_cap": WindowKind.DAY}
_SETTINGS = {
    "name": "name",
    "models": "allowed_models",
    "expires": "expires_at",
    "output_limit": "default_output_limit",
    "user_required": "requires_end_user",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a key is to be. Caps in nanodollars, None for none (`user_...`: of each end user); no `models`: any with a
    price."""

    name: str
    mode: str = KeyMode.LIVE
    month_cap: int | None = None
    day_cap: int | None = None
    user_month_cap: int | None = None
    user_day_cap: int | None = None
    user_required: bool = False
    hard: bool = True
    models: tuple[str, ...] = ()
    expires: datetime | None = None
    output_limit: int | None = None


def make_key(tenant: Tenant, wish: Wish, actor: Actor) -> NewApiKey:
    with policy.within(tenant) as locked:
        made = services.create_api_key(
            tenant=locked,
            name=wish.name,
            mode=wish.mode,
            allowed_models=wish.models,
            default_output_limit=wish.output_limit,
            expires_at=wish.expires,
            requires_end_user=wish.user_required,
            actor=actor,
        )
        for name, window in CAPS.items():
            amount: int | None = getattr(wish, name)
            if amount is not None:
                _set(locked, made.key, window, amount, actor, hard=wish.hard)
        asked = {name: getattr(wish, name) for name in OF_EACH_END_USER}
        _set_of_each_end_user(locked, made.key, asked, actor, new_key=True)
    return made


def change_key(tenant: Tenant, key: ApiKey, new: Mapping[str, Any], actor: Actor) -> ApiKey:
    """`new`: the fields of a Wish that are to change, and no others."""
    settings = {_SETTINGS[name]: value for name, value in new.items() if name in _SETTINGS}
    with policy.within(tenant) as locked:
        if settings:
            key = services.update_api_key(tenant=locked, key_id=key.pk, actor=actor, **settings)
        for name, window in CAPS.items():
            if name in new:
                _set(locked, key, window, new[name], actor)
        _set_of_each_end_user(locked, key, new, actor)
        if "hard" in new and Cap.objects.filter(api_key=key).exists():
            set_key_hard(tenant=locked, key_id=key.pk, hard=new["hard"], actor=actor)
    return key


def set_cap(tenant: Tenant, key: ApiKey, window: WindowKind, amount: int | None, actor: Actor) -> None:
    with policy.within(tenant) as locked:
        _set(locked, key, window, amount, actor)


def caps_of(key: ApiKey) -> dict[str, Cap]:
    """By window."""
    return {cap.window: cap for cap in Cap.objects.filter(api_key=key)}


def are_hard(caps: Iterable[Cap]) -> bool:
    """One for both caps of a key; what a first one will be."""
    return all(cap.hard for cap in caps)


def _set(
    tenant: Tenant, key: ApiKey, window: WindowKind, amount: int | None, actor: Actor, *, hard: bool | None = None
) -> None:
    set_key_cap(tenant=tenant, key_id=key.pk, window=window, amount=amount, hard=hard, actor=actor)


def _set_of_each_end_user(
    tenant: Tenant, key: ApiKey, asked: Mapping[str, Any], actor: Actor, *, new_key: bool = False
) -> None:
    for name, window in OF_EACH_END_USER.items():
        if name in asked:
            set_end_user_cap(
                tenant=tenant, key_id=key.pk, window=window, amount=asked[name], new_key=new_key, actor=actor
            )
