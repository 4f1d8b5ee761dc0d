"""One generated content in Gemini's format, whole or as the chunks of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tokonomics.sandbox import toolcall
from tokonomics.sandbox.generation import Generation
from tokonomics.sandbox.instructions import FaultKind, Instructions
from tokonomics.sandbox.reply import Chunk
from tokonomics.sandbox.tokens import Tokens
from tokonomics.sandbox.toolcall import Tool, objects_in


class Content:
    """One answer of the model: a function call, or text."""

    def __init__(
        self, *, model: str, generation: Generation, instructions: Instructions, tool: Tool | None, schema: Any = None
    ) -> None:
        """`schema`: what the reply must fit as JSON; None where it may be any text."""
        self.generation = generation
        self.instructions = instructions
        self.tool = tool
        self.schema = schema
        self.common = {"modelVersion": model, "responseId": generation.identifier("", 22)}

    def document(self) -> dict[str, Any]:
        candidates = [
            self._candidate(index, self._parts(index, len(self._words(index)) or 1), finished=True)
            for index in range(self.generation.choices)
        ]
        return self._chunk(candidates, self.generation.tokens)

    def events(self) -> Iterator[Chunk]:
        """As server-sent events."""
        for document, tokens in self._chunks():
            yield Chunk(b"data: " + orjson.dumps(document) + b"\r\n\r\n", tokens)

    def elements(self) -> Iterator[Chunk]:
        """As the elements of a JSON array."""
        opening = b"["
        for document, tokens in self._chunks():
            yield Chunk(opening + orjson.dumps(document), tokens)
            opening = b",\r\n"
        yield Chunk(b"]")

    def _chunks(self) -> Iterator[tuple[dict[str, Any], int]]:
        """The candidates one after the other, each chunk with the usage so far and the tokens made for it."""
        made = 0
        for index in range(self.generation.choices):
            parts = self._parts(index, self.instructions.chunk_tokens)
            shares = self._shares(len(parts))
            for number, (part, share) in enumerate(zip(parts, shares, strict=True)):
                made += share
                candidate = self._candidate(index, [part], finished=number == len(parts) - 1)
                yield self._chunk([candidate], self.generation.tokens.produced(made)), share

    def _shares(self, count: int) -> list[int]:
        """How many tokens each of a candidate's chunks took; the first one the thoughts, too."""
        step, left = self.instructions.chunk_tokens, self.generation.visible
        shares = []
        for _ in range(count):
            shares.append(min(step, left))
            left -= shares[-1]
        shares[-1] += left
        shares[0] += self.generation.reasoning
        return shares

    def _words(self, index: int) -> list[str]:
        return self.generation.words(self.generation.visible, index)

    def _parts(self, index: int, step: int) -> list[dict[str, Any]]:
        """At least one; a function call comes whole."""
        words = self._words(index)
        if self.tool is not None:
            arguments = toolcall.arguments_for(self.tool.schema, "".join(words))
            return [{"functionCall": {"name": self.tool.name, "args": arguments}}]
        if self.schema is not None:
            words = toolcall.pieces(toolcall.json_for(self.schema, "".join(words)), len(words))
        parts = [{"text": "".join(words[first : first + step])} for first in range(0, len(words), step)]
        return parts or [{"text": ""}]

    def _candidate(self, index: int, parts: list[dict[str, Any]], *, finished: bool) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": index}
        if finished:
            candidate["finishReason"] = "MAX_TOKENS" if self.generation.reached_limit else "STOP"
        return candidate

    def _chunk(self, candidates: list[dict[str, Any]], tokens: Tokens) -> dict[str, Any]:
        chunk = {"candidates": candidates, **self.common}
        usage = reported_usage(tokens, self.instructions)
        return chunk if usage is None else {**chunk, "usageMetadata": usage}


def chosen_tool(document: dict[str, Any], told: bool) -> Tool | None:
    """The function to call: the first one allowed; None where there is none to call. Where the request leaves the
    choice to the model it is `told`.
    """
    config = document.get("toolConfig")
    calling = config.get("functionCallingConfig") if isinstance(config, dict) else None
    calling = calling if isinstance(calling, dict) else {}
    if calling.get("mode") == "NONE" or not (told or calling.get("mode") == "ANY"):
        return None
    declared = [
        function
        for tool in objects_in(document.get("tools"))
        for function in objects_in(tool.get("functionDeclarations"))
    ]
    tools = [Tool.declared({"name": each.get("name"), "schema": _schema(each)}, "schema") for each in declared]
    allowed = calling.get("allowedFunctionNames")
    return toolcall.choose(tools, str(allowed[0]) if isinstance(allowed, list) and allowed else None)


def wanted_schema(config: dict[str, Any]) -> Any:
    """What a reply must fit as JSON, of a generationConfig; None where it may be any text."""
    names = ("responseJsonSchema", "_responseJsonSchema", "responseSchema")
    schema = next((config[name] for name in names if config.get(name)), None)
    if schema is None and config.get("responseMimeType") != "application/json":
        return None
    return _lower_types(schema or {})


def _schema(function: dict[str, Any]) -> Any:
    """Under whichever of its names it comes."""
    names = ("parametersJsonSchema", "parameters_json_schema", "parameters")
    return _lower_types(next((function[name] for name in names if name in function), {}))


def _lower_types(value: Any, key: str = "") -> Any:
    """Google writes the types of a schema in capitals."""
    if isinstance(value, dict):
        return {name: _lower_types(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_lower_types(item) for item in value]
    return value.lower() if key == "type" and isinstance(value, str) else value


def usage_of(tokens: Tokens) -> dict[str, Any]:
    """Google leaves out zeros."""
    usage: dict[str, Any] = {
        "promptTokenCount": tokens.prompt,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "totalTokenCount": tokens.prompt + tokens.output,
        "cachedContentTokenCount": tokens.cached,
        "promptTokensDetails": _of_text(tokens.prompt),
        "cacheTokensDetails": _of_text(tokens.cached),
        "thoughtsTokenCount": tokens.reasoning,
    }
    return {name: value for name, value in usage.items() if value}


def _of_text(count: int) -> list[dict[str, Any]]:
    return [{"modality": "TEXT", "tokenCount": count}] if count else []


def reported_usage(tokens: Tokens, instructions: Instructions) -> dict[str, Any] | None:
    """`usageMetadata` as the reply shows it, which a fault may falsify; None leaves it out."""
    if instructions.has_fault(FaultKind.NO_USAGE):
        return None
    if instructions.has_fault(FaultKind.ZERO_USAGE):
        return dict.fromkeys(("promptTokenCount", "candidatesTokenCount", "totalTokenCount"), 0)
    usage = usage_of(tokens)
    if instructions.has_fault(FaultKind.ABSURD_USAGE):
        usage |= {"promptTokenCount": -tokens.prompt, "candidatesTokenCount": tokens.output + 0.5}
    return usage
