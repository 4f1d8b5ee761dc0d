"""Requests as rows of a list: settled, refused and in flight alike, each with what happened in a few words."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from budgets.end_users import ANONYMOUS
from budgets.models import UsageRecord, UsageStatus
from budgets.refusals import Refused
from tokonomics.console import presentation as show
from tokonomics.console.in_flight import Hold

_NEEDS = re.compile(r"could cost up to (\$[\d.]+) and (\$[\d.]+) is left")
_FITS = re.compile(r"With at most ([\d,]+) output tokens it fits")
_FLAGS = {
    "no_reply": "no reply came",
    "cut": "the reply was cut off",
    "client_gone": "the client left",
    "aborted": "it was broken off",
    "usage_missing": "the provider gave no usage",
    "corrected": "put right after its lease had ended",
    "set_aside": "of all but its cost nothing could be written down",
    "bound_breach": "it cost more than was held for it",
    "estimate_breach": "it cost more than such requests usually do",
    "budget_cap_exceeded": "the rest of it would have broken a cap",
    "budget_held": "the rest of it would have broken a cap",
    "ledger_unavailable": "more could not be held for it",
    "hold_ended": "its hold had ended",
}


@dataclass(frozen=True, slots=True)
class Row:
    """`tone` is a chip's: `act`, `wall`, `warn`, empty for plain text. `cost` has five decimals; empty: none."""

    id: str
    at: datetime
    key_id: str
    key_name: str
    model: str
    state: str
    tone: str
    what: str
    took: str
    cost: str
    exact: str
    held: bool = False


def of_record(record: UsageRecord) -> Row:
    """`record.api_key` should be loaded with it."""
    state, tone = _STATES.get(UsageStatus(record.status), ("Settled", ""))
    return Row(
        id=record.pk,
        at=record.reserved_at,
        key_id=record.api_key_id,
        key_name=record.api_key.name,
        model=record.model,
        state=state,
        tone=tone,
        what=what_happened(record),
        took=show.took(record.duration_ms) if record.duration_ms else "",
        cost=show.five(record.cost) if record.cost else "",
        exact=show.exact(record.cost),
    )


_STATES = {
    UsageStatus.CHARGED_AT_HOLD: ("At hold", "warn"),
    UsageStatus.LEASE_ENDED: ("At hold", "warn"),
    UsageStatus.CUT_SHORT: ("Cut short", "wall"),
    UsageStatus.PROVIDER_ERROR: ("Provider error", ""),
    UsageStatus.NOT_SENT: ("Not sent", ""),
}


def what_happened(record: UsageRecord) -> str:
    """`18,310 in (15,900 cached) · 1,977 out`; how it ended where it did not end well."""
    said = [_FLAGS[flag] for flag in record.flags if flag in _FLAGS]
    match record.status:
        case UsageStatus.CHARGED_AT_HOLD:
            return f"{', '.join(said) or 'the usage is not known'}: charged at the hold"
        case UsageStatus.CUT_SHORT:
            return f"{', '.join(said) or 'it was ended by us'}: ended there, charged at what it had shown"
        case UsageStatus.LEASE_ENDED:
            return "its worker vanished: charged at the hold"
        case UsageStatus.PROVIDER_ERROR:
            return f"the provider answered {record.http_status}: nothing charged"
        case UsageStatus.NOT_SENT:
            return "the provider could not be reached: nothing charged"
    return "; ".join([tokens_of(record), *said])


def tokens_of(record: UsageRecord) -> str:
    cached = record.usage.get("cache_read_tokens", 0) + record.usage.get("audio_cache_read_tokens", 0)
    parts = [f"{show.tokens(record.input_tokens)} in" + (f" ({show.tokens(cached)} cached)" if cached else "")]
    if record.output_tokens:
        parts.append(f"{show.tokens(record.output_tokens)} out")
    return " · ".join(parts)


def of_refusal(refused: Refused, key_names: Mapping[str, str]) -> Row:
    return Row(
        id=refused.request_id,
        at=show.at(refused.at_ms // 1000),
        key_id=refused.key_id,
        key_name=key_names.get(refused.key_id, refused.key_id),
        model=refused.model,
        state="Refused",
        tone="wall",
        what=why_refused(refused),
        took="",
        cost="",
        exact="",
    )


def why_refused(refused: Refused) -> str:
    """`Daily cap of the key; needs up to $0.0121, $0.0087 left`; where no cap refused, what the client was told."""
    if not refused.scope:
        return refused.message
    if refused.code == "budget_held":
        return f"Held by requests in flight: {refused.message.removesuffix(' Try again.')}"
    needs = _NEEDS.search(refused.message)
    return which_cap(refused) + (f"; needs up to {needs[1]}, {needs[2]} left" if needs else "")


def which_cap(refused: Refused) -> str:
    """The wall that it met, by scope and window."""
    window = "Daily" if refused.message.startswith("Daily") else "Monthly"
    owner = {"api_key": " of the key", "end_user": f" of {_end_user(refused)}"}.get(refused.scope, "")
    return f"{window} cap{owner}"


def _end_user(refused: Refused) -> str:
    """`the end user 3f2a9c41`; of whoever the application does not name, all of them."""
    if refused.end_user == ANONYMOUS:
        return "all who are not named"
    return f"the end user {refused.end_user[:8]}".rstrip()


def fits_output_tokens(refused: Refused) -> int | None:
    """What would have fitted, as the client was told."""
    found = _FITS.search(refused.message)
    return int(found[1].replace(",", "")) if found else None


def of_hold(hold: Hold, key_names: Mapping[str, str]) -> Row:
    return Row(
        id=hold.id,
        at=hold.at,
        key_id=hold.key_id,
        key_name=key_names.get(hold.key_id, hold.key_id),
        model=hold.model,
        state="In flight",
        tone="act",
        what="held until it ends; gives back what it does not use",
        took="",
        cost=show.five(hold.amount),
        exact=show.exact(hold.amount),
        held=True,
    )


def newest(rows: Iterable[Row], count: int) -> list[Row]:
    """Newest first; of a request that is in two places (its row was just written), the one that came first stays."""
    known: dict[str, Row] = {}
    for row in rows:
        known.setdefault(row.id, row)
    return sorted(known.values(), key=lambda row: (row.at, row.id), reverse=True)[:count]
