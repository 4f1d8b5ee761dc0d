"""Which parts of which pages are live: for each name that a socket's address may say, how it is looked at and drawn."""

from collections.abc import Mapping
from typing import Any

from django.template.loader import render_to_string

from tenants.models import KeyMode, Tenant
from tenants.store import StoreUnavailable
from tokonomics.console import arrivals, frames, onboarding
from tokonomics.console import usage as usage_page
from tokonomics.console.charting import Stack
from tokonomics.console.in_flight import open_holds
from tokonomics.console.live import Drawing, Renderer
from tokonomics.console.overview import Choice, look, overview
from tokonomics.console.standings import Snapshot


class OverviewParts:
    """Everything below the head of the overview."""

    def look(self, tenant: Tenant, params: Mapping[str, str]) -> Snapshot:
        return look(tenant, Choice.of(params))

    def signature(self, seen: Snapshot) -> Any:
        """Which requests are in flight: one may begin and end within a second at the same amount."""
        try:
            return tuple(hold.id for hold in open_holds(seen.tenant.pk).holds)
        except StoreUnavailable:
            return ()

    def draw(self, role: str, seen: Snapshot, params: Mapping[str, str]) -> Drawing:
        choice = Choice.of(params)
        view = overview(role, seen, choice)
        frame = frames.bare(seen.tenant, role, seen)
        context = {
            "view": view,
            "frame": frame,
            "below": {"band": frames.band_of(seen.tenant, role, seen, choice.mode, below_headline=True)},
            "actions": frames.actions_of(seen.tenant, role, view.month, choice.mode),
            "stacks": [(stack, choice.address(by=stack)) for stack in Stack],
        }
        names = {"now": "now", "band-box": "band", "by-day": "days", "by-who": "who", "requests": "requests"}
        parts = {ident: render_to_string(f"console/overview_{name}.html", context) for ident, name in names.items()}
        steps = onboarding.progress(seen.tenant, role)
        parts["getting-started"] = render_to_string("console/onboarding_brief.html", {**context, "steps": steps})
        return Drawing(parts, state=str(view.month.state), said=view.headline)


class UsageParts:
    """How many requests of the selection are newer than the page: a button, never rows that move under the reader."""

    def look(self, tenant: Tenant, params: Mapping[str, str]) -> Snapshot:
        return Snapshot.take(tenant)

    def signature(self, seen: Snapshot) -> Any:
        return None

    def draw(self, role: str, seen: Snapshot, params: Mapping[str, str]) -> Drawing:
        new = usage_page.newer(seen, params)
        return Drawing({"newer": render_to_string("console/usage_newer.html", {"new": new})})


class OnboardingParts:
    """Which lines are done, and the first requests as they come."""

    def look(self, tenant: Tenant, params: Mapping[str, str]) -> Snapshot:
        return Snapshot.take(tenant)

    def signature(self, seen: Snapshot) -> Any:
        return None

    def draw(self, role: str, seen: Snapshot, params: Mapping[str, str]) -> Drawing:
        frame = frames.bare(seen.tenant, role, seen)
        progress = onboarding.progress(seen.tenant, role)
        parts = {"steps-done": render_to_string("console/onboarding_done.html", {"steps": progress})}
        for step in progress.steps:
            parts[f"state-{step.key}"] = render_to_string("console/onboarding_state.html", {"step": step})
        for mode in KeyMode.values:
            context = {"mode": mode, "rows": arrivals.of(seen, mode), "frame": frame}
            parts[f"arrived-{mode}"] = render_to_string("console/onboarding_arrived.html", context)
        said = f"{progress.done} of {len(progress.steps)} done"
        return Drawing(parts, state=said, said=said)


RENDERERS: dict[str, Renderer] = {
    "overview": OverviewParts(),
    "usage": UsageParts(),
    "onboarding": OnboardingParts(),
}
