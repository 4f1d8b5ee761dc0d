"""Replies on record with the requests that such replies answer: what was held for each, and what each cost."""

import base64
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

import orjson

from budgets.pricing.bound import Quote
from budgets.pricing.catalogue import find
from budgets.pricing.cost import cost
from budgets.pricing.rates import Model
from budgets.pricing.usage import Usage
from proxy.providers.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.providers.base import Adapter, ParsedRequest
from proxy.providers.bounds import most_input_tokens, quote_of
from proxy.providers.gemini_embed import GEMINI_EMBED
from proxy.providers.gemini_generate import GEMINI_GENERATE, GEMINI_STREAM
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_completions import OPENAI_COMPLETIONS
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.providers.openai_images import OPENAI_IMAGE_EDITS, OPENAI_IMAGES
from proxy.providers.openai_responses import OPENAI_RESPONSES
from proxy.providers.openai_speech import OPENAI_SPEECH
from proxy.providers.openai_transcriptions import OPENAI_TRANSCRIPTIONS
from tests.proxy.providers.forms import HEADERS, form
from tests.proxy.providers.images import jpeg, png
from tests.proxy.providers.sounds import wav
from tests.proxy.providers.support import fixture, run

DAY = date(2026, 11, 24)
LIMITS = {"default_limit": 16_384, "floor": 256}
_SENTENCE = "The quick brown fox jumps over the lazy dog. "  # ten tokens


def prose(tokens: int) -> str:
    return _SENTENCE * (tokens // 10)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


WEATHER = {
    "name": "get_current_weather",
    "description": "Get the current weather in a given location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["location"],
    },
}
_ASKED = "What is the weather like in Boston today?"
_ANTHROPIC_TOOL = {
    "name": "get_weather", "description": WEATHER["description"], "input_schema": WEATHER["parameters"],
}  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """`body` as JSON, or the form's bytes. `content` in a few words: what makes this one special."""

    format: str
    content: str
    reply: str
    adapter: Adapter
    body: dict[str, Any] | bytes
    kept: int | None = field(default=None)
    """All tokens of the reply that it goes on from, where that was recorded."""

    def parsed(self) -> ParsedRequest:
        if isinstance(self.body, bytes):
            return self.adapter.parse(self.body, HEADERS, frozenset())
        return self.adapter.parse(orjson.dumps(self.body), {}, frozenset())

    def model(self) -> Model:
        found = find(self.adapter.provider, self.parsed().model, DAY, purpose=self.adapter.purpose)
        assert found is not None, self.reply
        return found

    def quote(self) -> Quote:
        return quote_of(self.parsed(), self.model(), kept_tokens=self.kept, **LIMITS)

    def input_bound(self) -> int:
        parsed = self.parsed()
        if parsed.at_most is not None:
            return parsed.at_most.total_input_tokens
        most = most_input_tokens(parsed, self.model(), self.kept)
        return min(most, self.model().context_window * parsed.model_calls)

    def usage(self) -> Usage:
        meter = self.adapter.meter(self.parsed())
        if not self.reply:
            meter.feed(b"sound")
        elif "stream" in self.reply:
            run(meter, fixture(self.reply))
        else:
            meter.feed_body(fixture(self.reply))
        assert meter.complete, self.reply
        return meter.usage()

    def cost(self) -> int:
        return cost(self.model(), self.usage())

    def tightness(self) -> Fraction:
        """What was held over what was charged."""
        return Fraction(self.quote().most, self.cost())


def _chat(content: str, reply: str, model: str, messages: Any, **fields: Any) -> Recorded:
    body = {"model": model, "messages": messages, "stream": "stream" in reply, "max_completion_tokens": 1_024, **fields}
    return Recorded("chat completions", content, reply, OPENAI_CHAT, body)


def _responses(content: str, reply: str, model: str, given: Any, kept: int | None = None, **fields: Any) -> Recorded:
    body = {"model": model, "input": given, "stream": "stream" in reply, "max_output_tokens": 2_048, **fields}
    return Recorded("responses", content, reply, OPENAI_RESPONSES, body, kept)


def _messages(content: str, reply: str, given: Any, **fields: Any) -> Recorded:
    body = {"model": "claude-sonnet-4-5", "max_tokens": 1_024, "stream": "stream" in reply, **fields}
    messages = [{"role": "user", "content": given}]
    return Recorded("messages", content, reply, ANTHROPIC_MESSAGES, {**body, "messages": messages})


def _gemini(content: str, reply: str, *parts: dict[str, Any], model: str = "gemini-2.5-flash", **more: Any) -> Recorded:
    streamed = GEMINI_STREAM.at("v1beta", model, "alt=sse" if reply.endswith(".sse") else "")
    adapter = streamed if "stream" in reply else GEMINI_GENERATE.at("v1beta", model, "")
    body = {"contents": [{"role": "user", "parts": [*parts]}], "generationConfig": {"maxOutputTokens": 2_048}, **more}
    return Recorded("generateContent", content, reply, adapter, body)


def _pictures(content: str, reply: str, **fields: Any) -> Recorded:
    body = {"model": "gpt-image-2", "prompt": prose(20), "stream": "stream" in reply, "size": "1024x1024", **fields}
    return Recorded("images", content, reply, OPENAI_IMAGES, body)


def _sound(content: str, reply: str, seconds: float, **fields: str) -> Recorded:
    body = form({"model": "whisper-1", "file": ("a.wav", wav(seconds)), **fields})
    return Recorded("transcriptions", content, reply, OPENAI_TRANSCRIPTIONS, body)


_HELLO = [{"role": "developer", "content": "You are a helpful assistant."}, {"role": "user", "content": "Hello!"}]
_LOOK = [{"type": "text", "text": "What is in this image?"}]
_CACHED = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}

RECORDED: tuple[Recorded, ...] = (
    _chat("text, short", "openai_plain.json", "gpt-4o", _HELLO),
    _chat("text, streamed", "openai_stream.sse", "gpt-4o-mini", _HELLO),
    _chat(
        "text, cached, reasoning",
        "openai_plain_cached_reasoning.json",
        "o3",
        [{"role": "user", "content": prose(2_000)}],
    ),
    _chat(
        "text, written to a cache",
        "openai_plain_cache_write.json",
        "gpt-5.6-sol",
        [{"role": "user", "content": prose(3_290)}],
    ),
    _chat(
        "a tool",
        "openai_plain_tools.json",
        "gpt-4o",
        [{"role": "user", "content": _ASKED}],
        tools=[{"type": "function", "function": WEATHER}],
    ),
    _chat(
        "a tool, streamed",
        "openai_stream_tools.sse",
        "gpt-4o-mini",
        [{"role": "user", "content": _ASKED}],
        tools=[{"type": "function", "function": WEATHER}],
    ),
    _chat(
        "a picture, 1024 px",
        "openai_plain_image.json",
        "gpt-4.1-mini",
        [
            {
                "role": "user",
                "content": [
                    *_LOOK,
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png(1_024, 1_024)}"}},
                ],
            }
        ],
    ),
    _chat(
        "a picture, elsewhere",
        "openai_plain_image.json",
        "gpt-4.1-mini",
        [
            {
                "role": "user",
                "content": [*_LOOK, {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}],
            }
        ],
    ),
    _chat(
        "sound, 12 s",
        "openai_plain_audio_input.json",
        "gpt-audio",
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": prose(20)},
                    {"type": "input_audio", "input_audio": {"data": _encoded(wav(12)), "format": "wav"}},
                ],
            }
        ],
    ),
    _responses(
        "text, short", "responses_plain.json", "gpt-4.1", "Tell me a three sentence bedtime story about a unicorn."
    ),
    _responses(
        "text, streamed", "responses_stream.sse", "gpt-4.1", "Hello!", instructions="You are a helpful assistant."
    ),
    _responses(
        "text, cached, reasoning",
        "responses_plain_cached_reasoning.json",
        "gpt-5.6-sol",
        prose(1_990),
        prompt_cache_options={"ttl": "12h"},
        service_tier="priority",
    ),
    _responses(
        "a tool",
        "responses_plain_tools.json",
        "gpt-4.1",
        _ASKED,
        tools=[{"type": "function", **WEATHER, "strict": True}],
    ),
    _responses("cut off by its limit", "responses_plain_incomplete.json", "gpt-4.1", prose(70)),
    _responses(
        "a search of the web",
        "responses_plain_search.json",
        "gpt-5-mini",
        "What was positive in the news today?",
        tools=[{"type": "web_search"}],
        max_tool_calls=4,
    ),
    _responses(
        "going on, recorded",
        "responses_stream_tools.sse",
        "gpt-4.1",
        "And tomorrow?",
        240,
        previous_response_id="resp_1",
    ),
    _responses(
        "going on, not recorded",
        "responses_stream_tools.sse",
        "gpt-4.1",
        "And tomorrow?",
        previous_response_id="resp_1",
    ),
    _messages("text", "anthropic_plain.json", prose(2_090)),
    _messages("text, streamed", "anthropic_stream.sse", prose(20)),
    _messages(
        "text, cached and written", "anthropic_plain_cache.json", [{"type": "text", "text": prose(188_640), **_CACHED}]
    ),
    _messages(
        "a tool, cached",
        "anthropic_stream_tools.sse",
        [{"type": "text", "text": prose(1_000), **_CACHED}],
        tools=[_ANTHROPIC_TOOL],
    ),
    _messages(
        "a search of the web",
        "anthropic_plain_search.json",
        prose(100),
        max_tokens=8_192,
        tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}],
    ),
    _messages(
        "a picture, 1092 px",
        "anthropic_plain_image.json",
        [
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": jpeg(1_092, 1_040)}},
            *_LOOK,
        ],
    ),
    _gemini("text, thoughts", "gemini_plain.json", {"text": "Explain how AI works in a few words"}),
    _gemini("text, streamed", "gemini_stream.sse", {"text": "Explain AI"}),
    _gemini("text, cached", "gemini_plain_cached.json", {"text": prose(5_030)}),
    _gemini(
        "a tool",
        "gemini_plain_tools.json",
        {"text": _ASKED},
        tools=[{"functionDeclarations": [{**WEATHER, "name": "get_weather"}]}],
    ),
    _gemini(
        "a picture, 1024 px",
        "gemini_plain_image.json",
        {"text": "Caption this image."},
        {"inlineData": {"mimeType": "image/png", "data": png(1_024, 1_024)}},
    ),
    _gemini(
        "sound, 12 s",
        "gemini_plain_sound.json",
        {"text": "Describe this clip."},
        {"inlineData": {"mimeType": "audio/wav", "data": _encoded(wav(12))}},
    ),
    _gemini(
        "sound, cached, elsewhere read",
        "gemini_plain_audio.json",
        {"text": prose(60)},
        {"inlineData": {"mimeType": "audio/mp3", "data": "SUQz"}},
    ),
    Recorded(
        "completions",
        "text",
        "completion_plain.json",
        OPENAI_COMPLETIONS,
        {"model": "gpt-3.5-turbo-instruct", "prompt": "Say this is a test", "max_tokens": 7},
    ),
    Recorded(
        "completions",
        "text, streamed",
        "completion_stream.sse",
        OPENAI_COMPLETIONS,
        {"model": "gpt-3.5-turbo-instruct", "prompt": "Say this is a test", "stream": True},
    ),
    Recorded(
        "embeddings",
        "text",
        "embedding_plain.json",
        OPENAI_EMBEDDINGS,
        {"model": "text-embedding-ada-002", "input": "The food was delicious and the waiter..."},
    ),
    Recorded(
        "embedContent",
        "text",
        "gemini_embed.json",
        GEMINI_EMBED.at("v1beta", "gemini-embedding-001", ""),
        {"content": {"parts": [{"text": "What is the meaning of life, or of this?"}]}},
    ),
    _pictures("drawn, medium", "images_plain.json", quality="medium"),
    _pictures("drawn, high, streamed", "images_stream.sse", quality="high", partial_images=1),
    _pictures("drawn, size and quality left open", "images_plain.json", quality="auto", size="auto"),
    Recorded(
        "images",
        "edited, high, 3840x2160",
        "images_plain_edit.json",
        OPENAI_IMAGE_EDITS,
        form(
            {
                "model": "gpt-image-2",
                "prompt": prose(220),
                "size": "3840x2160",
                "quality": "high",
                "image": ("a.png", b"x"),
            }
        ),
    ),
    Recorded("speech", "by the character", "", OPENAI_SPEECH, {"model": "tts-1", "voice": "alloy", "input": prose(50)}),
    _sound("by its length", "transcription_plain.json", 7.6),
    _sound("by its length, verbose", "transcription_plain_verbose.json", 8.47, response_format="verbose_json"),
    _sound("by tokens", "transcription_plain_tokens.json", 8, model="gpt-4o-transcribe", prompt="Names"),
    _sound("by tokens, streamed", "transcription_stream.sse", 1.4, model="gpt-4o-transcribe", stream="true"),
)
