"""The overview: how much is left, who spends it, what happens next and when."""

from typing import Any

from django.http import HttpResponse

from tenants.models import KeyMode
from tenants.roles import Action
from tokonomics.console import access, frames, live, onboarding, snippets
from tokonomics.console import presentation as show
from tokonomics.console.access import TenantRequest
from tokonomics.console.charting import Stack
from tokonomics.console.overview import Choice, look, overview


@access.page("overview")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    choice = Choice.of(request.GET.dict())
    seen = look(request.tenant, choice)
    request.frame = frames.frame_of(request.membership, "overview", snapshot=seen)
    view = overview(request.role, seen, choice)
    context: dict[str, Any] = {
        "view": view,
        "below": {"band": frames.band_of(request.tenant, request.role, seen, choice.mode, below_headline=True)},
        "actions": frames.actions_of(request.tenant, request.role, view.month, choice.mode),
        "steps": onboarding.progress(request.tenant, request.role),
        "stacks": [(stack, choice.address(by=stack)) for stack in Stack],
        "modes": [(mode.label, choice.address(mode=mode), mode == choice.mode) for mode in KeyMode],
        "live": live.address(request.tenant.slug, "overview", mode=choice.mode, by=choice.by),
        "now": show.at(int(seen.now)),
        "snippets": snippets.of(request) if view.is_silent else (),
        "may_set_budget": access.allowed(request, Action.CHANGE_BUDGET),
    }
    if not context["may_set_budget"] and view.month.cap is None:
        context["why_not"] = access.no_right(request.tenant, Action.CHANGE_BUDGET, "set the budget")
    return access.show(request, "console/overview.html", context)
