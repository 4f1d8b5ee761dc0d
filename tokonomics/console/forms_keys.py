"""Forms of keys: made, changed, capped, rotated, revoked."""

from datetime import timedelta
from typing import Any

from django import forms

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
    }

    name = forms.CharField(label="Name", max_length=80, error_messages={"required": "Enter a name for the key."})
    month_cap = AmountField(label="Cap a month", what="the monthly cap", required=False)
    day_cap = AmountField(label="Cap a day", what="the daily cap", required=False)
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
        caps = caps_of(key)
        initial = {
            "name": key.name,
            "month_cap": caps["month"].amount if "month" in caps else None,
            "day_cap": caps["day"].amount if "day" in caps else None,
            "hard": are_hard(caps.values()),
            "models": key.allowed_models,
            "expires": key.expires_at,
            "output_limit": key.default_output_limit,
        }
        super().__init__(data, initial=initial)
        if not may_cap:
            for name in ("month_cap", "day_cap", "hard"):
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
