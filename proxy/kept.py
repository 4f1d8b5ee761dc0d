"""How long the replies are that a provider keeps, so that a request which goes on from one is bounded by it.

Such a request does not show what came before. All tokens of the reply that it names, what went in and what came out,
are the most that this can be, for the same model: others cut text and pictures into other tokens. What is not known
here (too old, lost with Redis, not passed by us) may have filled the context window, as without this.
"""

import asyncio
import logging
from typing import Any, NamedTuple, Protocol, runtime_checkable

from budgets import keyspace
from budgets.lanes import ScriptError
from budgets.pricing.rates import Model
from budgets.pricing.usage import Usage
from budgets.reach import AnyLane
from proxy.providers.base import Meter
from tenants.store import StoreUnavailable

log = logging.getLogger(__name__)

KEPT_SECONDS = 7 * 86_400
_LONGEST_ID = 128


class Kept(NamedTuple):
    """All tokens of a reply, and the model that made it."""

    model: str
    tokens: int

    def tokens_for(self, model: Model) -> int | None:
        return self.tokens if self.model == model.id else None


@runtime_checkable
class Keeping(Protocol):
    """A meter of a format whose replies can be gone on from. `reply_id` is empty until the reply has named it."""

    reply_id: str


class KeptReplies:
    """One per event loop. Notes are on their way when the call returns, and nobody waits for them."""

    def __init__(self, lane: AnyLane) -> None:
        self._lane = lane

    def note(self, place: tuple[str, str], model: Model, meter: Meter, usage: Usage) -> None:
        """`place`: tenant and mode."""
        if not isinstance(meter, Keeping) or not 0 < len(meter.reply_id) <= _LONGEST_ID:
            return
        tokens = usage.total_input_tokens + usage.total_output_tokens
        key = keyspace.kept_reply(*place, meter.reply_id)
        self._lane.command("SET", key, f"{tokens}:{model.id}", "EX", KEPT_SECONDS).add_done_callback(_noted)

    async def find(self, place: tuple[str, str], reply_id: str) -> Kept | None:
        if len(reply_id) > _LONGEST_ID:
            return None
        try:
            found = await self._lane.command("GET", keyspace.kept_reply(*place, reply_id))
        except (StoreUnavailable, ScriptError) as error:
            log.warning("the length of a kept reply is not known: %s", error)
            return None
        if found is None:
            return None
        tokens, _, model = str(found, "utf-8").partition(":")
        return Kept(model, int(tokens))


def _noted(reply: "asyncio.Future[Any]") -> None:
    if not reply.cancelled() and (error := reply.exception()) is not None:
        log.warning("a kept reply will be taken for a full window: %s", error)
