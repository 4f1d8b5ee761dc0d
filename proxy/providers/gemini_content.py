"""The contents and system instruction of a Gemini request: what counts as text, and what has no formula."""

from collections.abc import Set
from typing import Any

from proxy.providers import fields
from proxy.providers.base import Image
from proxy.providers.content import Content
from proxy.providers.gemini_spelling import listed, spelled
from proxy.providers.image_size import base64_image_size

_CONTENT = frozenset({"role", "parts"})
_PART = frozenset(
    {
        "text", "inlineData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult", "thought",
        "thoughtSignature", "videoMetadata", "mediaResolution", "toolCall", "toolResponse", "partMetadata",
    }
)  # fmt: skip
_BLOB = frozenset({"mimeType", "data", "displayName"})
_RESPONSE = frozenset({"id", "name", "response", "parts", "willContinue", "scheduling"})
_RESPONSE_PART = frozenset({"inlineData"})
_FILE = {"fileData": "a file elsewhere is not in the request, so its input cannot be counted; send it as `inlineData`"}
# What tools that the provider ran have left behind: its length here says nothing.
_KEPT = ("toolCall", "toolResponse")
# Of these types nothing is heard; of all others, something may be.
_MOST_IMAGE = 4_128  # 16 tiles of 258
_SILENT = ("image/", "text/", "application/pdf")


def read_contents(contents: Any, where: str, content: Content, allowed: Set[str]) -> list[dict[str, Any]]:
    """Adds a conversation to `content`; the same in one spelling. Raises RequestRefused."""
    contents = listed(contents)
    if type(contents) is not list or not contents:
        fields.refuse(where, f"`{where}` must be a list with at least one content.")
    return [read_content(each, f"{where}[{index}]", content, allowed) for index, each in enumerate(contents)]


def read_content(value: Any, where: str, content: Content, allowed: Set[str]) -> dict[str, Any]:
    """One turn, or the system instruction."""
    content.messages += 1
    turn = spelled(value, _CONTENT, where, allowed)
    _add_allowed(turn, _CONTENT, content, allowed)
    fields.optional_text(turn.get("role"), f"{where}.role")
    parts = listed(turn.get("parts"))
    if parts is None:
        return turn
    if type(parts) is not list:
        fields.refuse(f"{where}.parts", "The parts of a content must be a list of objects.")
    return {**turn, "parts": [_read_part(part, f"{where}.parts", content, allowed) for part in parts]}


def _read_part(value: Any, where: str, content: Content, allowed: Set[str]) -> dict[str, Any]:
    part = spelled(value, _PART, where, allowed, _FILE)
    text = part.get("text")
    if type(text) is str and len(part) == 1:
        content.texts.append(text)
        return part
    fields.optional_text(text, f"{where}.text")
    part = dict(part)
    if part.get("inlineData") is not None:
        part["inlineData"] = _read_blob(part["inlineData"], f"{where}.inlineData", content, allowed)
    if part.get("functionResponse") is not None:
        part["functionResponse"] = _read_response(part["functionResponse"], where, content, allowed)
    if any(part.get(name) is not None for name in _KEPT):
        content.fills_window = True
    content.add_json({name: item for name, item in part.items() if name not in ("inlineData", "functionResponse")})
    return part


def _read_blob(value: Any, where: str, content: Content, allowed: Set[str]) -> dict[str, Any]:
    """Pictures by their size, sound by its length; documents and moving pictures have neither that can be told."""
    blob = spelled(value, _BLOB, where, allowed)
    mime_type = fields.optional_text(blob.get("mimeType"), f"{where}.mimeType").lower()
    data = blob.get("data")
    size = base64_image_size(data) if mime_type.startswith("image/") and type(data) is str else None
    if size is not None:
        content.images.append(Image(_MOST_IMAGE, *size))
    elif mime_type.startswith("audio/"):
        content.add_sound(data)
    else:
        content.fills_window = True
        content.audio = content.audio or not mime_type.startswith(_SILENT)
    return blob


def _read_response(value: Any, where: str, content: Content, allowed: Set[str]) -> dict[str, Any]:
    """What a function of the client's answered; there may be pictures in it."""
    where = f"{where}.functionResponse"
    response = spelled(value, _RESPONSE, where, allowed)
    content.add_json({name: item for name, item in response.items() if name != "parts"})
    parts = listed(response.get("parts"))
    if parts is None:
        return response
    read = []
    for part in fields.object_list(parts, f"{where}.parts"):
        part = spelled(part, _RESPONSE_PART, f"{where}.parts", frozenset(), _FILE)
        read.append({"inlineData": _read_blob(part.get("inlineData"), f"{where}.parts", content, allowed)})
    return {**response, "parts": read}


def _add_allowed(value: dict[str, Any], known: Set[str], content: Content, allowed: Set[str]) -> None:
    """Fields that only the tenant knows: should they reach the model as text, they are covered."""
    for name in value.keys() & allowed - known:
        content.add_json(value[name])
