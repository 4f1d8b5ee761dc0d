"""Which paths are served, and the list of models in either client's shape."""

import anthropic
import httpx
import httpx2
import openai
import orjson
import pytest
from google import genai
from google.genai import types

from proxy.providers.base import Adapter, Dialect
from proxy.providers.model_list import ListedModel, model_list
from proxy.providers.registry import ADAPTERS, adapter_for

MODELS = [ListedModel("gpt-4o", 1715367049, "openai"), ListedModel("claude-sonnet-4-5", 0, "anthropic")]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files", "/v1/realtime", "/v1/chat/completions/", "/v1/messages/batches", "/v1/x", "", "/v1/responses/r_1",
        "/v1/responses/compact", "/v1/responses/r_1/cancel", "/v1/images/variations", "/v1/audio/voices",
        "/v1beta/models/gemini-2.5-pro", "/v1beta/models/gemini-2.5-pro:predict", "/v1beta/models/:generateContent",
        "/v1beta/models/a/b:generateContent", "/v1beta/models/a:generateContent/x", "/v1beta/cachedContents",
        "/v1beta/tunedModels/x:generateContent", "/v1alpha/models/gemini-2.5-pro:generateContent",
        "/v1beta/models/gemini-2.5-pro:batchGenerateContent", "/upload/v1beta/files",
    ],
)  # fmt: skip
def test_a_path_that_cannot_be_priced_has_no_adapter(path):
    assert adapter_for(path) is None


@pytest.mark.parametrize(
    ("path", "provider", "upstream", "free"),
    [
        ("/v1/chat/completions", "openai", "/chat/completions", False),
        ("/v1/messages", "anthropic", "/v1/messages", False),
        ("/v1/messages/count_tokens", "anthropic", "/v1/messages/count_tokens", True),
        ("/v1/responses", "openai", "/responses", False),
        ("/v1/responses/input_tokens", "openai", "/responses/input_tokens", True),
        ("/v1/completions", "openai", "/completions", False),
        ("/v1/embeddings", "openai", "/embeddings", False),
        ("/v1/moderations", "openai", "/moderations", True),
        ("/v1/images/generations", "openai", "/images/generations", False),
        ("/v1/images/edits", "openai", "/images/edits", False),
        ("/v1/audio/speech", "openai", "/audio/speech", False),
        ("/v1/audio/transcriptions", "openai", "/audio/transcriptions", False),
        ("/v1/audio/translations", "openai", "/audio/translations", False),
        ("/v1beta/models/gemini-2.5-pro:generateContent", "gemini", "/v1beta/models/{model}:generateContent", False),
        ("/v1/models/gemini-2.5-pro:generateContent", "gemini", "/v1/models/{model}:generateContent", False),
        ("/v1/models/g:streamGenerateContent", "gemini", "/v1/models/{model}:streamGenerateContent", False),
        ("/v1beta/models/g:embedContent", "gemini", "/v1beta/models/{model}:embedContent", False),
        ("/v1/models/g:batchEmbedContents", "gemini", "/v1/models/{model}:batchEmbedContents", False),
        ("/v1beta/models/g:countTokens", "gemini", "/v1beta/models/{model}:countTokens", True),
    ],
)
def test_each_path_leads_to_its_adapter(path, provider, upstream, free):
    adapter = adapter_for(path)
    assert (adapter.provider, adapter.path, adapter.free) == (provider, upstream, free)


def test_an_adapters_name_in_the_ledger_is_short_and_holds_no_model():
    assert all(len(adapter.path) <= 64 for adapter in ADAPTERS.values())
    assert adapter_for("/v1beta/models/gemini-2.5-pro:generateContent").path in ADAPTERS


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS.keys())
def test_every_adapter_has_all_that_the_proxy_asks_for(adapter: Adapter):
    names = {name for kind in (Adapter, Dialect) for name in kind.__annotations__} | {"parse", "render", "meter"}
    assert all(hasattr(adapter, name) or hasattr(adapter.dialect, name) for name in names)


def _client(http):
    """`http` is httpx or its successor: each SDK wants its own."""
    transport = http.MockTransport(lambda request: http.Response(200, content=model_list(MODELS, request.headers)))
    return http.Client(transport=transport)


def test_both_official_clients_read_the_list():
    with openai.OpenAI(api_key="x", base_url="http://g/v1", http_client=_client(httpx)) as client:
        listed = [(model.id, model.owned_by) for model in client.models.list()]
    assert listed == [("gpt-4o", "openai"), ("claude-sonnet-4-5", "anthropic")]
    with anthropic.Anthropic(api_key="x", base_url="http://g", http_client=_client(httpx2)) as client:
        listed = list(client.models.list())
    assert [model.id for model in listed] == ["gpt-4o", "claude-sonnet-4-5"]
    assert listed[0].created_at.isoformat() == "2024-05-10T18:50:49+00:00"


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_googles_client_reads_its_models(version):
    models = [*MODELS, ListedModel("gemini-2.5-flash", 0, "gemini", 1_048_576, 65_536)]

    def list_models(request):
        return httpx2.Response(200, content=model_list(models, request.headers, request.url.path))

    options = types.HttpOptions(
        base_url="http://g",
        api_version=version,
        httpx_client=httpx2.Client(transport=httpx2.MockTransport(list_models)),
    )
    with genai.Client(api_key="x", http_options=options) as client:
        [listed] = client.models.list()
    assert (listed.name, listed.input_token_limit, listed.output_token_limit) == (
        "models/gemini-2.5-flash", 1_048_576, 65_536,
    )  # fmt: skip


def test_a_list_of_no_models_is_a_list():
    assert orjson.loads(model_list([], {})) == {"object": "list", "data": []}
    empty = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert orjson.loads(model_list([], {"anthropic-version": "2023-06-01"})) == empty
    assert orjson.loads(model_list([], {}, "/v1beta/models")) == {"models": []}
