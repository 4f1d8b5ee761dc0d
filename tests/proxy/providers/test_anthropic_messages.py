"""Messages: what is refused, what is bounded, what goes out."""

import orjson
import pytest

from budgets.pricing.rates import Retention
from proxy.providers.anthropic_betas import KNOWN as KNOWN_BETAS
from proxy.providers.anthropic_messages import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES, COUNTED, KNOWN, NEVER
from proxy.providers.base import Image
from tests.proxy.providers.images import jpeg
from tests.proxy.providers.support import MESSAGES, anthropic, refusal

SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def rendered(limit=500, **fields):
    return orjson.loads(ANTHROPIC_MESSAGES.render(anthropic(**fields), limit))


def with_block(block):
    return anthropic(messages=[{"role": "user", "content": [{"type": "text", "text": "look"}, block]}])


def with_betas(value, allowed=frozenset()):
    body = orjson.dumps({"model": "claude-sonnet-4-5", "max_tokens": 5, "messages": MESSAGES})
    return ANTHROPIC_MESSAGES.parse(body, {"anthropic-beta": value}, allowed)


# --- names


@pytest.mark.parametrize("name", [*NEVER, "shiny_new_thing"])
def test_fields_without_a_bound_are_refused_by_name(name):
    refused = refusal(anthropic, **{name: {"x": 1}})
    assert (refused.code, refused.param) == ("unbounded_request", name)
    assert f"`{name}`" in refused.message


def test_an_unknown_field_may_be_allowed_and_is_counted():
    assert "Settings > Allowed fields" in refusal(anthropic, notes="x").message
    body = orjson.dumps({"model": "claude-sonnet-4-5", "messages": MESSAGES, "notes": "x" * 1000})
    parsed = ANTHROPIC_MESSAGES.parse(body, {}, frozenset({"notes"}))
    assert parsed.input_tokens >= anthropic().input_tokens + 1000


def test_unknown_betas_are_refused_by_name_unless_the_tenant_allows_them():
    assert with_betas("prompt-caching-2024-07-31, interleaved-thinking-2025-05-14").model
    refused = refusal(with_betas, "prompt-caching-2024-07-31,agent-swarm-2027-01-01")
    assert (refused.code, refused.param) == ("unbounded_request", "anthropic-beta")
    assert "agent-swarm-2027-01-01" in refused.message
    assert with_betas("agent-swarm-2027-01-01", frozenset({"agent-swarm-2027-01-01"})).model
    assert "mcp-client-2025-11-20" not in KNOWN_BETAS


def test_betas_that_lift_a_published_limit_are_left_out_and_the_rest_goes_out():
    assert with_betas("context-1m-2025-08-07").model
    headers = {"anthropic-beta": "pdfs-2024-09-25, context-1m-2025-08-07,effort-2025-11-24"}
    assert dict(ANTHROPIC_MESSAGES.request_headers(headers, "sk"))[b"anthropic-beta"] == (
        b"pdfs-2024-09-25,effort-2025-11-24"
    )
    headers = {"anthropic-beta": "context-1m-2025-08-07"}
    assert b"anthropic-beta" not in dict(ANTHROPIC_MESSAGES.request_headers(headers, "sk"))


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "hi", "Content": []},
        {"role": "user", "content": [{"type": "hologram", "source": {}}]},
        {"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]},
        {"role": "user", "content": [{"type": "image", "source": {"type": "elsewhere"}}]},
        {"role": "user", "content": [{"type": "image", "source": "x"}]},
        {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "x"}, "Source": {}}]},
        {"role": "user", "content": [{"type": "document", "source": {"type": "elsewhere"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "video"}]}]},
        {"role": "user", "content": "hi", "output_config": {"effort": "max"}},
        {"role": "user", "content": [{"type": "tool_addition", "tool": {"type": "tool_reference", "name": "t"}}]},
        {"role": "system", "content": "hi", "output_config": {"model": "x"}},
        {"role": "system", "content": [{"type": "tool_addition", "tool": {"type": "tool_definition"}}]},
        {"role": "system", "content": [{"type": "tool_addition", "tool": {"type": "mcp_toolset_reference"}}]},
    ],
)
def test_unknown_names_and_kinds_inside_messages_are_refused(message):
    assert refusal(anthropic, messages=[message]).code == "unbounded_request"


# --- values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", None), ("model", ""), ("model", 7), ("messages", None), ("messages", []), ("messages", "hi"),
        ("messages", ["hi"]), ("messages", [{}]), ("messages", [{"role": "user"}]),
        ("messages", [{"role": "user", "content": [5]}]), ("messages", [{"role": "user", "content": [{}]}]),
        ("max_tokens", -5), ("max_tokens", True), ("max_tokens", 1.5), ("max_tokens", "9"), ("max_tokens", 10**30),
        ("stream", 1), ("system", 5), ("thinking", "on"), ("metadata", []), ("metadata", {"user_id": 5}),
        ("tools", {}), ("tools", ["x"]), ("tools", [{**SEARCH, "max_uses": 0}]),
        ("tools", [{**SEARCH, "max_uses": True}]),
        ("context_management", 5), ("context_management", {"edits": 5}),
    ],
)  # fmt: skip
def test_a_value_that_takes_part_in_pricing_must_be_sound(name, value):
    refused = refusal(anthropic, **{name: value})
    assert refused.code == "invalid_request"


def test_a_thinking_budget_must_be_a_whole_number():
    for budget in (0, -1, True, 1.5, "9"):
        refused = refusal(anthropic, thinking={"type": "enabled", "budget_tokens": budget})
        assert (refused.code, refused.param) == ("invalid_request", "thinking.budget_tokens")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("service_tier", "priority"), ("service_tier", 5), ("speed", "ludicrous"), ("inference_geo", "mars"),
        ("context_management", {"edits": [{"type": "compact_20260112"}]}),
        ("context_management", {"new": 1}),
        ("tools", [SEARCH]), ("tools", [{**SEARCH, "max_uses": None}]),
        ("tools", [{"type": "code_execution_20250825", "name": "code_execution"}]),
        ("tools", [{"type": "tool_search_tool_bm25_20251119", "name": "x"}]),
        ("tools", [{"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5"}]),
        ("tools", [{"type": "mcp_toolset", "mcp_server_name": "x"}]),
        ("tools", [{"type": 7}]),
    ],
)  # fmt: skip
def test_a_value_without_a_bound_is_refused(name, value):
    assert refusal(anthropic, **{name: value}).code == "unbounded_request"


# --- the bound


def test_text_is_bounded_by_its_bytes_wherever_it_stands():
    plain = anthropic().input_tokens
    long = "é" * 1000
    message = {"role": "user", "content": "x"}
    for fields in (
        {"messages": [{"role": "user", "content": "hi" + long}]},
        {"system": long},
        {"system": [{"type": "text", "text": long, "cache_control": {"type": "ephemeral"}}]},
        {"messages": [message, {"role": "assistant", "content": [{"type": "thinking", "signature": long}]}]},
        {"messages": [message, {"role": "assistant", "content": [{"type": "redacted_thinking", "data": long}]}]},
        {"messages": [message, {"role": "assistant", "content": [{"type": "tool_use", "input": {"a": long}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": long}]}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": long}]},
                    ],
                }
            ]
        },
        {"messages": [{"role": "user", "content": [{"type": "search_result", "title": long}]}]},
        {"tools": [{"name": "t", "description": long, "input_schema": {}}]},
        {"output_config": {"format": {"type": "json_schema", "schema": {"description": long}}}},
    ):
        assert anthropic(**fields).input_tokens >= plain + 2000


def test_a_wish_for_the_turns_after_it_is_counted_with_its_message():
    wish = {"role": "system", "output_config": {"effort": "low"}, "clear_at": "never"}
    without = anthropic(messages=[*MESSAGES, {"role": "system", "content": []}])
    assert anthropic(messages=[*MESSAGES, wish]).input_tokens >= without.input_tokens + 256
    assert anthropic(messages=[*MESSAGES, {**wish, "content": "Be brief."}]).input_tokens > without.input_tokens + 265


def test_a_tool_that_is_offered_in_the_middle_is_described_once_more():
    tool = {"name": "weather", "description": "x" * 5000, "input_schema": {"type": "object"}}

    def changed(kind, name="weather"):
        block = {"type": kind, "tool": {"type": "tool_reference", "name": name}}
        return anthropic(tools=[tool], messages=[*MESSAGES, {"role": "system", "content": [block]}]).input_tokens

    assert changed("tool_addition") > changed("tool_removal") + 5000
    assert changed("tool_addition", "another") < changed("tool_removal") + 100


def test_text_that_normalises_to_more_is_bounded_by_the_longer_form():
    assert anthropic(messages=[{"role": "user", "content": "\ufdfa" * 100}]).input_tokens >= 3300


def test_documents_of_text_are_text_and_of_pages_may_fill_the_window():
    text = with_block({"type": "document", "title": "t", "source": {"type": "text", "data": "x" * 500}})
    assert (text.fills_window, text.input_tokens > 500) == (False, True)
    content = {"type": "content", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}
    assert with_block({"type": "document", "source": content}).images == (Image(5_000),)
    for source in (
        {"type": "base64", "data": "JVBERi0="},
        {"type": "url", "url": "x"},
        {"type": "file", "file_id": "f"},
    ):
        assert with_block({"type": "document", "source": source}).fills_window


def test_cited_text_has_a_mark_for_each_sentence():
    text = {"type": "document", "source": {"type": "text", "data": "A. B! C\n" * 100}}
    cited = {**text, "citations": {"enabled": True}}
    assert with_block(cited).input_tokens >= with_block(text).input_tokens + 300 * 16


def test_a_structured_reply_is_explained_to_the_model():
    schema = {"format": {"type": "json_schema", "schema": {}}}
    assert anthropic(output_config=schema).input_tokens >= anthropic().input_tokens + 1024


def test_base64_of_an_image_is_not_counted_as_text():
    source = {"type": "base64", "media_type": "image/jpeg", "data": jpeg(640, 480, metadata=2)}
    parsed = with_block({"type": "image", "source": source})
    assert parsed.images == (Image(5_000, 640, 480),)
    assert parsed.input_tokens < 5_000 + 200
    assert with_block({"type": "image", "source": {"type": "file", "file_id": "f"}}).images == (Image(5_000),)


def test_sealed_results_of_the_providers_tools_may_fill_the_window():
    block = {"type": "web_search_tool_result", "tool_use_id": "t", "content": [{"encrypted_content": "Eq"}]}
    assert with_block(block).fills_window


def test_a_limited_search_is_bounded_by_its_most_calls():
    parsed = anthropic(tools=[{**SEARCH, "max_uses": 3}, {"type": "web_fetch_20250910", "max_uses": 2}])
    assert (parsed.model_calls, parsed.choices, parsed.web_searches, parsed.fills_window) == (6, 6, 3, True)
    assert parsed.retention is Retention.SHORT


def test_a_search_that_could_be_called_out_of_code_is_told_not_to_be():
    newer = {**SEARCH, "type": "web_search_20260209", "max_uses": 3}
    parsed = anthropic(tools=[newer, {"name": "mine", "input_schema": {}}])
    assert (parsed.model_calls, parsed.web_searches) == (4, 3)
    assert orjson.loads(ANTHROPIC_MESSAGES.render(parsed, 5))["tools"] == [
        {**newer, "allowed_callers": ["direct"]}, {"name": "mine", "input_schema": {}},
    ]  # fmt: skip
    assert anthropic(tools=[{**newer, "allowed_callers": ["direct"]}]).web_searches == 3
    for older in ({**SEARCH, "max_uses": 3}, {"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 2}):
        assert orjson.loads(ANTHROPIC_MESSAGES.render(anthropic(tools=[older]), 5))["tools"] == [older]
    for callers in (["code_execution_20260120"], ["direct", "code_execution_20260120"], [], "direct"):
        refused = refusal(anthropic, tools=[{**newer, "allowed_callers": callers}])
        assert (refused.code, refused.param) == ("unbounded_request", "tools[0].allowed_callers")


def test_tools_of_the_client_cost_their_definition_and_the_providers_description():
    parsed = anthropic(tools=[{"type": "bash_20250124", "name": "bash"}])
    assert (parsed.model_calls, parsed.fills_window) == (1, False)
    assert parsed.input_tokens >= anthropic().input_tokens + 1024 + 245


@pytest.mark.parametrize(
    ("fields", "least"),
    [
        ({}, 1),
        ({"max_tokens": None, "thinking": {"type": "enabled", "budget_tokens": 2048}}, 2049),
        ({"max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 2048}}, 2049),
        ({"max_tokens": 1000, "thinking": {"type": "enabled", "budget_tokens": 2048}}, 1000),
        ({"thinking": {"type": "adaptive"}}, 1),
        ({"max_tokens": 0}, 0),
    ],
)
def test_the_least_output_lies_above_a_thinking_budget(fields, least):
    assert anthropic(**fields).least_output == least


def test_no_limit_is_not_the_same_as_a_limit_of_zero():
    assert anthropic(max_tokens=0).output_limit == 0
    assert anthropic(max_tokens=None).output_limit is None


@pytest.mark.parametrize(
    ("control", "retention"),
    [
        (None, Retention.NONE),
        ({"type": "ephemeral"}, Retention.SHORT),
        ({"type": "ephemeral", "ttl": "5m"}, Retention.SHORT),
        ({"type": "ephemeral", "ttl": "1h"}, Retention.LONG),
    ],
)
def test_the_longest_cache_life_is_seen(control, retention):
    block = {"type": "text", "text": "x"} | ({"cache_control": control} if control else {})
    assert anthropic(system=[block]).retention is retention


def test_the_end_user_is_the_metadatas():
    assert anthropic(metadata={"user_id": "u-1"}).end_user == "u-1"
    assert anthropic().end_user == ""


# --- what goes out


def test_what_goes_out_means_what_came_in_plus_the_limit_and_the_tier():
    fields = {"temperature": 0.5, "top_k": 4, "stop_sequences": ["é"], "stream": True, "metadata": {"user_id": "u"}}
    assert rendered(max_tokens=None, **fields) == {
        "model": "claude-sonnet-4-5", "messages": MESSAGES, **fields, "max_tokens": 500,
        "service_tier": "standard_only",
    }  # fmt: skip
    assert rendered(service_tier="auto")["service_tier"] == "auto"


def test_fast_speed_is_priced_as_a_tier_of_its_own():
    assert anthropic(speed="fast").service_tier == "fast"
    assert anthropic(speed="standard").service_tier == "standard_only"
    assert rendered(speed="fast")["service_tier"] == "standard_only"


def test_counting_tokens_passes_free_of_charge():
    body = orjson.dumps({"model": "claude-sonnet-4-5", "messages": MESSAGES, "system": "s"})
    parsed = ANTHROPIC_COUNT_TOKENS.parse(body, {}, frozenset())
    assert ANTHROPIC_COUNT_TOKENS.free
    assert orjson.loads(ANTHROPIC_COUNT_TOKENS.render(parsed, 500)) == orjson.loads(body)
    meter = ANTHROPIC_COUNT_TOKENS.meter(parsed)
    meter.feed_body(b'{"input_tokens":14}')
    assert meter.usage().counts() == {}


@pytest.mark.parametrize("name", ["max_tokens", "stream", "shiny_new_thing"])
def test_counting_tokens_takes_its_own_fields_only(name):
    body = orjson.dumps({"model": "claude-sonnet-4-5", "messages": MESSAGES, name: 1})
    assert refusal(ANTHROPIC_COUNT_TOKENS.parse, body, {}, frozenset()).param == name


def test_the_official_sdk_names_no_field_that_is_forgotten():
    """A field that a new SDK brings has to be decided on, not met in production."""
    from anthropic.types import message_count_tokens_params, message_create_params
    from anthropic.types.beta import message_create_params as beta

    in_headers = {"betas", "user_profile_id", "workspace_id"}
    sent = set(message_create_params.MessageCreateParamsBase.__annotations__) | set(
        beta.MessageCreateParamsBase.__annotations__
    )
    assert sent - KNOWN - NEVER.keys() - in_headers == set()
    counted = set(message_count_tokens_params.MessageCountTokensParams.__annotations__)
    assert counted - COUNTED - in_headers == set()
