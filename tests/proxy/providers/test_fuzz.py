"""Whatever is thrown at an adapter, it refuses or answers: nothing else ever happens."""

from datetime import date

import orjson
from hypothesis import event, given, settings
from hypothesis import strategies as st

from budgets.pricing.catalogue import find
from budgets.pricing.usage import UsageUnknown
from proxy.providers import (
    anthropic_messages,
    gemini_embed,
    gemini_generate,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
)
from proxy.providers.anthropic_messages import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES
from proxy.providers.base import RequestRefused
from proxy.providers.bounds import quote_of
from proxy.providers.gemini_generate import GEMINI_COUNT_TOKENS
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_completions import OPENAI_COMPLETIONS
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.providers.openai_free import OPENAI_INPUT_TOKENS, OPENAI_MODERATIONS
from proxy.providers.openai_images import KNOWN as OF_IMAGES
from proxy.providers.openai_images import KNOWN_EDIT, OPENAI_IMAGE_EDITS, OPENAI_IMAGES
from proxy.providers.openai_responses import OPENAI_RESPONSES
from proxy.providers.openai_speech import KNOWN as OF_SPEECH
from proxy.providers.openai_speech import OPENAI_SPEECH
from proxy.providers.openai_transcriptions import KNOWN as OF_SOUND
from proxy.providers.openai_transcriptions import KNOWN_TRANSLATION, OPENAI_TRANSCRIPTIONS, OPENAI_TRANSLATIONS
from proxy.providers.registry import ADAPTERS
from tests.proxy.providers.forms import HEADERS as FORM
from tests.proxy.providers.forms import form
from tests.proxy.providers.sounds import mp3, wav
from tests.proxy.providers.support import BATCH_EMBED, EMBED, FLASH, FLASH_EVENTS, meter_for, run

FAMILIES = [
    "openai", "anthropic", "responses", "completion", "embedding", "gemini", "gemini_embed", "images", "transcription",
    "transcription_tokens",
]  # fmt: skip

_names = st.sampled_from(
    [
        "usage", "choices", "type", "message", "delta", "prompt_tokens", "completion_tokens", "prompt_tokens_details",
        "cached_tokens", "audio_tokens", "cache_write_tokens", "completion_tokens_details", "reasoning_tokens",
        "input_tokens", "output_tokens", "cache_creation", "iterations", "ephemeral_5m_input_tokens", "service_tier",
        "cache_creation_input_tokens", "cache_read_input_tokens", "server_tool_use", "web_search_requests", "speed",
        "stop_reason", "output_tokens_details", "thinking_tokens", "input_tokens_details", "tool_usage", "image_gen",
        "web_search", "num_requests", "output", "action", "status", "modality", "tokenCount", "ttl_12h_tokens",
        "cache_write_tokens_details", "total_tokens", "seconds", "duration", "svg_usage", "text_tokens", "image_tokens",
        "input_token_details",
    ]
)  # fmt: skip
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=5),
    max_leaves=12,
)
_counts = st.integers(0, 50) | json_values
_modalities = json_values | st.lists(
    st.fixed_dictionaries({"modality": st.sampled_from(["TEXT", "AUDIO", "IMAGE", 5]), "tokenCount": _counts}),
    max_size=2,
)
_usages = st.fixed_dictionaries(
    {
        "prompt_tokens": _counts, "completion_tokens": _counts, "input_tokens": _counts, "output_tokens": _counts,
        "promptTokenCount": _counts,
    },
    optional={
        "input_tokens_details": st.dictionaries(_names, _counts), "total_tokens": _counts,
        "candidatesTokenCount": _counts, "thoughtsTokenCount": _counts, "cachedContentTokenCount": _counts,
        "toolUsePromptTokenCount": _counts, "totalTokenCount": _counts, "serviceTier": json_values,
        "promptTokensDetails": _modalities, "cacheTokensDetails": _modalities, "candidatesTokensDetails": _modalities,
        "prompt_tokens_details": st.dictionaries(_names, _counts), "cache_creation": st.dictionaries(_names, _counts),
        "completion_tokens_details": st.dictionaries(_names, _counts), "server_tool_use": json_values,
        "cache_creation_input_tokens": _counts, "cache_read_input_tokens": _counts,
        "output_tokens_details": json_values,
        "iterations": st.lists(
            st.fixed_dictionaries({"type": st.just("message"), "input_tokens": _counts, "output_tokens": _counts})
        ),
    },
)  # fmt: skip


@settings(deadline=None)
@given(_usages | json_values, st.dictionaries(_names, json_values, max_size=3), st.sampled_from(FAMILIES))
def test_no_usage_of_any_shape_is_negative_or_an_unforeseen_error(usage, rest, name):
    meter = meter_for(name)
    meter.feed_body(orjson.dumps({**rest, "usage": usage, "usageMetadata": usage}))
    try:
        read = meter.usage()
    except UsageUnknown:
        return
    assert all(count > 0 for count in read.counts().values())
    assert read.reasoning_tokens <= read.total_output_tokens


_pieces = st.sampled_from(
    [
        b"data: ", b"\n\n", b"\r\n\r\n", b"\n", b"\r", b'{"choices":[],"usage":', b'{"prompt_tokens":1,',
        b'"usage":null', b'"completion_tokens":2}}', b"[DONE]", b"event: message_stop\n", b"\xff",
        b'data: {"type":"message_stop"}\n\n',
        b'data: {"type":"message_delta","delta":{"stop_reason":"x"},"usage":{"input_tokens":1,"output_tokens":2}}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n', b'{"choices":[{',
        b"data: [DONE]", b"event: response.completed\n", b"[", b"]", b",", b'{"candidates":[{"finishReason":"STOP"}],',
        b'"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}', b'"\\', b"[[1,",
        b'data: {"type":"response.completed","response":{"usage":{"input_tokens":1,"output_tokens":2}}}\n\n',
        b'data: {"type":"response.failed","response":{"usage":null}}\n\n', b'data: {"candidates":[{"index":1}]}\n\n',
        b'data: {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}}\r\n\r\n',
    ]
)  # fmt: skip


@settings(deadline=None)
@given(
    st.lists(_pieces | st.binary(max_size=8), max_size=12),
    st.booleans(),
    st.sampled_from([*FAMILIES, "gemini_stream.json"]),
)
def test_any_bytes_pass_a_meter_and_the_cuts_make_no_difference(pieces, wanted, name):
    meter = meter_for(name, wanted=wanted)
    out = run(meter, *pieces)
    if wanted or name not in ("openai", "completion"):
        assert out == b"".join(pieces)
    whole = meter_for(name, wanted=wanted)
    assert run(whole, b"".join(pieces)) == out
    assert whole.complete == meter.complete
    try:
        assert all(count > 0 for count in meter.usage().counts().values())
    except UsageUnknown:
        pass


_fields = st.sampled_from(
    [
        "model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "tools",
        "functions", "response_format", "user", "service_tier", "prediction", "modalities", "system", "thinking",
        "metadata", "speed", "tool_choice", "context_management", "inference_geo", "output_config",
        "prompt_cache_retention", "audio", "role", "content", "type", "text", "source", "image_url", "url", "data",
        "name", "title", "max_uses", "detail", "budget_tokens", "edits", "include_usage", "user_id", "tool_calls",
        "cache_control", "file", "input_audio", "input", "prompt", "instructions", "reasoning", "previous_response_id",
        "parts", "contents", "inlineData", "inline_data", "mimeType", "functionCall", "functionResponse",
        "functionDeclarations", "generationConfig", "generation_config", "max_output_tokens", "maxOutputTokens",
        "encrypted_content", "output", "environment", "requests", "systemInstruction", "candidateCount", "fileData",
    ]
)  # fmt: skip
_words = st.sampled_from(
    [
        "gpt-4o", "claude-sonnet-4-5", "user", "text", "image", "image_url", "document", "tool_result", "base64",
        "url", "function", "web_search_20250305", "bash_20250124", "input_audio", "enabled", "auto", "", "é",
        "thinking", "file", "data:image/png;base64,iVBORw0KGgo", "clear_tool_uses_20250919", "content", "_",
        "web_search_result", "message", "input_text", "output_text", "input_image", "input_file", "function_call",
        "function_call_output", "reasoning", "item_reference", "additional_tools", "web_search", "custom", "namespace",
        "shell", "local", "gpt-5-mini", "text-embedding-3-small", "models/gemini-2.5-flash", "image/png", "audio/wav",
    ]
)  # fmt: skip
_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_fields | _words, inner, max_size=6),
    max_leaves=20,
)
_blocks = st.dictionaries(_fields, _anything, max_size=3).flatmap(
    lambda rest: _words.map(lambda kind: {"type": kind, **rest})
)
_messages = st.lists(st.fixed_dictionaries({"role": _words, "content": st.lists(_blocks, max_size=3) | _anything}))
_tools = st.lists(
    st.dictionaries(_fields, _anything, max_size=2).flatmap(
        lambda rest: _words.map(lambda kind: {"type": kind, "max_uses": 3, **rest})
    ),
    max_size=2,
)
_sound = {
    "model": _words, "messages": _messages, "tools": _tools, "system": st.lists(_blocks, max_size=2),
    "stream": st.booleans(),
    "max_tokens": st.integers(1, 99), "service_tier": st.sampled_from(["auto", "default", "standard_only", "priority"]),
    "stream_options": st.dictionaries(st.just("include_usage"), st.booleans()), "n": st.integers(1, 3),
    "metadata": st.dictionaries(st.just("user_id"), _words), "thinking": st.dictionaries(_fields, st.integers(1, 9)),
    "prediction": st.dictionaries(_fields, _anything),
}  # fmt: skip


_parts = st.lists(
    st.dictionaries(
        st.sampled_from(["text", "inlineData", "functionResponse", "thought", "parts"]), _anything, max_size=2
    )
    | _anything,
    max_size=3,
)
_contents = st.lists(st.fixed_dictionaries({"parts": _parts | _anything}) | _anything, min_size=1, max_size=2)
_sound |= {
    "input": _words | _messages | st.lists(_blocks, max_size=3),
    "prompt": _words | st.lists(_words | st.integers(0, 9)),
    "contents": _contents, "systemInstruction": st.fixed_dictionaries({"parts": _parts}), "content": _anything,
    "requests": st.lists(st.fixed_dictionaries({"content": st.fixed_dictionaries({"parts": _parts})}), max_size=2),
    "generationConfig": st.dictionaries(_fields | st.sampled_from(sorted(gemini_generate.CONFIG)), st.integers(1, 9)),
    "max_output_tokens": st.integers(16, 99), "max_tool_calls": st.integers(1, 3), "best_of": st.integers(1, 3),
    "reasoning": st.dictionaries(st.just("effort"), _words), "text": st.dictionaries(st.just("format"), _anything),
    "echo": st.booleans(), "background": st.just(False), "size": st.sampled_from(["1024x1024", "auto", "2048x2048"]),
    "quality": st.sampled_from(["low", "high", "auto", "max"]), "partial_images": st.integers(0, 4),
    "output_format": st.sampled_from(["png", "webp", "gif"]), "input_fidelity": st.sampled_from(["low", "high"]),
}  # fmt: skip
OF_ADAPTER = {  # the fields that it knows, and the ones that it needs
    OPENAI_CHAT: (openai_chat.KNOWN, {"model", "messages"}),
    ANTHROPIC_MESSAGES: (anthropic_messages.KNOWN, {"model", "messages"}),
    ANTHROPIC_COUNT_TOKENS: (anthropic_messages.COUNTED, {"model", "messages"}),
    OPENAI_RESPONSES: (openai_responses.KNOWN, {"model", "input"}),
    OPENAI_COMPLETIONS: (openai_completions.KNOWN, {"model", "prompt"}),
    OPENAI_EMBEDDINGS: (openai_embeddings.KNOWN, {"model", "input"}),
    OPENAI_INPUT_TOKENS: (OPENAI_INPUT_TOKENS.known, {"model", "input"}),
    OPENAI_MODERATIONS: (OPENAI_MODERATIONS.known, {"input"}),
    OPENAI_IMAGES: (OF_IMAGES, {"model", "prompt"}),
    OPENAI_SPEECH: (OF_SPEECH, {"model", "input"}),
    FLASH: (gemini_generate.KNOWN - {"model"}, {"contents"}),
    FLASH_EVENTS: (gemini_generate.KNOWN - {"model"}, {"contents"}),
    EMBED: (gemini_embed.KNOWN - {"model"}, {"content"}),
    BATCH_EMBED: (gemini_embed.BATCH - {"model"}, {"requests"}),
    GEMINI_COUNT_TOKENS.at("v1", "gemini-2.5-flash", ""): (gemini_generate.COUNTED - {"model"}, {"contents"}),
}
OF_FORM = {
    OPENAI_IMAGE_EDITS: (KNOWN_EDIT, "image"),
    OPENAI_TRANSCRIPTIONS: (OF_SOUND, "file"),
    OPENAI_TRANSLATIONS: (KNOWN_TRANSLATION, "file"),
}
WITHOUT_LIMIT = (OPENAI_EMBEDDINGS, OPENAI_IMAGES, OPENAI_SPEECH)
REWRITTEN = {"max_tokens", "max_completion_tokens", "max_output_tokens", "service_tier", "stream_options"}


def test_every_adapter_is_thrown_at():
    assert {type(adapter) for adapter in ADAPTERS.values()} == {type(adapter) for adapter in (*OF_ADAPTER, *OF_FORM)}


@st.composite
def _requests(draw, adapter):
    """Fields that the adapter knows; most values sound, a few of any shape."""
    known, needed = OF_ADAPTER[adapter]
    names = draw(st.sets(st.sampled_from(sorted(known)), max_size=5)) | needed
    odd = draw(st.sets(st.sampled_from(sorted(names)), max_size=1))
    return {name: draw(_anything if name in odd else _sound.get(name, st.none() | _words)) for name in sorted(names)}


_allowed = st.frozensets(_fields | _words, max_size=3)


@settings(deadline=None)
@given(st.data(), _allowed, st.sampled_from([*OF_ADAPTER]))
def test_a_body_of_any_shape_is_parsed_or_refused_and_then_renders(data, allowed, adapter):
    payload = data.draw(_requests(adapter) | _anything)
    try:
        parsed = adapter.parse(orjson.dumps(payload), {}, allowed)
    except RequestRefused as refused:
        event(f"refused: {refused.code}")
        assert refused.code in {"invalid_json", "invalid_request", "unbounded_request"}
        assert refused.status == 400
        return
    event(f"parsed: {type(adapter).__name__}")
    assert parsed.input_tokens >= 0
    assert min(parsed.choices, parsed.model_calls) >= 1
    sent = orjson.loads(adapter.render(parsed, 77))
    adapter.meter(parsed)
    if adapter.provider == "gemini":
        # What goes out is read again as what it was: one spelling, and nothing lost on the way.
        again = adapter.parse(orjson.dumps(sent), {}, allowed)
        assert again.input_tokens == parsed.input_tokens
        assert orjson.loads(adapter.render(again, 77)) == sent
    else:
        for name in payload.keys() - REWRITTEN:
            assert sent[name] == payload[name]
    if not adapter.free:
        _check_limit(adapter, sent)
        model = find(adapter.provider, parsed.model, date(2026, 11, 24), purpose=adapter.purpose)
        _check_quote(parsed, model)


def _check_limit(adapter, sent):
    """Exactly one limit goes out, where there is output to limit; and the tier."""
    limits = [sent.get(name) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")]
    if adapter.provider == "gemini":
        limits = [sent.get("generationConfig", {}).get("maxOutputTokens")]
    assert limits.count(77) == (0 if adapter in (*WITHOUT_LIMIT, EMBED, BATCH_EMBED) else 1)
    if adapter in (OPENAI_CHAT, ANTHROPIC_MESSAGES, OPENAI_RESPONSES):
        assert sent["service_tier"] is not None


def _check_quote(parsed, model):
    if model is None:
        return
    try:
        assert quote_of(parsed, model, default_limit=100, floor=10).most >= 0
    except RequestRefused as refused:
        assert refused.code == "unbounded_request"


_texts = _words | st.sampled_from(
    ["low", "auto", "1024x1024", "3", "true", "gpt-image-2", "whisper-1", "gpt-4o-transcribe"]
)
_files = st.sampled_from([("a.wav", wav(1.5)), ("b.png", b"x"), ("", mp3(3)), ("c.mp3", b"\xff\xfb\x18\xc4")])
_endings = st.sampled_from(["", "", "", "[]", "[x]", "["])


@st.composite
def _forms(draw, known, file):
    """Fields that the adapter knows, and a file; a few of any shape."""
    names = draw(st.lists(st.sampled_from(sorted(known)) | _fields, max_size=5))
    fields = {name + draw(_endings): draw(_texts | _files | st.lists(_texts, max_size=2)) for name in names}
    return form({"model": draw(_texts), "prompt": draw(_texts), file: draw(_files), **fields})


@settings(deadline=None)
@given(st.data(), _allowed, st.sampled_from([*OF_FORM]))
def test_a_form_of_any_shape_is_parsed_or_refused_and_then_renders(data, allowed, adapter):
    body = data.draw(_forms(*OF_FORM[adapter]) | st.binary(max_size=80))
    try:
        parsed = adapter.parse(body, FORM, allowed)
    except RequestRefused as refused:
        event(f"refused: {refused.code}")
        assert refused.code in {"invalid_request", "unbounded_request"}
        return
    event(f"parsed: {type(adapter).__name__}")
    kind = dict(adapter.request_headers({}, "sk"))[b"content-type"].decode()
    again = adapter.parse(adapter.render(parsed, 0), {"content-type": kind}, allowed)
    assert (again.model, again.at_most, again.stream) == (parsed.model, parsed.at_most, parsed.stream)
    assert parsed.at_most.counts()
    adapter.meter(parsed)
    _check_quote(parsed, find(adapter.provider, parsed.model, date(2026, 11, 24), purpose=adapter.purpose))


@settings(deadline=None)
@given(_usages | json_values, st.dictionaries(_names, json_values, max_size=3), st.sampled_from([*OF_FORM]))
def test_no_reply_to_a_form_is_free(usage, rest, adapter):
    """Whatever it says, it is charged by what it counts, by what was sent, or at the hold."""
    fields = {"model": "gpt-image-2", "prompt": "x", "quality": "low", "image": ("a.png", b"x")}
    if adapter is not OPENAI_IMAGE_EDITS:
        fields = {"model": "whisper-1", "file": ("a.wav", wav(1.5))}
    meter = adapter.meter(adapter.parse(form(fields), FORM, frozenset()))
    reply = orjson.dumps({**rest, "usage": usage})
    meter.feed_body(reply)
    try:
        read = meter.usage()
    except UsageUnknown:
        return
    assert min(read.counts().values(), default=0) >= 0
    if not read.counts():
        assert {usage.get(name) for name in ("input_tokens", "output_tokens", "seconds")} & {0}


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from([*OF_ADAPTER]))
def test_bytes_of_any_kind_are_refused(body, adapter):
    try:
        adapter.parse(body, {}, frozenset())
        raise AssertionError("60 random bytes made a request")
    except RequestRefused as refused:
        assert refused.status == 400
