"""The newcomer's page: five lines, snippets, and a playground that leads to the wall on purpose."""

from typing import Any

import httpx
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tenants.errors import TenantError
from tenants.models import ApiKey, KeyMode
from tenants.roles import Action
from tenants.services import create_api_key
from tokonomics.console import access, arrivals, frames, live, onboarding, playground, snippets, words
from tokonomics.console import presentation as show
from tokonomics.console.access import TenantRequest
from tokonomics.console.meter import Size, meter
from tokonomics.console.playground import Playground
from tokonomics.console.standings import Snapshot

FIRST_KEY = "first-test-key"
PROMPT = "Why does money run out at the end of the month?"
TO = "make keys"


@access.page("", name="Getting started")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    return _show(request)


@require_POST
@access.page("", name="Getting started", needs=Action.MANAGE_OWN_KEYS, to=TO)
def test_key(request: TenantRequest, slug: str) -> HttpResponse:
    """Make a test key and show it this once, in the snippets too."""
    try:
        made = create_api_key(tenant=request.tenant, name=FIRST_KEY, mode=KeyMode.TEST, actor=access.actor(request))
    except TenantError as error:
        return _show(request, problem=error.message)
    return _show(request, secret=made.secret)


@require_POST
@access.page("", name="Getting started", needs=Action.MANAGE_OWN_KEYS, to=TO)
def try_it(request: TenantRequest, slug: str) -> HttpResponse:
    """Send one request of the playground; `until=wall` asks for large ones, until one is refused."""
    until_wall = request.POST.get("until") == "wall"
    prompt = request.POST.get("prompt", "").strip()[:2_000] or PROMPT
    problem = _try(request, prompt, until_wall=until_wall)
    if request.headers.get("HX-Request") == "true":
        return access.show(request, "console/_playground.html", _played(request, prompt, until_wall, problem))
    if problem:
        messages.error(request, problem)
    return redirect(f"/t/{slug}/onboarding/#wall")


@require_POST
@access.page("", name="Getting started", needs=Action.MANAGE_OWN_KEYS, to=TO)
def start_over(request: TenantRequest, slug: str) -> HttpResponse:
    """A new playground key, with its cap untouched."""
    problem = ""
    try:
        playground.open_new(request.session, request.tenant, access.actor(request))
    except TenantError as error:
        problem = error.message
    if request.headers.get("HX-Request") == "true":
        return access.show(request, "console/_playground.html", _played(request, PROMPT, False, problem))
    if problem:
        messages.error(request, problem)
    return redirect(f"/t/{slug}/onboarding/#wall")


def _try(request: TenantRequest, prompt: str, *, until_wall: bool) -> str:
    """Why it could not be sent, in words; empty when it was."""
    try:
        ground = playground.load(request.session, request.tenant)
        if ground is None or ground.key(request.tenant) is None:
            ground = playground.open_new(request.session, request.tenant, access.actor(request))
        playground.send(request, ground, prompt, large=until_wall)
    except TenantError as error:
        return error.message
    except httpx.HTTPError:
        return "The metered route did not answer. Try again in a moment."
    playground.save(request.session, request.tenant, ground)
    return ""


def _show(request: TenantRequest, *, secret: str = "", problem: str = "") -> HttpResponse:
    seen = Snapshot.take(request.tenant)
    request.frame = frames.frame_of(request.membership, "", page_name="Getting started", snapshot=seen)
    progress = onboarding.progress(request.tenant, request.role)
    context: dict[str, Any] = {
        "steps": progress,
        "secret": secret,
        "key_once": words.key_once(FIRST_KEY),
        "once_hint": words.ONCE_HINT,
        "problem": problem,
        "test_snippets": snippets.of(request, secret or snippets.TEST_KEY),
        "live_snippets": snippets.of(request, snippets.LIVE_KEY),
        "test_keys": [key for key in seen.active_keys if key.mode == KeyMode.TEST and key.name != playground.NAME],
        "month": seen.month(),
        "arrived": {mode: arrivals.of(seen, mode) for mode in KeyMode.values},
        "live": live.address(request.tenant.slug, "onboarding"),
        "now": show.at(int(seen.now)),
        "may_make_keys": access.allowed(request, Action.MANAGE_OWN_KEYS),
        **_played(request, PROMPT, False, "", seen),
    }
    return access.show(request, "console/onboarding.html", context)


def _played(
    request: TenantRequest, prompt: str, until_wall: bool, problem: str, seen: Snapshot | None = None
) -> dict[str, Any]:
    """What the playground's part needs."""
    ground = playground.load(request.session, request.tenant)
    key = ground.key(request.tenant) if ground is not None else None
    context: dict[str, Any] = {
        "ground": ground if key is not None else None,
        "prompt": prompt,
        "play_problem": problem,
        "cap": show.cap(playground.CAP),
        "model": playground.MODEL,
        "next": _goes_on(ground, until_wall, problem),
    }
    if key is not None:
        context["ground_meter"], context["ground_left"] = _meter(request, key)
    return context


def _goes_on(ground: Playground | None, until_wall: bool, problem: str) -> bool:
    """Whether the page sends the next one by itself, on the way to the wall."""
    last = ground.last if ground is not None else None
    tries = len(ground.tries) if ground is not None else 0
    return until_wall and not problem and last is not None and last.status == 200 and tries < playground.MOST_TRIES


def _meter(request: TenantRequest, key: ApiKey) -> tuple[Any, str]:
    reading = Snapshot.take(request.tenant, [key]).key(key).month
    return meter(reading, Size.INLINE, label="The playground key's cap", ident="playground-meter"), show.exact(
        reading.remaining
    )
