"""The promise that a hold covers its request, attacked: whatever a request asks for at once, and whichever reply the
provider may legally bill for it, the cost is at most the bound.

Each format draws requests that use several dear features together, and is asked for the *corners* of the replies that
they allow: all input of one kind, output to the last token of every choice, each price list that the input can end on,
each tier that may answer, every fee. Costs are linear between corners, so what holds there holds in between. What a
request allows is told by the fields that were drawn, not by what the adapter made of them.
"""

import base64
from datetime import date
from decimal import Decimal
from itertools import product

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.pricing.catalogue import find
from budgets.pricing.cost import cost
from budgets.pricing.rates import Purpose
from budgets.pricing.usage import UsageUnknown
from proxy.providers import registry
from proxy.providers.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.providers.base import Endpoint, RequestRefused
from proxy.providers.bounds import quote_of
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_completions import OPENAI_COMPLETIONS
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.providers.openai_images import OPENAI_IMAGE_EDITS, OPENAI_IMAGES
from proxy.providers.openai_responses import OPENAI_RESPONSES
from proxy.providers.openai_speech import OPENAI_SPEECH
from proxy.providers.openai_transcriptions import OPENAI_TRANSCRIPTIONS
from tests.proxy.providers.forms import HEADERS, form
from tests.proxy.providers.images import png
from tests.proxy.providers.sounds import wav
from tests.proxy.providers.support import BATCH_EMBED, CONTENTS, EMBED, FLASH, encode

TODAY = date(2026, 11, 24)
LIMITS = {"default_limit": 1_000, "floor": 100}
SOUND = base64.b64encode(wav(3)).decode()
PICTURE = f"data:image/png;base64,{png(4_032, 3_024)}"
DEPLOYED = Endpoint("azure", "https://fern.openai.azure.com", "2024-10-21", (("prod", "gpt-5.6-sol"),))
FEW = settings(deadline=None, max_examples=80)


def bounded(adapter, body, headers=None, purpose=Purpose.TEXT):
    """The request, its model and its quote; None where it is refused, which costs nothing."""
    try:
        parsed = adapter.parse(body, headers or {}, frozenset())
        model = find(adapter.provider, adapter.price_name(parsed), TODAY, purpose=purpose)
        assert model is not None
        parsed = adapter.priced(parsed, model)
        return parsed, model, quote_of(parsed, model, **LIMITS)
    except RequestRefused:
        return None


def totals(model, most):
    """Input on every price list that it can end on: at the end of each, and at the very most."""
    edges = {step.above_input_tokens for ladder in model.ladders("auto") for step in ladder.steps}
    return sorted({most, *(min(most, edge + more) for edge in edges for more in (0, 1))})


def check(adapter, parsed, model, quote, replies, tiers=("",)):
    """`replies`: decoded bodies. `tiers`: price lists by name that the reply's hour may be billed on."""
    counted = 0
    for reply in replies:
        meter = adapter.meter(parsed)
        meter.feed_body(orjson.dumps(reply))
        for tier in tiers:
            assert cost(model, meter.usage(), tier) <= quote.most, (reply, tier)
            counted += 1
    assert counted


def answering_tiers(model, asked):
    """What a reply may say when this tier was asked for: a full one falls back to the standard."""
    any_tier = [*model.tiers, "default"]
    return any_tier if asked == "auto" else [asked or "default", "default"]


# --- OpenAI -----------------------------------------------------------------------------------------------------------

CHAT_MODELS = ["gpt-4o", "gpt-5.6-sol", "gpt-6-astra", "gpt-audio", "gpt-4.1-mini", "gpt-5.4"]


def chat_replies(model, most, output, tiers, *, heard=False):
    for total in totals(model, most):
        kinds = [{}, {"cached_tokens": total}, {"cache_write_tokens": total}, {"cached_tokens": total // 2}]
        kinds += [{"audio_tokens": total}, {"audio_tokens": total // 2, "cached_tokens": total // 2}] if heard else []
        for kind, tier in product(kinds, tiers):
            usage = {"prompt_tokens": total, "completion_tokens": output, "prompt_tokens_details": kind}
            usage["completion_tokens_details"] = {"reasoning_tokens": output, "rejected_prediction_tokens": output}
            yield {"usage": usage, "service_tier": tier}


@st.composite
def chats(draw):
    parts = [{"type": "text", "text": draw(st.text(max_size=40))}]
    if draw(st.booleans()):
        url = {"url": draw(st.sampled_from([PICTURE, "https://example.org/a.png"]))}
        parts.append({"type": "image_url", "image_url": url | {"detail": draw(st.sampled_from(["low", "auto"]))}})
    if draw(st.sampled_from([False, False, True])):
        parts.append({"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}})
    body = {
        "messages": [{"role": "user", "content": parts}],
        draw(st.sampled_from(["max_tokens", "max_completion_tokens"])): draw(st.integers(1, 300_000)),
        "n": draw(st.integers(1, 4)),
        "service_tier": draw(st.sampled_from([None, "default", "flex", "priority", "auto"])),
    }
    if draw(st.booleans()):
        body["prediction"] = {"type": "content", "content": draw(st.text(max_size=60))}
    if draw(st.booleans()):
        body["prompt_cache_retention"] = "24h"
    if draw(st.booleans()):
        body["tools"] = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    return body


@given(chats(), st.sampled_from([*CHAT_MODELS, "azure/prod"]))
@FEW
def test_chat_completions(body, name):
    adapter = registry.named(OPENAI_CHAT, encode({"model": name, **body}), {"azure": DEPLOYED})
    if (found := bounded(adapter, encode({"model": name, **body}))) is None:
        return
    parsed, model, quote = found
    limit = min(max(body.get("max_tokens", 0), body.get("max_completion_tokens", 0)), model.max_output_tokens)
    predicted = len(body.get("prediction", {}).get("content", "").encode())
    heard = any(part["type"] == "input_audio" for part in body["messages"][0]["content"])
    output = body["n"] * (limit + predicted)
    tiers = answering_tiers(model, body["service_tier"])
    replies = chat_replies(model, quote.input_tokens, output, tiers, heard=heard)
    check(adapter, parsed, model, quote, replies)


@given(
    searches=st.integers(0, 3),
    limit=st.integers(16, 200_000),
    tier=st.sampled_from([None, "flex", "priority", "fast", "auto"]),
    ttl=st.sampled_from([None, "30m", "12h"]),
    heard=st.booleans(),
    going_on=st.booleans(),
    name=st.sampled_from(["gpt-5.6-sol", "gpt-6-astra", "gpt-5-mini", "gpt-audio"]),
)
@FEW
def test_responses(searches, limit, tier, ttl, heard, going_on, name):
    parts = [{"type": "input_text", "text": "x" * 90}, {"type": "input_image", "image_url": PICTURE, "detail": "auto"}]
    parts += [{"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}}] if heard else []
    body = {"model": name, "input": [{"role": "user", "content": parts}], "max_output_tokens": limit}
    body |= {"tools": [{"type": "web_search"}], "max_tool_calls": searches} if searches else {}
    body |= {"service_tier": tier} if tier else {}
    body |= {"prompt_cache_options": {"ttl": ttl}} if ttl else {}
    body |= {"previous_response_id": "resp_1"} if going_on else {}
    if (found := bounded(OPENAI_RESPONSES, encode(body))) is None:
        return
    parsed, model, quote = found

    def replies():
        output = min(limit, model.max_output_tokens)
        for total in totals(model, quote.input_tokens):
            written = {"cache_write_tokens": total}
            kinds = [{}, {"cached_tokens": total}, written]
            kinds += [written | {"cache_write_tokens_details": {"ttl_12h_tokens": total}}] if ttl == "12h" else []
            kinds += [{"audio_tokens": total}, {"audio_tokens": 0}] if heard else []
            for kind, answered in product(kinds, answering_tiers(model, "priority" if tier == "fast" else tier)):
                usage = {"input_tokens": total, "output_tokens": output, "input_tokens_details": kind}
                used = {"tool_usage": {"web_search": {"num_requests": searches}}}
                yield {"status": "completed", "service_tier": answered, "usage": usage, **used}

    check(OPENAI_RESPONSES, parsed, model, quote, replies())


@given(st.integers(0, 30), st.integers(1, 3), st.integers(1, 4), st.booleans(), st.integers(1, 3))
@FEW
def test_completions(limit, shown, tried, echo, prompts):
    body = {"model": "gpt-3.5-turbo-instruct", "prompt": ["hallo"] * prompts, "max_tokens": limit, "n": shown}
    body |= {"best_of": max(shown, tried), "echo": echo, "suffix": "ö"}
    parsed, model, quote = bounded(OPENAI_COMPLETIONS, encode(body))
    output = prompts * max(shown, tried) * (limit + (len("hallo") if echo else 0))
    assert quote.input_tokens >= prompts * len("halloö".encode())
    check(OPENAI_COMPLETIONS, parsed, model, quote, chat_replies(model, quote.input_tokens, output, [None]))


def test_what_has_no_output_costs_no_more_than_its_input():
    embed = {"usage": {"prompt_tokens": 1, "total_tokens": 1}}
    for adapter, body, reply, name in (
        (OPENAI_EMBEDDINGS, {"model": "text-embedding-3-small", "input": ["ab", "ö"]}, embed, "usage"),
        (EMBED, {"content": CONTENTS[0]}, {"usageMetadata": {"promptTokenCount": 1}}, "usageMetadata"),
        (BATCH_EMBED, {"requests": [{"content": CONTENTS[0]}] * 2}, {"usageMetadata": {"promptTokenCount": 1}}, ""),
    ):
        parsed, model, quote = bounded(adapter, encode(body), purpose=Purpose.EMBEDDING)
        told = reply[name or "usageMetadata"]
        for count in told:
            told[count] = quote.input_tokens
        check(adapter, parsed, model, quote, [reply])


# --- OpenAI's pictures and sound --------------------------------------------------------------------------------------


# As OpenAI's calculator says of gpt-image-2 (community.openai.com/t/1379464) and its page of gpt-image-1-mini; a
# picture that is shown is covered by 1,536 patches at most.
DRAWN = {
    "gpt-image-2": {
        "low": {"1024x1024": 196, "largest": 158},
        "high": {"1024x1024": 7_024, "largest": 5_488},
    },
    "gpt-image-1-mini": {
        "low": {"1024x1024": 625, "largest": 750},
        "high": {"1024x1024": 4_500, "largest": 6_500},
    },
}


@given(
    size=st.sampled_from(["1024x1024", "1536x1024", "auto"]),
    quality=st.sampled_from(["low", "high"]),
    many=st.integers(1, 2),
    partial=st.integers(0, 3),
    shown=st.integers(0, 2),
    name=st.sampled_from(["gpt-image-2", "gpt-image-1-mini"]),
)
@FEW
def test_pictures(size, quality, many, partial, shown, name):
    fields = {"model": name, "prompt": "a fern", "size": size, "quality": quality, "n": many}
    body, headers = encode(fields | {"partial_images": partial, "stream": True}), {}
    adapter = OPENAI_IMAGES
    if shown:
        adapter, headers = OPENAI_IMAGE_EDITS, HEADERS
        files = {f"image[{index}]" if index else "image": ("a.png", b"\x89PNG") for index in range(shown)}
        written = {each: str(value) for each, value in fields.items()}
        body = form({**written, "partial_images": str(partial), "stream": "true", **files})
    if (found := bounded(adapter, body, headers, purpose=Purpose.IMAGE)) is None:
        return
    parsed, model, quote = found
    most = DRAWN[name][quality]["1024x1024" if size == "1024x1024" else "largest"]
    text = len("a fern")
    usage = {"input_tokens": text + shown * 1_536, "output_tokens": most + 100 * partial}
    usage["input_tokens_details"] = {"text_tokens": text, "image_tokens": shown * 1_536}
    ends = b"".join(
        b'data: {"type":"%s.completed","usage":%s}\n\n'
        % (b"image_edit" if shown else b"image_generation", orjson.dumps(usage))
        for _ in range(many)
    )
    meter = adapter.meter(parsed)
    meter.feed(ends)
    meter.finish()
    assert cost(model, meter.usage()) <= quote.most


@pytest.mark.parametrize("seconds", [0.1, 1, 9.7, 61])
def test_sound_to_be_written_down_and_text_to_be_spoken(seconds):
    files = {"file": ("a.wav", wav(seconds))}
    parsed, model, quote = bounded(
        OPENAI_TRANSCRIPTIONS, form({"model": "whisper-1", **files}), HEADERS, purpose=Purpose.TRANSCRIPTION
    )
    whole = int(-(-seconds // 1))  # billed by the second, rounded up
    by_time = [{"text": "x", "usage": {"type": "duration", "seconds": whole}}, {"text": "x", "duration": seconds}]
    check(OPENAI_TRANSCRIPTIONS, parsed, model, quote, [*by_time, {"text": "x"}])
    body = form({"model": "gpt-4o-transcribe", "prompt": "fern", "chunking_strategy": "auto", **files})
    parsed, model, quote = bounded(OPENAI_TRANSCRIPTIONS, body, HEADERS, purpose=Purpose.TRANSCRIPTION)
    heard = int(-(-seconds * 10 // 1))
    told = {"input_tokens": heard + 4, "output_tokens": 2_000, "input_token_details": {"text_tokens": 4}}
    check(OPENAI_TRANSCRIPTIONS, parsed, model, quote, [{"text": "x", "usage": told}])
    spoken = {"model": "tts-1-hd", "input": "ein Farn 🌿", "voice": "alloy"}
    parsed, model, quote = bounded(OPENAI_SPEECH, encode(spoken), purpose=Purpose.SPEECH)
    check(OPENAI_SPEECH, parsed, model, quote, [{}])


# --- Anthropic --------------------------------------------------------------------------------------------------------


@given(
    name=st.sampled_from(["claude-sonnet-4-5", "claude-opus-4-8", "claude-haiku-4-5", "claude-opus-5-5"]),
    ttl=st.sampled_from([None, "5m", "1h"]),
    limit=st.integers(1, 200_000),
    budget=st.sampled_from([0, 1_024]),
    uses=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    geo=st.sampled_from([None, "global", "us"]),
    speed=st.sampled_from([None, "standard", "fast"]),
    tier=st.sampled_from([None, "auto"]),
)
@FEW
def test_messages(name, ttl, limit, budget, uses, geo, speed, tier):
    text = {"type": "text", "text": "x" * 90} | ({"cache_control": {"type": "ephemeral", "ttl": ttl}} if ttl else {})
    searches, fetches = uses
    tools = [{"type": "web_search_20260209", "name": "web_search", "max_uses": searches}] if searches else []
    tools += [{"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": fetches}] if fetches else []
    wishes = {"inference_geo": geo, "speed": speed, "service_tier": tier}
    wishes |= {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget else {}
    body = {"model": name, "max_tokens": limit, "messages": [{"role": "user", "content": [text]}], "tools": tools}
    if (found := bounded(ANTHROPIC_MESSAGES, encode(body | wishes))) is None:
        return
    parsed, model, quote = found
    turns = 1 + searches + fetches
    output = turns * min(limit, model.max_output_tokens)

    def replies():
        for total in totals(model, quote.input_tokens):
            kinds = [{"input_tokens": total}, {"cache_read_input_tokens": total}]
            kinds += [{"cache_creation_input_tokens": total}] if ttl or turns > 1 else []
            if ttl == "1h":
                split = {"ephemeral_1h_input_tokens": total}
                kinds.append({"cache_creation_input_tokens": total, "cache_creation": split})
            speeds = ["fast", "standard"] if speed == "fast" else [None]
            for kind, region, fast in product(kinds, [geo] if geo else ["us", "not_available"], speeds):
                usage = {"input_tokens": 0, "output_tokens": output, "inference_geo": region, "speed": fast, **kind}
                usage["server_tool_use"] = {"web_search_requests": searches}
                yield {"usage": usage | {"service_tier": "standard"}}
                if tier == "auto":
                    yield {"usage": usage | {"service_tier": "priority"}}
        turn = {"type": "message", "input_tokens": quote.input_tokens // turns, "output_tokens": output // turns}
        yield {"usage": {"input_tokens": 0, "output_tokens": 0, "iterations": [turn] * turns, "inference_geo": geo}}

    check(ANTHROPIC_MESSAGES, parsed, model, quote, replies())


# --- Google -----------------------------------------------------------------------------------------------------------


@given(
    name=st.sampled_from(["gemini-2.5-pro", "gemini-2.5-flash", "gemini-3.1-pro-preview", "gemini-4-argon"]),
    limit=st.integers(1, 2_000_000),
    candidates=st.integers(1, 8),
    kind=st.sampled_from([None, "image/png", "audio/wav", "video/mp4", "application/pdf"]),
    going_on=st.booleans(),
)
@FEW
def test_generated_content(name, limit, candidates, kind, going_on):
    data = SOUND if kind == "audio/wav" else png(4_032, 3_024)
    parts = [{"text": "x" * 90}] + ([{"inlineData": {"mimeType": kind, "data": data}}] if kind else [])
    body = {"contents": [{"parts": parts}]} | ({"continuationToken": "t"} if going_on else {})
    body["generationConfig"] = {"maxOutputTokens": limit, "candidateCount": candidates}
    adapter = FLASH.at("v1beta", name, "")
    if (found := bounded(adapter, encode(body))) is None:
        return
    parsed, model, quote = found
    output = candidates * min(limit, model.max_output_tokens)

    def replies():
        for total, cached, thought in product(totals(model, quote.input_tokens), (0, 2, 1), (0, 2, 1)):
            read, thoughts = total * cached // 2, output * thought // 2
            usage = {"promptTokenCount": total, "cachedContentTokenCount": read, "thoughtsTokenCount": thoughts}
            usage |= {"candidatesTokenCount": output - thoughts, "totalTokenCount": total + output}
            yield {"usageMetadata": usage}
            yield {"usageMetadata": {**usage, "candidatesTokenCount": 0}}  # what only the total tells
            if kind in ("audio/wav", "video/mp4"):
                heard = [{"modality": "AUDIO", "tokenCount": total}]
                yield {"usageMetadata": {**usage, "promptTokensDetails": heard}}
                both = {"cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": read}]}
                yield {"usageMetadata": {**usage, "promptTokensDetails": heard, **both}}

    check(adapter, parsed, model, quote, replies())


# --- Providers of OpenAI's format -------------------------------------------------------------------------------------

COMPATIBLE = [
    "groq/openai/gpt-oss-120b", "mistral/mistral-small-latest", "deepseek/deepseek-v4-pro", "xai/grok-4.7",
    "together/moonshotai/Kimi-K3", "fireworks/accounts/fireworks/models/glm-5p2", "openrouter/openai/gpt-4o",
    "cerebras/gpt-oss-120b", "openrouter/openai/gpt-6-astra",
]  # fmt: skip


def theirs(provider, reply, bound):
    """The same usage in the provider's own words; OpenRouter charges the dearest that it was told."""
    usage = reply["usage"]
    output, prompt = usage["completion_tokens"], usage["prompt_tokens"]
    if provider == "deepseek":
        usage["prompt_cache_hit_tokens"] = usage["prompt_tokens_details"].get("cached_tokens", 0)
    if provider == "xai":  # reasoning stands beside the completion
        usage |= {"completion_tokens": 0, "total_tokens": prompt + output}
    if provider == "openrouter":
        most = {kind: Decimal(amount) for kind, amount in bound["provider"]["max_price"].items()}
        dollars = (prompt * most["prompt"] + output * most["completion"]) / 10**6 + most["request"]
        usage["cost"] = float(dollars)
    return reply


@given(st.sampled_from(COMPATIBLE), st.integers(1, 3_000_000), st.integers(1, 4), st.text(max_size=40), st.booleans())
@FEW
def test_compatible_providers(name, limit, choices, text, capped):
    body = {"model": name, "messages": [{"role": "user", "content": text}], "n": choices}
    body |= {"max_tokens": limit} if capped else {}
    adapter = registry.named(OPENAI_CHAT, encode(body), {})
    parsed, model, quote = bounded(adapter, encode(body))
    written = orjson.loads(adapter.render(parsed, quote.most_output if not capped else limit))
    limit = written.get("max_tokens") or written["max_completion_tokens"]
    # The window is where a list of others has the limit: no reply can be longer.
    output = choices * min(limit, model.max_output_tokens if model.output_published else model.context_window)
    replies = (
        theirs(adapter.provider, reply, written)
        for reply in chat_replies(model, quote.input_tokens, output, [None])
        if adapter.provider != "openrouter" or reply["usage"]["prompt_tokens_details"] == {}
    )
    check(adapter, parsed, model, quote, replies, tiers=("", "mixed", *model.tiers) if model.hours else ("",))


def test_a_usage_that_no_bound_covers_is_no_usage():
    """Searches that were not asked for, pictures made by another model: the hold is charged, not what they say."""
    parsed, _, _ = bounded(OPENAI_RESPONSES, encode({"model": "gpt-5-mini", "input": "x"}))
    meter = OPENAI_RESPONSES.meter(parsed)
    usage = {"input_tokens": 1, "output_tokens": 1}
    meter.feed_body(orjson.dumps({"usage": usage, "tool_usage": {"image_gen": {"total_tokens": 9}}}))
    with pytest.raises(UsageUnknown):
        meter.usage()
