"""From a parsed request to its quote; whatever usage the meter then reads within the limits costs no more."""

import base64
from dataclasses import replace
from datetime import date

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.pricing.catalogue import all_models, find
from budgets.pricing.cost import cost
from budgets.pricing.images import image_bound
from proxy.providers.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.providers.base import Image
from proxy.providers.bounds import most_input_tokens, quote_of
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_responses import OPENAI_RESPONSES
from tests.proxy.providers.images import png
from tests.proxy.providers.sounds import m4a, mp3, ogg, wav, webm
from tests.proxy.providers.support import FLASH, anthropic, gemini, openai, refusal, responses

TODAY = date(2026, 11, 24)
GPT_4O = find("openai", "gpt-4o", TODAY)
GPT_WRITES = find("openai", "gpt-5.6-sol", TODAY)
SONNET = find("anthropic", "claude-sonnet-4-5", TODAY)
GPT_5_MINI = find("openai", "gpt-5-mini", TODAY)
FLASH_MODEL = find("gemini", "gemini-2.5-flash", TODAY)
GEMINI_PRO = find("gemini", "gemini-2.5-pro", TODAY)
LIMITS = {"default_limit": 1000, "floor": 100}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}


def test_a_request_without_a_limit_is_quoted_between_the_floor_and_the_default():
    quote = quote_of(openai(), GPT_4O, **LIMITS)
    assert (quote.least_output, quote.most_output) == (100, 1000)
    quote = quote_of(openai(max_tokens=7), GPT_4O, **LIMITS)
    assert (quote.least_output, quote.most_output) == (7, 7)


def test_each_choice_is_quoted():
    one, three = (quote_of(openai(n=n, max_tokens=100), GPT_4O, **LIMITS) for n in (1, 3))
    assert three.most - three.input_cost == 3 * (one.most - one.input_cost)


def test_images_are_bounded_by_the_models_formula():
    part = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    parsed = openai(messages=[{"role": "user", "content": [part]}])
    assert parsed.images == (Image(48_169),)
    assert most_input_tokens(parsed, GPT_4O) == parsed.input_tokens - 48_169 + 85 + 8 * 170


@pytest.mark.parametrize(("provider", "most"), [("openai", 48_169), ("anthropic", 5_000)])
def test_no_model_sees_more_in_an_image_than_the_most_that_is_assumed_without_one(provider, most):
    models = all_models(provider, TODAY)
    assert models
    assert all(image_bound(model, detail="high") <= most for model in models)


def test_content_without_a_formula_is_bounded_by_the_window():
    part = {"type": "file", "file": {"file_id": "file-1"}}
    parsed = openai(messages=[{"role": "user", "content": [part]}])
    assert most_input_tokens(parsed, GPT_4O) == GPT_4O.context_window


def test_each_turn_of_the_providers_own_loop_may_fill_the_window_and_the_limit():
    parsed = anthropic(tools=[SEARCH])
    assert most_input_tokens(parsed, SONNET) == 3 * SONNET.context_window
    quote = quote_of(parsed, SONNET, **LIMITS)
    assert quote.at(10) - quote.at(0) >= 3 * 10 * SONNET.rates.output // 1_000_000
    assert quote.input_cost >= 2 * SONNET.rates.web_search


def test_what_the_price_data_leave_out_is_refused():
    assert refusal(quote_of, openai(service_tier="flex"), GPT_4O, **LIMITS).param == "service_tier"
    assert refusal(quote_of, anthropic(speed="fast"), SONNET, **LIMITS).param == "service_tier"
    audio = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}]
    assert refusal(quote_of, openai(messages=audio), GPT_4O, **LIMITS).code == "unbounded_request"
    unknown = replace(GPT_4O, window_published=False)
    part = [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]
    assert refusal(quote_of, openai(messages=part), unknown, **LIMITS).param == "model"


@settings(deadline=None)
@given(st.data(), st.sampled_from([GPT_4O, GPT_WRITES]), st.integers(1, 3), st.integers(1, 60))
def test_no_openai_usage_within_the_limits_costs_more_than_the_quote(data, model, choices, limit):
    parsed = openai(model=model.id, messages=[{"role": "user", "content": "x" * 300}], n=choices, max_tokens=limit)
    prompt = data.draw(st.integers(0, parsed.input_tokens))
    completion = data.draw(st.integers(0, choices * limit))
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {
            "cached_tokens": data.draw(st.integers(0, prompt)),
            "cache_write_tokens": data.draw(st.integers(0, prompt)),
        },
        "completion_tokens_details": {"reasoning_tokens": data.draw(st.integers(0, completion))},
    }
    meter = OPENAI_CHAT.meter(parsed)
    meter.feed_body(orjson.dumps({"usage": usage, "service_tier": "default"}))
    assert cost(model, meter.usage()) <= quote_of(parsed, model, **LIMITS).most


@settings(deadline=None)
@given(st.data(), st.sampled_from([None, "5m", "1h"]), st.integers(1, 60), st.booleans())
def test_no_anthropic_usage_within_the_limits_costs_more_than_the_quote(data, ttl, limit, searching):
    system = [{"type": "text", "text": "x" * 300, "cache_control": {"type": "ephemeral", "ttl": ttl}}] if ttl else "x"
    fields = {"tools": [SEARCH]} if searching else {}
    parsed = anthropic(system=system, max_tokens=limit, **fields)
    left = most_input_tokens(parsed, SONNET)
    read, short, long = (data.draw(st.integers(0, left // 4)) for _ in range(3))
    if ttl != "1h":
        long = 0
    if ttl is None and not searching:
        short = 0
    usage = {
        "input_tokens": data.draw(st.integers(0, left - read - short - long)),
        "output_tokens": data.draw(st.integers(0, limit * parsed.choices)),
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": short + long,
        "server_tool_use": {"web_search_requests": data.draw(st.integers(0, 2)) if searching else 0},
    }
    if data.draw(st.booleans()):
        usage["cache_creation"] = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
    meter = ANTHROPIC_MESSAGES.meter(parsed)
    meter.feed_body(orjson.dumps({"usage": usage}))
    assert cost(SONNET, meter.usage()) <= quote_of(parsed, SONNET, **LIMITS).most


@settings(deadline=None)
@given(st.data(), st.sampled_from([GPT_5_MINI, GPT_WRITES]), st.booleans(), st.sampled_from([None, "12h"]))
def test_no_usage_of_a_response_within_the_limits_costs_more_than_the_quote(data, model, searching, ttl):
    fields = {"tools": [{"type": "web_search"}], "max_tool_calls": 2} if searching else {}
    if ttl:
        fields["prompt_cache_options"] = {"ttl": ttl}
    parsed = responses(model=model.id, input="x" * 300, max_output_tokens=60, **fields)
    total = data.draw(st.integers(0, most_input_tokens(parsed, model)))
    output = data.draw(st.integers(0, 60))
    written = data.draw(st.integers(0, total))
    split = {"ttl_12h_tokens": data.draw(st.integers(0, written)) if ttl else 0}
    usage = {
        "input_tokens": total,
        "output_tokens": output,
        "input_tokens_details": {
            "cached_tokens": data.draw(st.integers(0, total)),
            "cache_write_tokens": written,
            "cache_write_tokens_details": {**split, "ttl_30m_tokens": written - split["ttl_12h_tokens"]},
        },
        "output_tokens_details": {"reasoning_tokens": data.draw(st.integers(0, output))},
    }
    searches = {"web_search": {"num_requests": data.draw(st.integers(0, 2)) if searching else 0}}
    meter = OPENAI_RESPONSES.meter(parsed)
    meter.feed_body(orjson.dumps({"status": "completed", "usage": usage, "tool_usage": searches}))
    assert cost(model, meter.usage()) <= quote_of(parsed, model, **LIMITS).most


@settings(deadline=None)
@given(st.data(), st.sampled_from([FLASH_MODEL, GEMINI_PRO]), st.sampled_from([None, "image/png", "audio/wav"]))
def test_no_gemini_usage_within_the_limits_costs_more_than_the_quote(data, model, mime_type):
    parts = [{"text": "x" * 300}] + ([{"inlineData": {"mimeType": mime_type, "data": ""}}] if mime_type else [])
    config = {"maxOutputTokens": 60, "candidateCount": data.draw(st.integers(1, 3))}
    parsed = gemini(contents=[{"parts": parts}], generationConfig=config)
    prompt = data.draw(st.integers(0, most_input_tokens(parsed, model)))
    cached = data.draw(st.integers(0, prompt))
    heard = data.draw(st.integers(0, prompt)) if mime_type == "audio/wav" else 0
    thoughts = data.draw(st.integers(0, 60 * parsed.choices))
    usage = {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": cached,
        "candidatesTokenCount": data.draw(st.integers(0, 60 * parsed.choices - thoughts)),
        "thoughtsTokenCount": thoughts,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": heard}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": data.draw(st.integers(0, min(heard, cached)))}],
    }
    meter = FLASH.meter(parsed)
    meter.feed_body(orjson.dumps({"usageMetadata": usage}))
    assert cost(model, meter.usage()) <= quote_of(parsed, model, **LIMITS).most


def _inline(mime_type, data):
    return [{"parts": [{"inlineData": {"mimeType": mime_type, "data": data}}]}]


def test_a_picture_for_gemini_is_bounded_by_its_size_and_fills_no_window():
    parsed = gemini(contents=_inline("image/png", png(1024, 1024)))
    text = parsed.input_tokens - sum(image.most for image in parsed.images)
    assert most_input_tokens(parsed, FLASH_MODEL) == text + 2_560
    for mime_type, data in (("image/png", "AAAA"), ("image/gif", png(5, 5)[8:]), ("application/pdf", png(5, 5))):
        assert most_input_tokens(gemini(contents=_inline(mime_type, data)), FLASH_MODEL) == FLASH_MODEL.context_window
    unknown = replace(FLASH_MODEL, id="gemini-5-krypton", window_published=False)
    assert refusal(most_input_tokens, parsed, unknown).param == "model"


@pytest.mark.parametrize(
    ("sound", "seconds"), [(wav(59.5), 60), (mp3(1_000), 37), (ogg(500), 11), (m4a(431), 11), (webm(50), 2)]
)
def test_sound_is_bounded_by_its_length_and_fills_no_window(sound, seconds):
    data = base64.b64encode(sound).decode()
    spoken = gemini(contents=_inline("audio/x", data))
    silent = gemini(contents=_inline("audio/x", base64.b64encode(wav(0.1)).decode()))
    assert spoken.audio
    assert not spoken.fills_window
    assert spoken.input_tokens - silent.input_tokens == 32 * (seconds - 1)
    part = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    chat = openai(model="gpt-audio", messages=[{"role": "user", "content": [part]}])
    assert most_input_tokens(chat, find("openai", "gpt-audio", TODAY)) == chat.input_tokens < 32 * seconds + 200
    spoken = responses(input=[{"role": "user", "content": [part]}])
    assert (spoken.audio, spoken.fills_window) == (True, False)


def test_sound_of_unknown_length_may_fill_the_window():
    for audio in ({"data": "AAAA"}, {"data": "not base64!"}, {"data": 5}, {"id": "audio_1"}, None, "x"):
        part = {"type": "input_audio", "input_audio": audio}
        assert openai(messages=[{"role": "user", "content": [part]}]).fills_window
