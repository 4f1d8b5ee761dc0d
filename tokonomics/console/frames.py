"""The frame around any page of a company: what is left, where one can go, what stops requests now."""

from collections.abc import Iterator

from tenants.models import Membership, Tenant
from tenants.roles import Action, may
from tokonomics.console import presentation as show
from tokonomics.console import words
from tokonomics.console.frame import Band, Frame, Link
from tokonomics.console.reading import Reading, State
from tokonomics.console.standings import KeyStanding, Snapshot


def frame_of(membership: Membership, active: str, *, page_name: str = "", snapshot: Snapshot | None = None) -> Frame:
    """`snapshot`: what a page has looked up already, so that its frame says the same and asks for nothing twice."""
    tenant = membership.tenant
    seen = snapshot or Snapshot.take(tenant)
    return Frame(
        tenant_name=tenant.name,
        tenant_slug=tenant.slug,
        role=membership.role,
        person=membership.user.email,
        active=active,
        month=seen.month(),
        page_name=page_name,
        band=band_of(membership, seen),
        counts={"keys": len(seen.keys)},
        others=_others(membership),
        help_links=(
            Link("Getting started", f"/t/{tenant.slug}/onboarding/"),
            Link("API reference", "/api/docs/"),
        ),
    )


def _others(membership: Membership) -> tuple[Link, ...]:
    elsewhere = Tenant.objects.filter(memberships__user_id=membership.user_id).exclude(pk=membership.tenant_id)
    return tuple(Link(name, f"/t/{slug}/") for name, slug in elsewhere.order_by("name").values_list("name", "slug"))


def band_of(membership: Membership, seen: Snapshot) -> Band | None:
    """What stops live requests at this moment, the widest scope first; the first is shown, the rest are counted."""
    stopping = list(_stopping(membership, seen))
    if not stopping:
        return None
    first = stopping[0]
    return Band(first.title, first.text, first.actions, first.tone, more=len(stopping) - 1)


def _stopping(membership: Membership, seen: Snapshot) -> Iterator[Band]:
    tenant, home, month = membership.tenant, f"/t/{membership.tenant.slug}/", seen.month()
    if tenant.suspended_at is not None:
        since = show.short_day(tenant.suspended_at)
        yield Band(
            f"{tenant.name} is suspended since {since}.", "Every request is refused until your operator resumes it."
        )
    if month.state == State.STALE:
        down = words.ledger_down(show.at(month.stale_since or month.now))
        yield Band(down.title, down.text)
        return
    if month.stopping:
        yield _capped(membership, month, home)
    for key in seen.blocked_keys():
        yield _key_band(membership, key, home)


def _capped(membership: Membership, month: Reading, home: str) -> Band:
    spent_it = Link("See what spent it", f"{home}usage/")
    change = (Link("Raise the budget", f"{home}settings/", main=True),)
    actions = (spent_it, *change) if may(membership.role, Action.CHANGE_BUDGET) else (spent_it,)
    if month.state == State.ZERO:
        return Band("The cap is $0.00.", "Everything is refused.", actions)
    notice = words.cap_reached(month)
    return Band(notice.title, f"{notice.text} {words.subline(month)}".strip(), actions)


def _key_band(membership: Membership, standing: KeyStanding, home: str) -> Band:
    key, reading = standing.key, standing.stopped_by or standing.month
    notice = words.key_blocked(key.name, reading)
    actions = [Link("See the refusals", f"{home}usage/?show=refused&key={key.pk}")]
    if may(membership.role, Action.MANAGE_KEYS) or key.created_by_id == membership.user_id:
        label = "Raise the cap" if reading.is_month else "Raise for today"
        actions.append(Link(label, f"{home}keys/{key.pk}/", main=True))
    return Band(notice.title, notice.text, tuple(actions))
