"""What is refused is refused with its documented code, in the client's own dialect, and never reaches a provider."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from tests.support.dialects import ANTHROPIC, OPENAI, Dialect
from tests.support.office import Company, Office
from tests.support.stack import ProductStack
from tests.support.wire import Wire, WireReply, post

TYPES = {
    "openai": {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error"},
    "anthropic": {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error"},
}


@pytest.fixture
def wire(stack: ProductStack) -> Iterator[Wire]:
    with Wire(stack.base_url) as connection:
        yield connection


def ask(wire: Wire, dialect: Dialect, key: str, body: bytes | None = None, **fields: Any) -> WireReply:
    wire.send(post(dialect.path, orjson.dumps(dialect.body(**fields)) if body is None else body, dialect.headers(key)))
    return wire.reply()


def assert_refused(reply: WireReply, dialect: Dialect, status: int, code: str, param: str | None = None) -> str:
    """In the dialect's own shape, not to be tried again; the message."""
    document = reply.json()
    error = document["error"]
    assert (reply.status, error["code"]) == (status, code), document
    assert reply.headers["x-should-retry"] == "false"
    assert "retry-after" not in reply.headers
    if dialect is ANTHROPIC:
        assert document.keys() == {"type", "error", "request_id"} and document["type"] == "error"
        assert document["request_id"] == reply.headers["request-id"] == reply.headers["x-request-id"]
        assert error.get("param") == param
    else:
        assert document.keys() == {"error"} and error.keys() == {"code", "message", "type", "param"}
        assert error["param"] == param
    assert error["type"] == TYPES[dialect.name].get(status, error["type"])
    return str(error["message"])


# --- Bodies ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bad:
    """A body, or fields that are added to a good one."""

    code: str
    param: str | None = None
    body: bytes | None = None
    fields: dict[str, Any] = field(default_factory=dict)


BODIES = {
    "nothing": Bad("invalid_json", body=b""),
    "cut off": Bad("invalid_json", body=b'{"model": "gpt-4o", "messages": ['),
    "no object": Bad("invalid_json", body=b'["gpt-4o"]'),
    "not UTF-8": Bad("invalid_json", body=b'{"model": "gpt-\xff4o"}'),
    "NaN": Bad("invalid_json", body=b'{"model": "gpt-4o", "temperature": NaN}'),
    "a key twice": Bad("invalid_json", body=b'{"model": "gpt-4o", "max_tokens": 1, "max_tokens": 100000}'),
    "a nested key twice": Bad("invalid_json", body=b'{"messages": [{"role": "user", "role": "user", "content": "x"}]}'),
    "a key twice, once escaped": Bad("invalid_json", body=b'{"max_tokens": 1, "max\\u005ftokens": 100000}'),
    "nested too deeply": Bad("invalid_json", body=b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "an unknown field": Bad("unbounded_request", "best_of", fields={"best_of": 50}),
    "a known field in capitals": Bad("unbounded_request", "Temperature", fields={"Temperature": 1}),
    "an unpriced model": Bad("model_not_priced", "model", fields={"model": "gpt-4o-of-the-future"}),
    "a model of another name": Bad("model_not_priced", "model", fields={"model": "gpt-4o/../o1-pro"}),
}


@pytest.mark.parametrize("bad", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_cannot_be_priced(
    stack: ProductStack, company: Company, wire: Wire, dialect: Dialect, bad: Bad
) -> None:
    reply = ask(wire, dialect, company.key, bad.body, **bad.fields)
    assert_refused(reply, dialect, 400, bad.code, bad.param)
    assert stack.provider.count == 0
    assert ask(wire, dialect, company.key).status == 200, "the connection and the key go on working"
    company.rows(1)


DEAR_FIELDS = {
    "speech": (OPENAI, "audio", {"audio": {"voice": "alloy", "format": "wav"}}),
    "a search": (OPENAI, "web_search_options", {"web_search_options": {}}),
    "a kept conversation": (OPENAI, "previous_response_id", {"previous_response_id": "resp_1"}),
    "the provider's tools without a limit": (
        ANTHROPIC,
        "tools[0].max_uses",
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    ),
    "MCP servers": (ANTHROPIC, "mcp_servers", {"mcp_servers": [{"type": "url", "url": "https://example.com"}]}),
    "a container": (ANTHROPIC, "container", {"container": "c_1"}),
}


@pytest.mark.parametrize("case", DEAR_FIELDS.values(), ids=DEAR_FIELDS.keys())
def test_a_wish_without_an_upper_price(
    stack: ProductStack, company: Company, wire: Wire, case: tuple[Dialect, str, dict[str, Any]]
) -> None:
    dialect, param, fields = case
    message = assert_refused(ask(wire, dialect, company.key, **fields), dialect, 400, "unbounded_request", param)
    assert param in message or "max_uses" in message
    assert stack.provider.count == 0
    company.untouched()


def test_a_beta_that_nobody_has_priced(stack: ProductStack, company: Company, wire: Wire) -> None:
    headers = {**ANTHROPIC.headers(company.key), "anthropic-beta": "dearer-2027-01-01"}
    wire.send(post(ANTHROPIC.path, orjson.dumps(ANTHROPIC.body()), headers))
    assert wire.reply().json()["error"]["code"] == "unbounded_request"
    assert stack.provider.count == 0


# --- Routes ----------------------------------------------------------------------------------------------------------

ROUTES = (
    *(("POST", path) for path in ("/v1/fine_tuning/jobs", "/v1/files", "/v1/batches", "/v1/threads", "/v1/x")),
    *(("POST", path) for path in ("/v1", "/v1/", "/v1/chat/completions/", "/v1//chat/completions", "/v1/models")),
    *(("POST", path) for path in ("/v1/messages/batches", "/v1/messages/", "/v1/chat/completions/../files")),
    *((method, "/v1/chat/completions") for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS")),
    ("GET", "/v1/models/gpt-4o"),
    ("DELETE", "/v1/models"),
)


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[" ".join(route) for route in ROUTES])
def test_a_route_that_is_not_metered(stack: ProductStack, company: Company, wire: Wire, method: str, path: str) -> None:
    dialect = ANTHROPIC if path.startswith("/v1/messages") else OPENAI
    wire.send(post(path, orjson.dumps(dialect.body()), dialect.headers(company.key), method=method))
    assert_refused(wire.reply(), dialect, 404, "route_not_metered")
    assert stack.provider.count == 0


# --- Keys ------------------------------------------------------------------------------------------------------------


def wrong_keys(key: str) -> list[str]:
    last = "a" if key[-1] != "a" else "b"
    return [
        "",
        "tk_live_",
        "sk-proj-somebody-elses-openai-key",
        key[:-1],
        key[:-1] + last,
        key + " x",
        key.upper(),
        key.replace("live", "test"),
        "tk_live_" + "A" * 40,
        "tk_live_" + "é" * 40,
        "x" * 8_000,
    ]


@pytest.mark.fault("client: another company's key", promises=("P2", "P8"))
def test_a_wrong_key_is_refused_whatever_is_wrong_with_it(
    stack: ProductStack, company: Company, wire: Wire, dialect: Dialect
) -> None:
    for key in wrong_keys(company.key):
        assert_refused(ask(wire, dialect, key), dialect, 401, "invalid_api_key")
    wire.send(post(dialect.path, orjson.dumps(dialect.body()), {"content-type": "application/json"}))
    assert_refused(wire.reply(), dialect, 401, "invalid_api_key")
    assert_refused(ask(wire, dialect, company.management_token), dialect, 401, "invalid_api_key")
    assert stack.provider.count == 0
    company.untouched()


def test_each_sdk_s_way_to_send_the_key_is_understood(stack: ProductStack, company: Company, wire: Wire) -> None:
    for headers in (
        {"authorization": f"Bearer {company.key}"},
        {"authorization": f"bearer  {company.key} "},
        {"x-api-key": company.key},
        {"x-goog-api-key": company.key},
    ):
        wire.send(post(OPENAI.path, orjson.dumps(OPENAI.body()), headers))
        assert wire.reply().status == 200, headers
    company.rows(4)


@pytest.mark.fault("client: another company's key", promises=("P8",))
def test_no_company_s_key_opens_another_s_budget(stack: ProductStack, office: Office, wire: Wire) -> None:
    rich, poor = office.company(cap="50.00"), office.company(cap="0.00")
    headers = {"authorization": f"Bearer {poor.key}", "x-api-key": rich.key}
    wire.send(post(OPENAI.path, orjson.dumps(OPENAI.body()), headers))
    assert wire.reply().json()["error"]["code"] == "budget_cap_exceeded"
    assert stack.provider.count == 0
    rich.untouched()


def test_a_revoked_and_an_expired_key(stack: ProductStack, company: Company, wire: Wire, dialect: Dialect) -> None:
    short = company.do("create_key", lives_seconds=0.5)
    company.do("revoke_key", key_id=company.key_id)
    assert_refused(ask(wire, dialect, company.key), dialect, 403, "api_key_revoked")
    reply = ask(wire, dialect, short["secret"])
    while reply.status == 200:  # it has half a second to live
        reply = ask(wire, dialect, short["secret"])
    assert_refused(reply, dialect, 403, "api_key_expired")


def test_a_model_that_the_key_may_not_use(stack: ProductStack, company: Company, wire: Wire, dialect: Dialect) -> None:
    company.do("allow_models", key_id=company.key_id, models=["gpt-4o-mini", "claude-haiku-4-5"])
    message = assert_refused(ask(wire, dialect, company.key), dialect, 403, "model_not_allowed")
    assert dialect.model in message
    assert stack.provider.count == 0
    allowed = "gpt-4o-mini" if dialect is OPENAI else "claude-haiku-4-5"
    assert ask(wire, dialect, company.key, model=allowed).status == 200


# --- What is not set up yet ------------------------------------------------------------------------------------------


def test_without_a_budget_live_keys_wait_and_test_keys_work(
    stack: ProductStack, office: Office, wire: Wire, dialect: Dialect
) -> None:
    company = office.company(cap=None)
    assert_refused(ask(wire, dialect, company.key), dialect, 400, "budget_not_set")
    assert ask(wire, dialect, company.test_key).status == 200
    company.do("set_cap", cap="1.00")
    assert ask(wire, dialect, company.key).status == 200


def test_without_a_provider_s_key_nothing_is_sent_there(
    stack: ProductStack, office: Office, wire: Wire, dialect: Dialect
) -> None:
    other = ANTHROPIC if dialect is OPENAI else OPENAI
    company = office.company(providers=(other.name,))
    message = assert_refused(ask(wire, dialect, company.key), dialect, 400, "provider_not_configured")
    assert dialect.name in message
    assert ask(wire, other, company.key).status == 200
    assert {request.path for request in stack.provider.requests} == {other.path}
