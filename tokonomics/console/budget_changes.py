"""The budget, changed by people who see each other's changes and are asked before blocking ends, or begins at once."""

from dataclasses import dataclass
from datetime import datetime

from budgets.models import Cap
from budgets.services import set_tenant_cap
from budgets.windows import WindowKind
from tenants import policy
from tenants.models import AuditEvent, KeyMode, Tenant
from tenants.services import Actor
from tokonomics.console import presentation as show
from tokonomics.console import words
from tokonomics.console.forms_settings import version_of
from tokonomics.console.reading import Reading
from tokonomics.console.words import Question

OFF, BELOW = "off", "below"


class ChangedMeanwhile(Exception):
    """Somebody changed the budget after the reader saw it; nothing was saved. `event`: that change, if it is known."""

    def __init__(self, cap: Cap, event: AuditEvent | None) -> None:
        super().__init__(cap.pk)
        self.cap, self.event = cap, event

    def question(self, now: datetime) -> Question:
        who = self.event.actor_label if self.event is not None else "Somebody"
        ago = show.ago(self.event.created_at, now) if self.event is not None else "meanwhile"
        before, after = (self.event.changes if self.event is not None else {}).get("amount_usd", (None, ""))
        if before != after:
            return words.changed_meanwhile(who, self.cap.amount, ago)
        turned = f"{who} turned blocking {'on' if self.cap.hard else 'off'} {ago}. Keep that or save yours?"
        return Question(turned, "Save mine", "Keep that")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what its form has to say with a yes."""

    name: str
    question: Question


def budget_of(tenant: Tenant, mode: str = KeyMode.LIVE) -> Cap | None:
    return Cap.objects.filter(tenant=tenant, api_key=None, mode=mode, window=WindowKind.MONTH).first()


def save_budget(tenant: Tenant, *, amount: int, hard: bool, seen: str, actor: Actor) -> Cap:
    """Raises ChangedMeanwhile, InvalidValue, PolicyUnavailable."""
    with policy.within(tenant) as locked:
        cap = budget_of(locked)
        if cap is not None and version_of(cap) != seen and (cap.amount, cap.hard) != (amount, hard):
            raise ChangedMeanwhile(cap, last_change(locked))
        return set_tenant_cap(tenant=locked, amount=amount, hard=hard, actor=actor)


def last_change(tenant: Tenant) -> AuditEvent | None:
    """Of the live budget."""
    mine = AuditEvent.objects.filter(tenant=tenant, action="cap.changed", target_id=tenant.pk)
    return mine.exclude(target_label__startswith="test").first()


def to_ask(cap: Cap | None, month: Reading, *, amount: int, hard: bool) -> list[Asked]:
    """What a change of the budget has to be asked for: whether blocking ends, or begins at once."""
    if cap is not None and cap.hard and not hard:
        return [Asked(OFF, words.confirm_off(cap.amount))]
    stops_now = hard and amount <= month.spent
    if stops_now and (cap is None or not cap.hard or amount < cap.amount):
        return [Asked(BELOW, words.confirm_below_spend(month.spent, amount, month.resets))]
    return []
