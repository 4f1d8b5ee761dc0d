"""Usage: every request, by what one asks for; one request's story; the whole as CSV."""

from dataclasses import replace
from datetime import date
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpResponse, StreamingHttpResponse

from budgets.models import UsageRecord
from budgets.usage import as_csv
from budgets.windows import windows_of
from tenants.models import ApiKey, KeyMode
from tokonomics.console import access, activity, charting, frames, live, request_story, usage
from tokonomics.console import presentation as show
from tokonomics.console.access import TenantRequest
from tokonomics.console.charting import Stack
from tokonomics.console.overview import REASONS
from tokonomics.console.standings import Snapshot
from tokonomics.console.usage import SHOWN, Cursor, Selection

MONTHS = 12
MOST_CHART_DAYS = 31
MOST_MODELS = 60


@access.page("usage")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    seen = Snapshot.take(request.tenant)
    request.frame = frames.frame_of(request.membership, "usage", snapshot=seen)
    today = seen.windows.day.first_day
    chosen = Selection.of(request.GET.dict(), today)
    keys = list(
        ApiKey.objects.filter(tenant=request.tenant, mode=chosen.mode).order_by("name").values_list("pk", "name")
    )
    context = {
        "chosen": chosen,
        "parts": usage.sentence(chosen, dict(keys).get(chosen.key, ""), today),
        "reason": REASONS.get(chosen.reason, chosen.reason),
        "without_reason": replace(chosen, before=None).query(reason=""),
        "removable": chosen.key or chosen.model or chosen.end_user or chosen.show or not chosen.is_month,
        "keys": keys,
        "models": _models(request, chosen),
        "months": _months(chosen, today),
        "shown": [(name, words.capitalize()) for name, (words, _) in SHOWN.items()],
        "modes": [(mode.label, chosen.query(mode=_said(mode)), mode == chosen.mode) for mode in KeyMode],
        "now": show.at(int(seen.now)),
        **(_refused(seen, chosen) if chosen.refused else _admitted(request, seen, chosen)),
    }
    return access.show(request, "console/usage.html", context)


def _said(mode: str) -> str:
    return mode if mode == KeyMode.TEST else ""


def _admitted(request: TenantRequest, seen: Snapshot, chosen: Selection) -> dict[str, Any]:
    rows, older = usage.page_of(request.tenant, chosen)
    newest = Cursor(rows[0].reserved_at, rows[0].pk) if rows and chosen.before is None else None
    return {
        "rows": [activity.of_record(row) for row in rows],
        "total": usage.total_of(request.tenant, chosen),
        "older": chosen.query(before=str(older)) if older else "",
        "chart": _chart(request, seen, chosen),
        "live": _live(request, chosen, newest or Cursor(show.at(int(seen.now)), "~")),
    }


def _refused(seen: Snapshot, chosen: Selection) -> dict[str, Any]:
    rows = usage.refused_of(seen, chosen)
    return {
        "rows": rows,
        "refused_total": _refused_count(seen, chosen),
        "live": live.address(
            seen.tenant.slug,
            "usage",
            **chosen.params(),
            since=str(Cursor(rows[0].at if rows else show.at(int(seen.now)), "~")),
        ),
    }


def _refused_count(seen: Snapshot, chosen: Selection) -> int | None:
    """All that were refused this month, where the selection asks for nothing that is not counted; else None."""
    if chosen.model or chosen.end_user or chosen.first != seen.windows.month.first_day or not chosen.is_month:
        return None
    mine = set(ApiKey.objects.filter(tenant=seen.tenant, mode=chosen.mode).values_list("pk", flat=True))
    wanted = mine & {chosen.key} if chosen.key else mine
    by_code = seen.refusals_of(seen.windows.month)
    codes = [chosen.reason] if chosen.reason else list(by_code)
    return sum(count for code in codes for key_id, count in by_code.get(code, {}).items() if key_id in wanted)


def _live(request: TenantRequest, chosen: Selection, since: Cursor) -> str:
    if chosen.before is not None:
        return ""  # an older page: what is new is elsewhere
    return live.address(request.tenant.slug, "usage", **chosen.params(), since=str(since))


def _chart(request: TenantRequest, seen: Snapshot, chosen: Selection) -> Any:
    if chosen.show or chosen.before is not None or not 1 < chosen.days <= MOST_CHART_DAYS:
        return None
    by = Stack.MODEL if chosen.key else Stack.KEY
    names = dict(ApiKey.objects.filter(tenant=request.tenant).values_list("pk", "name")) if by == Stack.KEY else {}
    found = charting.spend_between(usage.rollups(request.tenant, chosen), chosen.first, chosen.days, by, names)
    return charting.of_days(found, seen.windows.day.first_day, by)


def _models(request: TenantRequest, chosen: Selection) -> list[str]:
    """Those that were used in the days of the selection, and the one that is asked for."""
    whole = replace(chosen, model="", key="", end_user="", show="")
    rows = usage.rollups(request.tenant, whole).order_by("model").values_list("model", flat=True)
    found = list(rows.distinct()[:MOST_MODELS])
    return found if not chosen.model or chosen.model in found else [chosen.model, *found]


def _months(chosen: Selection, today: date) -> list[tuple[str, str, bool]]:
    """(value, label, chosen) of the last twelve, and an entry for days that are no month."""
    first, found = windows_of(today).month.first_day, []
    for _ in range(MONTHS):
        found.append((f"{first:%Y-%m}", f"{first:%B %Y}", chosen.is_month and chosen.first == first))
        first = windows_of(date.fromordinal(first.toordinal() - 1)).month.first_day
    return found


@access.page("usage")
def export(request: TenantRequest, slug: str) -> StreamingHttpResponse:
    """Exact amounts, all rows of the selection, of any number."""
    today = Snapshot.take(request.tenant, []).windows.day.first_day
    chosen = Selection.of(request.GET.dict(), today)
    name = f"usage-{slug}-{chosen.first}-to-{chosen.last}.csv"
    return StreamingHttpResponse(
        as_csv(usage.records(request.tenant, chosen)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@access.page("usage", name="One request")
def one(request: TenantRequest, slug: str, request_id: str) -> HttpResponse:
    """Settled, in flight or refused: whatever became of it, as far as it is kept."""
    seen = Snapshot.take(request.tenant)
    request.frame = frames.frame_of(request.membership, "usage", page_name="One request", snapshot=seen)
    by_either_id = Q(pk=request_id) | Q(request_id=request_id)
    record = UsageRecord.objects.select_related("api_key").filter(by_either_id, tenant=request.tenant).first()
    told = request_story.of_record(record) if record else request_story.of_another(seen, request_id)
    if told is None:
        raise Http404
    return access.show(request, "console/request.html", {"told": told, "now": show.at(int(seen.now))})
