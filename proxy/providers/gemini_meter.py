"""Usage of generated content: plain, as server-sent events, or as a JSON array that arrives bit by bit."""

from typing import Any

import orjson

from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers.base import ParsedRequest
from proxy.providers.json_array import ArrayDecoder, ElementTooLarge
from proxy.providers.usage_fields import optional, required
from proxy.sse import Decoder, Event, EventTooLarge

_TEXTS = frozenset({"TEXT", "AUDIO", "DOCUMENT", "IMAGE", "VIDEO", "MODALITY_UNSPECIFIED"})


class GeminiMeter:
    """Passes every piece on as it is. `events`: whether a stream comes as server-sent events.

    No event ends such a stream, and more than one chunk may name a finish reason: it is complete when it has ended and
    every candidate that it showed has finished.
    """

    __slots__ = ("_array", "_blind", "_events", "_finished", "_request", "_seen", "_usage", "complete")

    def __init__(self, parsed: ParsedRequest, *, events: bool) -> None:
        self._request = parsed
        self._events = Decoder() if events else None
        self._array = ArrayDecoder()
        self._blind = False
        self._usage: dict[str, Any] | None = None
        self._seen: set[str] = set()  # indexes of candidates
        self._finished: set[str] = set()
        self.complete = False

    def feed(self, data: bytes) -> bytes:
        if not self._blind:
            try:
                self._read(data)
            except (EventTooLarge, ElementTooLarge):
                self._blind = True  # the hold is charged
        return data

    def finish(self) -> bytes:
        if self._blind:
            return b""
        if self._events is not None:
            self._note(Event(self._events.flush()).data)
        elif not self._array.ended:
            return b""
        self.complete = bool(self._finished) and self._seen <= self._finished
        return b""

    def feed_body(self, body: bytes) -> None:
        self._note(body)
        self.complete = self._usage is not None

    def usage(self) -> Usage:
        if self._usage is None or self._blind or not self.complete:
            raise UsageUnknown("the reply did not come to its end")
        return read_usage(self._usage, self._request.service_tier)

    def _read(self, data: bytes) -> None:
        if self._events is None:
            for element in self._array.feed(data):
                self._note(element)
            return
        for event in self._events.feed(data):
            self._note(event.data)

    def _note(self, data: bytes) -> None:
        """One chunk: its usage is cumulative, so later counts replace earlier ones, and what it leaves out stays."""
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            return
        if type(chunk) is not dict:
            return
        if type(chunk.get("usageMetadata")) is dict:
            self._usage = {**(self._usage or {}), **chunk["usageMetadata"]}
        candidates = chunk.get("candidates")
        for candidate in candidates if type(candidates) is list else []:
            if type(candidate) is dict:
                index = str(candidate.get("index") or 0)  # Google leaves zeros out
                self._seen.add(index)
                if candidate.get("finishReason"):
                    self._finished.add(index)
        feedback = chunk.get("promptFeedback")
        if type(feedback) is dict and feedback.get("blockReason"):
            self._finished |= self._seen | {"blocked"}


def read_usage(usage: dict[str, Any], service_tier: str) -> Usage:
    """`promptTokenCount` includes the cached ones, `candidatesTokenCount` leaves thoughts out; Google leaves out zeros.

    Raises UsageUnknown.
    """
    prompt, cached = required(usage, "promptTokenCount"), optional(usage, "cachedContentTokenCount")
    tools, thoughts = optional(usage, "toolUsePromptTokenCount"), optional(usage, "thoughtsTokenCount")
    candidates = optional(usage, "candidatesTokenCount")
    heard, heard_cached = _audio(usage, "promptTokensDetails"), _audio(usage, "cacheTokensDetails")
    heard_tools, spoken = _audio(usage, "toolUsePromptTokensDetails"), _audio(usage, "candidatesTokensDetails")
    if cached > prompt or heard > prompt or heard_cached > min(heard, cached) or heard_tools > tools:
        raise UsageUnknown("a part of the usage is larger than the whole")
    if spoken > candidates:
        raise UsageUnknown("a part of the usage is larger than the whole")
    # Tokens that only the total tells (thoughts, on some models) are taken for the dearest.
    untold = max(0, optional(usage, "totalTokenCount") - prompt - tools - candidates - thoughts)
    read = min(cached - heard_cached, prompt - heard)
    tier = str(usage.get("serviceTier") or "").lower().removeprefix("service_tier_")
    return Usage(
        input_tokens=prompt - heard - read + tools - heard_tools,
        output_tokens=candidates - spoken + thoughts + untold,
        cache_read_tokens=read,
        audio_input_tokens=heard - heard_cached + heard_tools,
        audio_output_tokens=spoken,
        audio_cache_read_tokens=heard_cached,
        reasoning_tokens=thoughts,
        service_tier=service_tier if tier in ("", "unspecified") else tier,
    )


def _audio(usage: dict[str, Any], name: str) -> int:
    """Tokens of sound among the counts by modality. Pictures that a reply is made of have no rate here."""
    listed = usage.get(name)
    if listed is None:
        return 0
    if type(listed) is not list or not all(type(entry) is dict for entry in listed):
        raise UsageUnknown(f"{name} is no list of objects")
    heard = 0
    for entry in listed:
        modality, count = str(entry.get("modality")), optional(entry, "tokenCount")
        made = name == "candidatesTokensDetails" and modality not in ("TEXT", "AUDIO")
        if count and (made or modality not in _TEXTS):
            raise UsageUnknown(f"{name} counts tokens of {modality[:50]}, which have no rate")
        heard += count if modality == "AUDIO" else 0
    return heard
