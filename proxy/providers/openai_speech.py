"""POST /v1/audio/speech: text goes in, sound comes out. Billed by the character, whatever comes of it."""

from collections.abc import Set

import orjson

from budgets.pricing.rates import Purpose
from budgets.pricing.usage import Usage
from proxy.providers import fields
from proxy.providers.base import HeaderMap, Meter, ParsedRequest
from proxy.providers.fixed_meter import FixedMeter
from proxy.providers.openai_common import OpenAIAdapter
from proxy.providers.strict_json import decode

KNOWN = frozenset({"model", "input", "voice", "instructions", "response_format", "speed", "stream_format"})
_BY_CHARACTER = "tts-1"


class OpenAISpeech(OpenAIAdapter):
    """The adapter; it keeps nothing between requests."""

    path = "/audio/speech"
    purpose = Purpose.SPEECH

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload = decode(body).payload
        fields.check_known(payload, KNOWN, {}, allowed_fields)
        model = fields.model_name(payload)
        if not model.startswith(_BY_CHARACTER):
            fields.unbounded(
                "model",
                f"`{model}` is billed by how long it speaks, to which no limit is published. tts-1 and tts-1-hd are "
                "billed by the character.",
            )
        text = fields.optional_text(payload.get("input"), "input")
        if not text:
            fields.refuse("input", "`input` must be the text to speak.")
        return ParsedRequest(
            model=model,
            stream=True,  # sound is passed on as it comes
            payload=payload,
            input_tokens=0,
            output_limit=0,
            least_output=0,
            # Where characters are counted in another way than ours, then in no longer one: units of UTF-16.
            at_most=Usage(characters=len(text.encode("utf-16-le", "surrogatepass")) // 2),
        )

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        return orjson.dumps(parsed.payload)

    def meter(self, parsed: ParsedRequest) -> Meter:
        assert parsed.at_most is not None
        return FixedMeter(parsed.at_most)


OPENAI_SPEECH = OpenAISpeech()
