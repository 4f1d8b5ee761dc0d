"""Named values that nobody changes once they are made."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """A dataclass with slots that type checkers hold to be frozen.

    At run time it is not: a frozen one sets each field through a call of its own, which takes five times as long, and
    every request makes a dozen of these.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
