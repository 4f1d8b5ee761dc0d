"""Usage of a response, plain or streamed: the event that ends a stream carries the whole response."""

from typing import Any

from budgets.pricing.rates import Retention
from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers.base import ParsedRequest
from proxy.providers.event_meter import EventMeter
from proxy.providers.usage_fields import details, optional, required

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_UNFINISHED = frozenset({"queued", "in_progress"})


class OpenAIResponsesMeter(EventMeter):
    """Passes every piece on as it is."""

    __slots__ = ("_request", "_response")

    def __init__(self, parsed: ParsedRequest) -> None:
        super().__init__()
        self._request = parsed
        self._response: dict[str, Any] | None = None

    @staticmethod
    def may_matter(data: bytes) -> bool:
        return b"response.completed" in data or b"response.incomplete" in data or b"response.failed" in data

    def usage(self) -> Usage:
        if self._response is None or self.blind:
            raise UsageUnknown("the reply did not come to its end")
        return read_usage(self._response, self._request)

    @property
    def reply_id(self) -> str:
        """By which another request may go on from it."""
        given = self._response.get("id") if self._response is not None else None
        return given if type(given) is str else ""

    def note(self, event: dict[str, Any]) -> None:
        if str(event.get("type")) in _ENDS and type(event.get("response")) is dict:
            self._response = event["response"]
            self.complete = True

    def note_reply(self, reply: dict[str, Any]) -> None:
        if str(reply.get("status")) not in _UNFINISHED:
            self._response = reply
            self.complete = True


def read_usage(response: dict[str, Any], request: ParsedRequest) -> Usage:
    """`input_tokens` include the cached, the written and the heard ones; where they overlap, the dearer kind counts.
    Of a request with sound, all is heard that the reply does not tell apart. Raises UsageUnknown.
    """
    usage = response.get("usage")
    if type(usage) is not dict:
        raise UsageUnknown("the reply named no usage")
    total, output = required(usage, "input_tokens"), required(usage, "output_tokens")
    of_input = details(usage, "input_tokens_details")
    cached, written = optional(of_input, "cached_tokens"), optional(of_input, "cache_write_tokens")
    reasoning = optional(details(usage, "output_tokens_details"), "reasoning_tokens")
    heard = optional(of_input, "audio_tokens")
    if max(cached, written, heard) > total or reasoning > output:
        raise UsageUnknown("a part of the usage is larger than the whole")
    _refuse_other_models(response)
    long = _long_writes(of_input, written, request.retention)
    if request.audio and of_input.get("audio_tokens") is None:
        heard = total - written - min(cached, total - written)
    heard = min(heard, total - written)
    cached = min(cached, total - written - heard)
    tier = response.get("service_tier")
    return Usage(
        input_tokens=total - written - heard - cached,
        output_tokens=output,
        cache_read_tokens=cached,
        cache_write_5m_tokens=written - long,
        cache_write_1h_tokens=long,
        audio_input_tokens=heard,
        reasoning_tokens=reasoning,
        web_searches=_web_searches(response),
        service_tier=tier if type(tier) is str else request.service_tier,
    )


def _long_writes(of_input: dict[str, Any], written: int, retention: Retention) -> int:
    """How many of the written tokens are kept for longer; without a split, all where the request wished for it."""
    split = details(of_input, "cache_write_tokens_details")
    if not split:
        return written if retention is Retention.LONG else 0
    return min(written, max(optional(split, "ttl_12h_tokens"), written - optional(split, "ttl_30m_tokens")))


def _web_searches(response: dict[str, Any]) -> int:
    """As the reply counts them; where it does not, every call but those that only opened or read a page."""
    counted = details(response, "tool_usage").get("web_search")
    if type(counted) is dict:
        return required(counted, "num_requests")
    items = response.get("output")
    calls = [item for item in items if type(item) is dict] if type(items) is list else []
    return sum(1 for call in calls if call.get("type") == "web_search_call" and not _reads_page(call.get("action")))


def _reads_page(action: Any) -> bool:
    return type(action) is dict and action.get("type") in ("open_page", "find_in_page")


def _refuse_other_models(response: dict[str, Any]) -> None:
    """Images are made by another model at other prices; no request that passes here asks for them."""
    images = details(details(response, "tool_usage"), "image_gen")
    if optional(images, "total_tokens"):
        raise UsageUnknown("the reply made images, at prices of another model")
