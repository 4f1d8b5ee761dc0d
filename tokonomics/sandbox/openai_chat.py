"""One chat completion in OpenAI's format, whole or as the events of a stream."""

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

DONE = b"data: [DONE]\n\n"


class Completion:
    """One answer of the model, ready to be shown whole or in events."""

    def __init__(
        self,
        *,
        model: str,
        generation: Generation,
        instructions: Instructions,
        created: int,
        tier: object,
        tool: Tool | None,
        options: dict[str, Any],
        form: Any = None,
    ) -> None:
        """`options` are the request's `stream_options`, `tier` its `service_tier`, `form` its `response_format`."""
        self.generation = generation
        self.instructions = instructions
        self.tool = tool
        self.schema = wanted_schema(form)
        self.include_usage = bool(options.get("include_usage"))
        self.obfuscation = generation.digest[-8:] if options.get("include_obfuscation", True) else None
        self.common = {
            "id": generation.identifier("chatcmpl-", 29),
            "object": "",  # keeps its place, which is second
            "created": created,
            "model": model,
            "service_tier": tier if tier in ("flex", "priority", "scale") else "default",
            "system_fingerprint": "fp_sandbox0001",
        }

    @property
    def finish_reason(self) -> str:
        if self.generation.reached_limit:
            return "length"
        return "tool_calls" if self.tool else "stop"

    def document(self) -> dict[str, Any]:
        choices = [
            {
                "index": index,
                "message": self._message(index),
                "logprobs": None,
                "finish_reason": self.finish_reason,
            }
            for index in range(self.generation.choices)
        ]
        document = {**self.common, "object": "chat.completion", "choices": choices}
        usage = reported_usage(self.generation.tokens, self.instructions)
        return document if usage is None else {**document, "usage": usage}

    def events(self) -> Iterator[Chunk]:
        """Role, words and finish of every choice, the choices taking turns; then usage if asked for; then [DONE]."""
        choices = range(self.generation.choices)
        for index in choices:
            yield self._event(index, self._opening(index), tokens=self.generation.reasoning)
        step = self.instructions.chunk_tokens
        parts = [self._parts(index, step) for index in choices]
        for turn, first in enumerate(range(0, self.generation.visible, step)):
            made = min(step, self.generation.visible - first)
            for index in choices:
                yield self._event(index, parts[index][turn], tokens=made)
        for index in choices:
            yield self._event(index, {}, finish=self.finish_reason)
        usage = reported_usage(self.generation.tokens, self.instructions)
        if self.include_usage and usage is not None:
            yield self._chunk({"choices": [], "usage": usage})
        yield Chunk(DONE)

    def _words(self, index: int) -> list[str]:
        return self.generation.words(self.generation.visible, index)

    def _said(self, index: int) -> list[str]:
        """A piece a token: words, or the JSON that the request wants."""
        words = self._words(index)
        if self.schema is None:
            return words
        return toolcall.pieces(toolcall.json_for(self.schema, "".join(words)), len(words))

    def _call(self, index: int) -> ToolCall | None:
        if self.tool is None:
            return None
        arguments = toolcall.arguments_for(self.tool.schema, "".join(self._words(index)))
        return ToolCall(self.generation.identifier("call_", 24, str(index)), self.tool.name, arguments)

    def _message(self, index: int) -> dict[str, Any]:
        call = self._call(index)
        if call is None:
            content = "".join(self._said(index))
            return {"role": "assistant", "content": content, "refusal": None, "annotations": []}
        function = {"name": call.name, "arguments": call.arguments_json()}
        calls = [{"id": call.id, "type": "function", "function": function}]
        return {"role": "assistant", "content": None, "tool_calls": calls, "refusal": None, "annotations": []}

    def _opening(self, index: int) -> dict[str, Any]:
        call = self._call(index)
        if call is None:
            return {"role": "assistant", "content": "", "refusal": None}
        function = {"name": call.name, "arguments": ""}
        calls = [{"index": 0, "id": call.id, "type": "function", "function": function}]
        return {"role": "assistant", "content": None, "tool_calls": calls, "refusal": None}

    def _parts(self, index: int, step: int) -> list[dict[str, Any]]:
        """The deltas between opening and finish, `step` tokens each."""
        call = self._call(index)
        if call is None:
            said = self._said(index)
            return [{"content": "".join(said[first : first + step])} for first in range(0, len(said), step)]
        count = -(-self.generation.visible // step)
        return [
            {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
            for piece in toolcall.pieces(call.arguments_json(), count)
        ]

    def _event(self, index: int, delta: dict[str, Any], *, tokens: int = 0, finish: str | None = None) -> Chunk:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        fields: dict[str, Any] = {"choices": [choice]}
        if self.include_usage:
            fields["usage"] = None
        return self._chunk(fields, tokens)

    def _chunk(self, fields: dict[str, Any], tokens: int = 0) -> Chunk:
        document = {**self.common, "object": "chat.completion.chunk", **fields}
        if self.obfuscation is not None:
            document["obfuscation"] = self.obfuscation
        return Chunk(b"data: " + orjson.dumps(document) + b"\n\n", tokens)


def chosen_tool(document: dict[str, Any], told: bool) -> Tool | None:
    """The function to call: the one that `tool_choice` names, else the first; None where there is none to call. Where
    the request leaves the choice to the model it is `told`.
    """
    choice = document.get("tool_choice")
    named = choice if isinstance(choice, dict) and choice.get("type") == "function" else {}
    if choice == "none" or not (told or choice == "required" or named):
        return None
    functions = [tool.get("function") for tool in objects_in(document.get("tools"))]
    tools = [Tool.declared(function, "parameters") for function in objects_in(functions)]
    forced = named.get("function")
    return toolcall.choose(tools, forced.get("name") if isinstance(forced, dict) else None)


def wanted_schema(form: Any) -> Any:
    """The schema that the reply must fit; None where it may be any text."""
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "json_schema":
        inner = form.get("json_schema")
        return form.get("schema") or (inner.get("schema") if isinstance(inner, dict) else None) or {}
    return {} if kind == "json_object" else None


def usage_of(tokens: Tokens) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.prompt + tokens.output,
        "prompt_tokens_details": {
            "cached_tokens": tokens.cached,
            "cache_write_tokens": tokens.cache_write,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def reported_usage(tokens: Tokens, instructions: Instructions) -> dict[str, Any] | None:
    """`usage` as the reply shows it, which a fault may falsify; None leaves it out."""
    if instructions.has_fault(FaultKind.NO_USAGE):
        return None
    if instructions.has_fault(FaultKind.ZERO_USAGE):
        return usage_of(Tokens(prompt=0, output=0))
    usage = usage_of(tokens)
    if instructions.has_fault(FaultKind.ABSURD_USAGE):
        usage |= {"prompt_tokens": -tokens.prompt, "completion_tokens": tokens.output + 0.5, "total_tokens": "many"}
    return usage
