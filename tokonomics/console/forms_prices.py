"""The form of a price of the company's own: so much off, rates, or free; what its reader chose, as `Terms`."""

import re
from typing import Any

from django import forms

from budgets.models import TenantPrice
from budgets.prices import Terms
from tokonomics.console.forms import AmountField, ConsoleForm, Radios, TokensField
from tokonomics.console.price_rows import KINDS

DISCOUNT, RATES, FREE = "discount", "rates", "free"
WAYS = ((DISCOUNT, "A discount off the list"), (RATES, "Rates of our own"), (FREE, "It costs nothing"))
_PERCENT = re.compile(r"([-\u2212]?)(\d{1,3})(?:\.(\d{1,2}))?\s*%?", re.ASCII)
_MORE_KINDS = frozenset(KINDS) - {"input", "output", "cache_read"}


class PercentField(forms.CharField):
    """`20`, `7.5 %`, `-10` -> hundredths of a percent."""

    default_error_messages = {"no_percent": "Enter a percentage like 20 or 7.5; -10 is a surcharge."}

    def __init__(self, **rest: Any) -> None:
        rest.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}))
        super().__init__(max_length=12, **rest)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, int):
            return value
        whole, rest = divmod(abs(value), 100)
        return f"{'-' if value < 0 else ''}{whole}.{rest:02d}".rstrip("0").rstrip(".")

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        if not text:
            return 0
        found = _PERCENT.fullmatch(text)
        if found is None:
            raise forms.ValidationError(self.error_messages["no_percent"])
        hundredths = int(found[2]) * 100 + int((found[3] or "").ljust(2, "0"))
        return -hundredths if found[1] else hundredths

    def validate(self, value: Any) -> None:
        """Whether it is needed, the way that was chosen says; the service refuses nothing at all."""

    def run_validators(self, value: Any) -> None:
        """The length was of the text; what is left is a number."""


class PriceForm(ConsoleForm):
    named = {"discount_percent": "discount", "rates": "rate_input"}

    provider = forms.ChoiceField(label="Provider")
    model = forms.CharField(
        label="Model",
        max_length=128,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
        error_messages={"required": "Enter the model's name as requests have it, or * for all of the provider."},
    )
    way = forms.ChoiceField(
        label="What it costs", choices=WAYS, widget=Radios, error_messages={"required": "Choose what it costs."}
    )
    discount = PercentField(label="Percent off")
    context_window = TokensField(label="Context window", what="the context window", required=False)
    max_output_tokens = TokensField(label="Longest reply", what="the longest reply", required=False)
    note = forms.CharField(label="Where it is from", max_length=120, required=False)

    def __init__(
        self, *args: Any, provider_choices: list[tuple[str, str]], price: TenantPrice | None = None, **rest: Any
    ) -> None:
        super().__init__(*args, **rest)
        for kind, name in KINDS.items():
            self.fields[f"rate_{kind}"] = AmountField(
                label=name, what=f"the rate of {name.lower()}", decimals=9, required=False
            )
            self.fields[f"rate_{kind}"].stands = self.initial.get(f"rate_{kind}")  # type: ignore[attr-defined]
        self.fields["provider"].choices = provider_choices  # type: ignore[attr-defined]
        if price is not None:
            del self.fields["provider"], self.fields["model"]

    @property
    def rates(self) -> list[forms.BoundField]:
        return [self[f"rate_{kind}"] for kind in KINDS if kind not in _MORE_KINDS]

    @property
    def more_rates(self) -> list[forms.BoundField]:
        return [self[f"rate_{kind}"] for kind in KINDS if kind in _MORE_KINDS]

    @property
    def more_is_open(self) -> bool:
        return any(field.value() or field.errors for field in self.more_rates)

    def terms(self) -> Terms:
        """Only what belongs to the way that was chosen: the other fields may still say what they said before."""
        given = self.cleaned_data
        way = given["way"]
        rates = {kind: given[f"rate_{kind}"] for kind in KINDS if given[f"rate_{kind}"] is not None}
        return Terms(
            rates=rates if way == RATES else None,
            discount=given["discount"] if way == DISCOUNT else 0,
            free=way == FREE,
            context_window=given["context_window"],
            max_output_tokens=given["max_output_tokens"],
            note=given["note"],
        )


def initial_of(price: TenantPrice) -> dict[str, Any]:
    """What the form says of a price as it stands."""
    way = FREE if price.free else RATES if price.rates is not None else DISCOUNT
    return {
        "way": way,
        "discount": price.discount or None,
        "note": price.note,
        "context_window": price.context_window,
        "max_output_tokens": price.max_output_tokens,
        **{f"rate_{kind}": rate for kind, rate in (price.rates or {}).items()},
    }
