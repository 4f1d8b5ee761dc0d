"""The usage page: a selection that the address says, in words, in total, and row by row."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet, Sum

from budgets import usage
from budgets.models import DailySpend, UsageRecord, UsageStatus
from budgets.refusals import Refused
from budgets.windows import windows_of
from tenants.models import ApiKey, KeyMode, Tenant
from tokonomics.console import activity
from tokonomics.console.activity import Row
from tokonomics.console.standings import Snapshot

PAGE = 50
MOST_NEW = 99
# what the `show` filter may say -> in words, and the statuses that it means
SHOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "settled": ("settled", (UsageStatus.SETTLED,)),
    "at_hold": ("charged at the hold", (UsageStatus.CHARGED_AT_HOLD, UsageStatus.LEASE_ENDED)),
    "cut_short": ("cut short", (UsageStatus.CUT_SHORT,)),
    "failed": ("not charged", (UsageStatus.PROVIDER_ERROR, UsageStatus.NOT_SENT)),
    "refused": ("refused", ()),
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the page begins: below this row. In the address: `1732272127000000~req_...`, microseconds and id."""

    at: datetime
    id: str

    def __str__(self) -> str:
        return f"{int(self.at.timestamp()) * 1_000_000 + self.at.microsecond}~{self.id}"

    @classmethod
    def of(cls, text: str) -> "Cursor | None":
        micro, _, row_id = text.partition("~")
        if not micro.isascii() or not micro.isdigit() or len(micro) > 17 or not row_id:
            return None
        seconds, rest = divmod(int(micro), 1_000_000)
        return cls(datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest), row_id)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the address asks for. `first` and `last` are UTC days; a whole month is said as such."""

    first: date
    last: date
    mode: str = KeyMode.LIVE
    key: str = ""
    model: str = ""
    end_user: str = ""
    show: str = ""
    reason: str = ""
    before: Cursor | None = None

    @classmethod
    def of(cls, params: Mapping[str, str], today: date) -> "Selection":
        """Anything that makes no sense reads as not asked for."""
        first, last = _span(params, today)
        show = params.get("show", "")
        return cls(
            first=first,
            last=last,
            mode=KeyMode.TEST if params.get("mode") == KeyMode.TEST else KeyMode.LIVE,
            key=params.get("key", "")[:40],
            model=params.get("model", "")[:128],
            end_user=params.get("end_user", "")[:200],
            show=show if show in SHOWN else "",
            reason=params.get("reason", "")[:40] if show == "refused" else "",
            before=Cursor.of(params.get("before", "")),
        )

    @property
    def is_month(self) -> bool:
        return self.first.day == 1 and self.last == windows_of(self.first).month.last_day

    @property
    def refused(self) -> bool:
        return self.show == "refused"

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def params(self, **change: str) -> dict[str, str]:
        """What the address says of it, with a change; empty values are left out."""
        said = {
            "mode": KeyMode.TEST if self.mode == KeyMode.TEST else "",
            **self._span_params(),
            "key": self.key,
            "model": self.model,
            "end_user": self.end_user,
            "show": self.show,
            "reason": self.reason,
            **change,
        }
        return {name: str(value) for name, value in said.items() if value}

    def _span_params(self) -> dict[str, str]:
        if self.is_month:
            return {"month": f"{self.first:%Y-%m}"}
        return {"from": self.first.isoformat(), "to": self.last.isoformat()}

    def query(self, **change: str) -> str:
        return urlencode(self.params(**change))


def _span(params: Mapping[str, str], today: date) -> tuple[date, date]:
    month = windows_of(today).month
    if "day" in params:
        day = _day(params["day"]) or today
        return day, day
    if "month" in params:
        month = windows_of(_day(f"{params['month']}-01") or today).month
    first, last = _day(params.get("from", "")), _day(params.get("to", ""))
    if first or last:
        first = first or windows_of(last or today).month.first_day
        last = max(first, last or today)
        return first, min(last, first + timedelta(days=366))
    return month.first_day, month.last_day


def _day(text: str) -> date | None:
    """None for what is no day, and for one so far off that no calendar reaches beyond it."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year < 3000 else None


# --- Rows and sums ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Total:
    cost: int
    requests: int
    input_tokens: int
    output_tokens: int


def records(tenant: Tenant, chosen: Selection) -> QuerySet[UsageRecord]:
    """The admitted requests of a selection, without its cursor; newest first by the model's own order."""
    start = datetime.combine(chosen.first, datetime.min.time(), UTC)
    end = datetime.combine(chosen.last + timedelta(days=1), datetime.min.time(), UTC)
    rows = UsageRecord.objects.filter(tenant=tenant, mode=chosen.mode, reserved_at__gte=start, reserved_at__lt=end)
    rows = usage.filtered(rows, tenant.pk, _asked(chosen))
    statuses = SHOWN[chosen.show][1] if chosen.show else ()
    return rows.filter(status__in=statuses) if statuses else rows


def _asked(chosen: Selection) -> dict[str, str]:
    asked = {"api_key": chosen.key, "model": chosen.model, "end_user": chosen.end_user}
    return {name: value for name, value in asked.items() if value}


def page_of(tenant: Tenant, chosen: Selection) -> tuple[list[UsageRecord], Cursor | None]:
    """The rows below the cursor, and where the next page begins; None on the last one."""
    rows = records(tenant, chosen)
    if chosen.before is not None:
        at, row_id = chosen.before.at, chosen.before.id
        rows = rows.filter(reserved_at__lte=at).filter(Q(reserved_at__lt=at) | Q(pk__lt=row_id))
    found = list(rows.select_related("api_key").order_by("-reserved_at", "-pk")[: PAGE + 1])
    shown = found[:PAGE]
    return shown, Cursor(shown[-1].reserved_at, shown[-1].pk) if len(found) > PAGE else None


def rollups(tenant: Tenant, chosen: Selection) -> QuerySet[DailySpend]:
    rows = DailySpend.objects.filter(tenant=tenant, mode=chosen.mode, day__range=(chosen.first, chosen.last))
    return usage.filtered(rows, tenant.pk, _asked(chosen))


def total_of(tenant: Tenant, chosen: Selection) -> Total:
    """From the rollups, which hold for any number of rows; row by row only where a status is asked for."""
    sums: dict[str, Any] = {name: Sum(name, default=0) for name in ("cost", "input_tokens", "output_tokens")}
    if chosen.show:
        return Total(**records(tenant, chosen).order_by().aggregate(**sums, requests=Count("pk")))
    found = rollups(tenant, chosen).order_by().aggregate(**sums, requests=Sum("requests", default=0))
    return Total(**found)


# --- Refused ones: the last in full, all of them counted -------------------------------------------------------------


def refused_of(seen: Snapshot, chosen: Selection) -> list[Row]:
    """Of those that are kept in full, the ones that match; newest first."""
    names = dict(ApiKey.objects.filter(tenant=seen.tenant).values_list("pk", "name"))
    rows = [activity.of_refusal(each, names) for each in seen.recent_refusals if _matches(each, chosen)]
    return activity.newest(rows, len(rows))


def _matches(refused: Refused, chosen: Selection) -> bool:
    day = datetime.fromtimestamp(refused.at_ms // 1000, UTC).date()
    return (
        refused.mode == chosen.mode
        and chosen.first <= day <= chosen.last
        and chosen.key in ("", refused.key_id)
        and chosen.model in ("", refused.model)
        and chosen.reason in ("", refused.code)
        and not chosen.end_user
    )


# --- In words --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filter:
    """One part of the sentence. `without`: the query that takes it away; empty for what always stands."""

    text: str
    without: str = ""


def sentence(chosen: Selection, key_name: str, today: date) -> list[Filter]:
    """`November` · `all keys` · `gpt-4o` · `refused`."""
    whole = replace(chosen, before=None)
    parts = [_when(whole, today)]
    parts.append(Filter(key_name or chosen.key, whole.query(key="")) if chosen.key else Filter("all keys"))
    if chosen.model:
        parts.append(Filter(chosen.model, whole.query(model="")))
    if chosen.end_user:
        parts.append(Filter(f"end user {chosen.end_user}", whole.query(end_user="")))
    if chosen.show:
        parts.append(Filter(SHOWN[chosen.show][0], whole.query(show="", reason="")))
    return parts


def _when(chosen: Selection, today: date) -> Filter:
    this_month = windows_of(today).month.first_day
    year = f" {chosen.first.year}" if chosen.first.year != today.year else ""
    if chosen.is_month:
        text = f"{chosen.first:%B}{year}"
        return Filter(text) if chosen.first == this_month else Filter(text, chosen.query(month=""))
    text = f"{chosen.first.day} {chosen.first:%B}{year}"
    if chosen.days > 1:
        text = f"{text} to {chosen.last.day} {chosen.last:%B}"
    return Filter(text, chosen.query(**{"from": "", "to": ""}))


# --- What has come since ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Newer:
    """How many more there are now; `query` shows them."""

    count: int
    query: str

    @property
    def text(self) -> str:
        return f"{MOST_NEW}+ new" if self.count > MOST_NEW else f"{self.count} new"


def newer(seen: Snapshot, params: Mapping[str, str]) -> Newer:
    """Requests of a selection that came after the page's newest row (`since`, a cursor)."""
    chosen = Selection.of(params, seen.windows.day.first_day)
    since = Cursor.of(params.get("since", ""))
    query = chosen.query()
    if since is None:
        return Newer(0, query)
    if chosen.refused:
        return Newer(sum(row.at > since.at for row in refused_of(seen, chosen)), query)
    rows = records(seen.tenant, chosen).filter(reserved_at__gte=since.at)
    rows = rows.filter(Q(reserved_at__gt=since.at) | Q(pk__gt=since.id)).order_by()
    return Newer(rows[: MOST_NEW + 1].count(), query)
