"""Usage of a chat completion, plain or streamed."""

import re
from typing import Any

import orjson

from budgets.pricing.rates import Retention
from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers.base import ParsedRequest
from proxy.providers.usage_fields import details, optional, required
from proxy.sse import Decoder, Event, EventTooLarge

_DONE = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)
# With a choice in it, a chunk is not the one that carries nothing but usage. (Inside strings quotes are escaped.)
_HAS_CHOICE = re.compile(rb'data:[^\r\n]*"choices"\s*:\s*\[\s*[^\s\]]')
# Every chunk carries a `usage`, mostly null; one that says something has this in it (or says nothing that we can use).
_IN_USAGE = b'"prompt_tokens"'
_LONGEST_USAGE_CHUNK = 16 * 1024


class OpenAIMeter:
    """For a stream: passes every piece on as it is, save the usage chunk where only we asked for it."""

    __slots__ = ("_blind", "_decoder", "_last", "_request", "_sent", "_tier", "_usage", "complete")

    def __init__(self, parsed: ParsedRequest) -> None:
        self._request = parsed
        self._decoder = Decoder()
        self._sent = 0  # how much of the pending event the client has already
        self._blind = False
        self._usage: dict[str, Any] | None = None
        self._tier: Any = None
        self._last = False  # some servers count along in every chunk: a cut after an earlier one says too little
        self.complete = False

    def feed(self, data: bytes) -> bytes:
        if self._blind:
            return data
        plain = 0 if self._decoder.pending else self._pass_plain(data)
        if plain == len(data):
            return data
        rest = data[plain:] if plain else data
        try:
            passed = self._pass_on(self._decoder.feed(rest), rest)
        except EventTooLarge:
            # Nothing that we asked for is that long: let all pass, and have the hold charged.
            self._blind = True
            passed = self._unsent(self._decoder.flush())
        return data if passed is rest else data[:plain] + passed

    def _pass_plain(self, data: bytes) -> int:
        """How many bytes at the start of `data` are whole events that name no usage: nothing else in them matters."""
        named = data.find(_IN_USAGE)
        end = data.rfind(b"\n\n", 0, named if named >= 0 else len(data)) + 2
        if end < 2:
            return 0
        if b"[DONE]" in data and _DONE.search(data, 0, end):
            self.complete = True
        return end

    def finish(self) -> bytes:
        """What was held back of an event that no blank line ended."""
        tail = self._decoder.flush()
        ours = self._note(Event(tail)) and not self._request.usage_wanted
        rest = self._unsent(tail)
        return b"" if ours and len(rest) == len(tail) else rest

    def feed_body(self, body: bytes) -> None:
        try:
            reply = self._loads(body)
        except ValueError:
            return  # `usage` says that there was none
        if type(reply) is dict:
            self.complete = True
            self._note_usage(reply)

    def usage(self) -> Usage:
        if self._usage is None or self._blind or not (self._last or self.complete):
            raise UsageUnknown("the reply named no final usage")
        return self._read(self._usage)

    # What another provider of the same format may tell otherwise (proxy.providers.compatible).

    def _loads(self, data: bytes) -> Any:
        """Raises ValueError."""
        return orjson.loads(data)

    def _find(self, reply: dict[str, Any]) -> Any:
        return reply.get("usage")

    def _read(self, usage: dict[str, Any]) -> Usage:
        tier = self._tier if type(self._tier) is str else self._request.service_tier
        return read_usage(usage, tier, self._request.retention)

    def _pass_on(self, events: list[Event], data: bytes) -> bytes:
        """`data` itself wherever all of it, and nothing else, goes on."""
        out = []
        for event in events:
            rest = self._unsent(event.raw)
            ours = self._note(event) and not self._request.usage_wanted
            # A chunk that went on in part must go on whole.
            if not ours or len(rest) < len(event.raw):
                out.append(rest)
        pending = self._decoder.pending
        if self._sent or self._request.usage_wanted or not _may_be_usage_chunk(pending):
            out.append(bytes(pending[self._sent :]))
            self._sent = len(pending)
        passed = b"".join(out)
        return data if passed == data else passed

    def _unsent(self, raw: bytes) -> bytes:
        sent, self._sent = self._sent, 0
        return raw[sent:] if sent else raw

    def _note(self, event: Event) -> bool:
        """Reads one event. Whether it carries usage and nothing else."""
        if b"[DONE]" in event.raw and _DONE.search(event.raw):
            self.complete = True
        if _IN_USAGE not in event.raw:
            return False
        try:
            chunk = self._loads(event.data)
        except ValueError:
            return False
        if type(chunk) is not dict or not self._note_usage(chunk):
            return False
        alone = chunk.get("choices") == []
        self._last = alone
        return alone

    def _note_usage(self, reply: dict[str, Any]) -> bool:
        usage = self._find(reply)
        if type(usage) is not dict:
            return False
        self._usage, self._tier = usage, reply.get("service_tier")
        return True


def _may_be_usage_chunk(pending: bytearray) -> bool:
    return 0 < len(pending) < _LONGEST_USAGE_CHUNK and not _HAS_CHOICE.match(pending)


def read_usage(usage: dict[str, Any], service_tier: str, retention: Retention) -> Usage:
    """`prompt_tokens` include the cached, written and audio ones; where they overlap, the dearer kind counts.

    Raises UsageUnknown.
    """
    prompt, completion = required(usage, "prompt_tokens"), required(usage, "completion_tokens")
    of_prompt, of_completion = details(usage, "prompt_tokens_details"), details(usage, "completion_tokens_details")
    cached, written = optional(of_prompt, "cached_tokens"), optional(of_prompt, "cache_write_tokens")
    audio_input, audio_output = optional(of_prompt, "audio_tokens"), optional(of_completion, "audio_tokens")
    reasoning = optional(of_completion, "reasoning_tokens")
    if max(cached, written, audio_input) > prompt or max(audio_output, reasoning) > completion:
        raise UsageUnknown("a part of the usage is larger than the whole")
    written = min(written, prompt - audio_input)
    cached = min(cached, prompt - audio_input - written)
    long = retention is Retention.LONG
    return Usage(
        input_tokens=prompt - audio_input - written - cached,
        output_tokens=completion - audio_output,
        cache_read_tokens=cached,
        cache_write_5m_tokens=0 if long else written,
        cache_write_1h_tokens=written if long else 0,
        audio_input_tokens=audio_input,
        audio_output_tokens=audio_output,
        reasoning_tokens=reasoning,
        service_tier=service_tier,
    )
