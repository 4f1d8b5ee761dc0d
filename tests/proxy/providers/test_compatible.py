"""Providers of OpenAI's format: what goes out to each, and what its replies on record cost, to the nanodollar.

Shapes after each provider's public API reference, named beside its figures; prices as of 2026-11-24, USD per 1,000,000
tokens, from its public price page. $1 per million tokens is 1,000 nanodollars a token.
"""

import json
from datetime import date
from fractions import Fraction
from math import ceil

import pytest

from budgets.pricing.catalogue import find
from budgets.pricing.cost import cost, explain
from budgets.pricing.rates import Purpose
from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers import azure, custom, registry
from proxy.providers.base import Adapter, Endpoint, ParsedRequest, RequestRefused
from proxy.providers.bounds import quote_of
from proxy.providers.compatible_wires import WIRES
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.providers.openai_responses import OPENAI_RESPONSES
from tenants.providers import BY_ID, PROVIDERS
from tests.proxy.providers.support import MESSAGES, encode, fixture, refusal, run

TODAY = date(2026, 11, 24)
AZURE = Endpoint("azure", "https://fern.openai.azure.com", "2024-10-21", (("chat-prod", "gpt-4o"),))
HOUSE = Endpoint("house", "https://llm.fern.example/v1")
ENDPOINTS = {"azure": AZURE, "house": HOUSE}


def asked(model: str, base: Adapter = OPENAI_CHAT, **fields: object) -> tuple[Adapter, ParsedRequest]:
    """The adapter that a request's model leads to, and the request as it understood it."""
    body = {"model": model, **({"messages": MESSAGES} if base is OPENAI_CHAT else {}), **fields}
    adapter = registry.named(base, encode(body), ENDPOINTS)
    return adapter, adapter.parse(encode(body), {}, frozenset())


def sent(model: str, limit: int = 77, **fields: object) -> dict[str, object]:
    adapter, parsed = asked(model, **fields)
    return json.loads(adapter.render(parsed, limit))


def usage_of(name: str, model: str) -> Usage:
    """What the reply on record tells; a stream in two uneven pieces, and unasked for its usage."""
    if name.endswith(".json"):
        adapter, parsed = asked(model)
        meter = adapter.meter(parsed)
        meter.feed_body(fixture(f"compatible/{name}"))
    else:
        adapter, parsed = asked(model, stream=True)
        meter, data = adapter.meter(parsed), fixture(f"compatible/{name}")
        run(meter, data[:333], data[333:])
    return meter.usage()


# The reply, the model as it is named here, nanodollars (tokens x nanodollars a token), the part of the day.
GOLDEN = [
    # console.groq.com/docs/api-reference#chat-create. gpt-oss-20b: $0.075, cached $0.0375, out $0.30; llama-3.3-70b:
    # $0.59, $0.79.
    ("groq_plain.json", "groq/openai/gpt-oss-20b", 54 * 75 + 64 * Fraction(75, 2) + 556 * 300, ""),
    ("groq_stream.sse", "groq/llama-3.3-70b-versatile", 43 * 590 + 12 * 790, ""),
    # docs.mistral.ai/api/endpoint/chat. mistral-small-latest: $0.15, cached $0.015, $0.60.
    ("mistral_plain.json", "mistral/mistral-small-latest", 16 * 150 + 34 * 600, ""),
    ("mistral_stream.sse", "mistral/mistral-small-latest", 56 * 150 + 64 * 15 + 11 * 600, ""),
    # api-docs.deepseek.com/api/create-chat-completion. v4-flash: miss $0.15, hit $0.003, out $0.60, from 01:00 to 04:00
    # and from 06:00 to 10:00 UTC the double. v3.2: $0.2288, $0.3432.
    ("deepseek_plain.json", "deepseek/deepseek-v4-flash", 360 * 150 + 640 * 3 + 210 * 600, "standard"),
    ("deepseek_plain.json", "deepseek/deepseek-v4-flash", 360 * 300 + 640 * 6 + 210 * 1_200, "06:00-10:00 UTC"),
    ("deepseek_plain.json", "deepseek/deepseek-v4-flash", 360 * 300 + 640 * 6 + 210 * 1_200, "mixed"),
    ("deepseek_stream.sse", "deepseek/deepseek-v3.2", 17 * Fraction(2_288, 10) + 9 * Fraction(3_432, 10), ""),
    # docs.x.ai/docs/api-reference#chat-completions. grok-4: $3.00, cached $0.75, $15.00, reasoning beside completion;
    # grok-code-fast-1: $0.20, $0.02, $1.50.
    ("xai_plain.json", "xai/grok-4", 7 * 3_000 + 679 * 750 + (11 + 112) * 15_000, ""),
    ("xai_stream.sse", "xai/grok-code-fast-1", 31 * 200 + 192 * 20 + (3 + 196) * 1_500, ""),
    # docs.together.ai/reference/chat-completions-1. Kimi-K3: $3.00, cached $0.30, $15.00; gpt-oss-120b: $0.15, $0.60.
    ("together_plain.json", "together/moonshotai/Kimi-K3", 256 * 3_000 + 256 * 300 + 64 * 15_000, ""),
    ("together_stream.sse", "together/openai/gpt-oss-120b", 36 * 150 + 4 * 600, ""),
    # docs.fireworks.ai/api-reference/post-chatcompletions. deepseek-v3p2: $0.56, cached $0.28, $1.68; gpt-oss-20b:
    # $0.07, $0.30.
    (
        "fireworks_plain.json", "fireworks/accounts/fireworks/models/deepseek-v3p2",
        75 * 560 + 256 * 280 + 58 * 1_680, "",
    ),
    ("fireworks_stream.sse", "fireworks/accounts/fireworks/models/gpt-oss-20b", 90 * 70 + 11 * 300, ""),
    # openrouter.ai/docs/use-cases/usage-accounting: what it says that it charged, rounded up; with a key of one's own
    # at the provider its fee and the provider's price.
    ("openrouter_plain.json", "openrouter/openai/gpt-4o", 505_250, ""),
    ("openrouter_stream.sse", "openrouter/anthropic/claude-sonnet-4.5", 135 + 135_000, ""),
    # inference-docs.cerebras.ai/api-reference/chat-completions. gpt-oss-120b: $0.35, $0.75.
    ("cerebras_plain.json", "cerebras/gpt-oss-120b", 72 * 350 + 41 * 750, ""),
    ("cerebras_stream.sse", "cerebras/gpt-oss-120b", 72 * 350 + 12 * 750, ""),
    # learn.microsoft.com/azure/ai-foundry/openai/reference. gpt-4o, Global Standard: $2.50, cached $1.25, $10.00.
    ("azure_plain.json", "azure/chat-prod", 58 * 2_500 + 39 * 10_000, ""),
    ("azure_stream.sse", "azure/chat-prod", 86 * 2_500 + 1_920 * 1_250 + 3 * 10_000, ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "model", "nanodollars", "hours"), GOLDEN, ids=lambda value: str(value)[:40])
def test_a_reply_on_record_costs_what_the_provider_charges(name, model, nanodollars, hours):
    adapter, parsed = asked(model)
    priced = find(adapter.provider, adapter.price_name(parsed), TODAY)
    usage = usage_of(name, model)
    assert cost(priced, usage, hours) == ceil(nanodollars)
    assert sum(line.numerator for line in explain(priced, usage, hours)) == nanodollars * 10**6
    quote = quote_of(parsed, priced, default_limit=16_384, floor=256)
    # The prompt on record was longer than the "hi" that is asked here.
    assert ceil(nanodollars) <= quote.most + cost(priced, Usage(input_tokens=usage.total_input_tokens), "mixed")


@pytest.mark.parametrize("each", [each for each in PROVIDERS if each.prefixed], ids=lambda each: each.id)
def test_every_provider_of_the_table_has_its_replies_on_record(each):
    assert fixture(f"compatible/{each.id}_plain.json")
    if each.id != "perplexity":
        assert fixture(f"compatible/{each.id}_stream.sse")


def test_the_table_and_the_wires_name_the_same_providers():
    assert {wire.provider for wire in WIRES} == {each.id for each in PROVIDERS if each.prefixed} - {"azure"}


# --- Which provider --------------------------------------------------------------------------------------------------


def test_a_name_without_a_prefix_is_openais():
    for model in ("gpt-4o", "meta/llama", "ft:gpt-4o:a/b", "openai/gpt-4o", ""):
        body = encode({"model": model, "messages": MESSAGES})
        assert registry.named(OPENAI_CHAT, body, ENDPOINTS) is OPENAI_CHAT


def test_a_prefix_counts_only_as_the_name_of_the_model():
    told = [{"role": "user", "content": '"model": "groq/llama"'}]
    body = encode({"messages": told, "metadata": {"model": "groq/x"}, "model": "gpt-4o"})
    assert registry.named(OPENAI_CHAT, body, ENDPOINTS) is OPENAI_CHAT
    late = encode({"metadata": {"model": "none"}, "messages": told, "model": "groq/x"})
    assert registry.named(OPENAI_CHAT, late, ENDPOINTS).provider == "groq"


def test_an_escaped_slash_leads_nowhere_cheaper_than_to_openai():
    body = rb'{"model": "groq\/llama-3.3-70b-versatile", "messages": [{"role": "user", "content": "hi"}]}'
    adapter = registry.named(OPENAI_CHAT, body, {})
    parsed = adapter.parse(body, {}, frozenset())
    assert adapter is OPENAI_CHAT and find("openai", parsed.model, TODAY) is None


@pytest.mark.parametrize(
    ("model", "base", "code", "status", "word"),
    [
        ("bedrock/anthropic.claude-3", OPENAI_CHAT, "provider_not_configured", 400, "Bedrock"),
        ("vertex/gemini-2.5-pro", OPENAI_CHAT, "provider_not_configured", 400, "Vertex"),
        ("perplexity/sonar", OPENAI_CHAT, "route_not_metered", 404, "27 September 2026"),
        ("groq/llama-3.3-70b-versatile", OPENAI_RESPONSES, "route_not_metered", 404, "Groq"),
        ("cerebras/x", OPENAI_EMBEDDINGS, "route_not_metered", 404, "Cerebras"),
        ("azure/chat-prod", OPENAI_RESPONSES, "route_not_metered", 404, "Azure"),
        ("azure/unlisted", OPENAI_CHAT, "model_not_priced", 400, "'unlisted'"),
    ],
)
def test_what_is_not_served_says_why(model, base, code, status, word):
    refused = refusal(asked, model, base, input="hi")
    assert (refused.code, refused.status) == (code, status) and word in refused.message


def test_azure_without_its_resource_is_not_configured():
    body = encode({"model": "azure/chat-prod", "messages": MESSAGES})
    assert refusal(registry.named, OPENAI_CHAT, body, {}).code == "provider_not_configured"


# --- What goes out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire.provider != "perplexity"], ids=lambda w: w.provider)
def test_the_prefix_stays_here_and_one_limit_goes_out(wire):
    for given in (
        {},
        {"max_tokens": 50},
        {"max_completion_tokens": 50},
        {"max_tokens": 9, "max_completion_tokens": 50},
    ):
        out = sent(f"{wire.provider}/some/model", **given)
        assert out["model"] == "some/model"
        assert [name for name in ("max_tokens", "max_completion_tokens") if name in out] == [wire.limit_field]
        assert out[wire.limit_field] == 77
    streamed = sent(f"{wire.provider}/some/model", stream=True)
    assert ("stream_options" in streamed) is wire.asks


def test_mistral_gets_no_field_that_it_would_refuse():
    out = sent("mistral/mistral-small-latest", stream=True, stream_options={"include_usage": True}, random_seed=7)
    assert set(out) == {"model", "messages", "stream", "max_tokens", "random_seed"}


def test_groqs_tier_is_the_one_that_was_priced():
    assert sent("groq/llama-3.3-70b-versatile")["service_tier"] == "on_demand"
    assert sent("groq/llama-3.3-70b-versatile", service_tier="flex")["service_tier"] == "flex"
    assert refusal(asked, "groq/llama-3.3-70b-versatile", service_tier="performance").code == "unbounded_request"


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        ("openrouter/openai/gpt-4o", "models", ["a/b"]),
        ("openrouter/openai/gpt-4o", "plugins", [{"id": "web"}]),
        ("xai/grok-4", "search_parameters", {"mode": "on"}),
        ("xai/grok-4", "deferred", True),
        ("together/openai/gpt-oss-120b", "safety_model", "x"),
        ("fireworks/accounts/fireworks/models/glm-5p2", "service_tier", "priority"),
        ("deepseek/deepseek-v3.2", "prediction", {"type": "content", "content": "x"}),
        ("groq/llama-3.3-70b-versatile", "tools", [{"type": "browser_search"}]),
        ("house/llama", "best_of", 4),
    ],
)
def test_what_may_cost_more_than_the_tokens_is_refused_by_name(model, field, value):
    refused = refusal(asked, model, **{field: value})
    assert refused.code == "unbounded_request" and refused.param.startswith(field)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "reasoning_details", "prefix"])
def test_reasoning_that_a_client_sends_back_is_counted(field):
    thought = "because " * 400
    turn = {"role": "assistant", "content": "yes"}
    _, short = asked("deepseek/deepseek-v4-flash", messages=[*MESSAGES, turn])
    _, long = asked("deepseek/deepseek-v4-flash", messages=[*MESSAGES, {**turn, field: thought}])
    assert long.input_tokens - short.input_tokens >= len(thought)


def test_what_a_template_may_be_given_is_counted_too():
    told = {"documents": ["x" * 5_000]}
    _, plain = asked("together/moonshotai/Kimi-K3")
    _, given = asked("together/moonshotai/Kimi-K3", chat_template_kwargs=told)
    assert given.input_tokens - plain.input_tokens >= 5_000


def test_the_bound_of_a_word_covers_the_longest_template_on_record():
    _, parsed = asked("xai/grok-4")
    assert usage_of("xai_plain.json", "xai/grok-4").total_input_tokens == 686 <= parsed.input_tokens


def test_openrouter_is_told_the_dearest_price_that_was_held():
    adapter, parsed = asked("openrouter/openai/gpt-4o", provider={"order": ["azure"], "max_price": {"prompt": "1"}})
    out = json.loads(adapter.render(adapter.priced(parsed, find("openrouter", parsed.model, TODAY)), 10))
    assert out["provider"] == {"order": ["azure"], "max_price": {"prompt": "1", "completion": "10", "request": "0"}}
    adapter, parsed = asked("openrouter/openai/gpt-4o", provider="azure")
    with pytest.raises(RequestRefused):
        adapter.priced(parsed, find("openrouter", parsed.model, TODAY))


def test_an_image_is_bounded_by_the_window_and_refused_where_nobody_published_it():
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}] * 3}]
    _, parsed = asked("groq/meta-llama/llama-4-maverick-17b-128e-instruct", messages=image)
    model = find("groq", parsed.model, TODAY)
    quote = quote_of(parsed, model, default_limit=100, floor=10)
    assert quote.input_cost == -(-model.context_window * model.rates.input // 10**6)
    _, parsed = asked("together/Austism/chronos-hermes-13b", messages=image)
    assert refusal(
        quote_of, parsed, find("together", parsed.model, TODAY), default_limit=100, floor=10
    ).code == "unbounded_request"  # fmt: skip


def test_a_limit_that_is_written_is_one_that_the_model_can_be_expected_to_take():
    _, parsed = asked("together/microsoft/phi-2")  # in no list
    assert quote_of(parsed, find("together", parsed.model, TODAY), default_limit=16_384, floor=256).most_output == 8_192
    _, parsed = asked("together/moonshotai/Kimi-K3")
    listed = quote_of(parsed, find("together", parsed.model, TODAY), default_limit=16_384, floor=256)
    assert listed.most_output == 16_384


# --- What comes back -------------------------------------------------------------------------------------------------


def test_groqs_own_field_tells_the_usage_where_the_usual_one_is_missing():
    adapter, parsed = asked("groq/llama-3.3-70b-versatile", stream=True)
    meter = adapter.meter(parsed)
    data = fixture("compatible/groq_stream.sse")
    cut = data[: data.index(b'data: {"id":"chatcmpl-1a9c"', data.index(b'"usage"'))] + b"data: [DONE]\n\n"
    assert run(meter, cut) == cut
    assert (meter.usage().input_tokens, meter.usage().output_tokens) == (43, 12)


def test_xais_reasoning_is_added_once_however_it_is_told():
    read = next(wire for wire in WIRES if wire.provider == "xai").read
    told = {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}}
    assert read({**told, "total_tokens": 18}).output_tokens == 8
    assert read({**told, "total_tokens": 15}).output_tokens == 5
    assert read(told).output_tokens == 8  # in doubt, the dearer
    with pytest.raises(UsageUnknown):
        read({**told, "total_tokens": 18, "num_sources_used": 2})


def told_to_cost(amount: str) -> Usage:
    adapter, parsed = asked("openrouter/openai/gpt-4o")
    meter = adapter.meter(parsed)
    meter.feed_body(b'{"usage": {"prompt_tokens": 4, "completion_tokens": 2, "cost": %s}}' % amount.encode())
    return meter.usage()


@pytest.mark.parametrize("amount", ["-0.1", "1e400", '"0.5"', "true", "[1]", "NaN", "1e9"])
def test_an_amount_that_cannot_be_true_is_no_price(amount):
    with pytest.raises(UsageUnknown):
        told_to_cost(amount)


@pytest.mark.parametrize("amount", ["0", "null", "0.0", "1e-999999999"])
def test_where_openrouter_says_nothing_of_money_the_tokens_are_priced(amount):
    usage = told_to_cost(amount)
    assert cost(find("openrouter", "openai/gpt-4o", TODAY), usage) == 4 * 2_500 + 2 * 10_000


def test_an_amount_is_rounded_up_once():
    assert told_to_cost("0.0000000011").charged == 2 and told_to_cost("0.10").charged == 100_000_000


def test_a_stream_without_usage_or_cut_before_its_end_is_not_known():
    for wire in WIRES:
        if wire.provider == "perplexity":
            continue
        data = fixture(f"compatible/{wire.provider}_stream.sse")
        for piece in (data[: data.index(b'"usage":{')], data.replace(b'"prompt_tokens"', b'"no_tokens"')):
            adapter, parsed = asked(f"{wire.provider}/x", stream=True)
            meter = adapter.meter(parsed)
            run(meter, piece)
            with pytest.raises(UsageUnknown):
                meter.usage()


def test_perplexitys_embeddings_are_priced_and_its_key_goes_out_alone():
    adapter, parsed = asked("perplexity/pplx-embed-v1-4b", OPENAI_EMBEDDINGS, input="hi")
    meter = adapter.meter(parsed)
    meter.feed_body(fixture("compatible/perplexity_plain.json"))
    model = find("perplexity", parsed.model, TODAY, purpose=Purpose.EMBEDDING)
    assert cost(model, meter.usage()) == 21 * 30
    headers = dict(adapter.request_headers({"openai-project": "p", "user-agent": "u"}, "secret"))
    assert headers[b"authorization"] == b"Bearer secret" and b"openai-project" not in headers


# --- Azure, and endpoints of one's own -------------------------------------------------------------------------------


def test_azure_is_asked_in_the_form_of_its_version():
    adapter, parsed = asked("azure/chat-prod", max_tokens=5)
    assert adapter.target(parsed) == "/openai/deployments/chat-prod/chat/completions?api-version=2024-10-21"
    out = json.loads(adapter.render(parsed, 5))
    assert out["model"] == "chat-prod" and "service_tier" not in out and parsed.model == "azure/chat-prod"
    newer = azure.adapter(Endpoint("azure", AZURE.base_url, "", AZURE.deployments), "/chat/completions")
    assert newer.target(parsed) == "/openai/v1/chat/completions"
    assert json.loads(newer.render(parsed, 5))["service_tier"] == "default"
    assert dict(adapter.request_headers({}, "k"))[b"api-key"] == b"k"


def test_azures_own_paths_lead_to_the_deployment_that_they_name():
    path = registry.adapter_for("/openai/deployments/chat-prod/chat/completions", "api-version=2024-10-21")
    body = encode({"model": "whatever", "messages": MESSAGES})
    parsed = registry.named(path, body, ENDPOINTS).parse(body, {}, frozenset())
    assert parsed.model == "azure/chat-prod"
    unnamed = encode({"messages": MESSAGES})  # as Azure's own examples have it
    assert registry.named(path, unnamed, ENDPOINTS).parse(unnamed, {}, frozenset()).model == "azure/chat-prod"
    newer = registry.adapter_for("/openai/v1/chat/completions")
    named = encode({"model": "chat-prod", "messages": MESSAGES})
    assert registry.named(newer, named, ENDPOINTS).parse(named, {}, frozenset()).model == "azure/chat-prod"
    for path in ("/openai/deployments/x/audio/speech", "/openai/v1/responses", "/openai/models", "/openai/", "/openai"):
        assert registry.adapter_for(path) is None


def test_azure_writes_the_limit_that_the_deployed_model_takes():
    reasoning = Endpoint("azure", AZURE.base_url, "", (("think", "o4-mini"),))
    adapter = azure.adapter(reasoning, "/chat/completions")
    parsed = adapter.parse(encode({"model": "think", "messages": MESSAGES, "max_tokens": 9}), {}, frozenset())
    out = json.loads(adapter.render(parsed, 9))
    assert out["max_completion_tokens"] == 9 and "max_tokens" not in out


def test_a_server_of_ones_own_may_ask_for_no_key():
    adapter, parsed = asked("house/llama-3.3-70b")
    assert adapter.provider == "house" and adapter.kind == "custom" and adapter.endpoint == HOUSE
    assert b"authorization" not in dict(adapter.request_headers({}, ""))
    assert dict(adapter.request_headers({}, "k"))[b"authorization"] == b"Bearer k"
    assert json.loads(adapter.render(parsed, 5))["model"] == "llama-3.3-70b"
    for name in ("custom_plain.json", "custom_stream.sse"):
        usage = usage_of(name, "house/llama-3.3-70b")
        assert (usage.input_tokens, usage.output_tokens) == (36, 4)
    assert custom.adapter(HOUSE, "/responses") is None


def test_no_price_no_model_whatever_a_tenant_calls_its_server():
    assert find("house", "house/llama-3.3-70b", TODAY) is None
    assert all(find(each.id, f"{each.id}/no-such-model", TODAY) is None for each in BY_ID.values() if each.prefixed)


def test_azures_embeddings_have_the_price_of_what_is_deployed():
    endpoint = Endpoint("azure", AZURE.base_url, "2024-10-21", (("vectors", "text-embedding-3-small"),))
    adapter = azure.adapter(endpoint, "/embeddings", "vectors")
    parsed = adapter.parse(encode({"input": "hi"}), {}, frozenset())
    assert adapter.target(parsed) == "/openai/deployments/vectors/embeddings?api-version=2024-10-21"
    assert json.loads(adapter.render(parsed, 0)) == {"input": "hi", "model": "vectors"}
    meter = adapter.meter(parsed)
    meter.feed_body(fixture("embedding_plain.json"))
    priced = find("azure", adapter.price_name(parsed), TODAY, purpose=adapter.purpose)
    assert cost(priced, meter.usage()) == 8 * 20
