"""Providers by prefix, Azure and servers of one's own through the whole product: what goes out, what is charged."""

import itertools
import json
from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.proxy.providers.support import fixture
from tests.support.office import Company, Office
from tests.support.provider import Behaviour, Pause
from tests.support.stack import ProductStack

TIMEOUT = 45.0
MESSAGES = [{"role": "user", "content": "Say hello."}]


@pytest.fixture
def company(office: Office) -> Company:
    return office.company(providers=("openai", "groq", "mistral", "deepseek", "openrouter"))


@pytest.fixture
def client(stack: ProductStack, company: Company) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key=company.key, timeout=TIMEOUT, max_retries=0) as client:
        yield client


def plain(name: str) -> Behaviour:
    return Behaviour.json(json.loads(fixture(f"compatible/{name}_plain.json")))


def streamed(name: str) -> Behaviour:
    data = fixture(f"compatible/{name}_stream.sse")
    cuts = [0, len(data) // 3, 2 * len(data) // 3, len(data)]
    pieces = [step for at, to in itertools.pairwise(cuts) for step in (data[at:to], Pause(0.01))]
    return Behaviour.sse(*pieces)


# The model as it is named here, the reply on record, what it costs in nanodollars (test_compatible.py has the prices).
TOLD = [
    ("groq/openai/gpt-oss-20b", "groq", False, 173_250, "/groq/v1/chat/completions"),
    ("groq/llama-3.3-70b-versatile", "groq", True, 43 * 590 + 12 * 790, "/groq/v1/chat/completions"),
    ("mistral/mistral-small-latest", "mistral", False, 16 * 150 + 34 * 600, "/mistral/v1/chat/completions"),
    ("mistral/mistral-small-latest", "mistral", True, 14_220 + 1_740, "/mistral/v1/chat/completions"),
    ("deepseek/deepseek-v3.2", "deepseek", True, 6_979, "/deepseek/v1/chat/completions"),
    ("openrouter/openai/gpt-4o", "openrouter", False, 505_250, "/openrouter/v1/chat/completions"),
]


def test_each_provider_is_asked_in_its_own_words_and_charged_to_the_nanodollar(stack, company, client):
    stack.provider.script([streamed(name) if stream else plain(name) for _, name, stream, *_ in TOLD])
    for model, _, stream, *_ in TOLD:
        reply = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=600, stream=stream)
        text = "".join(c.choices[0].delta.content or "" for c in reply if c.choices) if stream else (
            reply.choices[0].message.content
        )  # fmt: skip
        assert text
    rows = company.rows(len(TOLD))
    for row, request, (model, name, stream, cost, path) in zip(rows, stack.provider.requests, TOLD, strict=True):
        assert (row.provider, row.model, row.status, row.stream) == (name, model, "settled", stream)
        assert row.flags == [] and row.cost <= row.held
        assert row.cost == cost
        out = request.json()
        assert request.path == path and out["model"] == model.partition("/")[2]
        assert request.headers["authorization"] == f"Bearer sk-mock-{name}"


def test_deepseeks_hour_decides_about_its_price(stack, company, client):
    stack.provider.script([plain("deepseek")])
    client.chat.completions.create(model="deepseek/deepseek-v4-flash", messages=MESSAGES, max_tokens=600)
    (row,) = company.rows(1)
    off_peak = 360 * 150 + 640 * 3 + 210 * 600
    assert row.cost in (off_peak, 2 * off_peak) and row.cost <= row.held


def test_a_key_that_may_use_one_model_may_use_it_by_its_whole_name(stack, company):
    made = company.do("create_key", allowed_models=["groq/llama-3.3-70b-versatile"])
    with openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key=made["secret"], max_retries=0) as client:
        listed = [model.id for model in client.models.list()]
        stack.provider.script([plain("groq")])
        client.chat.completions.create(model="groq/llama-3.3-70b-versatile", messages=MESSAGES, max_tokens=600)
        for other in ("llama-3.3-70b-versatile", "groq/openai/gpt-oss-20b", "mistral/mistral-small-latest"):
            with pytest.raises(openai.PermissionDeniedError) as refused:
                client.chat.completions.create(model=other, messages=MESSAGES)
            assert refused.value.code == "model_not_allowed"
    assert listed == ["groq/llama-3.3-70b-versatile"]


def test_the_list_has_every_model_of_the_providers_whose_keys_are_stored(client):
    listed = {model.id: model.owned_by for model in client.models.list()}
    assert listed["groq/llama-3.3-70b-versatile"] == "groq" and listed["gpt-4o"] == "openai"
    assert not any(name.startswith(("xai/", "azure/", "perplexity/")) for name in listed)


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("groq/llama-99", "model_not_priced"),
        ("xai/grok-4", "provider_not_configured"),
        ("bedrock/anthropic.claude-3", "provider_not_configured"),
        ("azure/chat", "provider_not_configured"),
        ("nobody/llama", "model_not_priced"),
    ],
)
def test_what_cannot_be_priced_or_reached_is_refused_and_says_why(stack, company, client, model, code):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=model, messages=MESSAGES)
    assert refused.value.code == code
    company.untouched()
    assert stack.provider.count == 0


def test_the_cap_refuses_a_prefixed_model_before_the_provider_hears_of_it(stack, office):
    poor = office.company(cap="0.000001", providers=("groq",))
    client = openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key=poor.key, max_retries=0)
    with client, pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model="groq/openai/gpt-oss-20b", messages=MESSAGES)
    assert refused.value.code == "budget_cap_exceeded" and stack.provider.count == 0


def test_a_test_key_tries_a_prefixed_model_in_the_sandbox(stack, company):
    with openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key=company.test_key, max_retries=0) as client:
        for model in ("groq/llama-3.3-70b-versatile", "mistral/mistral-small-latest"):
            chunks = client.chat.completions.create(model=model, messages=MESSAGES, stream=True, max_tokens=40)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert stack.provider.count == 0


# --- Azure -----------------------------------------------------------------------------------------------------------


def test_azures_own_client_works_with_the_address_and_the_key_alone_changed(stack, company):
    company.do(
        "set_provider", provider="azure", secret="azure-secret", base_url=stack.provider.base_url_anthropic,
        api_version="2024-10-21", deployments={"chat-prod": "gpt-4o"},
    )  # fmt: skip
    stack.provider.script([plain("azure"), streamed("azure"), plain("azure")])
    azure = openai.AzureOpenAI(
        azure_endpoint=stack.base_url, api_key=company.key, api_version="2024-10-21", max_retries=0, timeout=TIMEOUT
    )
    with azure as client:
        told = client.chat.completions.create(model="chat-prod", messages=MESSAGES, max_tokens=50)
        chunks = list(client.chat.completions.create(model="chat-prod", messages=MESSAGES, max_tokens=9, stream=True))
    assert told.usage.completion_tokens == 39 and not any(chunk.usage for chunk in chunks)
    body = {"model": "azure/chat-prod", "messages": MESSAGES, "max_tokens": 50}
    by_prefix = httpx.post(
        f"{stack.base_url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {company.key}"}
    )
    assert by_prefix.status_code == 200
    rows = company.rows(3)
    whole = 58 * 2_500 + 39 * 10_000
    assert [row.cost for row in rows] == [whole, 86 * 2_500 + 1_920 * 1_250 + 3 * 10_000, whole]
    assert {(row.provider, row.model, row.status) for row in rows} == {("azure", "azure/chat-prod", "settled")}
    for request in stack.provider.requests:
        assert request.path == "/openai/deployments/chat-prod/chat/completions"
        assert request.headers["api-key"] == "azure-secret" and "authorization" not in request.headers


# --- A server of one's own -------------------------------------------------------------------------------------------


def test_a_server_of_ones_own_costs_what_the_tenant_says_and_nothing_is_free_by_accident(stack, company, client):
    base = f"{stack.provider.base_url_anthropic}/house/v1"
    company.do("set_provider", provider="custom", name="house", secret="", base_url=base)
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="house/llama-3.3-70b", messages=MESSAGES)
    assert refused.value.code == "model_not_priced" and stack.provider.count == 0
    company.do("set_price", provider="house", model="llama-3.3-70b", input="0.20", output="0.50")
    stack.provider.script([plain("custom"), streamed("custom")])
    client.chat.completions.create(model="house/llama-3.3-70b", messages=MESSAGES, max_tokens=600)
    list(client.chat.completions.create(model="house/llama-3.3-70b", messages=MESSAGES, max_tokens=600, stream=True))
    assert "house/llama-3.3-70b" in {model.id for model in client.models.list()}
    rows = company.rows(2)
    assert [(row.provider, row.model, row.cost) for row in rows] == [
        ("house", "house/llama-3.3-70b", 36 * 200 + 4 * 500)
    ] * 2
    assert all("authorization" not in request.headers for request in stack.provider.requests)
    company.do("set_provider", provider="house", secret="sk-house", base_url=base.replace("house", "moved"))
    stack.provider.script([plain("custom")])
    client.chat.completions.create(model="house/llama-3.3-70b", messages=MESSAGES, max_tokens=600)
    last = stack.provider.requests[-1]  # the next request goes where it is now, on every worker
    assert (last.path, last.headers["authorization"]) == ("/moved/v1/chat/completions", "Bearer sk-house")
    company.do("remove_provider", provider="house")
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="house/llama-3.3-70b", messages=MESSAGES)


def test_a_path_of_azures_that_nobody_can_price_is_not_forwarded(stack, company):
    for path in ("/openai/deployments/chat-prod/audio/speech", "/openai/v1/responses", "/openai/files"):
        reply = httpx.post(f"{stack.base_url}{path}", json={}, headers={"api-key": company.key})
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "route_not_metered")
    assert stack.provider.count == 0


def test_a_test_key_tries_azure_and_ones_own_server_in_the_sandbox(stack, company):
    place = {"base_url": "http://127.0.0.1:9", "secret": "x"}  # where nobody listens: the sandbox answers
    company.do("set_provider", provider="azure", deployments={"chat-prod": "gpt-4o"}, **place)
    company.do("set_provider", provider="custom", name="house", **place)
    company.do("set_price", provider="house", model="llama", input="0.20", output="0.50")
    with openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key=company.test_key, max_retries=0) as client:
        for model in ("azure/chat-prod", "house/llama"):
            assert client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=20).choices
    assert stack.provider.count == 0
