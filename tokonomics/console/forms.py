"""What the console's forms are made of: fields that take what people type, services' refusals put at their field."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, QueryDict
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from budgets.money import InvalidAmount, parse_usd
from tenants.errors import TenantError
from tokonomics.console import presentation as show


class ConsoleForm(forms.Form):
    """`named`: the service's name of an input, where the form calls it otherwise."""

    named: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        for name, field in self.fields.items():
            if isinstance(field, AmountField):
                field.stands = self.initial.get(name)

    def refuse(self, error: TenantError) -> None:
        """Say what a service refused at the field that it is about, else above the form."""
        field = self.named.get(error.field or "", error.field)
        self.add_error(field if field in self.fields else None, error.message)

    @property
    def as_shown(self) -> SafeString:
        """Hidden: what each field said when the form was shown, so that only what its reader changed is written."""
        return format_html_join("", "{}", ((field.as_hidden(only_initial=True),) for field in self))

    def remember(self) -> None:
        """Have `as_shown` speak of every field, and `changed_data` go by it."""
        for field in self.fields.values():
            field.show_hidden_initial = True


def sent(request: HttpRequest) -> QueryDict | None:
    """For a form's data: what was posted, even if that is nothing; None for a form that is only shown."""
    return request.POST if request.method == "POST" else None


class Radios(forms.RadioSelect):
    """An error's link leads to the first of them."""

    def id_for_label(self, id_: str, index: str | None = None) -> str:
        return f"{id_}_0" if id_ and index is None else super().id_for_label(id_, index)


class AmountField(forms.CharField):
    """`1200`, `1,200`, `$1,200.50` -> nanodollars; empty -> None where that is allowed.

    `stands`: the amount that stands now. It may have more decimals than people type, and is no mistake if left alone.
    """

    stands: Any = None

    def __init__(self, *, what: str, decimals: int = 2, **rest: Any) -> None:
        self._what, self._decimals = what, decimals
        rest.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}))
        rest.setdefault("error_messages", {"required": f"Enter {what} as an amount in dollars, like 49 or 1,200.00."})
        super().__init__(max_length=40, **rest)

    def prepare_value(self, value: Any) -> Any:
        return show.field(value) if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        if not text:
            return None
        if isinstance(self.stands, int) and text == show.field(self.stands):
            return self.stands
        try:
            return parse_usd(text, decimals=self._decimals, what=self._what)
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from error

    def run_validators(self, value: Any) -> None:
        """The length was of the text; what is left is a number."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """The same amount written otherwise is no change."""
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except forms.ValidationError:
            return True


class TokensField(forms.CharField):
    """`16,384` -> 16384; empty -> None where that is allowed."""

    def __init__(self, *, what: str, **rest: Any) -> None:
        self._sentence = f"Enter {what} in tokens, as a whole number like 4,096."
        rest.setdefault("widget", forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}))
        rest.setdefault("error_messages", {"required": self._sentence})
        super().__init__(max_length=20, **rest)

    def prepare_value(self, value: Any) -> Any:
        return show.count(value) if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        if not text:
            return None
        if not re.fullmatch(r"\d{1,3}(?:,\d{3})+|\d{1,9}", text, re.ASCII):
            raise forms.ValidationError(self._sentence)
        return int(text.replace(",", ""))

    def run_validators(self, value: Any) -> None:
        """The length was of the text; what is left is a number."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except forms.ValidationError:
            return True


class NamesField(forms.CharField):
    """Names of models or fields, one a line or with commas between, as a list; what a name may be, the service says."""

    def __init__(self, **rest: Any) -> None:
        attributes = {"rows": 3, "spellcheck": "false", "autocapitalize": "none"}
        rest.setdefault("widget", forms.Textarea(attrs=attributes))
        super().__init__(max_length=20_000, **rest)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [name.strip() for name in re.split(r"[,\n]", super().to_python(value) or "") if name.strip()]

    def run_validators(self, value: Any) -> None:
        """The length was of the text; the service looks at each name."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(self.prepare_value(initial)) != self.to_python(data))


class LastDayField(forms.DateField):
    """The last day that something works, in UTC: `2026-12-31` -> the midnight after it."""

    def __init__(self, **rest: Any) -> None:
        rest.setdefault("widget", forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
        rest.setdefault("error_messages", {"invalid": "Enter the last day like 2026-12-31."})
        super().__init__(input_formats=["%Y-%m-%d"], **rest)

    def prepare_value(self, value: Any) -> Any:
        return last_day(value) if isinstance(value, datetime) else value

    def clean(self, value: Any) -> Any:
        day = super().clean(value)
        return day if day is None else datetime.combine(day + timedelta(days=1), time.min, UTC)

    def has_changed(self, initial: Any, data: Any) -> bool:
        before = last_day(initial) if isinstance(initial, datetime) else initial
        return super().has_changed(before, data)


def last_day(ends: datetime) -> date:
    """The last day of what ends at a moment."""
    return (ends - timedelta(microseconds=1)).astimezone(UTC).date()
