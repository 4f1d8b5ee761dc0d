"""What the operator's page says: a line for each thing that can be wrong, whether it is or not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.metrics import Numbers
from tenants.models import Tenant
from tokonomics.console import presentation as show
from tokonomics.console.companies import LATE_SECONDS, Totals
from tokonomics.console.drift import Audited, Difference
from tokonomics.console.operating import Overview

MANY_UNDRAINED = 10_000
# What each trouble means, and what to do about it.
REDIS_AWAY = "Requests are refused until it is back; nothing is spent unseen."
DATABASE_AWAY = "Keys that are known go on; nothing is written down until it is back."
UNCONFIRMED = "They are sent again each second. If this stays, Redis is in trouble."
UNDRAINED = (
    "Look at the Celery worker and the database; manage.py drain_journal says what stops a company's. "
    "At 100,000 in one process nothing more is admitted."
)
OVERDUE = "The worker's sweep charges them; if they stay, no Celery worker runs."
WAITING = "The drain does not keep up: look at the Celery worker and the database."
DRIFT = "See below what to move. A database that was put back from a backup lacks rows: do not mend then."
BREACHES = "A price or a bound is wrong for the models below: a cap may be passed by as much."


@dataclass(frozen=True, slots=True)
class Line:
    """`fine`: nothing has to be done about it. `text` says what it is, what it means, what to do."""

    fine: bool
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Differing:
    """One company of which counters differ from the ledger."""

    tenant: Tenant | None
    tenant_id: str
    differences: list[Difference]


def lines(redis_problem: str, database_problem: str, numbers: Numbers, seen: Overview | None) -> list[Line]:
    """In the order in which one would look."""
    found = [
        Line(False, redis_problem, REDIS_AWAY)
        if redis_problem
        else Line(True, "Redis answers and keeps everything (noeviction)."),
        Line(False, database_problem, DATABASE_AWAY) if database_problem else Line(True, "The database answers."),
        _undrained(numbers),
    ]
    if seen is not None:
        totals = seen.totals
        found += [_overdue(totals), _waiting(totals), _drift(seen.audited), _breaches(totals), _charged(totals)]
    return found


def _undrained(numbers: Numbers) -> Line:
    undrained, unconfirmed = numbers.gauges["undrained_settles"], numbers.gauges["unconfirmed_settles"]
    if unconfirmed:
        ends = show.counted(unconfirmed, "end of a request is", "ends of requests are")
        return Line(False, f"{ends} not confirmed by Redis.", UNCONFIRMED)
    waiting = f"{show.counted(undrained, 'end')} of requests wait to be written to the database"
    if numbers.journal_lag > LATE_SECONDS or undrained > MANY_UNDRAINED:
        return Line(False, f"{waiting}, the oldest for {show.took(int(numbers.journal_lag * 1000))}.", UNDRAINED)
    workers = show.counted(numbers.processes, "web process", "web processes")
    return Line(True, f"{workers}; {waiting if undrained else 'every end of a request is written down'}.")


def _overdue(seen: Totals) -> Line:
    if seen.overdue:
        return Line(False, f"{show.counted(seen.overdue, 'hold is', 'holds are')} past the end of the lease.", OVERDUE)
    flying = f"{show.counted(seen.holds, 'request')} in flight, every lease runs."
    return Line(True, flying if seen.holds else "Nothing is in flight.")


def _waiting(seen: Totals) -> Line:
    text = f"{show.counted(seen.waiting, 'entry', 'entries')} in the journals."
    if seen.waiting > MANY_UNDRAINED:
        return Line(False, text, WAITING)
    return Line(True, text if seen.waiting else "The journals are drained.")


def _drift(audited: Audited | None) -> Line:
    if audited is None:
        return Line(True, "No audit was made in the last week.")
    if audited.differences:
        counters = show.counted(len(audited.differences), "counter differs", "counters differ")
        return Line(False, f"{counters} from the ledger.", DRIFT)
    companies = show.counted(audited.companies, "company", "companies")
    left = f" There was no time for {audited.left_out:,} more." if audited.left_out else ""
    return Line(True, f"Every counter of {companies} equalled the ledger when they were audited.{left}")


def _breaches(seen: Totals) -> Line:
    if seen.breaches:
        requests = show.counted(seen.breaches, "request", "requests")
        return Line(False, f"{requests} of the last 30 days cost more than was held.", BREACHES)
    return Line(True, "No request of the last 30 days cost more than was held for it.")


def _charged(seen: Totals) -> Line:
    if not seen.charged:
        return Line(True, "No request of the last day was charged at its hold.")
    requests = show.counted(seen.charged, "request", "requests")
    return Line(True, f"{requests} of the last day charged at their holds, {show.spent(seen.charged_amount)} in all.")


def by_company(audited: Audited, known: Mapping[str, Tenant]) -> list[Differing]:
    """What differs, one entry a company."""
    ids = dict.fromkeys(one.tenant_id for one in audited.differences)
    return [
        Differing(known.get(name), name, [one for one in audited.differences if one.tenant_id == name]) for name in ids
    ]


def stuck(tenant: Tenant) -> str:
    return (
        f"Nothing was moved: an entry in the journal of {tenant.name} cannot be read. "
        f"`manage.py drain_journal {tenant.slug}` says which, and sets it aside."
    )


def mended(name: str, counters: int) -> str:
    if not counters:
        return f"Nothing to move: every counter of {name} equals the ledger."
    moved = show.counted(counters, "counter was", "counters were")
    return f"{moved} moved to what the ledger of {name} says. It is in the audit log."
