"""A stream that began on a part of its hold: it asks for more as it goes, ahead of use, and ends where it gets none.

The provider is read by a task of its own, never at the client's pace: what a slow client leaves in our buffers and the
kernel's would be tokens that are made, billed and not seen. Reading pauses only once the full bound is held.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from budgets.ledger_errors import CapExceeded, HoldGone, LedgerUnavailable
from proxy import refusals
from proxy.extending import Extender
from proxy.partial_holds import Steps
from proxy.providers.base import ErrorBody, Meter, Watch
from proxy.refusals import Refusal
from proxy.sse import Decoder
from proxy.stream import MeteredStream

# Bytes that may wait for the client before its slowness costs the full bound.
MOST_BACKLOG = 256 * 1024
RETRY_SECONDS = 0.1
# At the brink, what an answer that is under way may still take; the margin covers what is made meanwhile.
ANSWER_SECONDS = 0.1
# So many bytes of an event that is not whole yet are only its frame; beyond that each may be a token.
LONGEST_FRAME = 4096


class WatchedMeter:
    """A meter that is fed whole events, each of them counted first: what the client gets ends with an event."""

    def __init__(self, meter: Meter, watch: Watch, steps: Steps) -> None:
        self._meter, self._watch, self._steps = meter, watch, steps
        self._events = Decoder()

    def feed(self, data: bytes) -> bytes:
        steps, events = self._steps, self._events.feed(data)
        for event in events:
            steps.seen += self._watch.note(event)
        pending = len(self._events.pending)
        steps.unread = pending if pending > LONGEST_FRAME else 0
        return self._meter.feed(b"".join([event.raw for event in events])) if events else b""

    def finish(self) -> bytes:
        tail = self._events.flush()
        return (self._meter.feed(tail) if tail else b"") + self._meter.finish()

    def feed_body(self, body: bytes) -> None:
        self._meter.feed_body(body)

    def usage(self) -> Any:
        return self._meter.usage()

    @property
    def complete(self) -> bool:
        return self._meter.complete


class PartialStream(MeteredStream):
    """As MeteredStream, but read ahead of its client. `explain`: what a refusal by a cap says to this client."""

    def __init__(
        self,
        *stream: Any,
        steps: Steps,
        watch: Watch,
        extender: Extender,
        explain: Callable[[CapExceeded], ErrorBody],
        **drain: Any,
    ) -> None:
        super().__init__(*stream, **drain)
        self._meter = WatchedMeter(self._meter, watch, steps)
        self._steps, self._watch, self._extender, self._explain = steps, watch, extender, explain
        if not self._decoder.readable:
            steps.seen = steps.quote.most_output  # nothing of it can be counted
        self._pieces: deque[bytes] = deque()
        self._backlog = 0
        self._news, self._taken = asyncio.Event(), asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._refused: CapExceeded | Refusal | HoldGone | LedgerUnavailable | None = None
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(lambda _: self._news.set())

    # --- The client's side -------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        return self._ended and not self._pieces

    def to_pour(self) -> None:
        return None  # it has a reader of its own

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._reading.done():
                self._reading.result()  # a fault of ours is the client's to see
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        piece = b"".join(self._pieces)
        self._pieces.clear()
        self._backlog = 0
        self._taken.set()
        return piece

    def abandon(self) -> None:
        super().abandon()
        self._taken.set()

    async def aclose(self) -> None:
        try:
            self.abandon()
            await self._reading
        finally:
            self._reading.cancel()
            self._stop_asking()
            await self._finally()

    # --- The provider's side -----------------------------------------------------------------------------------------

    async def _read(self) -> None:
        left = self._drain_bytes
        while not self._ended:
            piece = await self._next()
            self._put(piece)
            if self._abandoned and (left := left - (len(piece) or 1)) <= 0:
                return
            if self._ended or self._settlement.done:
                continue
            if not await self._keep_ahead() or not await self._pace():
                self._put(await self._cut_short())
        self._stop_asking()

    def _put(self, piece: bytes) -> None:
        if piece and not self._abandoned:
            self._pieces.append(piece)
            self._backlog += len(piece)
            self._news.set()

    async def _keep_ahead(self) -> bool:
        """Ask for more in time; False where more may have been made than is held."""
        steps = self._steps
        if steps.due and self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        if steps.outrun and self._asking is not None:
            await asyncio.wait({self._asking}, timeout=ANSWER_SECONDS)
        return not steps.outrun and not isinstance(self._refused, HoldGone)

    async def _ask(self) -> None:
        """Until it is granted, or known that it never will be. Money that is in use by others may come back yet."""
        try:
            while not self._ended and await self._refuses(self._steps.ask):
                if isinstance(self._refused, HoldGone):
                    return
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._asking = None

    async def _refuses(self, amounts: Callable[[], tuple[int, int]]) -> bool:
        """Whether the hold could not be enlarged; `_refused` is why."""
        try:
            self._steps.grown(await self._extender.by(amounts))
        except (CapExceeded, Refusal, HoldGone, LedgerUnavailable) as error:
            self._refused = error
            return True
        self._refused = None
        return False

    async def _pace(self) -> bool:
        """Wait for a slow client, with everything held that may be made meanwhile; False where that cannot be."""
        if self._backlog <= MOST_BACKLOG or self._abandoned:
            return True
        if not self._steps.full and await self._refuses(self._steps.ask_all):
            return False
        while self._backlog > MOST_BACKLOG // 2 and not self._abandoned:
            self._taken.clear()
            await self._taken.wait()
        return True

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    # --- The end, where we make it -----------------------------------------------------------------------------------

    async def _cut_short(self) -> bytes:
        """Hang up; the client gets the end that its dialect has for a reply at its limit, and then the reason."""
        self._ended = True
        steps, body = self._steps, self._reason()
        flags = ("client_gone", body.code) if self._abandoned else (body.code,)
        self._settlement.at_shown(steps.shown(), self._reply.status, flags)
        await self._reply.aclose()
        error = self._dialect.stream_error(body, self._request_id)
        return self._watch.length_ending(min(steps.made, steps.quote.most_output)) + error + self._watch.end

    def _reason(self) -> ErrorBody:
        match self._refused:
            case CapExceeded():
                return self._explain(self._refused)
            case Refusal():
                return self._refused.body
            case HoldGone():
                message = "What was held for this reply was ended on our side; it stops here."
                return ErrorBody(503, "hold_ended", message, type="server_error")
        return refusals.ledger_unavailable().body
