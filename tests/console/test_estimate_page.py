"""Estimate a request, in the console: the words of the API, what is wrong said in place."""

import json
from typing import Any

import pytest
from django.test import Client

from budgets import keyspace
from budgets.money import NANO
from budgets.services import set_key_cap, set_tenant_cap
from budgets.windows import WindowKind
from tenants import services, store
from tenants.services import Actor, NewPerson
from tests.support.fernhill import Fernhill, founded
from tests.support.people import at_desk, fields, text, title
from tests.support.valkey import ValkeyServer
from tokonomics.console.forms_estimate import EXAMPLES, Example
from tokonomics.console.services import opening

pytestmark = pytest.mark.django_db
HELLO: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}
CHAT = "/v1/chat/completions"


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    made = founded(keys=(("app", None, None),))
    services.set_provider_credential(
        tenant=made.tenant, provider="openai", secret="sk-proj-0123456789-a7Qx", actor=Actor.operator()
    )
    made.count()
    return made


@pytest.fixture
def owner(fernhill: Fernhill) -> Client:
    return at_desk(fernhill.owner)


@pytest.fixture
def page(fernhill: Fernhill) -> str:
    return f"{fernhill.home}prices/estimate/"


def asked(owner: Client, page: str, fernhill: Fernhill, sender: str = "app", **given: Any) -> Any:
    body = given.pop("body", HELLO)
    form = {
        "key": fernhill.keys[sender].pk,
        "endpoint": CHAT,
        "body": body if isinstance(body, str) else json.dumps(body),
    }
    return owner.post(page, {**form, **given})


def test_it_is_found_from_prices_and_filled_in(owner: Client, page: str, fernhill: Fernhill) -> None:
    assert "prices/estimate/" in owner.get(f"{fernhill.home}prices/").content.decode()
    shown = owner.get(page)
    form = fields(shown)
    assert form["endpoint"] == CHAT and json.loads(form["body"])["model"] == "gpt-4o-mini"
    assert f'<option value="{fernhill.keys["app"].pk}" selected>' in shown.content.decode(), "a live key first"
    other = owner.get(f"{page}?example=messages&key={fernhill.keys['sandbox'].pk}")
    assert fields(other)["endpoint"] == "/v1/messages"
    assert f'<option value="{fernhill.keys["sandbox"].pk}" selected>' in other.content.decode()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.id)
def test_every_example_would_be_admitted(owner: Client, page: str, fernhill: Fernhill, example: Example) -> None:
    said = text(asked(owner, page, fernhill, "sandbox", endpoint=example.endpoint, body=example.body))
    assert "It would be admitted now." in said and "At most $0." in said and "Likely" in said, said


def test_it_says_the_bound_the_likely_cost_and_what_they_are_from(owner: Client, page: str, fernhill: Fernhill) -> None:
    answer = asked(owner, page, fernhill, body={**HELLO, "max_tokens": 1000, "n": 2})
    said = text(answer)
    assert "It would be admitted now. At most $" in said
    assert "2 replies of at most 1,000 tokens at $0.60 a million" in said and "tokens at $0.15 a million" in said
    assert "gpt-4o-mini at OpenAI" in said and "the list, genai-prices" in said and "a guess: 600 tokens out" in said
    assert json.loads(fields(answer)["body"])["n"] == 2, "what was pasted is kept"
    assert "this one is written into it" in text(asked(owner, page, fernhill))
    assert store.client().zcard(keyspace.holds(fernhill.tenant.pk)) == 0, "nothing is held"


def test_a_cap_that_refuses_says_why_and_what_would_fit(owner: Client, page: str, fernhill: Fernhill) -> None:
    key = fernhill.keys["app"].pk
    set_key_cap(
        tenant=fernhill.tenant, key_id=key, window=WindowKind.MONTH, amount=NANO // 1000, actor=Actor.operator()
    )
    answer = asked(owner, page, fernhill, body={**HELLO, "max_tokens": 16_000})
    said = text(answer)
    assert "It would be refused now. Refused 429 budget_cap_exceeded" in said
    assert "Monthly spending limit for this key reached." in said and "output tokens it fits." in said
    assert "Sending the same request again does not help." in said
    assert "There is a problem" not in said and title(answer).startswith("Estimate"), "nothing is wrong with the form"
    assert '"reason": "request_too_large"' in said, "the very body that the app would get"
    set_tenant_cap(tenant=fernhill.tenant, amount=0, actor=Actor.operator())
    assert "429 budget_cap_exceeded" in text(asked(owner, page, fernhill))


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        ({"body": ""}, "body", "Paste the request's body, the JSON that your app sends."),
        ({"body": "{'model'"}, "body", "400 invalid_json"),
        ({"body": {**HELLO, "shiny": 1}}, "body", "400 unbounded_request"),
        ({"body": {**HELLO, "model": "gpt-99"}}, "body", "400 model_not_priced"),
        ({"endpoint": ""}, "endpoint", "Enter where it would be sent"),
        ({"endpoint": "/v1/files"}, "endpoint", "404 route_not_metered"),
        ({"headers": "no header"}, "headers", "Write one header a line"),
        ({"body": "x" * 1_000_001}, "body", "The body is over 1 MB."),
        ({"key": "key_of_nobody"}, "key", "That key is gone. Choose another."),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    owner: Client, page: str, fernhill: Fernhill, given: dict[str, Any], field: str, sentence: str
) -> None:
    answer = asked(owner, page, fernhill, **given)
    said = text(answer)
    assert title(answer).startswith("Error: ") and "There is a problem" in said and sentence in said, said
    assert f'id="id_{field}-error"' in answer.content.decode()


def test_a_name_given_twice_is_seen_as_the_proxy_would_see_it(owner: Client, page: str, fernhill: Fernhill) -> None:
    """The bytes are judged, not what a JSON reader makes of them."""
    body = json.dumps(HELLO)[:-1] + ', "n": 1, "n": 50}'
    assert json.loads(body)["n"] == 50
    assert "It would be refused now. Refused 400 " in text(asked(owner, page, fernhill, body=body))


def test_a_whole_url_is_taken_for_its_path(owner: Client, page: str, fernhill: Fernhill) -> None:
    assert "It would be admitted now." in text(asked(owner, page, fernhill, endpoint=f"https://llm.example{CHAT}"))


def test_a_missing_provider_key_is_not_the_bodys_fault(owner: Client, page: str, fernhill: Fernhill) -> None:
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": HELLO["messages"]}
    said = text(asked(owner, page, fernhill, endpoint="/v1/messages", body=body))
    assert "provider_not_configured" in said and "At most $0." in said and "There is a problem" not in said


def test_another_companys_key_cannot_be_asked_for(owner: Client, page: str, fernhill: Fernhill) -> None:
    with opening(name="Bracken", owner=NewPerson("owner@bracken.example")) as other:
        pass
    theirs = services.create_api_key(tenant=other.tenant, name="theirs", actor=Actor.operator()).key
    answer = asked(owner, page, fernhill, key=theirs.pk)
    assert "That key is gone." in text(answer) and "theirs" not in text(owner.get(page))


def test_without_a_key_it_says_what_to_do(owner: Client, page: str, fernhill: Fernhill) -> None:
    for key in fernhill.keys.values():
        services.revoke_api_key(tenant=fernhill.tenant, key_id=key.pk, actor=Actor.operator())
    said = text(owner.get(page))
    assert "No key yet." in said and "Create a key" in said and "Endpoint" not in said
