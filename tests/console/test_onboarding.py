"""The newcomer's page: five lines that know their state, exact snippets, and a playground that ends at the wall."""

import ast
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client, RequestFactory

from budgets.models import Cap
from tenants import crypto
from tenants.models import ApiKey, Membership
from tenants.services import Actor, set_provider_credential
from tests.console.test_overview import page, text_of
from tests.support.fernhill import Fernhill, crossed, founded
from tests.support.valkey import ValkeyServer
from tokonomics.console import playground, snippets
from tokonomics.console.onboarding import progress

pytestmark = pytest.mark.django_db

REFUSAL = {
    "error": {
        "code": "budget_cap_exceeded",
        "message": "Monthly spending limit for this key reached. Contact your administrator.",
        "reset_at": "2026-12-01T00:00:00Z",
    }
}


class Route(ThreadingHTTPServer):
    """In the place of our metered route: answers what it is told to, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answers: list[tuple[int, dict[str, Any], dict[str, str]]] = []
        self.got: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    @property
    def meta(self) -> dict[str, str]:
        """What a request that came in on this server's socket would know of it."""
        return {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": str(self.server_address[1])}


class _Answer(BaseHTTPRequestHandler):
    server: Route

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        status, reply, headers = self.server.answers.pop(0)
        data = json.dumps(reply).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(data)), "content-type": "application/json"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def route() -> Iterator[Route]:
    server = Route()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def fernhill(store: ValkeyServer) -> Fernhill:
    return founded(cap=None, keys=())


def without_keys(fernhill: Fernhill) -> Fernhill:
    ApiKey.objects.all().delete()
    return fernhill


# --- Five lines ------------------------------------------------------------------------------------------------------


def test_each_line_knows_whether_it_is_done(fernhill: Fernhill, django_assert_num_queries: Any) -> None:
    without_keys(fernhill)

    def done() -> list[str]:
        return [step.key for step in progress(fernhill.tenant, "owner").steps if step.done]

    assert done() == []
    Cap.objects.create(tenant=fernhill.tenant, mode="live", window="month", amount=1)
    assert done() == ["budget"]
    fernhill.keys["sandbox"] = ApiKey.objects.create(tenant=fernhill.tenant, name="t", mode="test", digest="1")
    assert done() == ["budget", "test-key"]
    crossed(fernhill, 100)
    assert done() == ["budget", "test-key"], "the live budget's wall is not the one that was hit on purpose"
    wall = crossed(fernhill, 95)
    wall.cap, wall.threshold_percent = Cap.objects.get(tenant=fernhill.tenant, mode="test"), 100
    wall.save()
    assert done() == ["budget", "test-key", "wall"]
    set_provider_credential(
        tenant=fernhill.tenant, provider="openai", secret="sk-not-a-real-one", actor=Actor.operator()
    )
    assert done() == ["budget", "test-key", "wall", "provider"]
    fernhill.keys["live"] = ApiKey.objects.create(tenant=fernhill.tenant, name="l", mode="live", digest="2")
    fernhill.record("sandbox")
    assert "first" not in done(), "a test request is no live one"
    fernhill.record("live")
    with django_assert_num_queries(1):
        assert progress(fernhill.tenant, "owner").finished


def test_the_first_line_that_is_not_done_is_open_and_carries_the_button(client: Client, fernhill: Fernhill) -> None:
    client.force_login(fernhill.owner)
    body = client.get(f"{fernhill.home}onboarding/").content.decode()
    legs = re.findall(r'<li class="leg" id="([\w-]+)">\s*<details( open)?>', body)
    assert legs == [("budget", " open"), ("test-key", ""), ("wall", ""), ("provider", ""), ("first", "")]
    assert '<a class="btn btn-act" href="/t/fernhill-labs/start/">Set a budget</a>' in body


def test_the_lines_are_on_the_overview_until_all_are_done_and_stay_in_the_help_menu(
    client: Client, fernhill: Fernhill
) -> None:
    Cap.objects.create(tenant=fernhill.tenant, mode="live", window="month", amount=10**10)
    said = page(client, fernhill)
    assert "Getting started 2 of 5 done" in said and "Hit the cap on purpose" in said
    assert said.count("Getting started") == 2  # the section, and the menu
    wall = crossed(fernhill, 100)
    wall.cap = Cap.objects.get(tenant=fernhill.tenant, mode="test")
    wall.save()
    set_provider_credential(tenant=fernhill.tenant, provider="openai", secret="sk-none", actor=Actor.operator())
    fernhill.keys["live"] = ApiKey.objects.create(tenant=fernhill.tenant, name="l", mode="live", digest="2")
    fernhill.record("live")
    said = page(client, fernhill)
    assert "of 5 done" not in said and said.count("Getting started") == 1


def test_a_viewer_reads_the_lines_and_has_no_button_that_would_be_refused(client: Client, fernhill: Fernhill) -> None:
    viewer = fernhill.member("viewer")
    client.force_login(viewer)
    body = client.get(f"{fernhill.home}onboarding/").content.decode()
    main = body.split("<main")[1]
    assert "<form" not in main and "btn-act" not in main
    for path in ("test-key", "try", "start-over"):
        answer = client.post(f"{fernhill.home}onboarding/{path}/")
        assert answer.status_code == 403
        assert "Only members, admins and owners can make keys. Ask owner@fernhill.example." in text_of(answer)


# --- Snippets --------------------------------------------------------------------------------------------------------


def test_snippets_have_the_real_address_and_mark_the_lines_that_change(rf: RequestFactory, settings: Any) -> None:
    request = rf.get("/", headers={"host": "testserver"})
    made = {snippet.id: snippet for snippet in snippets.of(request, "tk_test_abc")}
    assert list(made) == ["openai", "anthropic", "node", "curl"]
    assert [line.text.strip() for line in made["openai"].lines if line.changed] == [
        'base_url="http://testserver/v1",', 'api_key="tk_test_abc",'
    ]  # fmt: skip
    assert (
        next(line.text.strip() for line in made["anthropic"].lines if line.changed) == 'base_url="http://testserver",'
    )
    for name in ("openai", "anthropic"):
        ast.parse("\n".join(line.text for line in made[name].lines))
    settings.PUBLIC_URL = "https://tokens.example/"
    assert snippets.of(request)[3].lines[0].text == "curl https://tokens.example/v1/chat/completions \\"


def test_a_test_key_is_made_in_place_and_shown_this_once_in_the_snippets_too(
    client: Client, fernhill: Fernhill
) -> None:
    without_keys(fernhill)
    client.force_login(fernhill.owner)
    answer = client.post(f"{fernhill.home}onboarding/test-key/")
    body = answer.content.decode()
    secret = re.search(r"data-copy>(tk_test_\w+)<", body)
    assert secret is not None and body.count(secret[1]) == 5, "the secret, and four snippets"
    assert "no-store" in answer["Cache-Control"]
    key = ApiKey.objects.get()
    assert (key.mode, key.name, key.created_by) == ("test", "first-test-key", fernhill.owner)
    assert secret[1] not in client.get(f"{fernhill.home}onboarding/").content.decode()
    assert fernhill.tenant.audit_events.filter(action="api_key.created", actor=fernhill.owner).exists()


def test_the_first_request_takes_the_place_of_the_waiting_line(client: Client, fernhill: Fernhill) -> None:
    assert "Waiting for your first test request." in page(client, fernhill, "onboarding/")
    row = fernhill.record("sandbox")
    client.force_login(fernhill.owner)
    body = client.get(f"{fernhill.home}onboarding/").content.decode()
    assert "Waiting for your first test request." not in body and f'id="row-{row.pk}"' in body
    assert "Waiting for your first live request." in body


def test_a_snippet_that_fails_shows_the_very_error(client: Client, fernhill: Fernhill) -> None:
    message = "The model 'gpt-4oo' has no price here, so what it costs cannot be bounded."
    fernhill.refuse("sandbox", code="model_not_priced", scope="", reason="", model="gpt-4oo", message=message)
    assert message in page(client, fernhill, "onboarding/")


# --- The playground --------------------------------------------------------------------------------------------------


def answers(*replies: tuple[int, dict[str, Any], dict[str, str]]) -> list[Any]:
    return list(replies)


PAID = (
    200,
    {"choices": [{"message": {"content": "Because."}}]},
    {"x-tokonomics-cost-usd": "0.01021", "x-tokonomics-budget-remaining-usd": "0.0398"},
)


def test_it_sends_with_a_key_of_its_own_that_never_reaches_the_browser(
    client: Client, fernhill: Fernhill, route: Route
) -> None:
    client.force_login(fernhill.owner)
    route.answers = answers(PAID)
    told = {"headers": {"hx-request": "true"}, **route.meta}
    answer = client.post(f"{fernhill.home}onboarding/try/", {"prompt": "Why?"}, **told)
    said = text_of(answer)
    assert "200 cost $0.01021" in said and "Because." in said
    ((path, headers, body),) = route.got
    assert path == "/v1/chat/completions" and body["messages"] == [{"role": "user", "content": "Why?"}]
    secret = headers["authorization"].removeprefix("Bearer ")
    key = ApiKey.objects.get(name=playground.NAME)
    assert secret.startswith("tk_test_") and key.mode == "test" and key.expires_at is not None
    assert Cap.objects.get(api_key=key).amount == playground.CAP
    kept = client.session[f"playground:{fernhill.tenant.pk}"]
    assert secret not in json.dumps(kept) and crypto.decrypt(kept["secret"]) == secret
    assert secret not in answer.content.decode()
    assert secret not in client.get(f"{fernhill.home}onboarding/").content.decode()


def test_hitting_the_cap_on_purpose_goes_on_by_itself_until_the_refusal_shown_word_for_word(
    client: Client, fernhill: Fernhill, route: Route
) -> None:
    client.force_login(fernhill.owner)
    route.answers = answers(PAID, PAID, (429, REFUSAL, {}))
    hit = {"prompt": "Why?", "until": "wall"}
    url, told = f"{fernhill.home}onboarding/try/", {"headers": {"hx-request": "true"}, **route.meta}
    for _ in range(2):
        body = client.post(url, hit, **told).content.decode()
        assert 'hx-trigger="load delay:350ms"' in body, "the page sends the next one"
    answer = client.post(url, hit, **told)
    body = answer.content.decode()
    assert "load delay" not in body, "it stops at the wall"
    assert "HTTP 429" in body
    shown = re.search(r'<pre class="code reply"[^>]*>HTTP 429\n(.*?)</pre>', body, re.S)
    assert shown is not None
    assert json.loads(shown[1].replace("&quot;", '"')) == REFUSAL
    assert "Start over with $0.05" in body
    assert {request[2]["max_tokens"] for request in route.got} == {playground.LARGE_REPLY}
    assert ApiKey.objects.filter(name=playground.NAME).count() == 1


def test_without_script_each_step_is_a_form_and_the_page_comes_back(
    client: Client, fernhill: Fernhill, route: Route
) -> None:
    client.force_login(fernhill.owner)
    route.answers = answers((429, REFUSAL, {}))
    answer = client.post(f"{fernhill.home}onboarding/try/", {"until": "wall"}, **route.meta)
    assert (answer.status_code, answer["Location"]) == (302, f"{fernhill.home}onboarding/#wall")
    assert "HTTP 429" in client.get(f"{fernhill.home}onboarding/").content.decode()


def test_starting_over_revokes_the_key_that_is_spent_and_takes_a_new_one(
    client: Client, fernhill: Fernhill, route: Route
) -> None:
    client.force_login(fernhill.owner)
    route.answers = answers((429, REFUSAL, {}), PAID)
    client.post(f"{fernhill.home}onboarding/try/", {"until": "wall"}, **route.meta)
    answer = client.post(f"{fernhill.home}onboarding/start-over/", headers={"hx-request": "true"})
    assert "HTTP 429" not in answer.content.decode()
    old, new = ApiKey.objects.filter(name=playground.NAME).order_by("created_at")
    assert old.revoked_at is not None and new.revoked_at is None
    client.post(f"{fernhill.home}onboarding/try/", {}, **route.meta)
    assert route.got[0][1]["authorization"] != route.got[1][1]["authorization"]


def test_a_host_header_sends_nothing_elsewhere(client: Client, fernhill: Fernhill, route: Route) -> None:
    """What is asked is the socket that the request came in on: the Host header is whatever a visitor writes."""
    client.force_login(fernhill.owner)
    route.answers = answers(PAID)
    url = f"{fernhill.home}onboarding/try/"
    client.post(url, {}, **route.meta, headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
    assert len(route.got) == 1


def test_a_server_that_does_not_answer_is_said_in_words(client: Client, fernhill: Fernhill, route: Route) -> None:
    client.force_login(fernhill.owner)
    nowhere = {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "9"}
    url = f"{fernhill.home}onboarding/try/"
    answer = client.post(url, {}, **nowhere, headers={"hx-request": "true"})
    assert answer.status_code == 200 and "The metered route did not answer." in text_of(answer)
    client.post(url, {}, **nowhere)
    assert "The metered route did not answer." in page(client, fernhill, "onboarding/")


def test_two_people_have_a_playground_each(client: Client, fernhill: Fernhill, route: Route) -> None:
    other = Client()
    client.force_login(fernhill.owner)
    other.force_login(fernhill.member("member"))
    route.answers = answers(PAID, PAID)
    for each in (client, other):
        each.post(f"{fernhill.home}onboarding/try/", {}, **route.meta)
    assert len({headers["authorization"] for _, headers, _ in route.got}) == 2
    assert Membership.objects.count() == 2


def test_the_keys_of_the_playground_count_for_nothing_that_an_application_should_do(
    client: Client, fernhill: Fernhill, route: Route
) -> None:
    without_keys(fernhill)
    client.force_login(fernhill.owner)
    route.answers = answers(PAID)
    client.post(f"{fernhill.home}onboarding/try/", {}, **route.meta)
    assert not [step for step in progress(fernhill.tenant, "owner").steps if step.key == "test-key" and step.done]
