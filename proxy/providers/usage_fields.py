"""Token counts as a reply states them: whole, not negative, possible. Anything else makes the usage unknown."""

from typing import Any

from budgets.pricing.usage import UsageUnknown
from proxy.providers.fields import MOST_TOKENS


def required(usage: dict[str, Any], name: str) -> int:
    """Raises UsageUnknown where the count is missing or cannot be true."""
    value = usage.get(name)
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        raise UsageUnknown(f"{name} is {str(value)[:50]}")
    return value


def optional(usage: dict[str, Any], name: str) -> int:
    """0 where the count is absent or null."""
    return 0 if usage.get(name) is None else required(usage, name)


def details(usage: dict[str, Any], name: str) -> dict[str, Any]:
    """A nested object of counts; empty where it is absent or null."""
    value = usage.get(name)
    if value is None:
        return {}
    if type(value) is not dict:
        raise UsageUnknown(f"{name} is no object")
    return value
