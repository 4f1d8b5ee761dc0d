"""`estimate/`: says what the very same request would meet, and holds nothing."""

from typing import Any

import pytest

from budgets import keyspace, live
from budgets.money import NANO, parse_usd
from budgets.services import set_key_cap, set_tenant_cap
from budgets.windows import WindowKind, windows_at
from tenants import services, store
from tests.api.conftest import ApiClient, Company, Used, settle_counters
from tests.support.valkey import ValkeyServer

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}


def asked(client: ApiClient, body: dict[str, Any], endpoint: str = CHAT, **more: Any) -> Any:
    reply = client.post("estimate/", {"endpoint": endpoint, "body": body, **more})
    assert reply.status_code == 200, reply.content
    return reply.json()


@pytest.fixture
def client(company: Company) -> ApiClient:
    """An application, with its own key."""
    settle_counters(company)
    return ApiClient(company.key_secret)


def test_what_it_could_cost_hold_and_be_sent_with(client: ApiClient) -> None:
    said = asked(client, HELLO)
    assert (said["admitted"], said["refusal"], said["provider"], said["model"]) == (True, None, "openai", "gpt-4o-mini")
    assert 10 < said["input_tokens"] < 200 and (said["output_limit"], said["output_limit_given"]) == (16_384, False)
    # $0.15 and $0.60 a million.
    assert parse_usd(said["bound_usd"], decimals=9) == said["input_tokens"] * 150 + 16_384 * 600
    assert said["hold_usd"] == said["bound_usd"] and said["hold_basis"] == "bound"
    assert (said["price"]["input"], said["price_source"][:12], said["own_price"]) == ("0.15", "genai-prices", None)


def test_nothing_is_held_and_nothing_is_written(client: ApiClient, company: Company) -> None:
    def of_tenant() -> list[bytes]:
        return sorted(store.client().scan_iter(f"*{company.tenant.pk}*"))

    before = of_tenant()
    for _ in range(3):
        asked(client, HELLO)
    assert of_tenant() == before and store.client().zcard(keyspace.holds(company.tenant.pk)) == 0


def test_a_limit_of_the_request_is_the_one_that_counts(client: ApiClient) -> None:
    said = asked(client, {**HELLO, "max_tokens": 50, "n": 3})
    assert (said["output_limit"], said["output_limit_given"], said["choices"]) == (50, True, 3)
    assert parse_usd(said["bound_usd"], decimals=9) == said["input_tokens"] * 150 + 150 * 600


@pytest.mark.parametrize(
    ("endpoint", "body", "provider"),
    [
        ("/v1/responses", {"model": "gpt-4o-mini", "input": "hi"}, "openai"),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "hi"}, "openai"),
        ("/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": HELLO["messages"]}, "anthropic"),
        ("/v1beta/models/gemini-2.5-flash:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}, "gemini"),
    ],
)
def test_every_dialect_in_its_own_words(company: Company, endpoint: str, body: dict[str, Any], provider: str) -> None:
    settle_counters(company)
    said = asked(ApiClient(company.test_key_secret), body, endpoint)
    assert (said["admitted"], said["provider"]) == (True, provider)
    assert parse_usd(said["expected"]["cost_usd"], decimals=9) <= parse_usd(said["bound_usd"], decimals=9)


def test_what_is_billed_nothing_says_so(company: Company) -> None:
    said = asked(
        ApiClient(company.test_key_secret), {"model": "omni-moderation-latest", "input": "hi"}, "/v1/moderations"
    )
    assert (said["admitted"], said["free"], said["bound_usd"], said["expected"]) == (True, True, None, None)


# --- Why not ---------------------------------------------------------------------------------------------------------


def refusal(said: Any) -> tuple[int, str]:
    assert said["admitted"] is False and said["hold_usd"] is None
    return said["refusal"]["status"], said["refusal"]["code"]


def test_a_request_that_is_too_large_gets_the_body_that_the_proxy_would_give(
    client: ApiClient, company: Company
) -> None:
    set_key_cap(
        tenant=company.tenant, key_id=company.key.pk, window=WindowKind.MONTH, amount=NANO // 1000, actor=company.actor
    )
    said = asked(client, {**HELLO, "max_tokens": 16_000})
    assert refusal(said) == (429, "budget_cap_exceeded") and said["refusal"]["retry"] is False
    error = said["refusal"]["body"]["error"]
    assert (error["reason"], error["scope"], error["window"], error["limit_usd"]) == (
        *("request_too_large", "api_key", "month"),
        "0.001",
    )
    assert error["message"] == said["refusal"]["message"] and error["fits_output_tokens"] < 1_700
    assert parse_usd(said["bound_usd"], decimals=9) > 9_600_000 and said["expected"]["cost_usd"]
    assert asked(client, {**HELLO, "max_tokens": error["fits_output_tokens"]})["admitted"] is True


def test_money_that_requests_in_flight_hold(client: ApiClient, company: Company) -> None:
    month = windows_at(live.now()).month.suffix
    counter = keyspace.key_counter(company.tenant.pk, company.key.pk, month)
    store.client().hset(counter, "held", 5 * NANO - 1_000)
    said = asked(client, HELLO)
    assert refusal(said) == (429, "budget_held") and said["refusal"]["retry"] is True


def test_a_cap_of_0_and_a_soft_one(client: ApiClient, company: Company) -> None:
    set_tenant_cap(tenant=company.tenant, amount=0, actor=company.actor)
    assert refusal(asked(client, HELLO)) == (429, "budget_cap_exceeded")
    set_tenant_cap(tenant=company.tenant, hard=False, actor=company.actor)
    assert asked(client, HELLO)["admitted"] is True


@pytest.mark.parametrize(
    ("endpoint", "body", "status", "code"),
    [
        (CHAT, {**HELLO, "model": "gpt-99"}, 400, "model_not_priced"),
        (CHAT, {**HELLO, "unheard_of": 1}, 400, "unbounded_request"),
        (CHAT, {"model": "gpt-4o"}, 400, "invalid_request"),
        (
            "/v1/messages",
            {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": HELLO["messages"]},
            400,
            "provider_not_configured",
        ),
        ("/v1/fine_tuning/jobs", {}, 404, "route_not_metered"),
    ],
)
def test_what_the_proxy_would_refuse_at_once(
    client: ApiClient, endpoint: str, body: dict[str, Any], status: int, code: str
) -> None:
    assert refusal(asked(client, body, endpoint)) == (status, code)


def test_what_a_missing_provider_key_would_cost_is_said_all_the_same(client: ApiClient) -> None:
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": HELLO["messages"]}
    said = asked(client, body, "/v1/messages")
    assert said["refusal"]["code"] == "provider_not_configured" and said["bound_usd"]
    assert said["refusal"]["body"]["type"] == "error"  # in Anthropic's dialect


def test_models_and_keys_that_may_not(client: ApiClient, company: Company) -> None:
    with_key = {"api_key": company.key.pk}
    services.update_api_key(tenant=company.tenant, key_id=company.key.pk, allowed_models=["o3"], actor=company.actor)
    assert refusal(asked(client, HELLO)) == (403, "model_not_allowed")
    services.pause_api_key(tenant=company.tenant, key_id=company.key.pk, actor=company.actor)
    assert refusal(asked(client, HELLO)) == (403, "api_key_paused")
    services.revoke_api_key(tenant=company.tenant, key_id=company.key.pk, actor=company.actor)
    assert refusal(asked(company.api, HELLO, **with_key)) == (403, "api_key_revoked")
    assert client.post("estimate/", {"endpoint": CHAT, "body": HELLO}).status_code == 403


def test_while_redis_is_away_it_would_be_refused(company: Company, own_valkey: ValkeyServer) -> None:
    own_valkey.kill()
    assert refusal(asked(ApiClient(company.key_secret), HELLO)) == (503, "ledger_unavailable")


# --- Who may ask, and what may be sent -------------------------------------------------------------------------------


def test_a_management_token_asks_for_a_key_of_its_company(company: Company, stranger: Company) -> None:
    settle_counters(company)
    for client in (company.api, company.read_only):
        assert asked(client, HELLO, api_key=company.key.pk)["admitted"] is True
        assert client.post("estimate/", {"endpoint": CHAT, "body": HELLO}).json()["error"]["param"] == "api_key"
        foreign = client.post("estimate/", {"endpoint": CHAT, "body": HELLO, "api_key": stranger.key.pk})
        assert foreign.status_code == 404
    own = ApiClient(company.key_secret)
    other = own.post("estimate/", {"endpoint": CHAT, "body": HELLO, "api_key": company.test_key.pk})
    assert other.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"body": HELLO}, "endpoint"),
        ({"endpoint": CHAT}, "body"),
        ({"endpoint": CHAT, "body": []}, "body"),
        ({"endpoint": CHAT, "body": HELLO, "header": {}}, "header"),
        ({"endpoint": CHAT, "body": HELLO, "headers": {"a": 1}}, "headers.a"),
    ],
)
def test_what_is_no_request_is_refused(client: ApiClient, body: dict[str, Any], param: str) -> None:
    reply = client.post("estimate/", body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


# --- What it will likely cost ----------------------------------------------------------------------------------------


def test_expected_is_learned_from_the_keys_own_replies_then_the_companys_else_assumed(
    client: ApiClient, company: Company, used: Used
) -> None:
    assert asked(client, HELLO)["expected"] | {"cost_usd": ""} == {
        "cost_usd": "",
        "learned_from": "assumption",
        "replies": 0,
        "input_tokens": asked(client, HELLO)["input_tokens"],
        "output_tokens": 300,
    }
    other, _ = services.create_api_key(tenant=company.tenant, name="other", actor=company.actor)
    like = {"endpoint": "/chat/completions", "bound": {"input": 200, "output": 16_384, "choices": 1}}
    for _ in range(10):
        used(company, 1, key=other, **like)
    said = asked(client, HELLO)
    assert (said["expected"]["learned_from"], said["expected"]["output_tokens"]) == ("company", 20)
    assert said["expected"]["input_tokens"] == -(-said["input_tokens"] // 2)  # half of the bound, as in those
    for _ in range(10):
        used(company, 1, **like)
    assert asked(client, HELLO)["expected"]["learned_from"] == "key"
    assert asked(client, {**HELLO, "max_tokens": 5})["expected"]["output_tokens"] == 5


def test_a_price_of_ones_own_is_the_one_that_is_reckoned_with(client: ApiClient, company: Company) -> None:
    own = company.api.post("prices/", {"provider": "openai", "model": "*", "discount_percent": "50"}).json()
    said = asked(client, HELLO)
    assert (said["own_price"], said["price"]["input"]) == (own["id"], "0.075")
    assert parse_usd(said["bound_usd"], decimals=9) == said["input_tokens"] * 75 + 16_384 * 300
