"""The instructions and input items of a Responses request: what counts as text, what by formula, what has no bound."""

from collections.abc import Set
from typing import Any

from proxy.providers import fields
from proxy.providers.content import Content
from proxy.providers.openai_content import image_at, read_sound
from proxy.providers.openai_responses_tools import read_client_tool

_MESSAGE = frozenset({"type", "role", "content", "id", "status", "phase"})
_PARTS = {
    "input_text": frozenset({"type", "text", "prompt_cache_breakpoint"}),
    "output_text": frozenset({"type", "text", "annotations", "logprobs"}),
    "refusal": frozenset({"type", "refusal"}),
    "input_image": frozenset({"type", "image_url", "file_id", "detail", "prompt_cache_breakpoint"}),
    "input_file": frozenset(
        {"type", "file_data", "file_id", "file_url", "filename", "detail", "prompt_cache_breakpoint"}
    ),
    "input_audio": frozenset({"type", "input_audio"}),
}
_TEXT_FIELDS = {"input_text": "text", "output_text": "text", "refusal": "refusal"}
# Items whose JSON holds all that they put before the model.
_PLAIN = frozenset(
    {
        "function_call", "custom_tool_call", "computer_call", "local_shell_call", "local_shell_call_output",
        "shell_call", "shell_call_output", "apply_patch_call", "apply_patch_call_output", "tool_search_call",
        "configuration_update",
    }
)  # fmt: skip
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
_TOOL_LISTS = frozenset({"additional_tools", "tool_search_output"})
# What the provider keeps, or what tools that it ran have left behind: its length here says nothing.
_KEPT = frozenset(
    {
        "item_reference", "compaction", "web_search_call", "file_search_call", "code_interpreter_call",
        "image_generation_call", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "mcp_call",
        "program", "program_output",
    }
)  # fmt: skip


def read(payload: dict[str, Any], allowed: Set[str]) -> Content:
    """Everything in the payload but its tools that reaches the model as input."""
    content = Content()
    items = payload.get("input")
    if type(items) is str:
        content.texts.append(items)
        content.messages += 1
    elif type(items) is list:
        for index, item in enumerate(items):
            _read_item(item, content, f"input[{index}]", allowed)
    elif items is not None:
        fields.refuse("input", "`input` must be a string or a list of items.")
    content.texts.append(fields.optional_text(payload.get("instructions"), "instructions"))
    content.messages += 1
    for name in ("text", "tool_choice", "client_metadata"):
        if payload.get(name) is not None:
            content.add_json(payload[name])
    return content


def _read_item(item: Any, content: Content, where: str, allowed: Set[str]) -> None:
    content.messages += 1
    if type(item) is not dict:
        fields.refuse(where, "Each input item must be an object.")
    kind = item.get("type")
    if kind is None:
        kind = "message" if "role" in item else "item_reference"
    kind = str(kind)
    if kind == "message":
        _read_message(item, content, where, allowed)
    elif kind in _OUTPUTS:
        _read_parts(item.get("output"), content, f"{where}.output", allowed)
        content.add_json({name: value for name, value in item.items() if name != "output"})
    elif kind in _PLAIN or (kind == "reasoning" and item.get("encrypted_content")):
        content.add_json(item)
    elif kind in _KEPT or kind == "reasoning":
        content.fills_window = True
    elif kind == "computer_call_output":
        _read_image(fields.optional_object(item.get("output"), f"{where}.output"), content, where)
    elif kind in _TOOL_LISTS:
        for tool in fields.object_list(item.get("tools"), f"{where}.tools"):
            read_client_tool(tool, content, f"{where}.tools", allowed)
    elif kind == "compaction_trigger":
        fields.unbounded(where, "The summary that the provider writes of a conversation has no token limit.")
    else:
        fields.unbounded(where, f"An input item of type {kind[:50]!r} is not one that this gateway can price.")


def _read_message(item: dict[str, Any], content: Content, where: str, allowed: Set[str]) -> None:
    if type(item.get("role")) is not str:
        fields.refuse(f"{where}.role", "Each message needs a role.")
    fields.check_keys(item, _MESSAGE, where, allowed)
    _read_parts(item.get("content"), content, f"{where}.content", allowed)
    for name in item.keys() & allowed - _MESSAGE:
        content.add_json(item[name])


def _read_parts(parts: Any, content: Content, where: str, allowed: Set[str]) -> None:
    """A string, or a list of content parts."""
    if type(parts) is str:
        content.texts.append(parts)
        return
    for part in fields.object_list(parts, where):
        kind = part.get("type")
        known = _PARTS.get(kind) if type(kind) is str else None
        if known is None:
            fields.unbounded(
                where, f"A content part of type {str(kind)[:50]!r} is not one that this gateway can price."
            )
        fields.check_keys(part, known, where, allowed)
        if kind in _TEXT_FIELDS:
            content.texts.append(fields.optional_text(part.get(_TEXT_FIELDS[kind]), f"{where}.{_TEXT_FIELDS[kind]}"))
            if part.get("annotations"):
                content.add_json(part["annotations"])
        elif kind == "input_image":
            _read_image(part, content, where)
        elif kind == "input_audio":
            read_sound(part.get("input_audio"), content)
        else:
            content.fills_window = True  # a document's pages are not to be read off its bytes


def _read_image(image: dict[str, Any], content: Content, where: str) -> None:
    """By its URL, or by the id of a file that the provider keeps."""
    url = fields.optional_text(image.get("image_url"), f"{where}.image_url")
    if not url and not fields.optional_text(image.get("file_id"), f"{where}.file_id"):
        fields.refuse(f"{where}.image_url", "An image needs a URL or the id of a file.")
    content.images.append(image_at(url, fields.optional_text(image.get("detail"), f"{where}.detail")))
