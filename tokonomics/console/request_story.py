"""One request from arrival to its row in the ledger: in a sentence, on a time line, and as a bill."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from budgets.models import UsageRecord, UsageStatus
from budgets.refusals import Refused
from tenants.models import ApiKey
from tenants.providers import title_of
from tenants.store import StoreUnavailable
from tokonomics.console import activity, in_flight, words
from tokonomics.console import presentation as show
from tokonomics.console.bill import Bill, bill_of
from tokonomics.console.in_flight import Hold
from tokonomics.console.standings import Snapshot

_FLAGS = {
    "bound_breach": "It cost more than the most that was reckoned. Your operator sees it too.",
    "estimate_breach": "It cost more than was held for it: the company has chosen to hold what requests usually cost.",
    "budget_cap_exceeded": "The rest of it did not fit under a cap any more, so it was ended as at its output limit.",
    "budget_held": "The rest of it did not fit beside what others held, so it was ended as at its output limit.",
    "ledger_unavailable": "The ledger was out of reach to hold more for it, so it was ended as at its output limit.",
    "hold_ended": "What was held for it had been ended, so it was ended as at its output limit.",
    "client_gone": "The client left before the end. The rest was read from the provider to learn what it cost.",
    "set_aside": "What it left could not be written down as it was. This is what could be read of it.",
    "corrected": "Its worker was thought lost and the hold charged; when it came back, the true cost took its place.",
    "cut": "The reply ended before it was complete.",
    "no_reply": "The request went out and no reply came back.",
    "aborted": "It was broken off on our side after it had gone out.",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of the time line. `at` None: after the one before it, at a time that is not kept."""

    title: str
    text: str = ""
    at: datetime | None = None
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    value: str
    copy: bool = False
    href: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    id: str
    headline: str
    chip: str
    tone: str
    at: datetime
    moments: tuple[Moment, ...]
    bill: Bill | None
    remarks: tuple[str, ...]
    facts: tuple[Fact, ...]


# --- An admitted request that has ended ------------------------------------------------------------------------------


def of_record(record: UsageRecord) -> Story:
    row = activity.of_record(record)
    return Story(
        id=record.pk,
        headline=_headline(record),
        chip=row.state,
        tone=row.tone,
        at=record.reserved_at,
        moments=tuple(_moments(record)),
        bill=bill_of(record),
        remarks=tuple(_FLAGS[flag] for flag in record.flags if flag in _FLAGS),
        facts=tuple(_facts(record)),
    )


def _headline(record: UsageRecord) -> str:
    after = f" after {show.took(record.duration_ms)}" if record.duration_ms else ""
    match record.status:
        case UsageStatus.CHARGED_AT_HOLD:
            return words.charged_at_hold(record.cost)
        case UsageStatus.CUT_SHORT:
            return f"It was ended{after}, at the most that it can have cost by then: {show.exact(record.cost)}."
        case UsageStatus.LEASE_ENDED:
            return f"Its worker vanished, so the most it could cost was charged: {show.exact(record.cost)}."
        case UsageStatus.PROVIDER_ERROR:
            return f"{_provider(record.provider)} answered with an error{after}. Nothing was charged."
        case UsageStatus.NOT_SENT:
            return f"{_provider(record.provider)} could not be reached. Nothing was charged."
    return f"It cost {show.exact(record.cost)} and ended{after}."


def _provider(name: str) -> str:
    return title_of(name)


def _moments(record: UsageRecord) -> Iterator[Moment]:
    """What is kept of it, in order. A moment whose time is not kept says none."""
    provider = _provider(record.provider)
    if record.bound:
        yield Moment("Reckoned", _bound_text(record))
    yield Moment("Held", _held_text(record.held, _why_held(record)), record.reserved_at)
    if record.status == UsageStatus.NOT_SENT:
        yield Moment("Not sent", f"No connection to {provider} could be opened.")
    else:
        sent = f"to {provider}, {record.endpoint}" + (", as a stream" if record.stream else "")
        yield Moment("Sent", sent)
        if record.first_byte_ms is not None:
            began = record.reserved_at + timedelta(milliseconds=record.first_byte_ms)
            yield Moment("Reply began", f"after {show.took(record.first_byte_ms)}", began)
        yield Moment(
            _ended(record), _ending_text(record), record.reserved_at + timedelta(milliseconds=record.duration_ms)
        )
    yield Moment("Settled", _settled_text(record), record.settled_at)
    rest = record.held - record.cost
    if rest > 0:
        yield Moment("Given back", f"{show.exact(rest)}, what the hold had not used.")
    elif rest < 0:
        yield Moment("Past the hold", f"{show.exact(-rest)} more than was held.", tone="wall")


def _bound_text(record: UsageRecord) -> str:
    """How the hold was reckoned, from what is kept of it."""
    whose = f", at {record.price_source}" if record.price_source else ""
    if characters := record.bound.get("characters"):
        return f"{show.count(characters)} characters{whose}."
    if milliseconds := record.bound.get("milliseconds"):
        return f"At most {show.took(milliseconds)} of sound{whose}."
    tokens_in, tokens_out = record.bound.get("input", 0), record.bound.get("output", 0)
    choices = record.bound.get("choices", 1)
    each = f" in each of {choices} choices" if choices > 1 else ""
    return f"At most {show.count(tokens_in)} tokens of input and {show.count(tokens_out)} of output{each}{whose}."


def _held_text(amount: int, why: str = "the most it could cost") -> str:
    return f"{show.exact(amount)}, {why}, on the company's month and the key's month and day at once."


def _why_held(record: UsageRecord) -> str:
    if record.status == UsageStatus.CUT_SHORT:
        return "all that could be held for it"
    return "what such requests usually cost" if "estimate_breach" in record.flags else "the most it could cost"


def _ended(record: UsageRecord) -> str:
    if record.status in (UsageStatus.CHARGED_AT_HOLD, UsageStatus.LEASE_ENDED):
        return "Ended without a known usage"
    if record.status == UsageStatus.CUT_SHORT:
        return "Ended by us"
    return "Ended"


def _ending_text(record: UsageRecord) -> str:
    answered = f"{_provider(record.provider)} answered {record.http_status}. " if record.http_status else ""
    if record.status == UsageStatus.SETTLED:
        return f"{answered}{activity.tokens_of(record)}.".strip()
    return f"{answered}{activity.what_happened(record).capitalize()}.".strip()


def _settled_text(record: UsageRecord) -> str:
    if record.cost == 0:
        return "Nothing is charged; the hold is off."
    if record.status in (UsageStatus.SETTLED, UsageStatus.CUT_SHORT):
        return f"{show.exact(record.cost)} is charged, the hold is off."
    return f"{show.exact(record.cost)} is charged: the whole hold."


def _facts(record: UsageRecord) -> Iterator[Fact]:
    yield Fact("Request", record.pk, copy=True)
    if record.request_id:
        yield Fact("x-request-id", record.request_id, copy=True)
    yield Fact("Key", record.api_key.name, href=f"keys/{record.api_key_id}/")
    yield Fact("Key id", record.api_key_id, copy=True)
    yield Fact("Model", record.model)
    yield Fact("Provider", _provider(record.provider))
    yield Fact("Mode", record.get_mode_display())
    if record.end_user:
        yield Fact("End user", record.end_user, copy=True)
    if record.price_source:
        since = f", since {show.short_day(record.price_since)} {record.price_since.year}" if record.price_since else ""
        yield Fact("Price", f"{record.price_source}{since}", href=f"prices/?{urlencode({'q': record.model})}")
    if record.service_tier:
        yield Fact("Service tier", record.service_tier)
    yield Fact("Held", show.exact(record.held))
    yield Fact("Cost", show.exact(record.cost))


# --- In flight, and refused ------------------------------------------------------------------------------------------


def of_another(seen: Snapshot, request_id: str) -> Story | None:
    """A request without a row: one in flight, or one of the last that were refused."""
    for refused in seen.recent_refusals:
        if refused.request_id == request_id:
            return _of_refusal(refused, _key_name(seen, refused.key_id))
    try:
        hold = in_flight.find(seen.tenant.pk, request_id)
    except StoreUnavailable:
        return None
    return _of_hold(hold, _key_name(seen, hold.key_id)) if hold is not None else None


def _key_name(seen: Snapshot, key_id: str) -> str:
    name = ApiKey.objects.filter(tenant=seen.tenant, pk=key_id).values_list("name", flat=True).first()
    return name or key_id


def _of_hold(hold: Hold, key_name: str) -> Story:
    return Story(
        id=hold.id,
        headline=f"It is in flight, and {show.exact(hold.amount)} is held for it until it ends.",
        chip="In flight",
        tone="act",
        at=hold.at,
        moments=(
            Moment("Held", _held_text(hold.amount), hold.at),
            Moment("Sent", f"to {_provider(hold.provider)}, {hold.endpoint}"),
        ),
        bill=None,
        remarks=(),
        facts=(
            Fact("Request", hold.id, copy=True),
            Fact("Key", key_name, href=f"keys/{hold.key_id}/"),
            Fact("Model", hold.model),
            Fact("Provider", _provider(hold.provider)),
        ),
    )


def _of_refusal(refused: Refused, key_name: str) -> Story:
    at = datetime.fromtimestamp(refused.at_ms // 1000, UTC)
    return Story(
        id=refused.request_id,
        headline=_refused_headline(refused),
        chip="Refused",
        tone="wall",
        at=at,
        moments=tuple(_refused_moments(refused, at)),
        bill=None,
        remarks=("No provider was called and nothing was charged.",),
        facts=(
            Fact("Request", refused.request_id, copy=True),
            Fact("Key", key_name, href=f"keys/{refused.key_id}/"),
            Fact("Key id", refused.key_id, copy=True),
            *((Fact("Model", refused.model),) if refused.model else ()),
            *((Fact("End user", refused.end_user, copy=True),) if refused.end_user else ()),
            Fact("Code", refused.code, copy=True),
        ),
    )


def _refused_headline(refused: Refused) -> str:
    if refused.code == "budget_held":
        return "It was refused for the moment: requests in flight hold what is left."
    if refused.scope:
        return f"It was refused by the {activity.which_cap(refused).lower()}."
    return "It was refused before anything was held for it."


def _refused_moments(refused: Refused, at: datetime) -> Iterator[Moment]:
    yield Moment("Arrived", f"with {refused.model}" if refused.model else "", at)
    yield Moment("Refused", f"{refused.code}. {refused.message}", at, tone="wall")
    fits = activity.fits_output_tokens(refused)
    if fits:
        yield Moment("What would have fitted", f"The same request with at most {fits:,} output tokens.")
