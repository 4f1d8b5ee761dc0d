"""Responses: what is refused, what is bounded, what goes out, and what a reply is taken for."""

from datetime import date

import orjson
import pytest

from budgets.pricing.catalogue import find
from budgets.pricing.rates import Retention
from budgets.pricing.usage import UsageUnknown
from proxy.providers.base import Image
from proxy.providers.bounds import most_input_tokens, quote_of
from proxy.providers.openai_free import OPENAI_INPUT_TOKENS
from proxy.providers.openai_responses import KNOWN, NEVER, OPENAI_RESPONSES
from tests.proxy.providers.images import png
from tests.proxy.providers.support import encode, fixture, meter_for, refusal, responses, run

MODEL = find("openai", "gpt-5-mini", date(2026, 11, 24))
LIMITS = {"default_limit": 1000, "floor": 100}
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
SEARCH = {"type": "web_search", "search_context_size": "low"}


def rendered(limit=500, **fields):
    return orjson.loads(OPENAI_RESPONSES.render(responses(**fields), limit))


def with_item(**item):
    return responses(input=[{"role": "user", "content": "look"}, item])


def with_part(**part):
    return responses(input=[{"role": "user", "content": [{"type": "input_text", "text": "look"}, part]}])


# --- names and values


@pytest.mark.parametrize("name", ["background_options", "context_management", "conversation", "prompt", "shiny"])
def test_fields_without_a_bound_are_refused_by_name(name):
    refused = refusal(responses, **{name: {"id": "x"}})
    assert (refused.code, refused.param, refused.status) == ("unbounded_request", name, 400)
    assert f"`{name}`" in refused.message


def test_nobody_can_allow_what_has_no_bound():
    for name in NEVER:
        body = encode({"model": "gpt-5-mini", "input": "hi", name: "x"})
        assert refusal(OPENAI_RESPONSES.parse, body, {}, frozenset({name})).param == name


def test_background_is_refused_only_where_it_is_asked_for():
    refused = refusal(responses, background=True)
    assert (refused.code, refused.param) == ("unbounded_request", "background")
    assert "nobody to meter it" in refused.message
    assert rendered(background=False)["background"] is False
    assert responses(background=None, conversation=None, prompt=None).output_limit is None


def test_a_field_that_the_tenant_allows_passes_counted():
    body = encode({"model": "gpt-5-mini", "input": "hi", "notes": "x" * 1000})
    parsed = OPENAI_RESPONSES.parse(body, {}, frozenset({"notes"}))
    assert parsed.input_tokens >= responses().input_tokens + 1000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", None), ("model", ["x"]), ("input", 5), ("input", ["hi"]), ("input", {"role": "user"}),
        ("input", [{"role": 1, "content": "x"}]), ("input", [{"role": "user", "content": 5}]),
        ("input", [{"role": "user"}]), ("input", [{"role": "user", "content": [5]}]),
        ("input", [{"role": "user", "content": [{"type": "input_text", "text": 5}]}]),
        ("input", [{"role": "user", "content": [{"type": "input_image"}]}]),
        ("input", [{"role": "user", "content": [{"type": "input_image", "image_url": {"url": "x"}}]}]),
        ("input", [{"type": "function_call_output", "call_id": "c"}]),
        ("input", [{"type": "computer_call_output", "output": "x"}]),
        ("input", [{"type": "additional_tools", "tools": "x"}]),
        ("max_output_tokens", 0), ("max_output_tokens", True), ("max_output_tokens", 1.5),
        ("max_output_tokens", 10**30), ("stream", "true"), ("stream_options", []), ("tools", {}), ("tools", ["x"]),
        ("instructions", 5), ("previous_response_id", 5), ("reasoning", "high"), ("text", "plain"), ("user", 5),
        ("background", "yes"),
    ],
)  # fmt: skip
def test_a_value_that_takes_part_in_pricing_must_be_sound(name, value):
    refused = refusal(responses, **{name: value})
    assert refused.code == "invalid_request"
    assert refused.param is not None
    assert refused.param.startswith(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "gpt-5-search-api"), ("service_tier", "platinum"), ("reasoning", {"mode": "pro"}),
        ("reasoning", {"effort": "low", "shiny": 1}), ("text", {"shiny": 1}),
        ("stream_options", {"include_usage": True}),
        ("input", [{"type": "shiny_item"}]), ("input", [{"type": ["message"]}]), ("input", [{"type": 5}]),
        ("input", [{"type": "compaction_trigger"}]),
        ("input", [{"role": "user", "content": [{"type": "video"}]}]),
        ("input", [{"role": "user", "content": [{"type": ["input_text"]}]}]),
        ("input", [{"role": "user", "content": [{"type": "input_text", "text": "x", "image_url": "y"}]}]),
        ("input", [{"role": "user", "content": "x", "Content": "y"}]),
        ("input", [{"type": "additional_tools", "tools": [{"type": "web_search"}]}]),
        ("input", [{"type": "tool_search_output", "tools": [{"type": "mcp"}]}]),
    ],
)  # fmt: skip
def test_a_value_without_a_bound_is_refused(name, value):
    refused = refusal(responses, **{name: value})
    assert refused.code == "unbounded_request"
    assert refused.param.startswith(name)


# --- tools


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("file_search", "not in the price list"), ("code_interpreter", "billed by time"), ("mcp", "as often as"),
        ("image_generation", "another model"), ("programmatic_tool_calling", "as long as"),
        ("web_search_preview", "use `web_search`"), ("web_search_preview_2025_03_11", "use `web_search`"),
        ("shiny", "as often as"), (None, "as often as"), (["function"], "as often as"),
    ],
)  # fmt: skip
def test_tools_that_the_provider_runs_without_a_limit_are_refused_each_with_its_reason(kind, reason):
    refused = refusal(responses, tools=[FUNCTION, {"type": kind}], max_tool_calls=3)
    assert (refused.code, refused.param) == ("unbounded_request", "tools[1]")
    assert reason in refused.message


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "shell"}, "tools[0].environment"),
        ({"type": "shell", "environment": {"type": "container_auto"}}, "tools[0].environment"),
        ({"type": "tool_search"}, "tools[0].execution"),
        ({"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}, "tools[0].tools"),
        ({**FUNCTION, "Name": "x"}, "tools[0].Name"),
    ],
)
def test_tools_that_may_run_at_the_provider_are_refused(tool, param):
    assert refusal(responses, tools=[tool]).param == param


@pytest.mark.parametrize(
    "tool",
    [
        FUNCTION,
        {"type": "custom", "name": "grep", "format": {"type": "grammar", "syntax": "regex", "definition": ".*"}},
        {"type": "namespace", "name": "crm", "description": "d", "tools": [FUNCTION, {"type": "custom", "name": "c"}]},
        {"type": "local_shell"},
        {"type": "shell", "environment": {"type": "local"}},
        {"type": "apply_patch"},
        {"type": "tool_search", "execution": "client", "parameters": {}},
        {"type": "computer"},
        {"type": "computer_use_preview", "display_width": 1024, "display_height": 768, "environment": "browser"},
    ],
)
def test_tools_that_the_client_runs_cost_their_definition(tool):
    plain, parsed = responses(), responses(tools=[tool])
    assert parsed.input_tokens >= plain.input_tokens + 1024 + len(orjson.dumps(tool))
    assert (parsed.model_calls, parsed.web_searches, parsed.fills_window) == (1, 0, False)


def test_a_search_without_a_limit_of_calls_gets_one_which_is_sent_and_priced():
    parsed = responses(tools=[FUNCTION, SEARCH])
    assert (parsed.model_calls, parsed.web_searches, parsed.fills_window) == (2, 1, True)
    assert rendered(tools=[FUNCTION, SEARCH])["max_tool_calls"] == 1
    assert "max_tool_calls" not in rendered(tools=[FUNCTION])


def test_what_a_client_says_of_itself_passes_and_is_held_as_text():
    told = {"turn_id": "t", "x-codex-turn-metadata": "x" * 1000}
    assert rendered(client_metadata=told)["client_metadata"] == told
    assert responses(client_metadata=told).input_tokens >= responses().input_tokens + 1000


def test_web_search_is_bounded_by_its_calls():
    parsed = responses(tools=[SEARCH], max_tool_calls=2)
    assert (parsed.model_calls, parsed.web_searches, parsed.fills_window) == (3, 2, True)
    assert most_input_tokens(parsed, MODEL) == 3 * MODEL.context_window
    quote = quote_of(parsed, MODEL, **LIMITS)
    # $0.25 a million x 3 windows of 400,000, and two searches at a cent each.
    assert quote.input_cost == 300_000_000 + 2 * 10_000_000
    assert refusal(responses, tools=[SEARCH], max_tool_calls=0).param == "max_tool_calls"


def test_a_model_without_a_price_for_searches_is_refused():
    nano = find("openai", "gpt-4.1-nano", date(2026, 11, 24))
    parsed = responses(model="gpt-4.1-nano", tools=[SEARCH], max_tool_calls=1)
    assert refusal(quote_of, parsed, nano, **LIMITS).code == "unbounded_request"


def test_one_limit_holds_for_all_turns_that_tools_make():
    one, three = responses(max_output_tokens=50), responses(max_output_tokens=50, tools=[SEARCH], max_tool_calls=2)
    assert (one.choices, three.choices) == (1, 1)


# --- the bound


def test_text_is_bounded_by_its_bytes_wherever_it_stands():
    plain = responses().input_tokens
    long = "é" * 1000
    user = {"role": "user", "content": "hi"}
    assert responses(input="hi" + long).input_tokens == plain + 2000
    for fields in (
        {"instructions": long},
        {"input": [{"role": "user", "content": "hi" + long}]},
        {"input": [user, {"role": "developer", "content": [{"type": "input_text", "text": long}]}]},
        {"input": [user, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": long}]}]},
        {"input": [user, {"role": "assistant", "content": [{"type": "refusal", "refusal": long}]}]},
        {"input": [user, {"type": "function_call", "call_id": "c", "name": "f", "arguments": long}]},
        {"input": [user, {"type": "function_call_output", "call_id": "c", "output": long}]},
        {"input": [user, {"type": "function_call_output", "call_id": long, "output": ""}]},
        {"input": [user, {"type": "custom_tool_call_output", "output": [{"type": "input_text", "text": long}]}]},
        {"input": [user, {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": long}]},
        {"input": [user, {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": long}]}]},
        {
            "input": [
                user,
                {"type": "additional_tools", "role": "developer", "tools": [{**FUNCTION, "description": long}]},
            ]
        },
        {"tools": [{**FUNCTION, "description": long}]},
        {"text": {"format": {"type": "json_schema", "name": "s", "schema": {"description": long}}}},
        {"tool_choice": {"type": "function", "name": long}},
    ):
        parsed = responses(**fields)
        assert parsed.input_tokens >= plain + 2000, fields
        assert not parsed.fills_window


def test_many_empty_items_are_not_free():
    assert responses(input=[{"role": "user", "content": ""}] * 1000).input_tokens >= 4 * 1000


def test_base64_of_an_image_is_not_counted_as_text():
    url = "data:image/png;base64," + png(640, 480, padding=300_000)
    parsed = with_part(type="input_image", image_url=url, detail="high")
    assert parsed.images == (Image(48_169, 640, 480, "high"),)
    assert parsed.input_tokens < 48_169 + 300
    shot = with_item(type="computer_call_output", call_id="c", output={"type": "computer_screenshot", "image_url": url})
    assert shot.images == (Image(48_169, 640, 480, "auto"),)
    inside = with_item(type="function_call_output", output=[{"type": "input_image", "image_url": url}])
    assert inside.images == (Image(48_169, 640, 480, "auto"),)


def test_an_image_that_the_provider_keeps_is_of_unknown_size():
    assert with_part(type="input_image", file_id="file-1").images == (Image(48_169),)


@pytest.mark.parametrize(
    ("told", "heard", "read"), [({}, 50, 0), ({"cached_tokens": 20}, 30, 20), ({"audio_tokens": 9}, 9, 0)]
)
def test_of_a_request_with_sound_all_is_heard_that_the_reply_does_not_tell_apart(told, heard, read):
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    meter = OPENAI_RESPONSES.meter(with_part(**sound))
    usage = {"input_tokens": 50, "output_tokens": 5, "input_tokens_details": told}
    meter.feed_body(orjson.dumps({"status": "completed", "usage": usage}))
    counted = meter.usage()
    assert (counted.audio_input_tokens, counted.cache_read_tokens, counted.total_input_tokens) == (heard, read, 50)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ],
)
def test_documents_and_audio_may_fill_the_window(part):
    parsed = with_part(**part)
    assert (parsed.fills_window, parsed.audio) == (True, part["type"] == "input_audio")


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_1"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "compaction", "encrypted_content": "x"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "code_interpreter_call", "id": "ci_1"},
        {"type": "mcp_call", "id": "mcp_1"},
    ],
)
def test_what_the_provider_kept_may_fill_the_window(item):
    assert with_item(**item).fills_window


def test_a_conversation_that_goes_on_is_bounded_by_the_window_or_by_what_was_recorded_of_it():
    parsed = responses(previous_response_id="resp_1")
    assert (parsed.continues, parsed.fills_window) == ("resp_1", False)
    assert most_input_tokens(parsed, MODEL) == MODEL.context_window
    assert most_input_tokens(parsed, MODEL, 700) == parsed.input_tokens + 700
    held, recorded = quote_of(parsed, MODEL, **LIMITS), quote_of(parsed, MODEL, **LIMITS, kept_tokens=700)
    assert held.input_cost == 100_000_000  # $0.25 a million x 400,000
    assert recorded.input_cost == -(-(parsed.input_tokens + 700) * 250_000_000 // 1_000_000)
    assert responses(previous_response_id="resp_1", input=None).continues == "resp_1"


@pytest.mark.parametrize(
    ("fields", "retention"),
    [
        ({}, Retention.SHORT),
        ({"prompt_cache_retention": "24h"}, Retention.LONG),
        ({"prompt_cache_options": {"ttl": "12h"}}, Retention.LONG),
    ],
)
def test_a_wish_for_a_longer_cache_is_seen(fields, retention):
    assert responses(**fields).retention is retention


def test_a_request_without_a_limit_asks_for_no_less_than_the_provider_takes():
    quote = quote_of(responses(), MODEL, default_limit=1000, floor=1)
    assert (quote.least_output, quote.most_output) == (16, 1000)
    assert responses(max_output_tokens=7).output_limit == 7


def test_the_end_user_is_the_safety_identifier_else_the_user():
    assert responses(user="u", safety_identifier="s").end_user == "s"
    assert responses(user="u").end_user == "u"


# --- what goes out


def test_what_goes_out_means_what_came_in_plus_the_limit_and_the_tier():
    fields = {
        "instructions": "Be brief.", "temperature": 0.7, "top_p": 0.9, "top_logprobs": 2, "tools": [FUNCTION],
        "tool_choice": "required", "parallel_tool_calls": False, "text": {"verbosity": "low"}, "store": False,
        "reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"],
        "truncation": "auto", "metadata": {"a": "b"}, "prompt_cache_key": "k", "stream": True,
        "stream_options": {"include_obfuscation": False}, "max_tool_calls": 4, "previous_response_id": "resp_1",
    }  # fmt: skip
    assert rendered(**fields) == {
        "model": "gpt-5-mini", "input": "hi", **fields, "max_output_tokens": 500, "service_tier": "default",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "sent", "priced"),
    [
        (None, "default", "default"), ("flex", "flex", "flex"), ("fast", "fast", "priority"), ("auto", "auto", "auto"),
    ],
)  # fmt: skip
def test_the_standard_tier_is_written_where_none_is_named(given, sent, priced):
    fields = {"service_tier": given}
    assert (rendered(**fields)["service_tier"], responses(**fields).service_tier) == (sent, priced)


def test_a_tier_without_a_price_is_refused():
    parsed = responses(service_tier="ultrafast")
    assert refusal(quote_of, parsed, MODEL, **LIMITS).param == "service_tier"


def test_rendering_leaves_the_request_as_it_was():
    parsed = responses(stream=True)
    before = orjson.dumps(parsed.payload)
    assert OPENAI_RESPONSES.render(parsed, 5) == OPENAI_RESPONSES.render(parsed, 5)
    assert orjson.dumps(parsed.payload) == before


# --- the reply


def metered(**reply):
    meter = meter_for("responses")
    meter.feed_body(orjson.dumps({"status": "completed", "usage": {"input_tokens": 5, "output_tokens": 5}, **reply}))
    return meter


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_response_that_goes_on_has_no_final_usage(status):
    meter = metered(status=status)
    assert not meter.complete
    with pytest.raises(UsageUnknown):
        meter.usage()


@pytest.mark.parametrize(
    "usage",
    [
        None, [], {}, {"input_tokens": 5}, {"input_tokens": -5, "output_tokens": 5},
        {"input_tokens": 5, "output_tokens": 1.5}, {"input_tokens": True, "output_tokens": 5},
        {"input_tokens": 5, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 6}},
        {"input_tokens": 5, "output_tokens": 5, "input_tokens_details": {"cache_write_tokens": -1}},
        {"input_tokens": 5, "output_tokens": 5, "input_tokens_details": 7},
        {"input_tokens": 5, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 6}},
        {"input_tokens": 5, "output_tokens": 5,
         "input_tokens_details": {"cache_write_tokens": 5, "cache_write_tokens_details": {"ttl_12h_tokens": 0.5}}},
    ],
)  # fmt: skip
def test_usage_that_cannot_be_true_is_unknown(usage):
    with pytest.raises(UsageUnknown):
        metered(usage=usage).usage()


def test_images_of_another_model_make_the_usage_unknown():
    with pytest.raises(UsageUnknown):
        metered(tool_usage={"image_gen": {"total_tokens": 7}}).usage()


def test_a_stream_that_failed_has_come_to_its_end_and_its_usage_is_unknown():
    meter = meter_for("responses")
    stream = fixture("responses_stream_failed.sse")
    assert run(meter, stream) == stream
    assert meter.complete
    with pytest.raises(UsageUnknown):
        meter.usage()


def test_words_of_the_model_end_no_stream():
    """What the model says may look like an event, or like a usage."""
    meter = meter_for("responses")
    said = orjson.dumps({"type": "response.output_text.delta", "delta": 'data: {"type":"response.completed"}'})
    run(meter, b"event: x\ndata: " + said + b"\n\n")
    assert not meter.complete


def test_writes_without_a_split_are_of_the_longest_kind_that_was_asked_for():
    usage = {"input_tokens": 9, "output_tokens": 1, "input_tokens_details": {"cache_write_tokens": 9}}
    reply = orjson.dumps({"status": "completed", "usage": usage})
    long = OPENAI_RESPONSES.meter(responses(prompt_cache_options={"ttl": "12h"}))
    short = OPENAI_RESPONSES.meter(responses())
    for meter in (long, short):
        meter.feed_body(reply)
    assert (long.usage().cache_write_5m_tokens, long.usage().cache_write_1h_tokens) == (0, 9)
    assert (short.usage().cache_write_5m_tokens, short.usage().cache_write_1h_tokens) == (9, 0)


def test_the_tier_is_the_replys_else_the_one_that_was_asked_for():
    assert metered(service_tier="flex").usage().service_tier == "flex"
    assert metered(service_tier=None).usage().service_tier == "default"


def test_an_event_of_any_length_passes_and_is_charged_at_the_hold():
    meter = meter_for("responses")
    pieces = [b'data: {"type":"', *[b"y" * (1 << 20)] * 17, b'"}\n\n', fixture("responses_stream.sse")]
    assert run(meter, *pieces) == b"".join(pieces)
    with pytest.raises(UsageUnknown):
        meter.usage()


# --- beside it


def test_counting_is_free_and_takes_what_a_response_takes():
    body = encode({"model": "gpt-5-mini", "input": "hi", "tools": [SEARCH], "conversation": "conv_1"})
    parsed = OPENAI_INPUT_TOKENS.parse(body, {}, frozenset())
    assert orjson.loads(OPENAI_INPUT_TOKENS.render(parsed, 0)) == orjson.loads(body)
    assert refusal(OPENAI_INPUT_TOKENS.parse, encode({"model": "m", "store": True}), {}, frozenset()).param == "store"


def test_the_official_sdk_names_no_field_that_is_forgotten():
    """A field that a new SDK brings has to be decided on, not met in production."""
    from openai.types.responses import response_create_params as sdk
    from openai.types.responses.input_token_count_params import InputTokenCountParams

    names = set(sdk.ResponseCreateParamsStreaming.__annotations__) | set(sdk.ResponseCreateParamsBase.__annotations__)
    undecided = {"access_programs", "image", "moderation"}  # refused as unknown: what they cost is not published
    assert names - KNOWN - NEVER.keys() == undecided
    assert set(InputTokenCountParams.__annotations__) == OPENAI_INPUT_TOKENS.known
