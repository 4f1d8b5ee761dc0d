"""Providers: stored, replaced, tested against a real server, removed; never shown."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tenants import crypto
from tenants.models import AuditEvent, ProviderCredential, User
from tenants.providers import PROVIDERS
from tenants.services import NewPerson
from tests.support.fernhill import PASSWORD, Fernhill, founded
from tests.support.listener import Listener
from tests.support.people import at_desk, text, title
from tests.support.valkey import ValkeyServer
from tokonomics.console.services import opening

pytestmark = pytest.mark.django_db
SECRET = "sk-proj-0123456789-a7Qx"
LISTED = b'{"data": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}'


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    return founded(keys=(("app", None, None),))


@pytest.fixture
def page(fernhill: Fernhill) -> str:
    return f"{fernhill.home}settings/providers/"


def at(settings: Any, url: str) -> None:
    settings.PROVIDER_BASE_URLS = {**settings.PROVIDER_BASE_URLS, "openai": url}


def test_each_provider_has_a_row_and_says_what_needs_it(owner: Client, page: str) -> None:
    said = text(owner.get(page))
    assert "Live keys need a provider's key. Test keys do not." in said
    for name in ("OpenAI", "Anthropic", "Google Gemini"):
        assert name in said
    assert said.count("no key stored") == 3


def test_a_key_is_stored_encrypted_and_only_its_end_is_shown(owner: Client, fernhill: Fernhill, page: str) -> None:
    done = owner.post(f"{page}openai/", {"secret": f"  {SECRET}\n"}, follow=True)
    stored = ProviderCredential.objects.get(tenant=fernhill.tenant)
    assert crypto.decrypt(stored.ciphertext) == SECRET and SECRET not in stored.ciphertext
    assert "…a7Qx" in text(done) and SECRET not in done.content.decode()
    for path in (page, f"{page}openai/", f"{page}openai/remove/", f"{fernhill.home}audit/"):
        assert SECRET not in owner.get(path).content.decode()
    owner.post(f"{page}openai/", {"secret": "sk-another-9999"})
    assert ProviderCredential.objects.get().last_four == "9999"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Paste the provider's whole key."),
        ("sk-a b", "Paste the provider's key alone: letters, digits and signs, without spaces."),
        ("x" * 600, "Paste the provider's whole key: up to 512 characters."),
    ],
)
def test_what_is_no_key_is_refused_and_not_sent_back(owner: Client, page: str, typed: str, sentence: str) -> None:
    wrong = owner.post(f"{page}openai/", {"secret": typed})
    assert text(wrong).count(sentence) == 2 and title(wrong).startswith("Error: ")
    assert not typed or f'value="{typed}"' not in wrong.content.decode()
    assert not ProviderCredential.objects.exists()


def test_a_test_says_what_it_did(owner: Client, page: str, settings: Any) -> None:
    owner.post(f"{page}openai/", {"secret": SECRET})
    assert "not tested yet" in text(owner.get(page))
    with Listener(200, LISTED) as listener:
        at(settings, f"{listener.url}/v1")
        done = owner.post(f"{page}openai/test/", follow=True)
    (heard,) = listener.requests
    assert (heard.method, heard.path) == ("GET", "/v1/models")
    assert heard.headers["authorization"] == f"Bearer {SECRET}"
    row = next(row for row in done.context["rows"] if row.provider == "openai")
    assert row.tone == "act" and ": listed 3 models in " in row.heard and row.heard.endswith("ms, $0.00")
    assert f"at {listener.url}/v1" in text(done)  # not the usual address, so it is said
    assert ProviderCredential.objects.get().test_ok is True


def test_a_refused_key_is_said_in_the_products_words(owner: Client, page: str, settings: Any) -> None:
    owner.post(f"{page}openai/", {"secret": SECRET})
    with Listener(401, b'{"error": "no"}') as listener:
        at(settings, listener.url)
        done = owner.post(f"{page}openai/test/", follow=True)
    sentence = "OpenAI does not accept the stored key (401). Requests to OpenAI fail until it is replaced."
    assert sentence in text(done) and "Replace key" in text(done)
    owner.post(f"{page}openai/", {"secret": "sk-another-9999"})
    assert sentence not in text(owner.get(page))


def test_a_provider_that_cannot_be_asked_is_no_verdict_on_the_key(owner: Client, page: str, settings: Any) -> None:
    owner.post(f"{page}openai/", {"secret": SECRET})
    with Listener(200, b"") as listener:
        pass  # its port is free again
    at(settings, listener.url)
    row = next(
        row for row in owner.post(f"{page}openai/test/", follow=True).context["rows"] if row.provider == "openai"
    )
    assert "could not be asked" in row.heard and row.tone == "" and ProviderCredential.objects.get().test_ok is None


def test_a_live_request_that_the_provider_refused_says_it_too(owner: Client, fernhill: Fernhill, page: str) -> None:
    owner.post(f"{page}openai/", {"secret": SECRET})
    later = timezone.now() + timedelta(seconds=1)
    fernhill.record("app", status="provider_error", http_status=401, cost=0, at=later)
    assert "OpenAI does not accept the stored key (401)." in text(owner.get(page))
    fernhill.record("app", at=later + timedelta(seconds=1))
    assert "does not accept" not in text(owner.get(page))


def test_removing_asks_first(owner: Client, page: str) -> None:
    owner.post(f"{page}openai/", {"secret": SECRET})
    asked = text(owner.get(f"{page}openai/remove/"))
    assert "Remove the key of OpenAI that ends a7Qx? Live requests to OpenAI are refused from the next one on." in asked
    assert ProviderCredential.objects.exists()
    owner.post(f"{page}openai/remove/")
    assert owner.post(f"{page}openai/remove/").status_code == 302  # twice
    assert not ProviderCredential.objects.exists()
    assert AuditEvent.objects.filter(action="provider.removed").count() == 1
    assert owner.post(f"{page}openai/test/").status_code == 404


def test_a_provider_that_is_none_is_not_there(owner: Client, page: str) -> None:
    assert owner.get(f"{page}nobody/").status_code == 404


def test_without_redis_nothing_is_stored(own_valkey: ValkeyServer, transactional_db: None) -> None:
    fernhill = founded()
    client = at_desk(fernhill.owner)
    own_valkey.kill()
    wrong = client.post(f"{fernhill.home}settings/providers/openai/", {"secret": SECRET})
    assert "Not saved: the spending ledger cannot be reached" in text(wrong)
    assert not ProviderCredential.objects.exists()


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_who_may_not_reads_the_rows_and_whom_to_ask(fernhill: Fernhill, owner: Client, page: str, role: str) -> None:
    owner.post(f"{page}openai/", {"secret": SECRET})
    client = at_desk(fernhill.member(role))
    said = text(client.get(page))
    assert "…a7Qx" in said and "Only admins and owners can change provider keys. Ask owner@fernhill.example." in said
    for word in ("Replace", "Remove", "Add a key"):
        assert word not in said
    assert client.post(f"{page}openai/", {"secret": "sk-another-9999"}).status_code == 403
    assert ProviderCredential.objects.get().last_four == "a7Qx"


# --- Other providers, Azure, endpoints of one's own ------------------------------------------------------------------


def test_every_provider_of_the_table_can_be_added_from_the_page(owner: Client, page: str) -> None:
    said = text(owner.get(page))
    for each in PROVIDERS:
        assert each.title in said
        assert owner.get(f"{page}{each.id}/").status_code == 200
    owner.post(f"{page}groq/", {"secret": "gsk_0123456789-zz99"})
    said = text(owner.get(page))
    assert "Groq models groq/… …zz99" in said and "Add a key of Groq" not in said


def test_azure_is_a_resource_and_what_is_deployed_there(owner: Client, fernhill: Fernhill, page: str) -> None:
    filled = {"base_url": "https://8.8.8.8/openai/", "secret": SECRET, "api_version": "2024-10-21"}
    wrong = owner.post(f"{page}azure/", {**filled, "deployments": "chat-prod gpt-4o"})
    assert text(wrong).count("Write one deployment a line") == 2 and title(wrong).startswith("Error: ")
    owner.post(f"{page}azure/", {**filled, "deployments": "chat-prod = gpt-4o\nmini: gpt-4o-mini\n"})
    stored = ProviderCredential.objects.get(tenant=fernhill.tenant, provider="azure")
    assert stored.deployments == {"chat-prod": "gpt-4o", "mini": "gpt-4o-mini"}
    assert (stored.base_url, stored.api_version) == ("https://8.8.8.8", "2024-10-21")
    edited = owner.get(f"{page}azure/").content.decode()
    assert "chat-prod = gpt-4o\nmini = gpt-4o-mini" in edited and SECRET not in edited
    owner.post(f"{page}azure/", {**filled, "secret": "", "api_version": "", "deployments": "mini = gpt-4o-mini"})
    stored.refresh_from_db()
    assert stored.deployments == {"mini": "gpt-4o-mini"} and stored.api_version == ""
    assert crypto.decrypt(stored.ciphertext) == SECRET  # nothing was typed: it stays


def test_an_endpoint_of_ones_own_needs_a_name_an_address_and_then_a_price(owner: Client, page: str) -> None:
    inside = owner.post(f"{page}custom/", {"name": "house", "base_url": "http://10.0.0.7:8000/v1", "secret": ""})
    assert "leads to this machine or into a private network." in text(inside)
    taken = owner.post(f"{page}custom/", {"name": "groq", "base_url": "https://8.8.8.8/v1", "secret": ""})
    assert "that no provider has" in text(taken) and not ProviderCredential.objects.exists()
    done = owner.post(f"{page}custom/", {"name": "house", "base_url": "https://8.8.8.8/v1", "secret": ""}, follow=True)
    assert "Give its models a price under Prices: without one, house/... is refused." in text(done)
    assert "house models house/… Without a key since" in text(done) and "at https://8.8.8.8/v1" in text(done)
    owner.post(f"{page}house/", {"base_url": "https://8.8.4.4/v1", "secret": "sk-house-secret-9999"})
    assert "…9999" in text(owner.get(page)) and "at https://8.8.4.4/v1" in text(owner.get(page))
    asked = text(owner.get(f"{page}house/remove/"))
    assert "Remove the key of house" in asked
    owner.post(f"{page}house/remove/")
    assert not ProviderCredential.objects.exists() and owner.get(f"{page}house/").status_code == 404


def test_an_endpoint_is_its_companys_alone(owner: Client, page: str) -> None:
    owner.post(f"{page}custom/", {"name": "house", "base_url": "https://8.8.8.8/v1", "secret": ""})
    with opening(name="Other Ltd", owner=NewPerson("owner@other.example", PASSWORD)) as other:
        pass
    client, theirs = (
        at_desk(User.objects.get(email="owner@other.example")),
        f"/t/{other.tenant.slug}/settings/providers/",
    )
    assert client.get(f"{theirs}house/").status_code == 404
    assert "8.8.8.8" not in text(client.get(theirs))
