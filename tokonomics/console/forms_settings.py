"""Forms of the settings: the budget and its toggle, the test budget, limits of requests, the company."""

from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from django import forms

from budgets.models import Cap
from tenants.models import HoldPolicy
from tokonomics.console import words
from tokonomics.console.forms import AmountField, ConsoleForm, NamesField, Radios, TokensField

NONE_SEEN = "none"


class BudgetForm(ConsoleForm):
    """`seen` is the version of the budget that the reader saw: what somebody changed since is not overwritten unasked.

    `sure` are the questions that were answered with yes, `back` that one was answered with no.
    """

    named = {"monthly_budget_usd": "amount"}

    amount = AmountField(
        label="Monthly budget", what="the monthly budget", error_messages={"required": words.BUDGET_FIELD}
    )
    hard = forms.BooleanField(label="Block requests when budget is reached", required=False)
    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    sure = forms.CharField(required=False)
    back = forms.CharField(required=False)

    def is_sure(self, question: str) -> bool:
        return question in self.cleaned_data["sure"].split()


class TestBudgetForm(ConsoleForm):
    """Beside the budget's on one page: its ids are its own."""

    amount = AmountField(label="Test budget", what="the test budget")

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, auto_id="test_%s", **rest)


class LimitsForm(ConsoleForm):
    default_output_limit = TokensField(label="Output limit", what="the output limit")
    least_output_limit = TokensField(label="Least output limit", what="the least output limit")
    allowed_fields = NamesField(label="Fields that may pass unpriced", required=False)


class HoldsForm(ConsoleForm):
    hold_policy = forms.ChoiceField(
        label="What a request holds",
        choices=HoldPolicy.choices,
        widget=Radios,
        error_messages={"required": "Choose what a request holds."},
    )


class CompanyForm(ConsoleForm):
    name = forms.CharField(label="Name", max_length=100, error_messages={"required": "Enter a name for the company."})
    time_zone = forms.CharField(
        label="Time zone", max_length=64, widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"})
    )


def version_of(cap: Cap | None) -> str:
    """Another after each change of a budget."""
    return NONE_SEEN if cap is None else _stamp(cap.updated_at)


def _stamp(moment: datetime) -> str:
    return moment.isoformat()


def zones() -> list[str]:
    """By name, those of places: `Europe/Berlin`, and UTC."""
    return ["UTC", *sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))]
