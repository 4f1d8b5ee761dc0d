"""Usage of a message, plain or streamed."""

from typing import Any, NamedTuple

from budgets.pricing.rates import Retention
from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers.base import ParsedRequest
from proxy.providers.event_meter import EventMeter
from proxy.providers.usage_fields import details, optional, required

# Turns of the model that was asked for; others (advisor, fallback) ran on another model.
_OWN_ITERATIONS = frozenset({"message", "compaction"})


class AnthropicMeter(EventMeter):
    """Passes every piece on as it is, and reads the usage of `message_start` and `message_delta`."""

    __slots__ = ("_counted", "_request", "_stopped", "_usage")

    def __init__(self, parsed: ParsedRequest) -> None:
        super().__init__()
        self._request = parsed
        self._usage: dict[str, Any] | None = None
        self._counted = False  # output was counted past the placeholder of message_start
        self._stopped = False  # the count is the last one: a cut after an earlier one would charge too little

    @staticmethod
    def may_matter(data: bytes) -> bool:
        return b'"usage"' in data or b"message_stop" in data

    def usage(self) -> Usage:
        if self._usage is None or self.blind or not (self._counted and self._stopped):
            raise UsageUnknown("the reply named no final usage")
        return read_usage(self._usage, self._request)

    def note(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "message_start" and type(event.get("message")) is dict:
            self._merge(event["message"].get("usage"))
        elif kind == "message_delta":
            self._counted = self._merge(event.get("usage")) or self._counted
            delta = event.get("delta")
            self._stopped = type(delta) is dict and delta.get("stop_reason") is not None
        elif kind == "message_stop":
            self.complete = self._stopped = True

    def note_reply(self, reply: dict[str, Any]) -> None:
        if type(reply.get("usage")) is dict:
            self._usage = reply["usage"]
            self._counted = self._stopped = self.complete = True

    def _merge(self, usage: Any) -> bool:
        """A later usage is cumulative: its counts replace the earlier ones, and what it leaves out stays."""
        if type(usage) is not dict:
            return False
        known = {name: value for name, value in usage.items() if value is not None}
        self._usage = {**(self._usage or {}), **known}
        return True


class _Counts(NamedTuple):
    """Disjoint token counts of a reply, or of one turn of it."""

    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int


def read_usage(usage: dict[str, Any], request: ParsedRequest) -> Usage:
    """Raises UsageUnknown."""
    counts = _counts(usage, request.retention)
    if usage.get("iterations"):
        # Turns that the totals leave out (a compaction) are billed too.
        counts = _Counts(*map(max, counts, _sum_iterations(usage["iterations"], request.retention)))
    thinking = optional(details(usage, "output_tokens_details"), "thinking_tokens")
    return Usage(
        input_tokens=counts.input,
        output_tokens=counts.output,
        cache_read_tokens=counts.cache_read,
        cache_write_5m_tokens=counts.cache_write_5m,
        cache_write_1h_tokens=counts.cache_write_1h,
        reasoning_tokens=min(thinking, counts.output),
        web_searches=optional(details(usage, "server_tool_use"), "web_search_requests"),
        service_tier=_service_tier(usage, request.service_tier),
        region=region if type(region := usage.get("inference_geo")) is str else request.region,
    )


def _counts(usage: dict[str, Any], retention: Retention) -> _Counts:
    created = optional(usage, "cache_creation_input_tokens")
    split = details(usage, "cache_creation")
    short, long = optional(split, "ephemeral_5m_input_tokens"), optional(split, "ephemeral_1h_input_tokens")
    # A stream tells the split at its start only: what was written since is taken for the longest kind asked for.
    rest = max(0, created - short - long)
    if retention is Retention.LONG:
        long += rest
    else:
        short += rest
    return _Counts(
        required(usage, "input_tokens"),
        required(usage, "output_tokens"),
        optional(usage, "cache_read_input_tokens"),
        short,
        long,
    )


def _sum_iterations(iterations: Any, retention: Retention) -> _Counts:
    if type(iterations) is not list:
        raise UsageUnknown("the iterations are no list")
    turns = []
    for turn in iterations:
        if type(turn) is not dict or turn.get("type") not in _OWN_ITERATIONS:
            raise UsageUnknown("a turn of another model, at other prices, is in the usage")
        turns.append(_counts(turn, retention))
    return _Counts(*map(sum, zip(*turns, strict=True)))


def _service_tier(usage: dict[str, Any], requested: str) -> str:
    """The tier of the reply; where it says nothing, the one that was asked for."""
    speed, tier = usage.get("speed"), usage.get("service_tier")
    if speed == "fast" or (speed is None and requested == "fast"):
        return "fast"
    if type(tier) is str:
        return tier
    return "standard" if requested == "fast" else requested
