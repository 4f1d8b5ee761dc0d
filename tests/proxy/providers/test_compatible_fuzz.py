"""Whatever a client sends or a provider answers: refused or priced; never a fault, never for nothing."""

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.pricing.cost import cost
from budgets.pricing.own import OwnPrice, PriceBook
from budgets.pricing.usage import UsageUnknown
from proxy.providers import openai_completions, openai_embeddings, registry
from proxy.providers.base import Endpoint, RequestRefused
from proxy.providers.bounds import quote_of
from proxy.providers.compatible_wires import WIRES
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_completions import OPENAI_COMPLETIONS
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from tests.proxy.providers.support import MESSAGES, encode, run
from tests.proxy.providers.test_fuzz import json_values

TODAY = date(2026, 11, 24)
MODELS = {
    "groq": "groq/openai/gpt-oss-20b",
    "mistral": "mistral/mistral-small-latest",
    "deepseek": "deepseek/deepseek-v4-flash",
    "xai": "xai/grok-4.7",
    "together": "together/moonshotai/Kimi-K3",
    "fireworks": "fireworks/accounts/fireworks/models/glm-5p2",
    "openrouter": "openrouter/openai/gpt-4o",
    "cerebras": "cerebras/gpt-oss-120b",
    "azure": "azure/chat",
    "custom": "house/llama",
}
ENDPOINTS = {
    "azure": Endpoint("azure", "https://x.openai.azure.com", "2024-10-21", (("chat", "gpt-4o"),)),
    "house": Endpoint("house", "https://llm.fern.example/v1"),
}
OWN = PriceBook([OwnPrice("prc_1", "house", "llama", TODAY, rates={"input": 10**9, "output": 2 * 10**9})])
_NAMES = sorted({"service_tier", "provider", "models", "n", "stream", "max_tokens", "tools", "usage", "stream_options"}
                | {name for wire in WIRES for name in (*wire.known, *wire.never)})  # fmt: skip
# The other two formats: a model, and the field that they need.
OF_TEXTS = {
    "completions": (OPENAI_COMPLETIONS, "prompt", openai_completions.KNOWN),
    "embeddings": (OPENAI_EMBEDDINGS, "input", openai_embeddings.KNOWN),
}
bodies = st.dictionaries(st.sampled_from(_NAMES), json_values, max_size=5)
counts = st.integers(0, 3_000)
usages = st.fixed_dictionaries(
    {"prompt_tokens": counts | json_values, "completion_tokens": counts | json_values},
    optional={
        "total_tokens": counts, "prompt_cache_hit_tokens": counts | json_values, "cached_tokens": counts | json_values,
        "num_sources_used": st.integers(0, 1), "cost": json_values, "is_byok": st.booleans(),
        "cost_details": st.dictionaries(st.just("upstream_inference_cost"), json_values),
        "prompt_tokens_details": st.dictionaries(st.just("cached_tokens"), counts | json_values),
        "completion_tokens_details": st.dictionaries(st.just("reasoning_tokens"), counts | json_values),
    },
)  # fmt: skip


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
@given(more=bodies)
@settings(max_examples=40)
def test_a_body_is_refused_or_goes_out_bounded_under_the_providers_own_name(model, more):
    body = encode({"messages": MESSAGES, **more, "model": model})
    try:
        adapter = registry.named(OPENAI_CHAT, body, ENDPOINTS)
        parsed = adapter.parse(body, {}, frozenset())
        priced = OWN.find(adapter.provider, adapter.price_name(parsed), TODAY)
        quote = quote_of(parsed, priced, default_limit=1_000, floor=10)
        parsed = adapter.priced(parsed, priced)
    except RequestRefused as refused:
        assert refused.code in ("invalid_request", "unbounded_request", "invalid_json")
        return
    out = json.loads(adapter.render(parsed, quote.most_output))
    assert f"{adapter.provider}/{out['model']}" == model == parsed.model
    assert quote.most > 0 and parsed.choices == (out.get("n") or 1)
    limits = [out[name] for name in ("max_tokens", "max_completion_tokens") if name in out]
    assert limits == [quote.most_output]
    dear = ("models", "plugins", "search_parameters", "web_search_options")
    assert all(out.get(name) is None for name in dear)  # null is as good as not given


@pytest.mark.parametrize("model", ["together/x", "fireworks/x", "mistral/x", "openrouter/x", "azure/chat", "house/x"])
@pytest.mark.parametrize("kind", OF_TEXTS)
@given(data=st.data())
@settings(max_examples=20)
def test_the_other_formats_are_refused_or_go_out_under_the_providers_own_name(kind, model, data):
    base, needed, known = OF_TEXTS[kind]
    more = data.draw(st.dictionaries(st.sampled_from(sorted(known)), json_values, max_size=3))
    body = encode({needed: "hi", **more, "model": model})
    try:
        adapter = registry.named(base, body, ENDPOINTS)
        parsed = adapter.parse(body, {}, frozenset())
    except RequestRefused as refused:
        assert refused.code in ("invalid_request", "unbounded_request", "invalid_json", "route_not_metered")
        return
    out = json.loads(adapter.render(parsed, 7))
    assert f"{adapter.provider}/{out['model']}" == model == parsed.model and parsed.input_tokens > 0
    assert out.get("max_tokens") == (7 if kind == "completions" else None)
    meter = adapter.meter(parsed)
    meter.feed_body(encode({"usage": data.draw(usages), "choices": []}))
    try:
        assert all(count > 0 for count in meter.usage().counts().values())
    except UsageUnknown:
        pass


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
@given(usage=usages, streamed=st.booleans(), cut=st.integers(0, 400))
@settings(max_examples=40)
def test_a_reply_has_a_true_usage_or_none_and_never_costs_nothing(model, usage, streamed, cut):
    body = encode({"model": model, "messages": MESSAGES, "stream": streamed})
    adapter = registry.named(OPENAI_CHAT, body, ENDPOINTS)
    parsed = adapter.parse(body, {}, frozenset())
    meter, reply = adapter.meter(parsed), encode({"choices": [], "usage": usage})
    if streamed:
        wire = b"data: " + reply + b"\n\ndata: [DONE]\n\n"
        run(meter, wire[:cut], wire[cut:])
    else:
        meter.feed_body(reply)
    try:
        told = meter.usage()
    except UsageUnknown:
        return
    charged = cost(OWN.find(adapter.provider, adapter.price_name(parsed), TODAY), told, "mixed")
    assert min(told.input_tokens, told.output_tokens, told.cache_read_tokens, told.charged) >= 0
    assert told.total_input_tokens == usage["prompt_tokens"]
    assert (charged > 0) == bool(usage["prompt_tokens"] or told.output_tokens or told.charged)
