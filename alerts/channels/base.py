"""What every channel is: it says what it takes for a target, makes its shape of a message, and sends it.

`compose` is pure; `send` is the only I/O, bounded in time. Failures are told apart: Passing may do better later, and is
tried again for a day; Permanent will not, and its `problem` says on the channel what to do about it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from alerts.facts import Facts
from alerts.messages import Message
from alerts.models import ChannelKind


@dataclass(frozen=True, slots=True)
class Target:
    """Where a channel leads. `shown` is what people may see of it."""

    value: str = field(repr=False)
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One delivery, with all that a channel needs and its secrets in clear.

    event_id     stable over every try: what a receiver tells repeats by
    kind         an EventType
    secrets      what to sign with, the newest first
    address      e-mail: the recipient; with `unsubscribe`, the link that ends it for this one
    """

    event_id: str
    kind: str
    happened_at: datetime
    facts: Facts
    message: Message
    target: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    address: str = ""
    unsubscribe: str = field(default="", repr=False)
    mention: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes out. `html` beside the text, for e-mail; `private` is blotted out in what is kept."""

    text: str
    headers: Mapping[str, str]
    html: str = ""
    private: str = field(default="", repr=False)

    def kept(self, text: str) -> str:
        return text.replace(self.private, "(the reader's own link)") if self.private else text


class Failed(Exception):
    """It was not delivered by this try; the message says what was answered."""


class Passing(Failed):
    """`wait`: how many seconds the other side asked for, 0 for none."""

    def __init__(self, said: str, *, wait: int = 0) -> None:
        super().__init__(said)
        self.wait = wait


class Permanent(Failed):
    """`problem`: a sentence for the channel, with what to do; empty where it is this one message's alone."""

    def __init__(self, said: str, *, problem: str = "") -> None:
        super().__init__(said)
        self.problem = problem


class Channel(ABC):
    kind: ClassVar[ChannelKind]
    asks_for: ClassVar[str]
    """What the field for a target is called."""

    @abstractmethod
    def target(self, text: str) -> Target:
        """What somebody typed or pasted. Raises tenants.errors.InvalidValue for the field `target`."""

    @abstractmethod
    def compose(self, order: Order) -> Letter: ...

    @abstractmethod
    def send(self, order: Order, letter: Letter) -> str:
        """What was answered, in a line. Raises Passing, Permanent."""
