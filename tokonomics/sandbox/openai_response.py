"""One response in OpenAI's Responses format, whole or as the typed events of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tokonomics.sandbox import toolcall
from tokonomics.sandbox.dialect import optional_object
from tokonomics.sandbox.generation import Generation
from tokonomics.sandbox.instructions import FaultKind, Instructions
from tokonomics.sandbox.openai_chat import wanted_schema
from tokonomics.sandbox.reply import Chunk
from tokonomics.sandbox.tokens import Tokens
from tokonomics.sandbox.toolcall import Tool, ToolCall

# What a response repeats of its request, and what stands there where the request said nothing.
_ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}


class Response:
    """One answer of the model: a reasoning item where it reasons, then a function call, or a message."""

    def __init__(
        self,
        *,
        document: dict[str, Any],
        generation: Generation,
        instructions: Instructions,
        created: int,
        tool: Tool | None,
    ) -> None:
        """`document` is the request. Raises RequestError."""
        self.generation = generation
        self.instructions = instructions
        self.words = generation.words(generation.visible)
        self.call = self._call(tool) if tool else None
        schema = wanted_schema(optional_object(document, "text").get("format"))
        if schema is not None and not self.call:
            self.words = toolcall.pieces(toolcall.json_for(schema, "".join(self.words)), len(self.words))
        included = document.get("include")
        self.seals_reasoning = isinstance(included, list) and "reasoning.encrypted_content" in included
        tier = document.get("service_tier")
        self.common = {
            "id": generation.identifier("resp_", 48),
            "object": "response",
            "created_at": created,
            "background": False,
            "error": None,
            "model": document["model"],
            **{name: _given(document, name, usual) for name, usual in _ECHOED.items()},
            "reasoning": {"effort": None, "summary": None, **optional_object(document, "reasoning")},
            "service_tier": tier if tier in ("flex", "priority", "scale") else "default",
            "text": {"format": {"type": "text"}, "verbosity": "medium", **optional_object(document, "text")},
        }

    def document(self) -> dict[str, Any]:
        """The finished response."""
        cut = self.generation.reached_limit
        return {
            **self.common,
            "status": "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": [*self._reasoning(), *(item for item, _ in self._answers())],
            "usage": reported_usage(self.generation.tokens, self.instructions),
        }

    def events(self) -> Iterator[Chunk]:
        """created and in_progress, each item from added to done, then the whole response; numbered throughout."""
        for number, (kind, fields, tokens) in enumerate(self._numbered()):
            data = orjson.dumps({"type": kind, "sequence_number": number, **fields})
            yield Chunk(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n", tokens)

    def _numbered(self) -> Iterator[tuple[str, dict[str, Any], int]]:
        begun = {**self.common, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
        yield "response.created", {"response": begun}, 0
        yield "response.in_progress", {"response": begun}, 0
        items = self._reasoning()
        for item in items:
            place = {"output_index": 0, "item": item}
            yield "response.output_item.added", place, self.generation.reasoning
            yield "response.output_item.done", place, 0
        for item, parts in self._answers():
            yield from self._item_events(len(items), item, parts)
        whole = self.document()
        yield f"response.{whole['status']}", {"response": whole}, 0

    def _item_events(
        self, index: int, item: dict[str, Any], parts: list[tuple[str, int]]
    ) -> Iterator[tuple[str, dict[str, Any], int]]:
        place: dict[str, Any] = {"item_id": item["id"], "output_index": index}
        if item["type"] == "function_call":
            added = {**item, "status": "in_progress", "arguments": ""}
            yield "response.output_item.added", {"output_index": index, "item": added}, 0
            for delta, tokens in parts:
                yield "response.function_call_arguments.delta", {**place, "delta": delta}, tokens
            done = {**place, "name": item["name"], "arguments": item["arguments"]}
            yield "response.function_call_arguments.done", done, 0
        else:
            (part,) = item["content"]
            added = {**item, "status": "in_progress", "content": []}
            place["content_index"] = 0
            yield "response.output_item.added", {"output_index": index, "item": added}, 0
            yield "response.content_part.added", {**place, "part": {**part, "text": ""}}, 0
            for delta, tokens in parts:
                yield "response.output_text.delta", {**place, "delta": delta, "logprobs": []}, tokens
            yield "response.output_text.done", {**place, "text": part["text"], "logprobs": []}, 0
            yield "response.content_part.done", {**place, "part": part}, 0
        yield "response.output_item.done", {"output_index": index, "item": item}, 0

    def _reasoning(self) -> list[dict[str, Any]]:
        if not self.generation.reasoning:
            return []
        item: dict[str, Any] = {"id": self.generation.identifier("rs_", 48), "type": "reasoning", "summary": []}
        if self.seals_reasoning:
            item["encrypted_content"] = self.generation.identifier("sandbox-", 56, "reasoning")
        return [item]

    def _answers(self) -> list[tuple[dict[str, Any], list[tuple[str, int]]]]:
        """The item that answers, if any, with its pieces and the number of tokens of each."""
        size = self.instructions.chunk_tokens
        parts = [self.words[first : first + size] for first in range(0, len(self.words), size)]
        if self.call:
            item: dict[str, Any] = {
                "id": self.generation.identifier("fc_", 48),
                "type": "function_call",
                "status": "completed",
                "call_id": self.call.id,
                "name": self.call.name,
                "arguments": self.call.arguments_json(),
            }
            pieces = toolcall.pieces(self.call.arguments_json(), len(parts))
            return [(item, [(piece, len(part)) for piece, part in zip(pieces, parts, strict=True)])]
        if not self.words:
            return []
        text = {"type": "output_text", "annotations": [], "logprobs": [], "text": "".join(self.words)}
        item = {
            "id": self.generation.identifier("msg_", 48),
            "type": "message",
            "status": "incomplete" if self.generation.reached_limit else "completed",
            "role": "assistant",
            "content": [text],
        }
        return [(item, [("".join(part), len(part)) for part in parts])]

    def _call(self, tool: Tool) -> ToolCall:
        arguments = toolcall.arguments_for(tool.schema, "".join(self.words))
        return ToolCall(self.generation.identifier("call_", 24), tool.name, arguments)


def _given(document: dict[str, Any], name: str, usual: Any) -> Any:
    value = document.get(name)
    return usual if value is None else value


def usage_of(tokens: Tokens) -> dict[str, Any]:
    of_input: dict[str, Any] = {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.cache_write}
    if tokens.cache_write:
        split = {"ttl_30m_tokens": tokens.cache_write_5m, "ttl_12h_tokens": tokens.cache_write_1h}
        of_input["cache_write_tokens_details"] = split
    return {
        "input_tokens": tokens.prompt,
        "input_tokens_details": of_input,
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.prompt + tokens.output,
    }


def reported_usage(tokens: Tokens, instructions: Instructions) -> dict[str, Any] | None:
    """`usage` as the response shows it, which a fault may falsify; None where a fault keeps it back."""
    if instructions.has_fault(FaultKind.NO_USAGE):
        return None
    if instructions.has_fault(FaultKind.ZERO_USAGE):
        return usage_of(Tokens(prompt=0, output=0))
    usage = usage_of(tokens)
    if instructions.has_fault(FaultKind.ABSURD_USAGE):
        usage |= {"input_tokens": -tokens.prompt, "output_tokens": tokens.output + 0.5, "total_tokens": "many"}
    return usage
