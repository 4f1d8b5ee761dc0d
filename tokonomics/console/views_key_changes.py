"""What a key's own page changes: its settings, its secret, its end."""

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from budgets.services import raise_for_today
from budgets.windows import WindowKind
from tenants import services
from tenants.errors import Conflict, KeyNotActive, PolicyUnavailable, TenantError
from tenants.models import ApiKey
from tenants.roles import Action
from tokonomics.console import access, keyring, once, words, words_keys
from tokonomics.console import presentation as show
from tokonomics.console.access import TenantRequest
from tokonomics.console.forms import sent
from tokonomics.console.forms_keys import ChangeKeyForm, RaiseForm, RevokeForm, RotateForm
from tokonomics.console.key_changes import caps_of, change_key
from tokonomics.console.standings import Snapshot
from tokonomics.console.views_key import key_of
from tokonomics.console.views_keys import TO_CAP, viewer_of

TO_CHANGE = "change keys that others made"


def changeable(request: TenantRequest, key_id: str) -> ApiKey:
    """A key that this person may change; revoked ones too, whose page says so. Raises Http404, PermissionDenied."""
    key = key_of(request, key_id)
    if not viewer_of(request).may_change(key):
        raise PermissionDenied(access.no_right(request.tenant, Action.MANAGE_KEYS, TO_CHANGE))
    return key


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("keys", needs=Action.MANAGE_OWN_KEYS, to="change keys")
def edit(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    key = changeable(request, key_id)
    if key.revoked_at is not None:
        return redirect(_address(request, key))
    viewer = viewer_of(request)
    form = ChangeKeyForm(key, sent(request), may_cap=viewer.may_cap)
    if request.method == "POST" and form.is_valid():
        try:
            change_key(request.tenant, key, form.new(), access.actor(request))
        except TenantError as error:
            form.refuse(error)
        else:
            messages.success(request, "Saved. It holds from the next request.")
            return redirect(_address(request, key))
    context = {"key": key, "form": form, "viewer": viewer}
    return access.show(request, "console/key_edit.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("keys", needs=Action.MANAGE_KEYS, to=TO_CAP)
def raise_today(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    """More for this day; from midnight the daily cap holds again."""
    key = changeable(request, key_id)
    cap = caps_of(key).get(WindowKind.DAY)
    if key.revoked_at is not None or cap is None:
        return redirect(_address(request, key))
    day = Snapshot.take(request.tenant, [key]).key(key).day
    form = RaiseForm(sent(request))
    if request.method == "POST" and form.is_valid():
        amount: int = form.cleaned_data["amount"]
        try:
            raise_for_today(tenant=request.tenant, key_id=key.pk, amount=amount, actor=access.actor(request))
        except PolicyUnavailable:
            form.add_error("amount", words.save_failed(day.cap))
        except TenantError as error:
            form.refuse(error)
        else:
            messages.success(request, words_keys.raised(amount, cap.amount))
            return redirect(f"{_address(request, key)}#w-day")
    context = {"key": key, "form": form, "day": day, "cap": cap}
    return access.show(request, "console/key_raise.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("keys", needs=Action.MANAGE_OWN_KEYS, to="change keys")
def rotate(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    key = changeable(request, key_id)
    if key.revoked_at is not None:
        return redirect(_address(request, key))
    form = RotateForm(sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(once.first_time(request, lambda: _rotate(request, key, form)))
        except TenantError as error:
            form.add_error(None, error.message)
    context = {"key": key, "form": form, "form_id": request.POST.get("form_id") or once.new_form_id()}
    return access.show(request, "console/key_rotate.html", context)


def _rotate(request: TenantRequest, key: ApiKey, form: RotateForm) -> str:
    made = services.rotate_api_key(
        tenant=request.tenant, key_id=key.pk, overlap=form.overlap_chosen(), actor=access.actor(request)
    )
    once.keep_secret(request.session, key.pk, made.secret)
    return f"{_address(request, key)}?rotated=1"


@require_POST
@access.page("keys", needs=Action.MANAGE_OWN_KEYS, to="change keys")
def stop_old(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    """End the overlap of a rotation now."""
    key = changeable(request, key_id)
    if key.revoked_at is not None:
        return redirect(_address(request, key))
    try:
        services.stop_retired_secrets(tenant=request.tenant, key_id=key.pk, actor=access.actor(request))
    except TenantError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The old secret is stopped. Its next request is refused.")
    return redirect(_address(request, key))


@require_POST
@access.page("keys", needs=Action.MANAGE_KEYS, to="pause and resume keys")
def pause(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    return _turn(request, changeable(request, key_id), services.pause_api_key, "Paused. Its next request is refused.")


@require_POST
@access.page("keys", needs=Action.MANAGE_KEYS, to="pause and resume keys")
def resume(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    return _turn(
        request, changeable(request, key_id), services.resume_api_key, "Resumed. It works from the next request."
    )


def _turn(request: TenantRequest, key: ApiKey, change: Callable[..., ApiKey], said: str) -> HttpResponse:
    try:
        change(tenant=request.tenant, key_id=key.pk, actor=access.actor(request))
    except PolicyUnavailable as error:
        messages.error(request, error.message)
    except Conflict:  # it is so already: the form was sent twice, or somebody else did it
        return redirect(_address(request, key))
    else:
        messages.success(request, said)
    return redirect(_address(request, key))


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("keys", needs=Action.MANAGE_OWN_KEYS, to="change keys")
def revoke(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    key = changeable(request, key_id)
    if key.revoked_at is not None:
        return redirect(_address(request, key))
    form = RevokeForm(key, sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            services.revoke_api_key(tenant=request.tenant, key_id=key.pk, actor=access.actor(request))
        except KeyNotActive:  # the form was sent twice
            return redirect(_address(request, key))
        except TenantError as error:
            form.add_error(None, error.message)
        else:
            return redirect(_address(request, key))
    seen = Snapshot.take(request.tenant, [key])
    used = keyring.uses_of(seen)[key.pk].ago(show.at(int(seen.now)))
    context = {"key": key, "form": form, "question": words.confirm_revoke(key.name, used)}
    return access.show(request, "console/key_revoke.html", context)


def _address(request: TenantRequest, key: ApiKey) -> str:
    return f"/t/{request.tenant.slug}/keys/{key.pk}/"
