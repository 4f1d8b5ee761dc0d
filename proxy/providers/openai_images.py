"""POST /v1/images/generations and /v1/images/edits: text goes in, and pictures do; pictures come out."""

from collections.abc import Set
from dataclasses import replace
from typing import Any

import orjson

from budgets.pricing import drawing
from budgets.pricing.bound import REQUEST_TOKENS, text_bound
from budgets.pricing.rates import Purpose
from budgets.pricing.usage import Usage
from proxy.providers import fields, multipart, openai_common
from proxy.providers.base import HeaderMap, Meter, ParsedRequest
from proxy.providers.headers import RawHeaders
from proxy.providers.openai_common import OpenAIAdapter
from proxy.providers.openai_images_meter import OpenAIImagesMeter
from proxy.providers.strict_json import decode

KNOWN = frozenset(
    {
        "model", "prompt", "n", "size", "quality", "background", "moderation", "output_compression", "output_format",
        "partial_images", "response_format", "stream", "user", "safety_identifier",
    }
)  # fmt: skip
KNOWN_EDIT = (KNOWN - {"moderation"}) | {"image", "mask", "markup", "input_fidelity"}
_FRAMES = "moving pictures are drawn frame by frame, and how many tokens that takes is not published."
NEVER = {
    "complexity": "how many tokens the model plans with is not published.",
    "frame_count": _FRAMES,
    "frame_duration_ms": _FRAMES,
    "style": "only retired models know it.",
    "svg": "another model, at other prices and without a limit, writes it.",
}
_FORMATS = frozenset({"png", "jpeg", "webp"})
_FILES = ("image", "mask", "markup")
_NUMBERS = frozenset({"n", "output_compression", "partial_images"})
_MOST_PICTURES, _MOST_SHOWN, _MOST_PARTIAL = 10, 16, 3
# A reply that is not streamed comes in one piece: four bytes a pixel, in base64, must stay below what the proxy reads.
_MOST_REPLY_BYTES = 60 * 1024 * 1024
_BYTES_A_PIXEL = 16  # in thirds of a byte


class OpenAIImages(OpenAIAdapter):
    """Pictures out of a text. The adapter; it keeps nothing between requests."""

    path = "/images/generations"
    purpose = Purpose.IMAGE

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload = decode(body).payload
        fields.check_known(payload, KNOWN, NEVER, allowed_fields)
        return _parsed(payload, fields.allowed_tokens(payload, allowed_fields, KNOWN))

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return orjson.dumps(parsed.payload)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return OpenAIImagesMeter(pictures=parsed.extra["pictures"])


class OpenAIImageEdits(OpenAIImages):
    """Pictures out of pictures, which come as a form. The adapter; it keeps nothing between requests."""

    path = "/images/edits"

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        parts = multipart.read(body, headers)
        payload = multipart.payload_of(parts, numbers=_NUMBERS, flags=frozenset({"stream"}))
        fields.check_known(payload, KNOWN_EDIT, NEVER, allowed_fields)
        for name in _FILES:
            if any(type(item) is str for item in payload.get(name, ())):
                fields.refuse(name, f"`{name}` must be a file.")
        shown = sum(1 for part in parts if part.ending is not None)
        if not payload.get("image") or shown > _MOST_SHOWN + 2:
            fields.refuse("image", f"`image` must be one to {_MOST_SHOWN} files.")
        unknown = sum(len(part.data) for part in parts if part.name.partition("[")[0] not in KNOWN_EDIT)
        parsed = _parsed(payload, unknown, shown)
        return replace(parsed, extra={**parsed.extra, "parts": parts})

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return multipart.write(parsed.extra["parts"])

    def request_headers(self, headers: HeaderMap, secret: str, *, sandbox: bool = False) -> RawHeaders:
        return openai_common.form_headers(headers, secret, sandbox=sandbox)


def _parsed(payload: dict[str, Any], unknown: int, shown: int = 0) -> ParsedRequest:
    """`unknown`: tokens of fields that only the tenant knows. `shown`: how many pictures go in."""
    model = fields.model_name(payload)
    prompt = fields.optional_text(payload.get("prompt"), "prompt")
    stream = fields.flag(payload.get("stream"), "stream")
    pictures = fields.whole_number(payload.get("n"), "n", 1, _MOST_PICTURES) or 1
    partial = fields.whole_number(payload.get("partial_images"), "partial_images", 0, _MOST_PARTIAL) or 0
    if fields.optional_text(payload.get("output_format"), "output_format") not in {"", *_FORMATS}:
        fields.unbounded("output_format", f"How many tokens this takes is not published; use {', '.join(_FORMATS)}.")
    drawn = _drawn(payload, model, pictures, stream=stream) + partial * drawing.PARTIAL_PICTURE
    high_fidelity = payload.get("input_fidelity") not in (None, "low")
    text = text_bound([prompt], "byte_bpe") + REQUEST_TOKENS + unknown + shown * drawing.TEXT_WITH_A_PICTURE
    return ParsedRequest(
        model=model,
        stream=stream,
        payload=payload,
        input_tokens=0,
        output_limit=0,
        least_output=0,
        end_user=openai_common.end_user(payload),
        # Each picture of several is billed as a request of its own.
        at_most=Usage(
            input_tokens=pictures * text,
            image_input_tokens=pictures * shown * drawing.shown(model, high_fidelity=high_fidelity),
            image_output_tokens=pictures * drawn,
        ),
        extra={"pictures": pictures},
    )


def _drawn(payload: dict[str, Any], model: str, pictures: int, *, stream: bool) -> int:
    """The most tokens of one picture that comes out. Raises RequestRefused."""
    size = fields.optional_text(payload.get("size"), "size") or drawing.AUTO
    quality = fields.optional_text(payload.get("quality"), "quality") or drawing.AUTO
    try:
        tokens = drawing.drawn(model, size, quality)
        area = drawing.most_pixels(model, size)
    except drawing.NotDrawn as error:
        (fields.unbounded if error.unbounded else fields.refuse)(error.field, str(error))
    if pictures * area * _BYTES_A_PIXEL // 3 > _MOST_REPLY_BYTES:
        many = "stream it" if pictures == 1 else "ask for fewer at a time"
        if not stream:
            fields.refuse("n", f"The pictures could be larger than one reply may be: {many}, or name a smaller `size`.")
    return tokens


OPENAI_IMAGES = OpenAIImages()
OPENAI_IMAGE_EDITS = OpenAIImageEdits()
