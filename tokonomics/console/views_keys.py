"""The Keys page: what each key may spend, a new one whose secret is shown once, a cap changed where it stands."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from budgets.models import Cap
from budgets.windows import WindowKind
from tenants.errors import PolicyUnavailable, TenantError
from tenants.models import ApiKey, KeyMode
from tenants.roles import Action
from tokonomics.console import access, frames, keyring, once, snippets, words, words_keys
from tokonomics.console import presentation as show
from tokonomics.console.access import TenantRequest
from tokonomics.console.forms import sent
from tokonomics.console.forms_keys import CapForm, NewKeyForm
from tokonomics.console.key_changes import make_key, set_cap
from tokonomics.console.keyring import Viewer
from tokonomics.console.reading import Reading
from tokonomics.console.standings import Snapshot
from tokonomics.console.words import Question

TO_MAKE, TO_CAP = "make keys", "change the caps of keys"


def viewer_of(request: TenantRequest) -> Viewer:
    return Viewer(request.role, request.user.pk)


@require_safe
@access.page("keys")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    return show_keys(request)


def show_keys(request: TenantRequest, *, edit: "Edit | None" = None) -> HttpResponse:
    past = request.GET.get("show") == "past"
    seen = keyring.look(request.tenant, past=past)
    if not past:
        request.frame = frames.frame_of(request.membership, "keys", snapshot=seen)
    search = request.GET.get("q", "").strip()[:80]
    context: dict[str, Any] = {
        "ring": keyring.keyring(seen, viewer_of(request), search=search),
        "search": search,
        "past": past,
        "edit": edit,
        "viewer": viewer_of(request),
        "two_walls": words_keys.two_walls(seen.month(), KeyMode.LIVE),
        "none_yet": words_keys.NONE_YET,
        **_just_made(request),
    }
    return access.show(request, "console/keys.html", context)


def _just_made(request: TenantRequest) -> dict[str, Any]:
    """The secret of the key that was made a moment ago; on a second look, that it was shown."""
    made = ApiKey.objects.filter(tenant=request.tenant, pk=request.GET.get("made", "")).first()
    return {} if made is None else secret_context(request, made)


def secret_context(request: TenantRequest, key: ApiKey) -> dict[str, Any]:
    """For `key_secret.html`."""
    secret = once.take_secret(request.session, key.pk)
    if not secret:
        return {"shown_before": words_keys.shown_before(key.name), "shown_key": key}
    return {
        "secret": secret,
        "secret_key": key,
        "secret_title": words.key_once(key.name),
        "once_hint": f"{words.ONCE_HINT} {words_keys.LOST}",
        "snippets": snippets.of(request, secret),
    }


# --- A new key -------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("keys", needs=Action.MANAGE_OWN_KEYS, to=TO_MAKE, name="Create a key")
def new(request: TenantRequest, slug: str) -> HttpResponse:
    seen = Snapshot.take(request.tenant)
    request.frame = frames.frame_of(request.membership, "keys", page_name="Create a key", snapshot=seen)
    form = NewKeyForm(sent(request), initial={"mode": _offered_mode(request, seen)})
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(once.first_time(request, lambda: _make(request, form)))
        except PolicyUnavailable as error:
            form.add_error(None, _not_made(error))
        except TenantError as error:
            form.refuse(error)
    context = {
        "form": form,
        "form_id": request.POST.get("form_id") or once.new_form_id(),
        "month": seen.month(),
        "test_month": seen.month(KeyMode.TEST),
        "more_open": any(form[name].errors for name in ("models", "expires", "output_limit")),
        "users_open": any(form[name].errors for name in ("user_day_cap", "user_month_cap")),
        "has_provider": request.tenant.provider_credentials.exists(),
    }
    return access.show(request, "console/key_new.html", context)


def _offered_mode(request: TenantRequest, seen: Snapshot) -> str:
    """Live, unless the address says test, or live keys would not answer yet."""
    asked = request.GET.get("mode")
    if asked in KeyMode.values:
        return str(asked)
    return KeyMode.LIVE if seen.month().cap is not None and seen.active_keys else KeyMode.TEST


def _make(request: TenantRequest, form: NewKeyForm) -> str:
    made = make_key(request.tenant, form.wish(), access.actor(request))
    once.keep_secret(request.session, made.key.pk, made.secret)
    return f"/t/{request.tenant.slug}/keys/?made={made.key.pk}"


def _not_made(error: PolicyUnavailable) -> str:
    """The service speaks of what held before; of a new key nothing did."""
    if error.message != PolicyUnavailable.message:
        return error.message
    return "No key was made: the spending ledger cannot be reached. Try again."


# --- One cap, where it stands ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Edit:
    """The cell that is open: `reading` is the window's as it stands; `question`: what has to be said yes to first."""

    key_id: str
    window: str
    form: CapForm
    reading: Reading
    question: Question | None = None

    @property
    def used(self) -> str:
        """Spent and held, plain, for the hint that follows what is typed."""
        return show.plain(self.reading.spent + self.reading.held)

    @property
    def was_plain(self) -> str:
        return "" if self.reading.cap is None else show.plain(self.reading.cap)

    @property
    def was(self) -> str:
        cap = self.reading.cap
        return "no cap now" if cap is None else f"{show.cap(cap)} now, {show.left(max(0, self.reading.remaining))} left"


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("keys", needs=Action.MANAGE_KEYS, to=TO_CAP)
def cap(request: TenantRequest, slug: str, key_id: str, window: str) -> HttpResponse:
    """The row with a field in it: alone for htmx, in its page without."""
    key = keyring.keys_of(request.tenant).filter(pk=key_id, revoked_at=None).first()
    if key is None:
        raise Http404
    seen = Snapshot.take(request.tenant, [key])
    standing = seen.key(key)
    reading = standing.month if window == WindowKind.MONTH else standing.day
    usual = Cap.objects.filter(api_key=key, window=window).first()
    form = CapForm(sent(request), initial={"amount": usual.amount if usual else None})
    question = None
    if request.method == "POST" and form.is_valid():
        amount: int | None = form.cleaned_data["amount"]
        question = _question(request, reading, amount)
        if question is None and _capped(request, key, window, amount, form):
            said = words_keys.cap_saved(key.name, window, amount)
            return _row(request, key, said=said) if _wants_row(request) else _back(request, key, said)
    edit = Edit(key.pk, window, form, reading, question)
    return _row(request, key, edit=edit) if _wants_row(request) else show_keys(request, edit=edit)


@require_safe
@access.page("keys")
def row(request: TenantRequest, slug: str, key_id: str) -> HttpResponse:
    """One row as it stands, for "Cancel" of a cell that was open."""
    key = keyring.keys_of(request.tenant).filter(pk=key_id).first()
    if key is None:
        raise Http404
    return _row(request, key) if _wants_row(request) else _back(request, key, "")


def _question(request: TenantRequest, reading: Reading, amount: int | None) -> Question | None:
    """A hard cap at or below what is spent blocks the key at once: that is asked, not guessed."""
    lowers = amount is not None and (reading.cap is None or amount < reading.cap)
    if amount is None or not lowers or amount > reading.spent or not reading.spent or request.POST.get("sure"):
        return None
    hard = reading.hard if reading.cap is not None else True
    return words_keys.cap_below_spend(reading, amount) if hard else None


def _capped(request: TenantRequest, key: ApiKey, window: str, amount: int | None, form: CapForm) -> bool:
    try:
        set_cap(request.tenant, key, WindowKind(window), amount, access.actor(request))
    except PolicyUnavailable:
        held = Cap.objects.filter(api_key=key, window=window).first()
        form.add_error("amount", words.save_failed(held.amount) if held else PolicyUnavailable.message)
    except TenantError as error:
        form.add_error("amount", error.message)
    else:
        return True
    return False


def _wants_row(request: TenantRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _row(request: TenantRequest, key: ApiKey, *, edit: Edit | None = None, said: str = "") -> HttpResponse:
    seen = Snapshot.take(request.tenant, [key])
    line = keyring.line_of(key, viewer_of(request), seen, keyring.uses_of(seen))
    context = {"line": line, "edit": edit, "said": said, "alone": True}
    return access.show(request, "console/key_row.html", context)


def _back(request: TenantRequest, key: ApiKey, said: str) -> HttpResponse:
    if said:
        messages.success(request, said)
    return redirect(f"/t/{request.tenant.slug}/keys/#{key.pk}")
