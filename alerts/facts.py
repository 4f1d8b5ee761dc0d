"""What an alert is about, as it was at that moment; kept with its event, so that every try and channel says the same.

Pure but for `of_cap`, which reads them. Amounts in nanodollars, times in epoch seconds; JSON both ways without a float.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any, Self

from django.db.models import Sum

from budgets import live
from budgets.crossings import REACHED
from budgets.forecast import Forecast, forecast
from budgets.live import Place
from budgets.models import Cap, DailySpend
from budgets.presentation import at
from budgets.windows import Window, windows_of

MOST_NAMED = 3
LITTLE_LEFT = 20  # a wall that refused with less than this part left stops everything; else one request was too large


@dataclass(frozen=True, slots=True)
class Spender:
    """A key or a model, and what it spent in the window."""

    name: str
    spent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """scope       "tenant" or "api_key"; the key's id and name where it is one
    window         "month", "day", or "hour" for a burn rate; `window_start` to `reset_at`
    limit          the cap; of a burn rate, what the usual hour spends
    held           by requests in flight; None where the ledger could not say
    percent        the threshold that was passed, the highest of those jumped at once; 0 where it is about none
    by_refusal     100 % by the first refusal, not by spending all
    ahead          what the window will have spent at its end; None while too little is known
    cap_reached_at when this pace reaches the cap; None if not in the window
    paused         the key was paused for it
    """

    tenant_name: str
    tenant_slug: str
    scope: str = "tenant"
    api_key_id: str | None = None
    api_key_name: str = ""
    window: str
    window_start: int
    reset_at: int
    now: int
    limit: int
    spent: int
    held: int | None = None
    hard: bool = True
    percent: int = 0
    by_refusal: bool = False
    ahead: int | None = None
    cap_reached_at: int | None = None
    keys: Sequence[Spender] = field(default=())
    models: Sequence[Spender] = field(default=())
    paused: bool = False

    @property
    def left(self) -> int:
        """What is neither spent nor held. `held` is of a moment later: 0 rather than less."""
        return max(0, self.limit - self.spent - (self.held or 0))

    @property
    def over(self) -> int:
        """What is spent past the cap."""
        return max(0, self.spent - self.limit)

    @property
    def is_reached(self) -> bool:
        return self.percent >= REACHED

    @property
    def is_wall(self) -> bool:
        """Whether requests are stopped, not only one that was too large for what is left."""
        too_large = self.by_refusal and (self.limit - self.spent) * LITTLE_LEFT >= self.limit > 0
        return self.is_reached and self.hard and not too_large

    @property
    def begins(self) -> datetime:
        return at(self.window_start)

    @property
    def resets(self) -> datetime:
        return at(self.reset_at)

    @property
    def times(self) -> int:
        """Of a burn rate: how many times the usual hour."""
        return self.spent // self.limit if self.limit else 0

    @property
    def thread(self) -> str:
        """What one window of one scope has in common: its e-mails make one thread."""
        return f"{self.api_key_id or 'budget'}.{self.window}.{self.window_start}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        named = {name: tuple(Spender(**each) for each in kept[name]) for name in ("keys", "models")}
        return cls(**{**kept, **named})


def of_cap(
    cap: Cap,
    first_day: date,
    *,
    now: int,
    limit: int | None = None,
    spent: int | None = None,
    percent: int = 0,
    by_refusal: bool = False,
) -> Facts:
    """A cap in the window that begins on `first_day`. `limit`, `spent`: as a crossing found them; None: as they are."""
    tenant, key = cap.tenant, cap.api_key
    window = windows_of(first_day).of(cap.window)
    (standing,) = live.look(cap.tenant_id, [Place(window, cap.mode, cap.api_key_id)])
    rows = _rows(cap, window)
    facts = Facts(
        tenant_name=tenant.name,
        tenant_slug=tenant.slug,
        scope="api_key" if key else "tenant",
        api_key_id=key.pk if key else None,
        api_key_name=key.name if key else "",
        window=cap.window,
        window_start=window.start,
        reset_at=window.end,
        now=now,
        limit=limit if limit is not None else standing.cap if standing.cap is not None else cap.amount,
        spent=standing.spent if spent is None else spent,
        held=standing.held,
        hard=cap.hard,
        percent=percent,
        by_refusal=by_refusal,
        keys=() if key else _most(rows, "api_key__name", "api_key_id"),
        models=_most(rows, "model"),
    )
    pace = _pace(facts, rows, int(tenant.created_at.timestamp()))
    return replace(facts, ahead=pace.amount, cap_reached_at=pace.reached_at) if pace else facts


def _pace(facts: Facts, rows: Any, since: int) -> Forecast | None:
    requests: int = rows.aggregate(total=Sum("requests"))["total"] or 0
    return forecast(
        spent=facts.spent,
        cap=facts.limit,
        start=facts.window_start,
        end=facts.reset_at,
        now=facts.now,
        settled_requests=requests,
        since=since,
    )


def _rows(cap: Cap, window: Window) -> Any:
    rows = DailySpend.objects.filter(tenant_id=cap.tenant_id, day__range=(window.first_day, window.last_day))
    return rows.filter(api_key_id=cap.api_key_id) if cap.api_key_id else rows.filter(mode=cap.mode)


def _most(rows: Any, name: str, *by: str) -> tuple[Spender, ...]:
    sums = rows.values(name, *by).annotate(total=Sum("cost")).filter(total__gt=0).order_by("-total", name)
    return tuple(Spender(row[name], row["total"]) for row in sums[:MOST_NAMED])
