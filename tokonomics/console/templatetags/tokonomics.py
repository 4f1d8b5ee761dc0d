"""`{% load tokonomics %}`: amounts, times and form parts as the product writes them (see console.presentation)."""

from datetime import datetime
from typing import Any

from django import template
from django.forms import BaseForm, BoundField
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tokonomics.console import presentation as show

register = template.Library()

register.filter("usd", show.spent)  # cents, rounded up: spent, held, charged
register.filter("usd_left", show.left)  # cents, rounded down: remaining
register.filter("usd_cap", show.cap)
register.filter("usd_cap_short", show.cap_short)
register.filter("usd_exact", show.exact)
register.filter("usd_five", show.five)
register.filter("usd_rough", show.rough)
register.filter("usd_about", show.about)
register.filter("usd_field", show.field)
register.filter("percent_of", show.percent)
register.filter("tokens", show.tokens)
register.filter("count", show.count)
register.filter("took", show.took)


def _time(when: datetime, text: str) -> SafeString:
    return format_html('<time datetime="{}">{}</time>', f"{when:%Y-%m-%dT%H:%M:%SZ}", text)


@register.filter
def moment(when: datetime) -> SafeString:
    """For lists: the clock today, the day and the clock before that."""
    return _time(when, show.moment(when, timezone.now()))


@register.filter
def ago(when: datetime) -> SafeString:
    """Relative under an hour; never the only form in an audit or a delivery."""
    return _time(when, show.ago(when, timezone.now()))


@register.filter
def reset(when: datetime) -> SafeString:
    return _time(when, show.short_reset(when))


@register.filter
def on_day(when: datetime) -> SafeString:
    return _time(when, show.short_day(when))


@register.simple_tag
def field_input(field: BoundField, hint: str = "") -> SafeString:
    """A field's input with its hint and error tied to it, as `_field.html` names them."""
    ids = [f"{field.id_for_label}-hint"] if hint or field.help_text else []
    attributes: dict[str, Any] = {}
    if field.errors:
        ids.append(f"{field.id_for_label}-error")
        attributes["aria-invalid"] = "true"
    if ids:
        attributes["aria-describedby"] = " ".join(ids)
    return field.as_widget(attrs={**field.field.widget.attrs, **attributes})


@register.simple_tag
def problems_of(form: BaseForm | None, problems: list[tuple[str, str]] | None) -> list[tuple[str, str]]:
    """(field id or "", sentence) of each error, in the form's order; `problems` given by a view come first."""
    found = list(problems or [])
    if isinstance(form, BaseForm):
        found += [("", str(error)) for error in form.non_field_errors()]
        found += [(field.id_for_label or "", str(error)) for field in form for error in field.errors]
    return found
