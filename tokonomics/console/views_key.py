"""One key: how it stands, what it did, what it may; then rotate and revoke, apart at the end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from budgets import end_users, user_standings
from budgets.end_users import ANONYMOUS
from budgets.live import Place
from budgets.models import DailySpend, UsageRecord
from tenants.models import ApiKey, AuditEvent, RetiredSecret
from tokonomics.console import access, activity, charting, keyring, user_lines, words, words_keys
from tokonomics.console import presentation as show
from tokonomics.console.access import TenantRequest
from tokonomics.console.chart import Chart
from tokonomics.console.charting import Stack
from tokonomics.console.figures import Figure, figures
from tokonomics.console.meter import Meter, Size, meter
from tokonomics.console.reading import Reading
from tokonomics.console.standings import Snapshot
from tokonomics.console.views_keys import secret_context, viewer_of

ROWS = 8
USERS = 5


@dataclass(frozen=True, slots=True)
class WindowPart:
    """A window of the key: its meter and figures where it has a cap of its own."""

    name: str
    window: str
    amount: str
    meter: Meter | None
    figures: tuple[Figure, ...]
    note: str


def key_of(request: TenantRequest, key_id: str) -> ApiKey:
    """A key of this company, revoked ones too. Raises Http404."""
    key = keyring.keys_of(request.tenant).select_related("created_by", "revoked_by").filter(pk=key_id).first()
    if key is None:
        raise Http404
    return key


@require_safe
@access.page("keys")
def page(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    key = key_of(request, key_id)
    seen = Snapshot.take(request.tenant, [key])
    month, day = _in_full(key, seen)
    state, tone, _ = keyring.state_of(key, seen)
    uses, now = keyring.uses_of(seen)[key.pk], show.at(int(seen.now))
    viewer, is_active = viewer_of(request), key.revoked_at is None
    context: dict[str, Any] = {
        "key": key,
        "state": state,
        "tone": tone,
        "headline": headline(key, month, day, seen),
        "windows": [_part(key, reading, seen) for reading in (month, day)] if is_active else [],
        "used": uses,
        "used_ago": uses.ago(now),
        "old_secrets": _old_secrets(key, now),
        "rows": _rows(key, seen),
        "viewer": viewer,
        "may_change": is_active and viewer.may_change(key),
        "chart": _chart(key, month, seen),
        **_end_users(key, seen),
        "is_stopped": month.stopping or day.stopping,
        **(secret_context(request, key) if request.GET.get("rotated") else {}),
    }
    return access.show(request, "console/key.html", context)


def _end_users(key: ApiKey, seen: Snapshot) -> dict[str, Any]:
    """The section of end users: where they have caps, or where the app names them."""
    caps, users = end_users.caps_of(key.pk), user_standings.most_spent(key, USERS)
    if caps is None and not [user for user in users if user != ANONYMOUS]:
        return {"users": []}
    return {"users": user_lines.lines(key, seen, users), "each_may": user_lines.each_may(caps), "counts_users": True}


def _in_full(key: ApiKey, seen: Snapshot) -> tuple[Reading, Reading]:
    """Its month and its day, with their forecasts and how many requests are in flight."""
    in_flight = keyring.in_flight_of(key, seen)
    month, day = (Place(window, key.mode, key.pk) for window in (seen.windows.month, seen.windows.day))
    return seen.in_full(month, in_flight), seen.in_full(day, in_flight)


def headline(key: ApiKey, month: Reading, day: Reading, seen: Snapshot) -> str:
    if key.revoked_at is not None:
        return words.revoked(key.revoked_at, _who_revoked(key))
    if seen.is_expired(key) and key.expires_at is not None:
        return f"It expired on {show.day(key.expires_at)}. Requests with it get 403 api_key_expired."
    if key.paused_at is not None:
        return words_keys.paused(key.paused_at)
    return words_keys.headline(month, day, seen.month(key.mode))


def _who_revoked(key: ApiKey) -> str:
    if key.revoked_by is not None:
        return key.revoked_by.email
    event = AuditEvent.objects.filter(tenant_id=key.tenant_id, action="api_key.revoked", target_id=key.pk).first()
    return event.actor_label if event is not None else "the operator"


def _part(key: ApiKey, reading: Reading, seen: Snapshot) -> WindowPart:
    name, window = ("This month", "month") if reading.is_month else ("Today", "day")
    if reading.cap is None:
        return WindowPart(name, window, show.spent(reading.spent), None, (), "")
    label = f"{key.name}, {name.lower()}"
    return WindowPart(
        name=name,
        window=window,
        amount=show.spent(reading.spent),
        meter=meter(reading, Size.INLINE, label=label, ident=f"meter-{window}"),
        figures=figures(reading),
        note=_raised(key, reading, seen) or words_keys.company_first(reading.cap, seen.month(key.mode)),
    )


def _raised(key: ApiKey, reading: Reading, seen: Snapshot) -> str:
    """That today's cap is not the usual one."""
    cap = seen.cap_of(Place(reading.window, key.mode, key.pk))
    if cap is None or reading.cap is None or cap.amount == reading.cap:
        return ""
    return words_keys.raised(reading.cap, cap.amount)


def _old_secrets(key: ApiKey, now: datetime) -> list[str]:
    """Of those that still open the key: the sentence that says until when."""
    working = RetiredSecret.objects.filter(api_key=key, expires_at__gt=now)
    return [words_keys.old_secret(old.prefix, old.last_four, old.expires_at) for old in working]


def _rows(key: ApiKey, seen: Snapshot) -> list[activity.Row]:
    records = UsageRecord.objects.filter(api_key=key).select_related("api_key")[:ROWS]
    rows = [activity.of_record(record) for record in records]
    refused = [each for each in seen.recent_refusals if each.key_id == key.pk]
    rows += [activity.of_refusal(each, {key.pk: key.name}) for each in refused[:ROWS]]
    return activity.newest(rows, ROWS)


def _chart(key: ApiKey, month: Reading, seen: Snapshot) -> Chart | None:
    """With what is to come, for a key that can still spend."""
    spend = charting.spend(DailySpend.objects.filter(api_key=key), month.window, Stack.MODEL, {})
    if key.revoked_at is not None or seen.is_expired(key):
        return charting.of_days(spend, seen.windows.day.first_day, Stack.MODEL)
    return charting.of_window(spend, month, seen.windows.day.first_day, Stack.MODEL)
