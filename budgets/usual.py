"""What requests like one usually come to, from the ledger's rows of such: a figure for people, never for a hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_high

from budgets.models import UsageRecord, UsageStatus
from tenants.models import ApiKey

ENOUGH, LOOKED_AT = 10, 400
PARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Usual:
    """Medians of `replies` settled rows. `of_key`: of this key alone, else of the whole company.

    output_tokens  of all choices together
    input_share    parts in a million that the input was of its bound; all of them where no row knows its bound
    cost           nanodollars
    """

    replies: int
    of_key: bool
    output_tokens: int
    input_share: int
    cost: int


def usual_of(key: ApiKey, model: str, endpoint: str) -> Usual | None:
    """By the key's own replies of this model and endpoint; where these are too few, by the company's in its mode."""
    for of_key, where in ((True, {"api_key": key}), (False, {"tenant": key.tenant_id, "mode": key.mode})):
        newest = UsageRecord.objects.filter(**where).order_by("-reserved_at")
        fields = ("model", "endpoint", "status", "output_tokens", "input_tokens", "bound", "cost")
        rows = [
            row
            for row in newest.only(*fields)[:LOOKED_AT]
            if (row.model, row.endpoint, row.status) == (model, endpoint, UsageStatus.SETTLED)
        ]
        if len(rows) >= ENOUGH:
            return _medians(rows, of_key)
    return None


def _medians(rows: Sequence[UsageRecord], of_key: bool) -> Usual:
    shares = [row.input_tokens * PARTS // bound for row in rows if (bound := row.bound.get("input", 0)) > 0]
    return Usual(
        replies=len(rows),
        of_key=of_key,
        output_tokens=median_high(row.output_tokens for row in rows),
        input_share=min(PARTS, median_high(shares)) if shares else PARTS,
        cost=median_high(row.cost for row in rows),
    )
