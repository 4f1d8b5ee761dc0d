"""Who may see and change a company's pages: the one door of everything under `/t/<slug>/`.

    @page("keys", change=Action.MANAGE_OWN_KEYS, to="make keys")
    def keys(request: TenantRequest, slug: str) -> HttpResponse: ...

Somebody who is no member gets the same 404 whether the company exists or not; who is a member and may not do this gets
403 with the words that say who may. A suspended company's pages stay open: its requests are what is refused.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.utils.functional import SimpleLazyObject

from tenants.models import Membership, Role, Tenant, User
from tenants.roles import Action, may
from tenants.services import Actor
from tokonomics.console import frames
from tokonomics.console.frame import Frame

View = Callable[..., HttpResponseBase]
_SAFE = ("GET", "HEAD", "OPTIONS")
_MANY = {Role.OWNER: "owners", Role.ADMIN: "admins", Role.MEMBER: "members", Role.VIEWER: "viewers"}


class TenantRequest(HttpRequest):
    """What a view behind `page` gets. `frame` is built when a template first asks for it."""

    user: User
    tenant: Tenant
    membership: Membership
    role: str
    frame: Frame


def membership_of(user: Any, slug: str) -> Membership | None:
    """The place of a signed-in person in a company; None for a stranger, and for a company that does not exist."""
    if not user.is_authenticated or not user.is_active:
        return None
    return Membership.objects.select_related("tenant", "user").filter(user=user, tenant__slug=slug).first()


def page(
    active: str, *, needs: Action = Action.READ, change: Action | None = None, to: str = "see this", name: str = ""
) -> Callable[[View], View]:
    """A page of a company, for members.

    active  the place in the rail, `name` what the page is called where the rail has no place for it
    needs   what every visit takes; `change`: what it takes to send the page's form. `to`: in words, for who may not
            ("change the budget" makes "Only admins and owners can change the budget. Ask ...")
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def enter(request: HttpRequest, slug: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            membership = membership_of(request.user, slug)
            if membership is None:
                raise Http404
            inside = cast("TenantRequest", request)
            inside.membership, inside.tenant = membership, membership.tenant
            inside.role = membership.role
            inside.frame = cast("Frame", SimpleLazyObject(lambda: frames.frame_of(membership, active, page_name=name)))
            require(inside, needs, to)
            if change is not None and request.method not in _SAFE:
                require(inside, change, to)
            response = view(inside, slug, *args, **kwargs)
            patch_cache_control(response, private=True, no_store=True)
            return response

        return enter

    return decorate


def allowed(request: TenantRequest, action: Action) -> bool:
    """For templates and views that leave out what this role cannot do."""
    return may(request.role, action)


def require(request: TenantRequest, action: Action, to: str) -> None:
    """Raises PermissionDenied in the words of the 403 page: who can, and whom to ask."""
    if not may(request.role, action):
        raise PermissionDenied(no_right(request.tenant, action, to))


def no_right(tenant: Tenant, action: Action, to: str) -> str:
    """`Only admins and owners can change the budget. Ask admin@fernhill.example or owner@fernhill.example.`"""
    roles = [role for role in (Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER) if may(role, action)]
    askable = [role for role in roles if role in (Role.ADMIN, Role.OWNER)]
    people = tenant.memberships.filter(role__in=askable).order_by("user__email").values_list("user__email", flat=True)
    names = [_MANY[role] for role in roles]
    who = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    emails = list(people[:5])
    ask = emails[0] if len(emails) == 1 else f"{', '.join(emails[:-1])} or {emails[-1]}"
    return f"Only {who} can {to}. Ask {ask}."


def actor(request: TenantRequest) -> Actor:
    """Who the audit log names for what this request changes."""
    return Actor.of_user(request.user, request.META.get("REMOTE_ADDR"))


def show(
    request: TenantRequest, template: str, context: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """Render a page inside its frame: `frame`, `tenant`, `role` are in every context."""
    given = {"frame": request.frame, "tenant": request.tenant, "role": request.role, **(context or {})}
    return render(request, template, given, status=status)
