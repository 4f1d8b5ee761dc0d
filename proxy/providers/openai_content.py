"""The messages and tools of a chat completion: what counts as text, what by formula, what has no bound."""

from collections.abc import Set
from typing import Any

from proxy.providers import fields
from proxy.providers.base import Image
from proxy.providers.content import Content
from proxy.providers.image_size import data_url_size

_MESSAGE = frozenset(
    {
        "role", "content", "name", "refusal", "tool_calls", "tool_call_id", "function_call", "audio", "annotations",
        "provider_specific_fields",
    }
)  # fmt: skip
_PARTS = {
    "text": frozenset({"type", "text", "prompt_cache_breakpoint"}),
    "refusal": frozenset({"type", "refusal"}),
    "image_url": frozenset({"type", "image_url", "prompt_cache_breakpoint"}),
    "input_audio": frozenset({"type", "input_audio", "prompt_cache_breakpoint"}),
    "file": frozenset({"type", "file", "prompt_cache_breakpoint"}),
}
_IMAGE = frozenset({"url", "detail"})
_SOUND = frozenset({"data", "format"})
_MOST_IMAGE = 48_169  # gpt-4o-mini at high detail: 2833 + 8 x 5667
_TOOLS = frozenset({"function", "custom"})
_TOOL = frozenset({"type", "function", "custom"})
# The last is what litellm keeps of a reply, and sends back with it.
_BESIDE_CONTENT = (
    *("name", "refusal", "tool_calls", "tool_call_id", "function_call", "annotations", "provider_specific_fields"),
)


def read(payload: dict[str, Any], allowed: Set[str], more: Set[str] = frozenset()) -> Content:
    """Everything in the payload that reaches the model as input. `more`: what messages may hold beside OpenAI's."""
    in_messages = allowed | more if more else allowed
    content = Content()
    messages = payload.get("messages")
    if type(messages) is not list or not messages:
        fields.refuse("messages", "`messages` must be a list with at least one message.")
    for message in messages:
        _read_message(message, content, allowed, in_messages)
    if payload.get("tools") is not None:
        _read_tools(payload["tools"], content, allowed)
    for name in ("functions", "response_format", "tool_choice", "function_call"):
        if payload.get(name) is not None:
            content.add_json(payload[name])
    if functions := payload.get("functions"):
        content.tools += len(fields.object_list(functions, "functions"))
    return content


def _read_message(message: Any, content: Content, allowed: Set[str], in_messages: Set[str]) -> None:
    index = content.messages
    content.messages += 1
    if type(message) is not dict:
        fields.refuse(f"messages[{index}]", "Each message must be an object.")
    body = message.get("content")
    if type(body) is str:
        content.texts.append(body)
        if len(message) == 2 and type(message.get("role")) is str:
            return
    elif type(body) is list:
        for part in body:
            _read_part(part, content, f"messages[{index}].content", allowed)
    elif body is not None:
        fields.refuse(f"messages[{index}].content", "A message's content must be a string or a list of parts.")
    if type(message.get("role")) is not str:
        fields.refuse(f"messages[{index}].role", "Each message needs a role.")
    fields.check_keys(message, _MESSAGE, f"messages[{index}]", in_messages)
    _read_beside_content(message, content, index, in_messages)


def _read_beside_content(message: dict[str, Any], content: Content, index: int, allowed: Set[str]) -> None:
    if message.get("audio") is not None:
        # A reference to audio that the provider kept: its tokens are nowhere in the request.
        content.fills_window = content.audio = True
    for name in _BESIDE_CONTENT:
        if message.get(name) is not None:
            content.add_json(message[name])
    for name in message.keys() & allowed - _MESSAGE:
        content.add_json(message[name])


def _read_part(part: Any, content: Content, where: str, allowed: Set[str]) -> None:
    if type(part) is str:  # some servers take plain strings here
        content.texts.append(part)
        return
    if type(part) is not dict:
        fields.refuse(where, "Each part of a message's content must be an object.")
    kind = part.get("type")
    known = _PARTS.get(kind) if type(kind) is str else None
    if known is None:
        fields.unbounded(where, f"A content part of type {str(kind)[:50]!r} is not one that this gateway can price.")
    fields.check_keys(part, known, where, allowed)
    if kind == "text" or kind == "refusal":
        content.texts.append(fields.optional_text(part.get(kind), f"{where}.{kind}"))
    elif kind == "image_url":
        _read_image(part.get("image_url"), content, where, allowed)
    elif kind == "input_audio":
        read_sound(part.get("input_audio"), content)
    else:
        content.fills_window = True  # a document's pages are not to be read off its bytes


def _read_image(image: Any, content: Content, where: str, allowed: Set[str]) -> None:
    image = fields.optional_object(image, f"{where}.image_url")
    fields.check_keys(image, _IMAGE, f"{where}.image_url", allowed)
    url, detail = image.get("url"), fields.optional_text(image.get("detail"), f"{where}.image_url.detail")
    if type(url) is not str:
        fields.refuse(f"{where}.image_url.url", "An image needs a URL.")
    content.images.append(image_at(url, detail))


def read_sound(value: Any, content: Content) -> None:
    """What is not just sound and the name of its format may be anything."""
    content.add_sound(value.get("data") if type(value) is dict and value.keys() <= _SOUND else None)


def image_at(url: str, detail: str) -> Image:
    """`url`: a `data:` URL, whose size can be told, or any other; `detail` is "" where the client left it open."""
    width, height = data_url_size(url) or (None, None)
    return Image(_MOST_IMAGE, width, height, detail or "auto")


def _read_tools(tools: Any, content: Content, allowed: Set[str]) -> None:
    for tool in fields.object_list(tools, "tools"):
        if tool.get("type") not in _TOOLS:
            fields.unbounded(
                "tools",
                f"A tool of type {str(tool.get('type'))[:50]!r} may be run by the provider as often as the model "
                "likes, so it has no upper price.",
            )
        fields.check_keys(tool, _TOOL, "tools", allowed)
        content.tools += 1
        content.add_json(tool)
