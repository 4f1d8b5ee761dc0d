"""POST /v1/audio/transcriptions and /v1/audio/translations: sound goes in, text comes out.

Some models are billed by the length of the sound, which its own frames tell. The others are billed by tokens: OpenAI
publishes 10 a second for sound that goes in and 20 for sound that comes out, of which the larger is the bound, and
2,000 tokens of text at most (developers.openai.com/api/docs/models/gpt-4o-transcribe, as of 2026-11-24). Where the
provider cuts the sound into pieces, each has that limit to itself; nobody says how short they are, so ten seconds.
"""

from collections.abc import Set
from typing import Any

from budgets.money import ceil_div
from budgets.pricing.bound import REQUEST_TOKENS, text_bound
from budgets.pricing.rates import Purpose
from budgets.pricing.usage import Usage
from proxy.providers import fields, multipart, openai_common, sound
from proxy.providers.base import HeaderMap, Meter, ParsedRequest
from proxy.providers.headers import RawHeaders
from proxy.providers.multipart import Part
from proxy.providers.openai_common import OpenAIAdapter
from proxy.providers.openai_transcriptions_meter import OpenAITranscriptionsMeter

KNOWN = frozenset(
    {
        "file", "model", "language", "languages", "prompt", "keywords", "response_format", "temperature",
        "timestamp_granularities", "include", "stream", "chunking_strategy", "known_speaker_names",
        "known_speaker_references",
    }
)  # fmt: skip
KNOWN_TRANSLATION = frozenset({"file", "model", "prompt", "response_format", "temperature"})
_BY_TOKENS = ("gpt-4o-transcribe", "gpt-4o-mini-transcribe")
_MILLISECONDS_A_TOKEN = 50
_MOST_TEXT = 2_000
_PIECE = 10_000
_REFERENCE = 30_000  # a sample of a voice lasts ten seconds at most
_TEXTS = ("prompt", "language", "languages", "keywords", "known_speaker_names")


class OpenAITranscriptions(OpenAIAdapter):
    """The adapter; it keeps nothing between requests."""

    path = "/audio/transcriptions"
    purpose = Purpose.TRANSCRIPTION
    known = KNOWN

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        parts = multipart.read(body, headers)
        payload = multipart.payload_of(parts, flags=frozenset({"stream"}))
        fields.check_known(payload, self.known, {}, allowed_fields)
        model = fields.model_name(payload)
        length = _length(payload.get("file"))
        at_most = Usage(milliseconds=length)
        if model.startswith(_BY_TOKENS):
            at_most = _tokens(payload, parts, length)
        stream = fields.flag(payload.get("stream"), "stream") and not model.startswith("whisper")
        return ParsedRequest(
            model=model,
            stream=stream,
            payload=payload,
            input_tokens=0,
            output_limit=0,
            least_output=0,
            at_most=at_most,
            extra={"parts": parts},
        )

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return multipart.write(parsed.extra["parts"])

    def meter(self, parsed: ParsedRequest) -> Meter:
        return OpenAITranscriptionsMeter(parsed)

    def request_headers(self, headers: HeaderMap, secret: str, *, sandbox: bool = False) -> RawHeaders:
        return openai_common.form_headers(headers, secret, sandbox=sandbox)


class OpenAITranslations(OpenAITranscriptions):
    """Into English."""

    path = "/audio/translations"
    known = KNOWN_TRANSLATION


def _length(files: Any) -> int:
    """Of the one file, milliseconds, up to the next whole second: as it is billed, or longer. Raises RequestRefused."""
    if type(files) is not list or len(files) != 1 or not isinstance(files[0], Part):
        fields.refuse("file", "`file` must be one file of sound.")
    length = sound.milliseconds(files[0].data)
    if length is None:
        fields.unbounded(
            "file",
            "How long this file sounds cannot be told. Send WAV (uncompressed), MP3, FLAC, Ogg or WebM (Opus, Vorbis), "
            "or M4A (AAC).",
        )
    return ceil_div(length, 1_000) * 1_000


def _tokens(payload: dict[str, Any], parts: list[Part], length: int) -> Usage:
    """`length` in milliseconds."""
    references = payload.get("known_speaker_references") or ()
    heard = ceil_div(length + _REFERENCE * len(references), _MILLISECONDS_A_TOKEN)
    pieces = 1 if payload.get("chunking_strategy") is None else 1 + ceil_div(length, _PIECE)
    texts = [part.text for part in parts if part.ending is None and part.name.partition("[")[0] in _TEXTS]
    return Usage(
        input_tokens=pieces * (text_bound(texts, "byte_bpe") + REQUEST_TOKENS),
        audio_input_tokens=heard,
        output_tokens=pieces * _MOST_TEXT,
    )


OPENAI_TRANSCRIPTIONS = OpenAITranscriptions()
OPENAI_TRANSLATIONS = OpenAITranslations()
