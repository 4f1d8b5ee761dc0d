"""Gemini's generated content: what is refused, what is bounded, what goes out, and what a reply is taken for."""

from datetime import date

import orjson
import pytest

from budgets.pricing.catalogue import find
from budgets.pricing.usage import UsageUnknown
from proxy.providers.bounds import most_input_tokens, quote_of
from proxy.providers.gemini_generate import CONFIG, GEMINI_COUNT_TOKENS, GEMINI_GENERATE, GEMINI_STREAM, KNOWN, NEVER
from proxy.sse import Decoder
from tests.proxy.providers.support import CONTENTS, FLASH, FLASH_ARRAY, FLASH_EVENTS, encode, gemini, meter_for, refusal

MODEL = find("gemini", "gemini-2.5-flash", date(2026, 11, 24))
LIMITS = {"default_limit": 1000, "floor": 100}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "OBJECT"}}
BODY = encode({"contents": CONTENTS})


def rendered(limit=500, **fields):
    return orjson.loads(FLASH.render(gemini(**fields), limit))


def configured(**config):
    return gemini(generationConfig=config)


def with_part(**part):
    return gemini(contents=[{"role": "user", "parts": [{"text": "look"}, part]}])


# --- where it goes


def test_the_model_and_the_form_of_a_stream_come_from_the_address():
    parsed = FLASH.parse(BODY, {}, frozenset())
    assert (parsed.model, parsed.stream) == ("gemini-2.5-flash", False)
    assert FLASH.target(parsed) == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert FLASH.path == "/v1beta/models/{model}:generateContent"
    parsed = FLASH_EVENTS.parse(BODY, {}, frozenset())
    assert (parsed.stream, FLASH_EVENTS.target(parsed)) == (
        True, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
    )  # fmt: skip
    parsed = FLASH_ARRAY.parse(BODY, {}, frozenset())
    assert FLASH_ARRAY.target(parsed) == "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    newer = GEMINI_GENERATE.at("v1", "gemini-2.5-pro", "")
    assert newer.target(newer.parse(BODY, {}, frozenset())) == "/v1/models/gemini-2.5-pro:generateContent"


def test_nothing_else_of_the_query_is_passed_on():
    adapter = GEMINI_STREAM.at("v1beta", "gemini-2.5-pro", "key=tk_live_secret&alt=sse&fields=candidates")
    target = adapter.target(adapter.parse(BODY, {}, frozenset()))
    assert target == "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    adapter = GEMINI_GENERATE.at("v1beta", "gemini-2.5-pro", "alt=json&key=tk_live_secret")
    assert "tk_live" not in adapter.target(adapter.parse(BODY, {}, frozenset()))


@pytest.mark.parametrize("query", ["alt=proto", "alt=media", "alt=sse&alt=proto"])
def test_a_form_that_cannot_be_metered_is_refused(query):
    adapter = GEMINI_STREAM.at("v1beta", "gemini-2.5-flash", query)
    assert refusal(adapter.parse, BODY, {}, frozenset()).param == "alt"


@pytest.mark.parametrize("model", ["", "gemini?x", "gemini/../x", "a b", "é", "x" * 201, "%2e", ".hidden"])
def test_a_model_that_is_no_plain_name_goes_nowhere(model):
    adapter = GEMINI_GENERATE.at("v1beta", model, "")
    assert refusal(adapter.parse, BODY, {}, frozenset()).param == "model"


def test_a_body_cannot_name_another_model_than_the_path():
    assert gemini(model="models/gemini-2.5-flash").model == "gemini-2.5-flash"
    assert refusal(gemini, model="models/gemini-2.5-pro").param == "model"


# --- names and values


@pytest.mark.parametrize("name", ["cachedContent", "cached_content"])
def test_cached_contents_are_refused_however_they_are_spelled(name):
    refused = refusal(gemini, **{name: "cachedContents/x"})
    assert (refused.code, refused.param) == ("unbounded_request", name)
    assert "billed by the hour" in refused.message
    assert gemini(cachedContent=None).model == "gemini-2.5-flash"


def test_both_spellings_mean_one_and_one_goes_out():
    fields = {
        "system_instruction": {"parts": {"text": "Be brief."}},
        "generation_config": {"max_output_tokens": 70, "candidate_count": 2, "response_mime_type": "text/plain"},
        "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    }
    assert gemini(**fields).output_limit == 70
    assert gemini(**fields).choices == 2
    sent = rendered(70, **fields)
    assert sent == {
        "contents": CONTENTS,
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"maxOutputTokens": 70, "candidateCount": 2, "responseMimeType": "text/plain"},
        "safetySettings": fields["safety_settings"],
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"generationConfig": {}, "generation_config": {}},
        {"generationConfig": {"maxOutputTokens": 5, "max_output_tokens": 5000}},
        {"contents": [{"parts": [{"inlineData": {}, "inline_data": {}}]}]},
        {"contents": [{"parts": [{"text": "x", "thoughtSignature": "a", "thought_signature": "b"}]}]},
    ],
)
def test_a_name_in_two_spellings_is_refused(fields):
    refused = refusal(gemini, **fields)
    assert (refused.code, "two spellings" in refused.message) == ("unbounded_request", True)


@pytest.mark.parametrize("name", ["Contents", "generationconfig", "GENERATION_CONFIG", "cachedcontent"])
def test_names_that_differ_only_in_case_are_refused_even_where_allowed(name):
    body = encode({"contents": CONTENTS, name: {}})
    refused = refusal(FLASH.parse, body, {}, frozenset({name}))
    assert (refused.code, "case" in refused.message) == ("unbounded_request", True)


def test_a_field_that_the_tenant_allows_passes_counted_and_as_it_was_written():
    body = encode({"contents": CONTENTS, "shiny_notes": "x" * 1000})
    assert refusal(FLASH.parse, body, {}, frozenset()).param == "shiny_notes"
    parsed = FLASH.parse(body, {}, frozenset({"shiny_notes"}))
    assert parsed.input_tokens >= gemini().input_tokens + 1000
    assert orjson.loads(FLASH.render(parsed, 5))["shiny_notes"] == "x" * 1000


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"contents": None}, "contents"), ({"contents": []}, "contents"), ({"contents": "hi"}, "contents"),
        ({"contents": ["hi"]}, "contents[0]"), ({"contents": [{"parts": "hi"}]}, "contents[0].parts"),
        ({"contents": [{"parts": ["hi"]}]}, "contents[0].parts"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts.text"),
        ({"contents": [{"role": 5, "parts": []}]}, "contents[0].role"),
        ({"systemInstruction": "Be brief."}, "systemInstruction"),
        ({"generationConfig": []}, "generationConfig"),
        ({"generationConfig": {"maxOutputTokens": "70"}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"maxOutputTokens": 0}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"candidateCount": 9}}, "generationConfig.candidateCount"),
        ({"generationConfig": {"thinkingConfig": 5}}, "generationConfig.thinkingConfig"),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": -2}}},
         "generationConfig.thinkingConfig.thinkingBudget"),
        ({"tools": "x"}, "tools"), ({"tools": [5]}, "tools"),
        ({"tools": [{"functionDeclarations": "x"}]}, "tools[0].functionDeclarations"),
    ],
)  # fmt: skip
def test_a_value_that_takes_part_in_pricing_must_be_sound(fields, param):
    refused = refusal(gemini, **fields)
    assert (refused.code, refused.param) == ("invalid_request", param)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"generationConfig": {"responseModalities": ["TEXT", "AUDIO"]}}, "generationConfig.responseModalities"),
        ({"generationConfig": {"speechConfig": {}}}, "generationConfig.speechConfig"),
        ({"generationConfig": {"image_config": {}}}, "generationConfig.image_config"),
        ({"generationConfig": {"routingConfig": {}}}, "generationConfig.routingConfig"),
        ({"generationConfig": {"shiny": 1}}, "generationConfig.shiny"),
        ({"generationConfig": {"thinkingConfig": {"shiny": 1}}}, "generationConfig.thinkingConfig.shiny"),
        ({"serviceTier": "platinum"}, "serviceTier"),
        ({"contents": [{"parts": [{"fileData": {"fileUri": "https://youtu.be/x"}}]}]}, "contents[0].parts.fileData"),
        ({"contents": [{"parts": [{"videoData": {}}]}]}, "contents[0].parts.videoData"),
        ({"contents": [{"parts": [], "shiny": 1}]}, "contents[0].shiny"),
    ],
)
def test_a_value_without_a_bound_is_refused(fields, param):
    refused = refusal(gemini, **fields)
    assert (refused.code, refused.param) == ("unbounded_request", param)


# --- tools


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("googleSearch", "a fee each"), ("google_search", "a fee each"), ("googleSearchRetrieval", "a fee each"),
        ("googleMaps", "a fee each"), ("urlContext", "any length"), ("url_context", "any length"),
        ("codeExecution", "as often as"), ("fileSearch", "any length"), ("mcpServers", "as often as"),
        ("computerUse", "not published"),
    ],
)  # fmt: skip
def test_tools_that_the_provider_runs_are_refused_each_with_its_reason(name, reason):
    refused = refusal(gemini, tools=[{"functionDeclarations": [FUNCTION]}, {name: {}}])
    assert (refused.code, refused.param) == ("unbounded_request", f"tools[1].{name}")
    assert reason in refused.message


@pytest.mark.parametrize(
    "tools", [{"functionDeclarations": FUNCTION}, [{"function_declarations": [FUNCTION, FUNCTION]}]]
)
def test_functions_of_the_client_cost_their_definition(tools):
    assert gemini(tools=tools).input_tokens >= gemini().input_tokens + 1024 + len(orjson.dumps(FUNCTION))


# --- the bound


def test_text_is_bounded_by_its_bytes_wherever_it_stands():
    plain = gemini().input_tokens
    long = "é" * 1000
    for fields in (
        {"contents": [*CONTENTS, {"role": "model", "parts": [{"text": long}]}]},
        {"contents": [*CONTENTS, {"role": "model", "parts": [{"text": "x", "thoughtSignature": long}]}]},
        {"contents": [*CONTENTS, {"parts": [{"functionCall": {"name": "f", "args": {"a": long}}}]}]},
        {"contents": [*CONTENTS, {"parts": [{"functionResponse": {"name": "f", "response": {"a": long}}}]}]},
        {"contents": [*CONTENTS, {"parts": [{"executableCode": {"language": "PYTHON", "code": long}}]}]},
        {"contents": [*CONTENTS, {"parts": [{"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": long}}]}]},
        {"systemInstruction": {"parts": [{"text": long}]}},
        {"tools": [{"functionDeclarations": [{**FUNCTION, "description": long}]}]},
        {"toolConfig": {"functionCallingConfig": {"allowedFunctionNames": [long]}}},
        {"generationConfig": {"responseSchema": {"description": long}}},
        {"generationConfig": {"responseJsonSchema": {"description": long}}},
        {"generationConfig": {"_responseJsonSchema": {"description": long}}},
    ):
        parsed = gemini(**fields)
        assert parsed.input_tokens >= plain + 2000, fields
        assert not parsed.fills_window


@pytest.mark.parametrize(
    ("mime_type", "heard"),
    [
        ("image/png", False), ("application/pdf", False), ("text/plain", False), ("audio/wav", True),
        ("video/mp4", True), ("application/octet-stream", True), ("", True), ("Image/PNG", False),
    ],
)  # fmt: skip
def test_what_comes_as_bytes_may_fill_the_window_and_be_heard(mime_type, heard):
    data = "iVBORw0KGgo" * 1000
    for part in (
        {"inlineData": {"mimeType": mime_type, "data": data}},
        {"inline_data": {"mime_type": mime_type, "data": data}},
        {"functionResponse": {"name": "f", "response": {}, "parts": [{"inlineData": {"mimeType": mime_type}}]}},
    ):
        parsed = with_part(**part)
        assert (parsed.fills_window, parsed.audio) == (True, heard)
        assert parsed.input_tokens < 1000  # the bytes are not counted as text
        assert most_input_tokens(parsed, MODEL) == MODEL.context_window


def test_what_the_providers_tools_left_behind_may_fill_the_window():
    assert with_part(toolCall={"id": "x"}).fills_window
    assert with_part(toolResponse={"id": "x"}).fills_window


def test_sound_is_bounded_at_its_own_price():
    heard = with_part(inlineData={"mimeType": "audio/wav", "data": ""})
    # A million and a bit of tokens at $1.00 a million, where text and pictures are $0.30.
    assert quote_of(heard, MODEL, **LIMITS).input_cost == MODEL.context_window * 1_000
    seen = with_part(inlineData={"mimeType": "image/png", "data": ""})
    assert quote_of(seen, MODEL, **LIMITS).input_cost == -(-MODEL.context_window * 300_000_000 // 1_000_000)


def test_a_reply_that_is_continued_may_fill_the_window():
    parsed = gemini(continuationToken="CiQB")
    assert most_input_tokens(parsed, MODEL) == MODEL.context_window


def test_each_candidate_may_be_as_long_as_the_limit():
    one, three = (quote_of(configured(candidateCount=n, maxOutputTokens=100), MODEL, **LIMITS) for n in (1, 3))
    assert three.most - three.input_cost == 3 * (one.most - one.input_cost) == 3 * 100 * 2500


def test_the_floor_lies_above_a_thinking_budget():
    assert configured(thinkingConfig={"thinkingBudget": 2000}).least_output == 2001
    assert configured(thinkingConfig={"thinking_budget": 2000}).least_output == 2001
    assert configured(thinkingConfig={"thinkingBudget": -1}).least_output == 1
    quote = quote_of(configured(thinkingConfig={"thinkingBudget": 2000}), MODEL, **LIMITS)
    assert (quote.least_output, quote.most_output) == (2001, 2001)


@pytest.mark.parametrize(
    ("given", "tier"),
    [
        (None, "standard"), ("standard", "standard"), ("STANDARD", "standard"), ("unspecified", "standard"),
        ("flex", "flex"), ("SERVICE_TIER_PRIORITY", "priority"),
    ],
)  # fmt: skip
def test_the_tier_is_read_in_any_spelling(given, tier):
    assert gemini(serviceTier=given).service_tier == tier


def test_a_tier_without_a_price_is_refused():
    assert refusal(quote_of, gemini(serviceTier="priority"), MODEL, **LIMITS).param == "service_tier"


# --- what goes out


def test_what_goes_out_means_what_came_in_plus_the_limit():
    fields = {
        "tools": [{"functionDeclarations": [FUNCTION]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "serviceTier": "flex",
        "store": False,
        "labels": {"team": "a"},
    }
    config = {"temperature": 0.2, "topP": 0.5, "topK": 3, "seed": 7, "stopSequences": ["é"], "responseLogprobs": True}
    sent = rendered(**fields, generationConfig=config)
    assert sent == {"contents": CONTENTS, **fields, "generationConfig": {**config, "maxOutputTokens": 500}}
    assert rendered()["generationConfig"] == {"maxOutputTokens": 500}


def test_a_lone_object_stands_for_a_list_of_one():
    sent = rendered(contents={"role": "user", "parts": {"text": "hi"}})
    assert sent["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]


def test_rendering_leaves_the_request_as_it_was():
    parsed = configured(temperature=0.1)
    before = orjson.dumps(parsed.payload)
    assert FLASH.render(parsed, 5) == FLASH.render(parsed, 5)
    assert orjson.dumps(parsed.payload) == before


# --- the reply


@pytest.mark.parametrize(
    "usage",
    [
        None, [], {}, {"promptTokenCount": -1}, {"promptTokenCount": 1.5}, {"promptTokenCount": "12"},
        {"promptTokenCount": 5, "candidatesTokenCount": -1}, {"promptTokenCount": 5, "cachedContentTokenCount": 6},
        {"promptTokenCount": 5, "thoughtsTokenCount": True},
        {"promptTokenCount": 5, "promptTokensDetails": {"modality": "TEXT"}},
        {"promptTokenCount": 5, "promptTokensDetails": [7]},
        {"promptTokenCount": 5, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}]},
        {"promptTokenCount": 5, "promptTokensDetails": [{"modality": "SMELL", "tokenCount": 1}]},
        {"promptTokenCount": 5, "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}]},
        {"promptTokenCount": 5, "candidatesTokenCount": 5,
         "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 5}]},
        {"promptTokenCount": 5, "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}]},
    ],
)  # fmt: skip
def test_usage_that_cannot_be_true_is_unknown(usage):
    meter = meter_for("gemini")
    meter.feed_body(orjson.dumps({"candidates": [], "usageMetadata": usage}))
    with pytest.raises(UsageUnknown):
        meter.usage()


def test_input_of_tools_and_speech_is_counted_at_its_price():
    usage = {
        "promptTokenCount": 10, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 9,
        "toolUsePromptTokensDetails": [{"modality": "AUDIO", "tokenCount": 2}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}, {"modality": "TEXT", "tokenCount": 5}],
    }  # fmt: skip
    meter = meter_for("gemini")
    meter.feed_body(orjson.dumps({"usageMetadata": usage}))
    read = meter.usage()
    assert (read.input_tokens, read.audio_input_tokens) == (15, 2)
    assert (read.output_tokens, read.audio_output_tokens) == (5, 4)


def test_the_tier_is_the_replys_else_the_one_that_was_asked_for():
    for tier, expected in ((None, "standard"), ("flex", "flex"), ("SERVICE_TIER_PRIORITY", "priority")):
        meter = meter_for("gemini")
        meter.feed_body(orjson.dumps({"usageMetadata": {"promptTokenCount": 1, "serviceTier": tier}}))
        assert meter.usage().service_tier == expected


def test_later_counts_replace_earlier_ones_and_what_they_leave_out_stays():
    meter = meter_for("gemini_stream.sse")
    for usage in (
        {"promptTokenCount": 5, "thoughtsTokenCount": 30},
        {"promptTokenCount": 5, "candidatesTokenCount": 3},
    ):
        chunk = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage}
        meter.feed(b"data: " + orjson.dumps(chunk) + b"\n\n")
    meter.finish()
    assert meter.usage().output_tokens == 33


@pytest.mark.parametrize("name", ["gemini_stream.sse", "gemini_stream.json"])
def test_an_event_of_any_length_passes_and_is_charged_at_the_hold(name):
    meter = meter_for(name)
    opening = b'[{"a":"' if name.endswith(".json") else b'data: {"a":"'
    pieces = [opening, *[b"y" * (1 << 20)] * 17, b'"}]']
    assert all(meter.feed(piece) is piece for piece in pieces)
    assert meter.finish() == b""
    with pytest.raises(UsageUnknown):
        meter.usage()


def test_an_error_inside_a_stream_has_the_streams_own_form():
    from proxy.providers.base import ErrorBody

    body = ErrorBody(502, "provider_unreachable", "The provider's stream broke off.")
    [event] = Decoder().feed(FLASH_EVENTS.dialect.stream_error(body, "r") + b"x")
    assert orjson.loads(event.data)["error"]["status"] == "UNAVAILABLE"
    array = b'[{"candidates":[]}' + FLASH_ARRAY.dialect.stream_error(body, "r")
    assert orjson.loads(array)[1]["error"]["details"][0]["reason"] == "provider_unreachable"


# --- beside it


def test_counting_is_free_and_takes_a_whole_request():
    adapter = GEMINI_COUNT_TOKENS.at("v1", "gemini-2.5-flash", "")
    whole = {"generate_content_request": {"model": "models/gemini-2.5-flash", "contents": CONTENTS, "tools": []}}
    parsed = adapter.parse(encode(whole), {}, frozenset())
    assert (adapter.free, adapter.target(parsed)) == (True, "/v1/models/gemini-2.5-flash:countTokens")
    assert orjson.loads(adapter.render(parsed, 0)) == {"generateContentRequest": whole["generate_content_request"]}
    assert refusal(adapter.parse, encode({"tools": []}), {}, frozenset()).param == "tools"


def test_the_official_sdk_names_no_field_that_is_forgotten():
    """A field that a new SDK brings has to be decided on, not met in production."""
    from google.genai import types

    config = set(types.GenerateContentConfigDict.__annotations__)
    of_the_client = {
        "http_options",
        "should_return_http_response",
        "automatic_function_calling",
        "automatic_continuation",
    }
    elsewhere = {  # beside the generationConfig in the body
        "system_instruction", "safety_settings", "tools", "tool_config", "labels", "cached_content", "service_tier",
        "continuation_token", "store",
    }  # fmt: skip
    never = {"speech_config", "image_config", "routing_config", "model_selection_config", "audio_transcription_config"}
    vertex_only = {"audio_timestamp", "model_armor_config", "generation_output_config"}
    known = {_snake(name) for name in CONFIG}
    assert config - of_the_client - elsewhere - never - vertex_only - known == set()
    assert elsewhere <= {_snake(name) for name in KNOWN | NEVER.keys()}


def _snake(name):
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)
