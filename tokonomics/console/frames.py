"""The frame around any page of a company: what is left, where one can go, what stops requests now."""

from collections.abc import Iterator

from tenants.models import KeyMode, Membership, Tenant
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
        band=band_of(tenant, membership.role, seen),
        counts={"keys": len(seen.active_keys)},
        others=_others(membership),
        help_links=(
            Link("Getting started", f"/t/{tenant.slug}/onboarding/"),
            Link("API reference", "/api/docs/"),
        ),
    )


def bare(tenant: Tenant, role: str, seen: Snapshot) -> Frame:
    """Of nobody in particular: for the parts of a page that say what is left."""
    return Frame(tenant_name=tenant.name, tenant_slug=tenant.slug, role=role, person="", active="", month=seen.month())


def _others(membership: Membership) -> tuple[Link, ...]:
    elsewhere = Tenant.objects.filter(memberships__user_id=membership.user_id).exclude(pk=membership.tenant_id)
    return tuple(Link(name, f"/t/{slug}/") for name, slug in elsewhere.order_by("name").values_list("name", "slug"))


def band_of(
    tenant: Tenant, role: str, seen: Snapshot, mode: str = KeyMode.LIVE, *, below_headline: bool = False
) -> Band | None:
    """What stops requests of a mode at this moment, the widest scope first: one is shown, the rest are counted.

    `below_headline`: on the overview, where the headline says already that the company's own cap or ledger stops them.
    """
    stopping = list(_stopping(tenant, role, seen, mode, below_headline=below_headline))
    if not stopping:
        return None
    first = stopping[0]
    return Band(first.title, first.text, first.actions, first.tone, more=len(stopping) - 1)


def _stopping(tenant: Tenant, role: str, seen: Snapshot, mode: str, *, below_headline: bool) -> Iterator[Band]:
    home, month = f"/t/{tenant.slug}/", seen.month(mode)
    if tenant.suspended_at is not None:
        since = show.short_day(tenant.suspended_at)
        yield Band(
            f"{tenant.name} is suspended since {since}.", "Every request is refused until your operator resumes it."
        )
    if month.state == State.STALE:
        down = words.ledger_down(show.at(month.stale_since or month.now))
        if not below_headline:
            yield Band(down.title, down.text)
        return
    if month.stopping and not below_headline:
        yield _capped(role, month, home, mode)
    for key in seen.blocked_keys(mode):
        yield _key_band(role, key, home)


def actions_of(tenant: Tenant, role: str, month: Reading, mode: str) -> tuple[Link, ...]:
    """What the overview's headline asks for, where it says that the cap is reached."""
    return _capped(role, month, f"/t/{tenant.slug}/", mode).actions[::-1] if month.stopping else ()


def _capped(role: str, month: Reading, home: str, mode: str) -> Band:
    spent_it = Link("See what spent it", f"{home}usage/" + ("?mode=test" if mode == KeyMode.TEST else ""))
    actions: tuple[Link, ...] = (spent_it,)
    if may(role, Action.CHANGE_BUDGET) and mode == KeyMode.LIVE:
        actions = (spent_it, Link("Raise the budget", f"{home}settings/", main=True))
    if month.state == State.ZERO:
        return Band("The cap is $0.00.", "Everything is refused.", actions)
    notice = words.cap_reached(month)
    return Band(notice.title, f"{notice.text} {words.subline(month)}".strip(), actions)


def _key_band(role: str, standing: KeyStanding, home: str) -> Band:
    key, reading = standing.key, standing.stopped_by or standing.month
    notice = words.key_blocked(key.name, reading)
    mode = "&mode=test" if key.mode == KeyMode.TEST else ""
    refusals = Link("See the refusals", f"{home}usage/?show=refused&key={key.pk}{mode}")
    if not may(role, Action.MANAGE_KEYS):
        return Band(notice.title, notice.text, (refusals, Link("See the key", f"{home}keys/{key.pk}/")))
    label = "Raise the cap" if reading.is_month else "Raise for today"
    return Band(notice.title, notice.text, (refusals, Link(label, f"{home}keys/{key.pk}/", main=True)))
