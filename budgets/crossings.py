"""Which thresholds a cap's spend has passed, each once a cap, window and threshold. Alerts reads these rows.

They are found at two moments: by the drain whose rows raise a window's sum, and by a change of the cap itself. Both
hold the lock of the tenant's journal cursor, so that neither decides on an amount or a sum that the other is changing.
"""

from collections.abc import Collection, Mapping
from datetime import date

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone
from django.utils.module_loading import import_string

from budgets import keyspace
from budgets.models import Cap, Crossing, DailySpend, JournalCursor
from budgets.windows import Window, Windows, windows_of

REACHED = 100

Touched = tuple[date, str, str]
"""A day, an API key and a mode whose sums have changed, or that a cap has refused."""


def record(tenant_id: str, touched: Collection[Touched], refused_at: Mapping[str, int]) -> None:
    """In the drain's transaction, its cursor locked: compare each cap that was touched with what its window came to.

    refused_at: the amount at which a hard cap refused, by its counter's key.
    """
    caps = list(Cap.objects.filter(tenant_id=tenant_id).select_related("api_key")) if touched else []
    seen: set[tuple[int, date]] = set()
    passed: list[Crossing] = []
    for day, key_id, mode in sorted(touched):
        windows = windows_of(day)
        for cap in caps:
            window = windows.of(cap.window)
            if _governs(cap, key_id, mode) and (cap.pk, window.first_day) not in seen:
                seen.add((cap.pk, window.first_day))
                cap = cap.in_window(window)
                # A refusal at another amount was before the cap was changed, and says nothing of this one.
                refused = cap.hard and refused_at.get(_counter_key(cap, window)) == cap.amount
                passed += _passed(cap, window, _spent(cap, window), by_refusal=refused)
    Crossing.objects.bulk_create(passed, ignore_conflicts=True)


def reconsider(cap: Cap, windows: Windows, *, quietly: bool = False) -> None:
    """In the transaction that changed the cap or its thresholds: forget what is not passed any more, note what now is.

    quietly: what is found is behind us already, and nobody is to be told.
    """
    JournalCursor.objects.get_or_create(tenant_id=cap.tenant_id)
    JournalCursor.objects.select_for_update().get(tenant_id=cap.tenant_id)
    window = windows.of(cap.window)
    cap, spent = cap.in_window(window), _spent(cap, window)
    known = Crossing.objects.filter(cap=cap, window_start=window.first_day)
    known.filter(pk__in=[crossing.pk for crossing in known if not _is_passed_still(crossing, cap, spent)]).delete()
    passed = _passed(cap, window, spent, by_refusal=False)
    for crossing in passed:
        crossing.taken_at = timezone.now() if quietly else None
    Crossing.objects.bulk_create(passed, ignore_conflicts=True)


def watched(cap: Cap) -> list[int]:
    """The percentages that matter of a new cap: the app that tells people knows them, which this one may not import."""
    percents: list[int] = import_string(settings.CAP_THRESHOLDS)(cap)
    return percents


def _governs(cap: Cap, key_id: str, mode: str) -> bool:
    return cap.api_key_id == key_id if cap.api_key_id else cap.mode == mode


def _counter_key(cap: Cap, window: Window) -> str:
    if cap.api_key_id:
        return keyspace.key_counter(cap.tenant_id, cap.api_key_id, window.suffix)
    return keyspace.tenant_counter(cap.tenant_id, cap.mode, window.suffix)


def _spent(cap: Cap, window: Window) -> int:
    rollups = DailySpend.objects.filter(tenant_id=cap.tenant_id, day__range=(window.first_day, window.last_day))
    rollups = rollups.filter(api_key_id=cap.api_key_id) if cap.api_key_id else rollups.filter(mode=cap.mode)
    total: int | None = rollups.aggregate(total=Sum("cost"))["total"]
    return total or 0


def _passed(cap: Cap, window: Window, spent: int, *, by_refusal: bool) -> list[Crossing]:
    return [
        Crossing(
            cap=cap,
            tenant_id=cap.tenant_id,
            window_start=window.first_day,
            threshold_percent=percent,
            limit=cap.amount,
            spent=spent,
            by_refusal=by_refusal and spent < cap.amount,
        )
        for percent in cap.thresholds
        if _reaches(spent, cap, percent) or (by_refusal and percent == REACHED)
    ]


def _reaches(spent: int, cap: Cap, percent: int) -> bool:
    return cap.amount > 0 and spent * 100 >= cap.amount * percent


def _is_passed_still(crossing: Crossing, cap: Cap, spent: int) -> bool:
    """By what is spent; or the cap is the wall that it was when it refused, or a lower one."""
    walled = crossing.by_refusal and cap.hard and cap.amount <= crossing.limit
    return walled or _reaches(spent, cap, crossing.threshold_percent)
