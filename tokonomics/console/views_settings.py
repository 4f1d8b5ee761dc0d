"""Settings: the budget and its toggle first, then what is rarely changed."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from budgets.models import Cap
from budgets.money import InvalidAmount, parse_usd
from budgets.services import set_tenant_cap
from tenants.errors import PolicyUnavailable, TenantError
from tenants.models import HoldPolicy, KeyMode
from tenants.roles import Action
from tenants.services import update_tenant
from tokonomics.console import access, budget_changes, budget_page, frames, words, words_settings
from tokonomics.console import presentation as show
from tokonomics.console.access import TenantRequest
from tokonomics.console.budget_changes import ChangedMeanwhile, budget_of
from tokonomics.console.forms import ConsoleForm, sent
from tokonomics.console.forms_settings import (
    BudgetForm,
    CompanyForm,
    HoldsForm,
    LimitsForm,
    TestBudgetForm,
    version_of,
    zones,
)
from tokonomics.console.standings import Snapshot
from tokonomics.console.views_start import FIRST_BUDGET
from tokonomics.console.words import Question


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("settings", change=Action.CHANGE_BUDGET, to=words_settings.TO_BUDGET)
def page(request: TenantRequest, slug: str) -> HttpResponse:
    """The settings; sent, the budget."""
    if request.method != "POST":
        return _show(request)
    if request.POST.get("back"):
        return _show(request, budget=_kept(request))
    cap = budget_of(request.tenant)
    form = BudgetForm(request.POST, initial={"amount": cap.amount if cap else None})
    return _save(request, form, cap) if form.is_valid() else _show(request, budget=form)


def _kept(request: TenantRequest) -> BudgetForm:
    """The form as it was typed, after a question that was answered with no; blocking stays on where that was asked."""
    hard = request.POST["back"] == budget_changes.OFF or bool(request.POST.get("hard"))
    return BudgetForm(initial={"amount": request.POST.get("amount", ""), "hard": hard})


def _save(request: TenantRequest, form: BudgetForm, cap: Cap | None) -> HttpResponse:
    amount, hard = form.cleaned_data["amount"], form.cleaned_data["hard"]
    seen = Snapshot.take(request.tenant)
    if cap is None or version_of(cap) == form.cleaned_data["seen"]:  # else that is the first thing to say
        for asked in budget_changes.to_ask(cap, seen.month(), amount=amount, hard=hard):
            if not form.is_sure(asked.name):
                return _ask(request, form, asked.question, asked.name)
    try:
        budget_changes.save_budget(
            request.tenant, amount=amount, hard=hard, seen=form.cleaned_data["seen"], actor=access.actor(request)
        )
    except ChangedMeanwhile as changed:
        return _ask(request, form, changed.question(show.at(int(seen.now))), "", seen=version_of(changed.cap))
    except PolicyUnavailable:
        form.add_error(None, words.save_failed(cap.amount if cap else None))
    except TenantError as error:
        form.add_error("amount", error.message)
    else:
        messages.success(request, words_settings.saved(amount, hard=hard))
        return redirect(f"/t/{request.tenant.slug}/settings/")
    return _show(request, budget=form)


def _ask(request: TenantRequest, form: BudgetForm, question: Question, name: str, *, seen: str = "") -> HttpResponse:
    """A page of its own: it works without script, and Back leads to the form as it was typed."""
    snapshot = Snapshot.take(request.tenant)
    drawn = budget_page.preview(budget_page.month_of(snapshot), form.cleaned_data["amount"])
    context = {
        "question": question,
        "name": name,
        "amount": show.field(form.cleaned_data["amount"]),
        "hard": form.cleaned_data["hard"],
        "seen": seen or form.cleaned_data["seen"],
        "sure": f"{form.cleaned_data['sure']} {name}".strip(),
        "meter": drawn.wall if form.cleaned_data["hard"] else drawn.gate,
    }
    return access.show(request, "console/settings_ask.html", context)


@require_safe
@access.page("settings")
def preview(request: TenantRequest, slug: str) -> HttpResponse:
    """What an amount that is being typed would do; nothing for what is no amount (yet)."""
    try:
        amount = parse_usd(request.GET.get("amount", ""))
    except InvalidAmount:
        return HttpResponse(status=204)
    month = budget_page.month_of(Snapshot.take(request.tenant))
    context = {"preview": budget_page.preview(month, amount, estimated=_estimated(request.tenant)), "moved": True}
    return access.show(request, "console/settings_preview.html", context)


# --- The other forms -------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("settings", needs=Action.CHANGE_BUDGET, to=words_settings.TO_BUDGET)
def test_budget(request: TenantRequest, slug: str) -> HttpResponse:
    cap = budget_of(request.tenant, KeyMode.TEST)
    form = TestBudgetForm(sent(request), initial={"amount": cap.amount if cap else None})
    if _saved(request, form, partial(set_tenant_cap, mode=KeyMode.TEST)):
        amount = show.cap(form.cleaned_data["amount"])
        messages.success(request, f"Saved. Test keys may spend {amount} a month from the next request.")
    return _back(request, "test", form)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("settings", needs=Action.CHANGE_SETTINGS, to=words_settings.TO_SETTINGS)
def limits(request: TenantRequest, slug: str) -> HttpResponse:
    form = LimitsForm(sent(request))
    if _saved(request, form, update_tenant):
        messages.success(request, "Saved. The limits hold from the next request.")
    return _back(request, "limits", form)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("settings", needs=Action.CHANGE_BUDGET, to=words_settings.TO_BUDGET)
def holds(request: TenantRequest, slug: str) -> HttpResponse:
    """It decides whether the budget can be overspent: for who may change that."""
    form = HoldsForm(sent(request))
    if _saved(request, form, update_tenant):
        messages.success(request, words_settings.HOLDS_SAVED[form.cleaned_data["hold_policy"]])
    return _back(request, "holds", form)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("settings", needs=Action.CHANGE_SETTINGS, to=words_settings.TO_SETTINGS)
def company(request: TenantRequest, slug: str) -> HttpResponse:
    form = CompanyForm(sent(request))
    if _saved(request, form, update_tenant):
        messages.success(request, "Saved.")
    return _back(request, "company", form)


def _saved(request: TenantRequest, form: ConsoleForm, change: Callable[..., object]) -> bool:
    """Make a change by its service; what it refuses stands at its field, else at the form's first."""
    if not form.is_valid():
        return False
    try:
        change(tenant=request.tenant, actor=access.actor(request), **form.cleaned_data)
    except PolicyUnavailable as error:
        form.add_error(None, error.message)
    except TenantError as error:
        form.add_error(error.field if error.field in form.fields else next(iter(form.fields)), error.message)
    return not form.errors


def _back(request: TenantRequest, part: str, form: ConsoleForm) -> HttpResponse:
    """To this part of the page; with the form as it was sent, where that cannot be saved."""
    if form.errors:
        return _show(request, **{part: form})
    return redirect(f"/t/{request.tenant.slug}/settings/#{part}")


# --- The page --------------------------------------------------------------------------------------------------------


def _show(request: TenantRequest, **forms: ConsoleForm) -> HttpResponse:
    """`forms`: those that were sent, in the place of what stands."""
    tenant = request.tenant
    seen = Snapshot.take(tenant)
    request.frame = frames.frame_of(request.membership, "settings", snapshot=seen)
    month, cap = budget_page.month_of(seen), budget_of(tenant)
    test = budget_of(tenant, KeyMode.TEST)
    budget = forms.get("budget") or BudgetForm(
        initial={"amount": cap.amount if cap else FIRST_BUDGET, "hard": cap.hard if cap else True}
    )
    context: dict[str, Any] = {
        "budget": budget,
        "seen": request.POST.get("seen") or version_of(cap),
        "cap": cap,
        "month": month,
        "preview": budget_page.preview(
            month, _amount_in(budget, cap.amount if cap else FIRST_BUDGET), estimated=_estimated(tenant)
        ),
        "ladder": budget_page.ladder(seen, cap, month) if cap else (),
        "who_hears": words_settings.WHO_HEARS,
        "changed": budget_page.changed_when(budget_changes.last_change(tenant), seen),
        "test": forms.get("test") or TestBudgetForm(initial={"amount": test.amount if test else None}),
        "test_month": seen.month(KeyMode.TEST),
        "holds": forms.get("holds") or HoldsForm(initial=_of(tenant, HoldsForm)),
        "limits": forms.get("limits") or LimitsForm(initial=_of(tenant, LimitsForm)),
        "company": forms.get("company") or CompanyForm(initial=_of(tenant, CompanyForm)),
        "zones": zones(),
        "wrong": next((form for form in forms.values() if form.is_bound), None),
        **_may(request),
    }
    return access.show(request, "console/settings.html", context)


def _estimated(tenant: Any) -> bool:
    return bool(tenant.hold_policy == HoldPolicy.ESTIMATE)


def _of(tenant: Any, form: type[ConsoleForm]) -> dict[str, Any]:
    return {name: getattr(tenant, name) for name in form.base_fields}


def _amount_in(form: ConsoleForm, otherwise: int) -> int:
    """What the form says, where that is an amount: the preview is of it."""
    try:
        return parse_usd(str(form["amount"].value() or ""))
    except InvalidAmount:
        return otherwise


def _may(request: TenantRequest) -> dict[str, Any]:
    may_budget = access.allowed(request, Action.CHANGE_BUDGET)
    return {
        "may_budget": may_budget,
        "may_settings": access.allowed(request, Action.CHANGE_SETTINGS),
        "may_tokens": access.allowed(request, Action.MANAGE_TOKENS),
        "why_not": ""
        if may_budget
        else access.no_right(request.tenant, Action.CHANGE_BUDGET, words_settings.TO_BUDGET),
    }
