"""POST /v1beta/models/{model}:embedContent and :batchEmbedContents."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import orjson

from budgets.pricing.rates import Purpose
from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers import fields
from proxy.providers.base import HeaderMap, Meter, ParsedRequest
from proxy.providers.content import Content
from proxy.providers.gemini_common import GeminiAdapter
from proxy.providers.gemini_content import read_content
from proxy.providers.gemini_meter import read_usage
from proxy.providers.gemini_spelling import listed, spelled
from proxy.providers.plain_meter import PlainMeter
from proxy.providers.strict_json import decode

KNOWN = frozenset({"model", "content", "taskType", "title", "outputDimensionality", "embedContentConfig"})
BATCH = frozenset({"model", "requests"})
_CONFIG = frozenset({"taskType", "title", "outputDimensionality"})


@dataclass(frozen=True)
class GeminiEmbed(GeminiAdapter):
    """`batch`: several contents in one request. There is no output to bill."""

    batch: bool = False
    purpose = Purpose.EMBEDDING

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        content = Content()
        payload = spelled(decode(body).payload, BATCH if self.batch else KNOWN, "", allowed_fields)
        model = self.checked_model(payload)
        if self.batch:
            requests = fields.object_list(listed(payload.get("requests")), "requests")
            read = [self._read(each, f"requests[{i}]", content, allowed_fields) for i, each in enumerate(requests)]
            payload = {**payload, "requests": read}
        else:
            read = [payload := self._read(payload, "", content, allowed_fields)]
        return ParsedRequest(
            model=model,
            stream=False,
            payload=payload,
            input_tokens=content.tokens(self.tokenizer),
            output_limit=0,
            least_output=0,
            audio=content.audio,
            fills_window=content.fills_window or bool(content.images),  # of these models no formula is known
            model_calls=max(1, len(read)),  # each has the context window to itself
        )

    def _read(self, value: Any, where: str, content: Content, allowed: Set[str]) -> dict[str, Any]:
        """One content to embed; the request of it in one spelling."""
        request = dict(spelled(value, KNOWN, where, allowed))
        self.checked_model(request)
        request["content"] = read_content(request.get("content"), f"{where}.content".lstrip("."), content, allowed)
        if request.get("embedContentConfig") is not None:
            place = f"{where}.embedContentConfig".lstrip(".")
            request["embedContentConfig"] = spelled(request["embedContentConfig"], _CONFIG, place, allowed)
        content.add_json({name: item for name, item in request.items() if name != "content"})
        return request

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return orjson.dumps(parsed.payload)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return PlainMeter(read_embedding_usage)


def read_embedding_usage(reply: dict[str, Any]) -> Usage:
    """Raises UsageUnknown: not every embedding model tells its usage."""
    usage = reply.get("usageMetadata")
    if type(usage) is not dict:
        raise UsageUnknown("the reply named no usage")
    return read_usage(usage, "")


GEMINI_EMBED = GeminiEmbed("embedContent")
GEMINI_BATCH_EMBED = GeminiEmbed("batchEmbedContents", batch=True)
