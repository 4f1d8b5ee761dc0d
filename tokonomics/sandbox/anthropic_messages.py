"""One message in Anthropic's format, whole or as the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tokonomics.sandbox import toolcall
from tokonomics.sandbox.generation import Generation
from tokonomics.sandbox.instructions import FaultKind, Instructions
from tokonomics.sandbox.reply import Chunk
from tokonomics.sandbox.tokens import Tokens
from tokonomics.sandbox.toolcall import Tool, ToolCall, objects_in


class Message:
    """One answer of the model: a thinking block where it reasons, then a tool_use block, or text if there is any."""

    def __init__(
        self, *, model: str, generation: Generation, instructions: Instructions, tool: Tool | None, form: Any = None
    ) -> None:
        """`form`: the request's `output_config.format`."""
        self.generation = generation
        self.instructions = instructions
        self.model = model
        self.words = generation.words(generation.visible)
        self.thoughts = generation.words(generation.reasoning, choice=1)
        self.call = self._call(tool) if tool else None
        if isinstance(form, dict) and form.get("type") == "json_schema" and not self.call:
            self.words = toolcall.pieces(toolcall.json_for(form.get("schema"), "".join(self.words)), len(self.words))

    @property
    def stop_reason(self) -> str:
        if self.generation.reached_limit:
            return "max_tokens"
        return "tool_use" if self.call else "end_turn"

    def document(self) -> dict[str, Any]:
        usage = reported_usage(self.generation.tokens, self.instructions)
        return self._message(self._content(), self.stop_reason, usage)

    def events(self) -> Iterator[Chunk]:
        """message_start, the blocks with a ping among them, message_delta with the usage, message_stop."""
        tokens = self.generation.tokens
        usage = reported_usage(tokens.produced(min(1, tokens.output)), self.instructions)
        yield _event("message_start", message=self._message([], None, usage))
        yield _event("ping")
        if self.thoughts:
            yield from self._thinking_events()
        if self.call or self.words:
            yield from self._final_block_events(index=1 if self.thoughts else 0)
        closing: dict[str, Any] = {"delta": {"stop_reason": self.stop_reason, "stop_sequence": None}}
        usage = reported_usage(tokens, self.instructions)
        if usage is not None:
            closing["usage"] = _cumulative(usage)
        yield _event("message_delta", **closing)
        yield _event("message_stop")

    def _thinking_events(self) -> Iterator[Chunk]:
        block = {"type": "thinking", "thinking": "", "signature": ""}
        yield _event("content_block_start", index=0, content_block=block)
        for text, made in self._steps(self.thoughts):
            yield _event("content_block_delta", made, index=0, delta={"type": "thinking_delta", "thinking": text})
        yield _event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": self._signature()})
        yield _event("content_block_stop", index=0)

    def _final_block_events(self, index: int) -> Iterator[Chunk]:
        steps = self._steps(self.words)
        block: dict[str, Any] = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": text} for text, _ in steps]
        if self.call:
            block = {"type": "tool_use", "id": self.call.id, "name": self.call.name, "input": {}}
            pieces = toolcall.pieces(self.call.arguments_json(), len(steps))
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        yield _event("content_block_start", index=index, content_block=block)
        for delta, (_, made) in zip(deltas, steps, strict=True):
            yield _event("content_block_delta", made, index=index, delta=delta)
        yield _event("content_block_stop", index=index)

    def _steps(self, words: list[str]) -> list[tuple[str, int]]:
        """The words in chunks, each with its number of tokens."""
        size = self.instructions.chunk_tokens
        parts = [words[first : first + size] for first in range(0, len(words), size)]
        return [("".join(part), len(part)) for part in parts]

    def _content(self) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        if self.thoughts:
            blocks.append({"type": "thinking", "thinking": "".join(self.thoughts), "signature": self._signature()})
        if self.call:
            use = {"type": "tool_use", "id": self.call.id, "name": self.call.name, "input": self.call.arguments}
            blocks.append(use)
        elif self.words:
            blocks.append({"type": "text", "text": "".join(self.words)})
        return blocks

    def _message(
        self, content: list[dict[str, Any]], stop_reason: str | None, usage: dict[str, Any] | None
    ) -> dict[str, Any]:
        message = {
            "model": self.model,
            "id": self.generation.identifier("msg_01", 22),
            "type": "message",
            "role": "assistant",
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": None,
        }
        return message if usage is None else {**message, "usage": usage}

    def _call(self, tool: Tool) -> ToolCall:
        arguments = toolcall.arguments_for(tool.schema, "".join(self.words))
        return ToolCall(self.generation.identifier("toolu_01", 22), tool.name, arguments)

    def _signature(self) -> str:
        return self.generation.identifier("sandbox-", 56, "signature")


def _event(kind: str, output_tokens: int = 0, **fields: Any) -> Chunk:
    data = orjson.dumps({"type": kind, **fields})
    return Chunk(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n", output_tokens)


def chosen_tool(document: dict[str, Any], told: bool) -> Tool | None:
    """The tool to call: the one that `tool_choice` names, else the first; None where there is none to call. Where the
    request leaves the choice to the model it is `told`.
    """
    choice = document.get("tool_choice")
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "none" or not (told or kind in ("any", "tool")):
        return None
    tools = [Tool.declared(tool, "input_schema") for tool in objects_in(document.get("tools"))]
    return toolcall.choose(tools, choice.get("name") if isinstance(choice, dict) and kind == "tool" else None)


def usage_of(tokens: Tokens) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": tokens.uncached,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write_5m,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
        "output_tokens": tokens.output,
        "service_tier": "standard",
    }
    if tokens.reasoning:
        usage["output_tokens_details"] = {"thinking_tokens": tokens.reasoning}
    return usage


def _cumulative(usage: dict[str, Any]) -> dict[str, Any]:
    """The fields of `usage` that message_delta repeats."""
    return {name: value for name, value in usage.items() if name not in ("cache_creation", "service_tier")}


def reported_usage(tokens: Tokens, instructions: Instructions) -> dict[str, Any] | None:
    """`usage` as the reply shows it, which a fault may falsify; None leaves it out."""
    if instructions.has_fault(FaultKind.NO_USAGE):
        return None
    if instructions.has_fault(FaultKind.ZERO_USAGE):
        return usage_of(Tokens(prompt=0, output=0))
    usage = usage_of(tokens)
    if instructions.has_fault(FaultKind.ABSURD_USAGE):
        usage |= {"input_tokens": -tokens.prompt, "output_tokens": tokens.output + 0.5, "cache_read_input_tokens": "x"}
    return usage
