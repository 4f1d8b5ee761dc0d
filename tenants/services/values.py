"""What people type, made fit to keep: each function returns the value or raises InvalidValue with a sentence."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Model
from django.utils import timezone

from tenants.errors import InvalidValue

LARGEST_OUTPUT_LIMIT = 10_000_000  # tokens: beyond any model, and far from the edge of the column


class Unset(Enum):
    """The default of an argument that was not given, where None means something."""

    UNSET = "unset"


UNSET = Unset.UNSET


def name(field: str, value: str, *, longest: int, what: str) -> str:
    cleaned = " ".join(value.split())
    if not cleaned:
        raise InvalidValue(field, f"Enter a name for {what}.")
    if len(cleaned) > longest:
        raise InvalidValue(field, f"Enter a name of at most {longest} characters for {what}.")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in cleaned):
        raise InvalidValue(field, f"Enter a name without control characters for {what}.")
    return cleaned


def email(field: str, value: str) -> str:
    cleaned = value.strip().lower()
    try:
        validate_email(cleaned)
    except ValidationError as error:
        raise InvalidValue(field, "Enter an e-mail address, like name@company.example.") from error
    if len(cleaned) > 254:
        raise InvalidValue(field, "Enter an e-mail address of at most 254 characters.")
    return cleaned


def output_limit(field: str, value: int) -> int:
    if isinstance(value, bool) or not 1 <= value <= LARGEST_OUTPUT_LIMIT:
        raise InvalidValue(field, f"Enter the output limit in tokens, from 1 to {LARGEST_OUTPUT_LIMIT:,}.")
    return value


def one_of(field: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise InvalidValue(field, f"Choose one of {', '.join(choices)}.")
    return value


def expiry(field: str, value: datetime | None) -> datetime | None:
    if value is not None and (timezone.is_naive(value) or value <= timezone.now()):
        raise InvalidValue(field, "Choose an expiry in the future.")
    return value


def time_zone(field: str, value: str) -> str:
    if value not in available_timezones():
        raise InvalidValue(field, "Choose a time zone by its name, like Europe/Berlin or UTC.")
    return value


def words(field: str, values: Sequence[str], *, what: str, longest: int = 128, most: int = 200) -> list[str]:
    """A list of model or field names: trimmed, without repeats, in the order given."""
    cleaned = list(dict.fromkeys(value.strip() for value in values))
    if len(cleaned) > most:
        raise InvalidValue(field, f"Name at most {most} {what}.")
    if any(not value or len(value) > longest or not value.isprintable() or " " in value for value in cleaned):
        raise InvalidValue(field, f"Name {what} one by one, without spaces.")
    return cleaned


def assign(instance: Model, **values: Any) -> dict[str, tuple[Any, Any]]:
    """Set the fields that differ (UNSET: not given) and save them; returns what changed, for the audit log."""
    changes = {}
    for field, value in values.items():
        before = getattr(instance, field)
        if value is not UNSET and value != before:
            setattr(instance, field, value)
            changes[field] = (before, value)
    if changes:
        instance.save(update_fields=list(changes))
    return changes
