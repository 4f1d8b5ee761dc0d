"""The writes of "how much": the caps. Each is a policy change, so that it holds from the next request on every worker.

`tenant` may be an ordinary one (a change of its own) or the locked one of a change under way: `tenants.policy.within`.
"""

from collections.abc import Callable

from budgets import crossings, live, user_counters
from budgets.models import Cap, EndUserCap, JournalCursor
from budgets.money import MAX_CAP, MAX_CAP_USD, NANO, format_usd
from budgets.windows import WindowKind, windows_at
from tenants import policy
from tenants.audit import Actor, record
from tenants.errors import Conflict, InvalidValue
from tenants.models import ApiKey, KeyMode, Tenant
from tenants.services import active_key

STARTING_TEST_BUDGET = 10 * NANO
MOST_NAMED_CAPS = 2_000  # of end users of one company, in all of its keys: every proxy keeps them in memory


def set_starting_caps(*, tenant: Tenant, actor: Actor) -> Cap:
    """What every tenant begins with: a hard test budget. A live one it sets itself; till then live keys are refused."""
    return set_tenant_cap(tenant=tenant, amount=STARTING_TEST_BUDGET, mode=KeyMode.TEST, actor=actor)


def set_tenant_cap(
    *,
    tenant: Tenant,
    actor: Actor,
    amount: int | None = None,
    hard: bool | None = None,
    mode: str = KeyMode.LIVE,
) -> Cap:
    """The tenant's month: `amount` in nanodollars (0 refuses everything) and the toggle; None leaves as it is.

    Once set it is never removed, for without a budget live keys are refused: who wants no wall turns the toggle off.
    Raises InvalidValue, also where the toggle is to be set and there is no budget yet; PolicyUnavailable.
    """
    with policy.within(tenant) as locked:
        cap = Cap.objects.filter(tenant=locked, api_key=None, mode=mode, window=WindowKind.MONTH).first()
        if cap is None and amount is None:
            raise InvalidValue("monthly_budget_usd", "Set a monthly budget first.")
        new = cap or Cap(tenant=locked, mode=mode, window=WindowKind.MONTH)
        label = "test budget a month" if mode == KeyMode.TEST else "budget a month"
        return _save(new, amount=amount, hard=hard, actor=actor, target=(locked.pk, label))


def set_key_cap(
    *,
    tenant: Tenant,
    key_id: str,
    window: WindowKind,
    amount: int | None,
    actor: Actor,
    hard: bool | None = None,
) -> Cap | None:
    """What a key may spend in a month or a day, nanodollars; `amount` None takes the cap away, 0 refuses everything.

    `hard` is one for both caps of a key; None leaves it (a first cap is hard). Raises NotFound, KeyNotActive,
    InvalidValue, PolicyUnavailable.
    """
    with policy.within(tenant) as locked:
        key = active_key(locked, key_id)
        caps = {cap.window: cap for cap in Cap.objects.filter(api_key=key)}
        if hard is None:
            hard = all(cap.hard for cap in caps.values())
        cap = caps.pop(window, None)
        for other in caps.values():
            _save(other, amount=None, hard=hard, actor=actor, target=_key_target(key, other.window))
        target = _key_target(key, window)
        if amount is None:
            _remove(cap, actor, target)
            return None
        new = cap or Cap(tenant=locked, api_key=key, mode=key.mode, window=window)
        return _save(new, amount=amount, hard=hard, actor=actor, target=target)


def raise_for_today(*, tenant: Tenant, key_id: str, amount: int, actor: Actor) -> Cap:
    """More for a key on this UTC day alone: from midnight on its daily cap holds again, by itself.

    Raises InvalidValue where it has no daily cap, or the amount is not above what holds now; NotFound, KeyNotActive,
    PolicyUnavailable.
    """
    with policy.within(tenant) as locked:
        key = active_key(locked, key_id)
        cap = Cap.objects.filter(api_key=key, window=WindowKind.DAY).first()
        if cap is None:
            raise InvalidValue("amount", "This key has no daily cap. Set one first.")
        windows = windows_at(live.now())
        holds = cap.in_window(windows.day).amount
        if _in_range(amount) <= holds:
            raise InvalidValue("amount", f"Enter more than the ${format_usd(holds)} that holds today.")
        cap.raised_to, cap.raised_on = amount, windows.day.first_day
        cap.save()
        crossings.reconsider(cap, windows)
        changes = {"amount_usd": (format_usd(holds), format_usd(amount)), "day": (None, windows.day.suffix)}
        record(locked, actor, "cap.raised_for_today", target_id=key.pk, target=key.name, changes=changes)
    return cap


def set_key_hard(*, tenant: Tenant, key_id: str, hard: bool, actor: Actor) -> None:
    """Whether a key's caps stop or only alert. Raises InvalidValue where it has none, NotFound, KeyNotActive."""
    with policy.within(tenant) as locked:
        key = active_key(locked, key_id)
        caps = list(Cap.objects.filter(api_key=key))
        if not caps:
            raise InvalidValue("hard_cap", "Set a cap for this key first.")
        for cap in caps:
            _save(cap, amount=None, hard=hard, actor=actor, target=_key_target(key, cap.window))


def set_end_user_cap(
    *,
    tenant: Tenant,
    key_id: str,
    window: WindowKind,
    amount: int | None,
    actor: Actor,
    end_user: str = "",
    new_key: bool = False,
) -> None:
    """What each end user of a key may spend through it in a month or a day, nanodollars; or, by hash, what one may.

    None takes the cap away (one that was named then has what each has), 0 refuses everything. With its first such cap a
    key begins to count its end users, with what they have spent in this window already. `new_key`: it was made in this
    very change, and nobody can have used it. Raises NotFound, KeyNotActive, InvalidValue, Conflict, PolicyUnavailable.
    """
    with policy.within(tenant) as locked:
        key = active_key(locked, key_id)
        caps = EndUserCap.objects.filter(api_key=key)
        cap = caps.filter(end_user=end_user, window=window).first()
        before = None if cap is None else cap.amount
        if amount == before:
            return
        if amount is None:
            assert cap is not None  # or nothing would change
            cap.delete()
        else:
            _in_range(amount)
            if cap is None and end_user:
                _check_named(locked)
            if not new_key and not caps.exists():
                _begin_to_count(locked)
            EndUserCap.objects.update_or_create(
                tenant=locked, api_key=key, end_user=end_user, window=window, defaults={"amount": amount}
            )
        target = (key.pk, f"{key.name}, cap a {window} for {f'end user {end_user}' if end_user else 'each end user'}")
        _record(locked, actor, target, _as_recorded(before), _as_recorded(amount))


def _check_named(tenant: Tenant) -> None:
    if EndUserCap.objects.filter(tenant=tenant).exclude(end_user="").count() >= MOST_NAMED_CAPS:
        raise Conflict(f"A company has at most {MOST_NAMED_CAPS:,} caps of single end users. Take one away first.")


def _begin_to_count(tenant: Tenant) -> None:
    """The cursor's lock: an entry is drained before, and its row is counted from the ledger, or after, and is known to
    have been in flight."""
    JournalCursor.objects.get_or_create(tenant=tenant)
    JournalCursor.objects.select_for_update().get(tenant=tenant)
    user_counters.have_counted_anew(tenant.pk)


def _as_recorded(amount: int | None) -> tuple[str | None, bool | None]:
    return (None, None) if amount is None else (format_usd(amount), True)


def set_thresholds(*, tenant: Tenant, percents_of: Callable[[Cap], list[int]]) -> None:
    """Watch other percentages of the tenant's caps. No proxy needs to know; one that is passed already is not told of.

    Called by whoever changes who is told, in the same transaction, the tenant's row locked.
    """
    windows = windows_at(live.now())
    for cap in Cap.objects.filter(tenant=tenant).select_related("api_key"):
        percents = percents_of(cap)
        if percents != cap.thresholds:
            cap.thresholds = percents
            cap.save(update_fields=["thresholds"])
            crossings.reconsider(cap, windows, quietly=True)


def _save(cap: Cap, *, amount: int | None, hard: bool | None, actor: Actor, target: tuple[str, str]) -> Cap:
    is_new = cap.pk is None
    before = (None, None) if is_new else (format_usd(cap.amount), cap.hard)
    if amount is not None and amount != cap.amount:
        cap.amount = _in_range(amount)
        cap.raised_to = cap.raised_on = None  # what was raised for a day was the amount before
    if hard is not None:
        cap.hard = hard
    if is_new:
        cap.thresholds = crossings.watched(cap)
    after = (format_usd(cap.amount), cap.hard)
    if after != before:
        cap.save()
        crossings.reconsider(cap, windows_at(live.now()))
        _record(cap.tenant, actor, target, before, after)
    return cap


def _remove(cap: Cap | None, actor: Actor, target: tuple[str, str]) -> None:
    if cap is not None:
        _record(cap.tenant, actor, target, (format_usd(cap.amount), cap.hard), (None, None))
        cap.delete()


def _in_range(amount: int) -> int:
    if not 0 <= amount <= MAX_CAP:
        raise InvalidValue("amount", f"Enter an amount from $0.00 to ${MAX_CAP_USD:,}.")
    return amount


def _key_target(key: ApiKey, window: str) -> tuple[str, str]:
    return key.pk, f"{key.name}, cap a {window}"


def _record(
    tenant: Tenant,
    actor: Actor,
    target: tuple[str, str],
    before: tuple[str | None, bool | None],
    after: tuple[str | None, bool | None],
) -> None:
    """Both amounts, even where only the toggle changed: the row must say what it was turned off for."""
    changes = {"amount_usd": (before[0], after[0]), "hard": (before[1], after[1])}
    record(tenant, actor, "cap.changed", target_id=target[0], target=target[1], changes=changes)
