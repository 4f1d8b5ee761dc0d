"""What meters of server-sent events have in common: all passes on as it is, and the few events that matter are read."""

from typing import Any

import orjson

from proxy.sse import MAX_EVENT, Decoder, Event, EventTooLarge


class EventMeter:
    """A format says which bytes an event that matters has in it (`may_matter`), and reads it (`note`)."""

    __slots__ = ("_decoder", "blind", "complete")

    def __init__(self, longest: int = MAX_EVENT) -> None:
        self._decoder = Decoder(longest)
        self.blind = False
        """Whether an event was too long to be read: the hold is charged."""
        self.complete = False

    @staticmethod
    def may_matter(data: bytes) -> bool:
        """Cheap, and never false for bytes that hold an event that matters."""
        raise NotImplementedError

    def note(self, event: dict[str, Any]) -> None:
        """Reads one event, decoded."""
        raise NotImplementedError

    def feed(self, data: bytes) -> bytes:
        if self.blind or (not self._decoder.pending and data.endswith(b"\n\n") and not self.may_matter(data)):
            return data
        try:
            events = self._decoder.feed(data)
        except EventTooLarge:
            self.blind = True
            self._decoder.flush()
            return data
        for event in events:
            self._read(event)
        return data

    def finish(self) -> bytes:
        self._read(Event(self._decoder.flush()))
        return b""

    def feed_body(self, body: bytes) -> None:
        try:
            reply = orjson.loads(body)
        except orjson.JSONDecodeError:
            return  # `usage` says that there was none
        if type(reply) is dict:
            self.note_reply(reply)

    def note_reply(self, reply: dict[str, Any]) -> None:
        """Reads a whole reply that was not streamed."""
        raise NotImplementedError

    def _read(self, event: Event) -> None:
        if not self.may_matter(event.raw):
            return
        try:
            data = orjson.loads(event.data)
        except orjson.JSONDecodeError:
            return
        if type(data) is dict:
            self.note(data)
