"""The second step of a sign-up: the monthly budget, with the block on."""

import time
from dataclasses import replace
from typing import cast

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from budgets.money import NANO, InvalidAmount, parse_usd
from budgets.services import set_tenant_cap
from budgets.windows import Window, windows_at
from tenants.errors import PolicyUnavailable, TenantError
from tenants.models import Membership, User
from tenants.roles import Action, may
from tenants.services import Actor
from tokonomics.console import presentation as show
from tokonomics.console import words
from tokonomics.console.accounts import has_budget
from tokonomics.console.meter import Meter, Size, meter
from tokonomics.console.meter_labels import Label
from tokonomics.console.reading import Reading

FIRST_BUDGET = 49 * NANO


class BudgetForm(forms.Form):
    """`amount` becomes nanodollars; `hard` is the toggle."""

    amount = forms.CharField(
        label="Monthly budget",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        error_messages={"required": words.BUDGET_FIELD},
    )
    hard = forms.BooleanField(label="Block requests when budget is reached", required=False)

    def clean_amount(self) -> int:
        try:
            return parse_usd(self.cleaned_data["amount"], what="the monthly budget")
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from error


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """A stranger gets the same 404 as for a company that does not exist."""
    user = cast("User", request.user)
    membership = Membership.objects.filter(user=user, tenant__slug=slug).select_related("tenant").first()
    if membership is None:
        raise Http404
    if has_budget(membership) or not may(membership.role, Action.CHANGE_BUDGET):
        return redirect(f"/t/{slug}/")
    form = BudgetForm(request.POST or None, initial={"amount": show.field(FIRST_BUDGET), "hard": True})
    if request.method == "POST" and form.is_valid() and _save(request, membership, form):
        return redirect(f"/t/{slug}/")
    month = windows_at(time.time()).month
    context = {
        "form": form,
        "tenant": membership.tenant,
        "toggle_on": words.toggle_on(None, show.at(month.end)),
        "toggle_off": words.toggle_off(None),
        "wall": _picture(month, hard=True),
        "gate": _picture(month, hard=False),
        "first": show.cap(FIRST_BUDGET),
    }
    return render(request, "public/start.html", context, status=422 if form.errors else 200)


def _picture(month: Window, *, hard: bool) -> Meter:
    """What a wall, or a gate, looks like: true for any amount, so it names none."""
    empty = Reading(window=month, now=month.start, cap=FIRST_BUDGET, hard=hard)
    label = "What happens: people are told at 50, 80 and 95%; at 100% "
    label += "requests are refused" if hard else "nothing is blocked"
    drawn = meter(empty, Size.INLINE, label=label, ident="wall" if hard else "gate")
    return replace(drawn, picture=True, cap_label=replace(cast("Label", drawn.cap_label), text="Your number"))


def _save(request: HttpRequest, membership: Membership, form: BudgetForm) -> bool:
    try:
        set_tenant_cap(
            tenant=membership.tenant,
            amount=form.cleaned_data["amount"],
            hard=form.cleaned_data["hard"],
            actor=Actor.of_user(membership.user, request.META.get("REMOTE_ADDR")),
        )
    except PolicyUnavailable:
        form.add_error(None, words.save_failed(None))
    except TenantError as error:
        form.add_error("amount", error.message)
    else:
        return True
    return False
