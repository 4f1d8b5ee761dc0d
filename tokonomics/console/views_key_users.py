"""The end users of one key: what each has spent, and caps for one of them."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from budgets import end_users, user_standings
from budgets.end_users import ANONYMOUS, LONGEST_NAME, end_user_hash
from budgets.services import set_end_user_cap
from budgets.windows import WindowKind
from tenants import policy
from tenants.errors import PolicyUnavailable, TenantError
from tenants.models import ApiKey
from tenants.roles import Action
from tokonomics.console import access, user_lines
from tokonomics.console.access import TenantRequest
from tokonomics.console.forms import sent
from tokonomics.console.forms_keys import EndUserForm
from tokonomics.console.standings import Snapshot
from tokonomics.console.views_key import key_of
from tokonomics.console.views_keys import TO_CAP, viewer_of

MOST_LINES = 100
FIELDS = {"day_cap": WindowKind.DAY, "month_cap": WindowKind.MONTH}


@require_safe
@access.page("keys")
def page(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    """Who spent most this month; or the one that was looked for, by its name or hash."""
    key = key_of(request, key_id)
    seen = Snapshot.take(request.tenant, [key])
    search = request.GET.get("q", "").strip()[:LONGEST_NAME]
    users = [_hash_of(key, search)] if search else user_standings.most_spent(key, MOST_LINES)
    viewer = viewer_of(request)
    context: dict[str, Any] = {
        "key": key,
        "search": search,
        "lines": user_lines.lines(key, seen, users),
        "each_may": user_lines.each_may(end_users.caps_of(key.pk)),
        "most": MOST_LINES if len(users) == MOST_LINES else 0,
        "may_cap": viewer.may_cap and key.revoked_at is None,
        "may_change": viewer.may_change(key) and key.revoked_at is None,
    }
    return access.show(request, "console/key_users.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("keys", needs=Action.MANAGE_KEYS, to=TO_CAP)
def cap(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    """Caps of one end user, in the place of what each has. `?user=`: by hash; without, its name is asked for."""
    key = key_of(request, key_id)
    back = f"/t/{request.tenant.slug}/keys/{key.pk}/end-users/"
    if key.revoked_at is not None:
        return redirect(back)
    user = request.GET.get("user", "")
    if user and not end_users.is_hash(user):
        raise Http404
    form = EndUserForm(sent(request), fixed=bool(user), initial=_own_caps(key, user))
    if request.method == "POST" and form.is_valid():
        whose = user or end_user_hash(request.tenant.pk, form.cleaned_data["name"])
        try:
            with policy.within(request.tenant) as locked:
                for name, window in FIELDS.items():
                    set_end_user_cap(
                        tenant=locked,
                        key_id=key.pk,
                        window=window,
                        amount=form.cleaned_data[name],
                        end_user=whose,
                        actor=access.actor(request),
                    )
        except PolicyUnavailable as error:
            form.add_error(None, error.message)
        except TenantError as error:
            form.refuse(error)
        else:
            messages.success(request, "Saved. It holds from the next request.")
            return redirect(f"{back}?q={whose}")
    shown = "" if not user else "requests that name no end user" if user == ANONYMOUS else f"end user {user}"
    context = {"key": key, "form": form, "shown": shown, "each_may": user_lines.each_may(end_users.caps_of(key.pk))}
    return access.show(request, "console/key_user_cap.html", context)


def _hash_of(key: ApiKey, name: str) -> str:
    return name if end_users.is_hash(name) else end_user_hash(key.tenant_id, name)


def _own_caps(key: ApiKey, user: str) -> dict[str, int | None]:
    caps = end_users.caps_of(key.pk)
    own = caps.named.get(user, {}) if caps else {}
    return {name: own.get(window) for name, window in FIELDS.items()}
