"""Usage of pictures that a model drew: in the reply, or in the event that brings each picture of a stream."""

from typing import Any

from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers.event_meter import EventMeter
from proxy.providers.usage_fields import details, optional, required

_ENDS = frozenset({"image_generation.completed", "image_edit.completed"})
_LONGEST = 64 * 1024 * 1024  # one event holds a whole picture


class OpenAIImagesMeter(EventMeter):
    """Passes every piece on as it is. `pictures`: how many were asked for, each of which ends with its own usage."""

    __slots__ = ("_pictures", "_usages")

    def __init__(self, pictures: int) -> None:
        super().__init__(_LONGEST)
        self._pictures = pictures
        self._usages: list[Any] = []

    @staticmethod
    def may_matter(data: bytes) -> bool:
        return b".completed" in data

    def note(self, event: dict[str, Any]) -> None:
        if str(event.get("type")) in _ENDS:
            self._usages.append(event.get("usage"))
            self.complete = len(self._usages) >= self._pictures

    def note_reply(self, reply: dict[str, Any]) -> None:
        if reply.get("svg_usage"):
            return  # another model's, at other prices: no request that passes here asks for it
        self._usages = [reply.get("usage")]
        self.complete = True

    def usage(self) -> Usage:
        if self.blind or not self.complete:
            raise UsageUnknown("the reply did not come to its end")
        read = [read_usage(usage) for usage in self._usages]
        return Usage(
            input_tokens=sum(each.input_tokens for each in read),
            output_tokens=sum(each.output_tokens for each in read),
            image_input_tokens=sum(each.image_input_tokens for each in read),
            image_output_tokens=sum(each.image_output_tokens for each in read),
        )


def read_usage(usage: Any) -> Usage:
    """What is not told apart is of the dearer kind: pictures. Raises UsageUnknown."""
    if type(usage) is not dict:
        raise UsageUnknown("the reply named no usage")
    shown, drawn = required(usage, "input_tokens"), required(usage, "output_tokens")
    text = optional(details(usage, "input_tokens_details"), "text_tokens")
    said = optional(details(usage, "output_tokens_details"), "text_tokens")
    if text > shown or said > drawn:
        raise UsageUnknown("a part of the usage is larger than the whole")
    return Usage(
        input_tokens=text, output_tokens=said, image_input_tokens=shown - text, image_output_tokens=drawn - said
    )
