"""`provider-credentials/`: stored encrypted, never shown, tested against the provider's real address."""

from typing import Any

import pytest

from tenants import crypto
from tenants.models import AuditEvent, ProviderCredential
from tests.api.conftest import Company
from tests.support.listener import Listener

SECRET = "sk-provider-secret-1234"


def test_the_secret_is_never_shown(company: Company) -> None:
    reply = company.api.post("provider-credentials/", {"provider": "anthropic", "secret": "sk-ant-0123456789"})
    said = reply.json()
    assert reply.status_code == 201
    place = {"base_url", "api_version", "deployments"}
    assert set(said) == {"id", "provider", "last_four", "created_at", "tested_at", "test_result", *place}
    assert (said["provider"], said["last_four"]) == ("anthropic", "6789")
    for said_later in (reply, company.api.get("provider-credentials/"), company.api.get("audit-events/")):
        assert b"sk-ant" not in said_later.content and SECRET.encode() not in said_later.content
    assert crypto.decrypt(ProviderCredential.objects.get(pk=said["id"]).ciphertext) == "sk-ant-0123456789"


def test_a_second_key_of_a_provider_replaces_the_first(company: Company) -> None:
    company.api.post("provider-credentials/", {"provider": "openai", "secret": "sk-another-5678"})
    listed = company.api.get("provider-credentials/").json()["results"]
    assert [(each["provider"], each["last_four"]) for each in listed] == [("openai", "5678")]


def test_a_deleted_one_is_gone(company: Company) -> None:
    address = f"provider-credentials/{company.credential.pk}/"
    assert company.api.get(address).json()["last_four"] == "1234"
    assert company.api.delete(address).status_code == 204
    assert company.api.get(address).status_code == company.api.delete(address).status_code == 404
    assert AuditEvent.objects.filter(action="provider.removed", actor_label="token terraform").exists()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"provider": "nobody", "secret": SECRET}, "provider"),
        ({"provider": "azure", "secret": SECRET}, "base_url"),
        ({"provider": "azure", "secret": SECRET, "base_url": "https://8.8.8.8"}, "deployments"),
        (
            {"provider": "azure", "secret": SECRET, "base_url": "https://8.8.8.8", "deployments": {"a b": "c"}},
            "deployments",
        ),
        (
            {
                "provider": "azure",
                "secret": SECRET,
                "base_url": "https://8.8.8.8",
                "deployments": {"a": "gpt-4o"},
                "api_version": "latest",
            },
            "api_version",
        ),
        ({"provider": "groq", "secret": SECRET, "deployments": {"a": "b"}}, "deployments"),
        ({"provider": "custom", "secret": "", "name": "house", "base_url": "http://10.0.0.1/v1"}, "base_url"),
        ({"provider": "custom", "secret": "", "name": "house", "base_url": "http://127.0.0.1:8000/v1"}, "base_url"),
        ({"provider": "custom", "secret": "", "name": "house", "base_url": "ftp://8.8.8.8"}, "base_url"),
        ({"provider": "custom", "secret": "", "name": "house"}, "base_url"),
        ({"provider": "custom", "secret": "", "name": "groq", "base_url": "https://8.8.8.8/v1"}, "name"),
        ({"provider": "custom", "secret": "", "name": "bedrock", "base_url": "https://8.8.8.8/v1"}, "name"),
        ({"provider": "custom", "secret": "", "name": "a/b", "base_url": "https://8.8.8.8/v1"}, "name"),
        ({"provider": "custom", "secret": "", "base_url": "https://8.8.8.8/v1"}, "name"),
        ({"provider": "groq", "secret": ""}, "secret"),
        ({"provider": "openai", "secret": "  "}, "secret"),
        ({"provider": "openai", "secret": "sk-with space-in-it"}, "secret"),
        ({"provider": "openai"}, "secret"),
        ({"provider": "openai", "secret": SECRET, "base_url": "http://10.0.0.1"}, "base_url"),
    ],
)
def test_what_cannot_be_used_is_refused(company: Company, body: dict[str, Any], param: str) -> None:
    reply = company.api.post("provider-credentials/", body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


# --- The test --------------------------------------------------------------------------------------------------------


def stored(company: Company, provider: str) -> str:
    reply = company.api.post("provider-credentials/", {"provider": provider, "secret": SECRET})
    return f"provider-credentials/{reply.json()['id']}/test/"


@pytest.mark.parametrize(
    ("provider", "path", "header", "value", "body"),
    [
        ("openai", "/v1/models", "authorization", f"Bearer {SECRET}", b'{"data": [{"id": "a"}, {"id": "b"}]}'),
        ("anthropic", "/v1/models", "x-api-key", SECRET, b'{"data": [{"id": "a"}, {"id": "b"}]}'),
        ("gemini", "/v1beta/models", "x-goog-api-key", SECRET, b'{"models": [{"name": "a"}, {"name": "b"}]}'),
        ("groq", "/models", "authorization", f"Bearer {SECRET}", b'{"data": [{"id": "a"}, {"id": "b"}]}'),
        ("together", "/models", "authorization", f"Bearer {SECRET}", b'[{"id": "a"}, {"id": "b"}]'),
    ],
)
def test_it_really_asks_the_provider(
    company: Company, settings: Any, provider: str, path: str, header: str, value: str, body: bytes
) -> None:
    with Listener(200, body) as listener:
        base = f"{listener.url}/v1" if provider == "openai" else listener.url
        settings.PROVIDER_BASE_URLS = {**settings.PROVIDER_BASE_URLS, provider: base}
        said = company.api.post(stored(company, provider)).json()
    assert [(request.method, request.path) for request in listener.requests] == [("GET", path)]
    assert listener.requests[0].headers[header] == value
    assert (said["ok"], said["http_status"], said["models"]) == (True, 200, 2)
    assert f"GET {listener.url}{path} listed 2 models" in said["message"] and SECRET not in said["message"]
    kept = company.api.get("provider-credentials/").json()["results"][0]
    assert kept["test_result"] == said["message"] and kept["tested_at"] == said["tested_at"]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, b'{"error": "no"}', "refuses this key"),
        (500, b"", "answered 500"),
        (302, b"", "answered 302"),
        (200, b"<html>", "no list of models"),
        (200, b"[]", "no list of models"),
    ],
)
def test_it_says_what_came_back(company: Company, settings: Any, status: int, body: bytes, words: str) -> None:
    with Listener(status, body, location="http://127.0.0.1:9/") as listener:
        settings.PROVIDER_BASE_URLS = {**settings.PROVIDER_BASE_URLS, "openai": listener.url}
        said = company.api.post(stored(company, "openai")).json()
    assert (said["ok"], said["http_status"]) == (False, status) and words in said["message"]
    assert len(listener.requests) == 1


def test_a_provider_that_is_not_there(company: Company, settings: Any) -> None:
    with Listener(200, b"") as listener:
        pass  # its port is free again
    settings.PROVIDER_BASE_URLS = {**settings.PROVIDER_BASE_URLS, "openai": listener.url}
    reply = company.api.post(stored(company, "openai"))
    said = reply.json()
    assert reply.status_code == 200
    assert (said["ok"], said["http_status"]) == (False, None) and "could not be asked" in said["message"]


def test_openrouter_is_asked_about_the_key_for_its_models_are_for_everybody(company: Company, settings: Any) -> None:
    with Listener(200, b'{"data": {"label": "sk-or-v1-...", "limit": null}}') as listener:
        settings.PROVIDER_BASE_URLS = {**settings.PROVIDER_BASE_URLS, "openrouter": f"{listener.url}/api/v1"}
        said = company.api.post(stored(company, "openrouter")).json()
    assert [request.path for request in listener.requests] == ["/api/v1/key"]
    assert (said["ok"], said["models"]) == (True, None) and "accepts this key" in said["message"]


# --- Where it is -----------------------------------------------------------------------------------------------------


def test_azures_resource_is_kept_without_what_people_paste_after_it(company: Company, settings: Any) -> None:
    body = {
        "provider": "azure",
        "secret": SECRET,
        "base_url": "https://8.8.8.8/openai/v1/",
        "deployments": {"a": "gpt-4o"},
    }
    said = company.api.post("provider-credentials/", body).json()
    assert (said["base_url"], said["api_version"], said["deployments"]) == ("https://8.8.8.8", "", {"a": "gpt-4o"})
    changed = company.api.get("audit-events/").json()["results"][0]["changes"]
    assert changed["deployments"] == [None, "a = gpt-4o"] and SECRET not in str(changed)


def test_an_endpoint_of_ones_own_is_stored_under_its_name_and_tested_where_it_is(
    company: Company, settings: Any
) -> None:
    settings.PROVIDERS_ALLOW_PRIVATE_URLS = True
    with Listener(200, b'{"object": "list", "data": [{"id": "llama"}]}') as listener:
        body = {"provider": "custom", "secret": "", "name": "house", "base_url": f"{listener.url}/v1/"}
        made = company.api.post("provider-credentials/", body).json()
        said = company.api.post(f"provider-credentials/{made['id']}/test/").json()
    assert (made["provider"], made["base_url"], made["last_four"]) == ("house", f"{listener.url}/v1", "")
    assert [(request.path, "authorization" in request.headers) for request in listener.requests] == [
        ("/v1/models", False)
    ]
    assert (said["ok"], said["models"]) == (True, 1)


def test_an_endpoint_that_has_moved_into_a_private_network_is_not_asked(company: Company, settings: Any) -> None:
    settings.PROVIDERS_ALLOW_PRIVATE_URLS = True
    with Listener(200, b'{"data": []}') as listener:
        body = {"provider": "custom", "secret": SECRET, "name": "house", "base_url": listener.url}
        made = company.api.post("provider-credentials/", body).json()
        settings.PROVIDERS_ALLOW_PRIVATE_URLS = False
        said = company.api.post(f"provider-credentials/{made['id']}/test/").json()
    assert listener.requests == [] and said["ok"] is False and "private network" in said["message"]
