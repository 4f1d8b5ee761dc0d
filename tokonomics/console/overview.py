"""What the overview shows: assembled once for the page, and again for each live update of its parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from budgets.models import DailySpend, UsageRecord
from budgets.windows import Window
from tenants.models import ApiKey, KeyMode, Tenant
from tenants.roles import Action, may
from tenants.store import StoreUnavailable
from tokonomics.console import activity, charting, words
from tokonomics.console import presentation as show
from tokonomics.console.activity import Row
from tokonomics.console.chart import Chart
from tokonomics.console.charting import Group, Stack
from tokonomics.console.figures import Figure, figures
from tokonomics.console.in_flight import InFlight, open_holds
from tokonomics.console.meter import Meter, Size, meter
from tokonomics.console.reading import Reading
from tokonomics.console.standings import Snapshot

ROWS = 12
FLIGHT_ROWS = 6
MOST_LISTED = 8
REASONS = {
    "budget_cap_exceeded": "Cap reached",
    "budget_held": "Held by others",
    "budget_not_set": "No budget set",
    "provider_not_configured": "No provider key",
    "model_not_allowed": "Model not allowed",
    "model_not_priced": "Model without a price",
    "api_key_revoked": "Key revoked",
    "api_key_expired": "Key expired",
    "api_key_paused": "Key paused",
    "ledger_unavailable": "Ledger out of reach",
    "provider_unreachable": "Provider out of reach",
    "provider_timeout": "Provider timed out",
    "unbounded_request": "Cost cannot be bounded",
    "tenant_suspended": "Company suspended",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address asks for: `?mode=test&by=model`. Anything else reads as the default."""

    mode: str = KeyMode.LIVE
    by: Stack = Stack.KEY

    @classmethod
    def of(cls, params: Mapping[str, str]) -> "Choice":
        mode = KeyMode.TEST if params.get("mode") == KeyMode.TEST else KeyMode.LIVE
        return cls(mode, Stack.of(params.get("by", "")))

    def address(self, **change: str) -> str:
        """The query of this choice with a change: `?by=model`, `.` for the default."""
        wanted = {"mode": self.mode, "by": str(self.by), **change}
        default = {"mode": str(KeyMode.LIVE), "by": str(Stack.KEY)}
        return "&".join(f"{name}={value}" for name, value in wanted.items() if value != default[name])


@dataclass(frozen=True, slots=True)
class Spender:
    """A line of the list beside the chart, with the swatch of its part of the bars."""

    name: str
    swatch: str
    amount: str
    exact: str
    note: str
    href: str
    chip: str
    meter: Meter | None


@dataclass(frozen=True, slots=True)
class Reason:
    label: str
    count: str
    href: str


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Everything below the head of the page. `note`: that a new month has begun."""

    choice: Choice
    month: Reading
    headline: str
    subline: str
    meter: Meter
    figures: tuple[Figure, ...]
    chart: Chart | None
    spenders: tuple[Spender, ...]
    more_spenders: int
    reasons: tuple[Reason, ...]
    rows: tuple[Row, ...]
    note: str
    home: str
    key_count: int

    @property
    def usage_href(self) -> str:
        return f"{self.home}usage/" + ("?mode=test" if self.choice.mode == KeyMode.TEST else "")

    @property
    def last_month_href(self) -> str:
        return f"{self.home}usage/?month={show.at(self.month.window.start - 1):%Y-%m}"

    @property
    def is_silent(self) -> bool:
        """No request has ever come in this mode."""
        return not self.rows and self.chart is None


def look(tenant: Tenant, choice: Choice) -> Snapshot:
    """The keys that still work, and those that spent something this month."""
    spent = DailySpend.objects.filter(tenant=tenant, day__gte=timezone.now().date().replace(day=1)).values("api_key_id")
    keys = ApiKey.objects.filter(tenant=tenant).filter(Q(revoked_at=None) | Q(pk__in=spent))
    return Snapshot.take(tenant, list(keys))


def overview(role: str, seen: Snapshot, choice: Choice) -> Overview:
    flight = _in_flight(seen)
    month = seen.in_full(seen.month_place(choice.mode), in_flight=flight.count(choice.mode))
    home = f"/t/{seen.tenant.slug}/"
    change = f"{home}settings/" if choice.mode == KeyMode.LIVE and may(role, Action.CHANGE_BUDGET) else ""
    names = {key.pk: key.name for key in seen.keys}
    spend = charting.spend(_days(seen, choice), month.window, choice.by, names)
    chart = charting.of_window(spend, month, seen.windows.day.first_day, choice.by)
    return Overview(
        choice=choice,
        month=month,
        headline=words.headline(month),
        subline=words.subline(month),
        meter=meter(month, Size.PAGE, label=_meter_label(month, choice.mode), ident="budget"),
        figures=figures(month, change_href=change),
        chart=chart,
        spenders=tuple(_spenders(seen, choice, spend.groups, home)),
        more_spenders=max(0, len(spend.groups) - MOST_LISTED),
        reasons=tuple(_reasons(seen, choice, home)),
        rows=tuple(_rows(seen, choice, flight, names)),
        note=_new_month(seen, choice, month),
        home=home,
        key_count=sum(key.mode == choice.mode for key in seen.active_keys),
    )


def _in_flight(seen: Snapshot) -> InFlight:
    if seen.stale_since is not None:
        return InFlight()
    try:
        return open_holds(seen.tenant.pk)
    except StoreUnavailable:
        return InFlight()


def _days(seen: Snapshot, choice: Choice) -> QuerySet[DailySpend]:
    return DailySpend.objects.filter(tenant=seen.tenant, mode=choice.mode)


def _meter_label(month: Reading, mode: str) -> str:
    name = "Test budget" if mode == KeyMode.TEST else "Budget"
    return f"{name} for {month.begins:%B %Y}"


# --- Who spends ------------------------------------------------------------------------------------------------------


def _spenders(seen: Snapshot, choice: Choice, groups: Sequence[Group], home: str) -> list[Spender]:
    """The dearest first, as in the chart; of keys also those without spend, and none that a cap stops is left out."""
    if choice.by != Stack.KEY:
        return [_group_line(group, n, groups, choice, home) for n, group in enumerate(groups[:MOST_LISTED], 1)]
    swatches = {group.id: str(min(n, 6)) for n, group in enumerate(groups, 1)}
    order = {group.id: n for n, group in enumerate(groups)}
    mine = [key for key in seen.keys if key.mode == choice.mode and (key.revoked_at is None or key.pk in order)]
    mine.sort(key=lambda key: (order.get(key.pk, len(order)), key.name))
    stopped = [key for key in mine if key.revoked_at is None and seen.key(key).stopped_by is not None][:MOST_LISTED]
    kept = stopped + [key for key in mine if key not in stopped][: MOST_LISTED - len(stopped)]
    return [_key_line(seen, key, swatches.get(key.pk, ""), home) for key in mine if key in kept]


def _key_line(seen: Snapshot, key: ApiKey, swatch: str, home: str) -> Spender:
    standing = seen.key(key)
    month = standing.month
    capped = month.cap is not None and key.revoked_at is None
    return Spender(
        name=key.name,
        swatch=swatch,
        amount=show.spent(month.spent),
        exact=show.exact(month.spent),
        note=f"of {show.cap_short(month.cap)}" if capped and month.cap is not None else "no cap of its own",
        href=f"{home}keys/{key.pk}/",
        chip=_chip(seen, key),
        meter=meter(month, Size.ROW, label=f"{key.name}, month", ident=f"meter-{key.pk}") if capped else None,
    )


def _chip(seen: Snapshot, key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "Revoked"
    if key.expires_at is not None and key.expires_at.timestamp() <= seen.now:
        return "Expired"
    stopped = seen.key(key).stopped_by
    return "" if stopped is None else "Blocked" if stopped.is_month else "Blocked today"


def _group_line(group: Group, n: int, groups: Sequence[Group], choice: Choice, home: str) -> Spender:
    total = sum(each.total for each in groups)
    mode = "&mode=test" if choice.mode == KeyMode.TEST else ""
    return Spender(
        name=group.name,
        swatch=str(min(n, 6)),
        amount=show.spent(group.total),
        exact=show.exact(group.total),
        note=f"{show.percent(group.total, total)} of it",
        href=f"{home}usage/?{choice.by.filter}={group.id}{mode}" if group.id else "",
        chip="",
        meter=None,
    )


# --- What was refused, and what happens ------------------------------------------------------------------------------


def _reasons(seen: Snapshot, choice: Choice, home: str) -> list[Reason]:
    """Refused requests of this month by reason, the most frequent first; each leads to those alone."""
    mode = "&mode=test" if choice.mode == KeyMode.TEST else ""
    mine = {key.pk for key in seen.keys if key.mode == choice.mode}
    counts = {
        code: sum(count for key_id, count in by_key.items() if key_id in mine)
        for code, by_key in seen.refusals_of(seen.windows.month).items()
    }
    found = sorted(((count, code) for code, count in counts.items() if count), reverse=True)
    return [
        Reason(REASONS.get(code, code), show.count(count), f"{home}usage/?show=refused&reason={code}{mode}")
        for count, code in found
    ]


def _rows(seen: Snapshot, choice: Choice, flight: InFlight, names: Mapping[str, str]) -> list[Row]:
    records = UsageRecord.objects.filter(tenant=seen.tenant, mode=choice.mode).select_related("api_key")[:ROWS]
    rows = [activity.of_record(record) for record in records]
    rows += [activity.of_hold(hold, names) for hold in flight.of(choice.mode)[:FLIGHT_ROWS]]
    if seen.stale_since is None:
        refused = [refused for refused in seen.recent_refusals if refused.mode == choice.mode]
        rows += [activity.of_refusal(each, names) for each in refused[:ROWS]]
    return activity.newest(rows, ROWS)


def _new_month(seen: Snapshot, choice: Choice, month: Reading) -> str:
    """On its first day: what the month before came to."""
    first = month.window.first_day
    if seen.windows.day.first_day != first or month.cap is None or choice.mode != KeyMode.LIVE:
        return ""
    before = _spent_in(seen, choice, month.window)
    return words.month_reset(month.begins, month.cap, show.at(month.window.start - 1), before) if before else ""


def _spent_in(seen: Snapshot, choice: Choice, window: Window) -> int:
    last: date = window.first_day - timedelta(days=1)
    days = _days(seen, choice).filter(day__range=(last.replace(day=1), last))
    return days.aggregate(total=Sum("cost"))["total"] or 0
