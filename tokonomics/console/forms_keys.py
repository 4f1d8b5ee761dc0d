"""Forms of keys: made, changed, capped, rotated, revoked."""

from datetime import timedelta
from typing import Any

from django import forms

from budgets.end_users import LONGEST_NAME, caps_of_each
from tenants.models import ApiKey, KeyMode
from tokonomics.console.forms import AmountField, ConsoleForm, LastDayField, NamesField, Radios, TokensField
from tokonomics.console.key_changes import Wish, are_hard, caps_of

OVERLAPS = (
    ("0", "Stops now"),
    ("3600", "Works on for an hour"),
    ("86400", "Works on for a day"),
    ("604800", "Works on for a week"),
    ("2592000", "Works on for 30 days"),
)
MODES = ((KeyMode.LIVE.value, "Live"), (KeyMode.TEST.value, "Test"))


class KeyForm(ConsoleForm):
    """What a key is called, and what it may spend and call."""

    named = {
        "allowed_models": "models",
        "default_output_limit": "output_limit",
        "expires_at": "expires",
        "hard_cap": "hard",
        "requires_end_user": "user_required",
    }

    name = forms.CharField(label="Name", max_length=80, error_messages={"required": "Enter a name for the key."})
    month_cap = AmountField(label="Cap a month", what="the monthly cap", required=False)
    day_cap = AmountField(label="Cap a day", what="the daily cap", required=False)
    user_day_cap = AmountField(label="Cap a day for each end user", what="the daily cap", required=False)
    user_month_cap = AmountField(label="Cap a month for each end user", what="the monthly cap", required=False)
    user_required = forms.BooleanField(label="Refuse requests without an end user", required=False)
    hard = forms.BooleanField(label="Block requests when a cap is reached", required=False, initial=True)
    models = NamesField(label="Models it may call", required=False)
    expires = LastDayField(label="Last day", required=False)
    output_limit = TokensField(label="Output limit when the app gives none", what="the output limit", required=False)


class NewKeyForm(KeyForm):
    mode = forms.ChoiceField(
        label="Mode",
        choices=MODES,
        widget=Radios,
        error_messages={"required": "Choose live or test.", "invalid_choice": "Choose live or test."},
    )

    def wish(self) -> Wish:
        given = self.cleaned_data
        return Wish(**{**given, "models": tuple(given["models"])})


class ChangeKeyForm(KeyForm):
    """Of a key as it is: what its reader did not change is not written. `may_cap`: caps belong to admins."""

    def __init__(self, key: ApiKey, data: Any = None, *, may_cap: bool) -> None:
        caps, of_each = caps_of(key), caps_of_each([key.pk]).get(key.pk, {})
        initial = {
            "name": key.name,
            "month_cap": caps["month"].amount if "month" in caps else None,
            "day_cap": caps["day"].amount if "day" in caps else None,
            "user_day_cap": of_each.get("day"),
            "user_month_cap": of_each.get("month"),
            "user_required": key.requires_end_user,
            "hard": are_hard(caps.values()),
            "models": key.allowed_models,
            "expires": key.expires_at,
            "output_limit": key.default_output_limit,
        }
        super().__init__(data, initial=initial)
        if not may_cap:
            for name in ("month_cap", "day_cap", "hard", "user_day_cap", "user_month_cap", "user_required"):
                del self.fields[name]
        self.remember()

    def new(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.changed_data}


class CapForm(ConsoleForm):
    """One cap of a key, empty to take it away."""

    amount = AmountField(what="the cap", required=False)


class RaiseForm(ConsoleForm):
    """More on this day alone."""

    amount = AmountField(label="Cap of today", what="the cap of today")


class EndUserForm(ConsoleForm):
    """Caps of one end user of a key, empty for what each has. `fixed`: whose it is, is settled."""

    named = {"daily_cap_usd": "day_cap", "monthly_cap_usd": "month_cap"}

    name = forms.CharField(
        label="End user",
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
        error_messages={"required": "Enter the end user as your app names it, like 42 or ada@customer.example."},
    )
    day_cap = AmountField(label="Cap a day", what="the daily cap", required=False)
    month_cap = AmountField(label="Cap a month", what="the monthly cap", required=False)

    def __init__(self, data: Any = None, *, fixed: bool, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        if fixed:
            del self.fields["name"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if given.get("name") and not self.errors and given["day_cap"] is None and given["month_cap"] is None:
            self.add_error("day_cap", "Enter a cap a day, a month or both, like 1 or 0.50.")
        return given


class RotateForm(ConsoleForm):
    overlap = forms.ChoiceField(
        label="The old secret",
        choices=OVERLAPS,
        initial="86400",
        widget=Radios,
        error_messages={"required": "Choose how long the old secret works.", "invalid_choice": "Choose one of these."},
    )

    def overlap_chosen(self) -> timedelta:
        return timedelta(seconds=int(self.cleaned_data["overlap"]))


class RevokeForm(ConsoleForm):
    """The name is typed, so that no key is revoked by a slip."""

    typed = forms.CharField(label="Type its name to revoke it", widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, key: ApiKey, data: Any = None) -> None:
        super().__init__(data)
        self._key = key
        self._sentence = f"Type the key's name as it is written: {key.name}"
        self.fields["typed"].error_messages["required"] = self._sentence

    def clean_typed(self) -> str:
        typed = " ".join(self.cleaned_data["typed"].split())
        if typed != self._key.name:
            raise forms.ValidationError(self._sentence)
        return typed
