"""The system prompt and messages of a Messages request: what counts as text, what by formula, what has no bound."""

import re
from collections.abc import Set
from typing import Any

from proxy.providers import anthropic_tools, fields
from proxy.providers.base import Image
from proxy.providers.content import Content
from proxy.providers.image_size import base64_image_size

_MESSAGE = frozenset({"role", "content"})
_SYSTEM_MESSAGE = _MESSAGE | {"output_config", "clear_at"}
# What a message may ask of the turns after it: how hard the model tries, never beyond the limit of output.
_TURN = frozenset({"effort"})
_IMAGE = frozenset({"type", "source", "cache_control", "transformations"})
_DOCUMENT = frozenset({"type", "source", "cache_control", "citations", "context", "title"})
_TOOL_RESULT = frozenset({"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"})
_MOST_IMAGE = 5_000  # the high-resolution tier is scaled down to 4,784
_IMAGE_SOURCES = frozenset({"base64", "url", "file"})
_PAGED_SOURCES = frozenset({"base64", "url", "file"})
# Blocks whose JSON holds all that they put before the model.
_PLAIN = frozenset(
    {"text", "search_result", "thinking", "redacted_thinking", "tool_use", "tool_reference", "connector_text"}
)
# What tools that the provider ran have left behind: sealed, so its length says little.
_SEALED = frozenset(
    {
        "server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result",
        "bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "tool_search_tool_result",
        "mcp_tool_use", "mcp_tool_result", "compaction",
    }
)  # fmt: skip
# Cited text is cut into sentences, each with a mark of its own.
_SENTENCE_END = re.compile(r"[^\w\s]|[\n\r]")
_SENTENCE_MARK = 16
_CITATIONS_EXPLAINED = 1_024
_TURN_EXPLAINED = 256
_NO_BOUND = "is not one that this gateway can price"


def read(payload: dict[str, Any], allowed: Set[str]) -> Content:
    """Everything in the payload but its tools that reaches the model as input."""
    content = Content()
    messages = payload.get("messages")
    if type(messages) is not list or not messages:
        fields.refuse("messages", "`messages` must be a list with at least one message.")
    for message in messages:
        where = f"messages[{content.messages}]"
        content.messages += 1
        if type(message) is not dict or type(message.get("role")) is not str:
            fields.refuse(where, "Each message must be an object with a role.")
        known, body = _MESSAGE, message.get("content")
        if message["role"] == "system":
            known, body = _SYSTEM_MESSAGE, _read_turn(message, payload.get("tools"), content, where)
        fields.check_keys(message, known, where, allowed)
        _read_blocks(body, content, where, allowed)
        for name in message.keys() - known:
            content.add_json(message[name])
    if payload.get("system") is not None:
        _read_blocks(payload["system"], content, "system", allowed)
    # The provider explains the form of a structured reply to the model.
    for name, explained in (("output_config", 1_024), ("output_format", 1_024), ("tool_choice", 0)):
        if payload.get(name) is not None:
            content.add_json(payload[name])
            content.described += explained
    return content


def _read_turn(message: dict[str, Any], tools: Any, content: Content, where: str) -> Any:
    """What only a system message among the others may have: wishes, and tools from there on. Answers the rest of it."""
    turn = fields.optional_object(message.get("output_config"), f"{where}.output_config")
    fields.check_keys(turn, _TURN, f"{where}.output_config", frozenset())
    body = message.get("content")
    if turn:
        content.add_json(turn)
        content.described += _TURN_EXPLAINED
        body = [] if body is None else body  # it may have its wish alone
    return anthropic_tools.without_changes(body, tools, content, where) if type(body) is list else body


def _read_blocks(blocks: Any, content: Content, where: str, allowed: Set[str]) -> None:
    """A string, or a list of content blocks."""
    if type(blocks) is str:
        content.texts.append(blocks)
        return
    if type(blocks) is not list:
        fields.refuse(where, "Content must be a string or a list of blocks.")
    for block in blocks:
        if type(block) is not dict:
            fields.refuse(where, "Each content block must be an object.")
        _read_block(block, content, where, allowed)


def _read_block(block: dict[str, Any], content: Content, where: str, allowed: Set[str]) -> None:
    kind = block.get("type")
    if type(kind) is not str:
        fields.refuse(where, "Each content block needs a type.")
    if kind == "text" and type(block.get("text")) is str and len(block) == 2:
        content.texts.append(block["text"])
    elif kind in _PLAIN:
        content.add_json(block)
        _add_citations(block, content.texts[-1:], content)
    elif kind in _SEALED:
        content.add_json(block)
        content.fills_window = True
    elif kind == "image":
        fields.check_keys(block, _IMAGE, where, allowed)
        _read_image(block.get("source"), content, where)
    elif kind == "document":
        fields.check_keys(block, _DOCUMENT, where, allowed)
        _read_document(block, content, where, allowed)
    elif kind == "tool_result":
        fields.check_keys(block, _TOOL_RESULT, where, allowed)
        content.texts.append(str(block.get("tool_use_id")))
        if block.get("content") is not None:
            _read_blocks(block["content"], content, where, allowed)
    else:
        fields.unbounded(where, f"A content block of type {kind[:50]!r} {_NO_BOUND}.")


def _read_image(source: Any, content: Content, where: str) -> None:
    if type(source) is not dict or source.get("type") not in _IMAGE_SOURCES:
        fields.unbounded(where, f"This image source {_NO_BOUND}.")
    data = source.get("data")
    size = base64_image_size(data) if source["type"] == "base64" and type(data) is str else None
    content.images.append(Image(_MOST_IMAGE, *(size or ())))


def _read_document(block: dict[str, Any], content: Content, where: str, allowed: Set[str]) -> None:
    source = fields.optional_object(block.get("source"), f"{where}.source")
    kind, first = source.get("type"), len(content.texts)
    if kind == "text":
        content.texts.append(fields.optional_text(source.get("data"), f"{where}.source.data"))
    elif kind == "content":
        _read_blocks(source.get("content"), content, where, allowed)
    elif kind in _PAGED_SOURCES:
        content.fills_window = True  # pages are billed as text and as images, and compressed in the file
    else:
        fields.unbounded(where, f"This document source {_NO_BOUND}.")
    for name in ("title", "context"):
        content.texts.append(fields.optional_text(block.get(name), f"{where}.{name}"))
    _add_citations(block, content.texts[first:], content)


def _add_citations(block: dict[str, Any], texts: list[str], content: Content) -> None:
    """`citations` is an object where they are asked for, and a list in replies sent back."""
    if type(block.get("citations")) is dict:
        marks = sum(1 + len(_SENTENCE_END.findall(text)) for text in texts)
        content.described += _CITATIONS_EXPLAINED + _SENTENCE_MARK * marks
