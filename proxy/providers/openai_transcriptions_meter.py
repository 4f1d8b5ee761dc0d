"""Usage of a transcription: in tokens or in seconds as the reply says, else the length that its sound has."""

from decimal import ROUND_CEILING, Decimal
from typing import Any

from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers.base import ParsedRequest
from proxy.providers.event_meter import EventMeter
from proxy.providers.usage_fields import details, optional, required

_MOST_SECONDS = 10_000_000


class OpenAITranscriptionsMeter(EventMeter):
    """Passes every piece on as it is. A reply in text or subtitles names no usage."""

    __slots__ = ("_reply", "_request")

    def __init__(self, parsed: ParsedRequest) -> None:
        super().__init__()
        self._request = parsed
        self._reply: dict[str, Any] = {}

    @staticmethod
    def may_matter(data: bytes) -> bool:
        return b"transcript.text.done" in data

    def note(self, event: dict[str, Any]) -> None:
        if event.get("type") == "transcript.text.done":
            self.note_reply(event)

    def note_reply(self, reply: dict[str, Any]) -> None:
        self._reply, self.complete = reply, True

    def feed_body(self, body: bytes) -> None:
        super().feed_body(body)
        self.complete = True

    def usage(self) -> Usage:
        if self.blind or not self.complete:
            raise UsageUnknown("the reply did not come to its end")
        at_most = self._request.at_most
        assert at_most is not None
        usage = details(self._reply, "usage")
        if not at_most.milliseconds:
            return _tokens(usage)
        seconds = usage.get("seconds", self._reply.get("duration"))
        return at_most if seconds is None else Usage(milliseconds=_milliseconds(seconds))


def _milliseconds(seconds: Any) -> int:
    """Rounded up. Raises UsageUnknown."""
    given = Decimal(repr(seconds)) if type(seconds) in (int, float) else Decimal(-1)
    if not 0 <= given <= _MOST_SECONDS:
        raise UsageUnknown(f"the sound lasts {str(seconds)[:50]}")
    return int((given * 1_000).to_integral_value(ROUND_CEILING))


def _tokens(usage: dict[str, Any]) -> Usage:
    """What is not told apart is of the dearer kind: sound."""
    total, text = required(usage, "input_tokens"), optional(details(usage, "input_token_details"), "text_tokens")
    if text > total:
        raise UsageUnknown("a part of the usage is larger than the whole")
    return Usage(input_tokens=text, audio_input_tokens=total - text, output_tokens=required(usage, "output_tokens"))
