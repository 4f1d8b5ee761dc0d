"""Refusals in each family's own words, as its official client reads them."""

from datetime import UTC, datetime, timedelta

import anthropic
import httpx
import httpx2
import openai
import orjson
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types

from proxy.providers.anthropic_errors import ANTHROPIC_ERRORS
from proxy.providers.base import ErrorBody
from proxy.providers.google_errors import GOOGLE_ERRORS
from proxy.providers.openai_errors import OPENAI_ERRORS, OPENAI_RESPONSES_ERRORS
from proxy.providers.registry import dialect_for
from proxy.sse import Decoder

DETAILS = {
    "reset_at": "2026-12-01T00:00:00Z",
    "reason": "spent",
    "scope": "tenant",
    "window": "month",
    "limit_usd": "49.00",
    "spent_usd": "49.00",
    "held_usd": "0.00",
}
MESSAGE = "Monthly spending limit reached. Contact your administrator."
CAP = ErrorBody(429, "budget_cap_exceeded", MESSAGE, "insufficient_quota", details=DETAILS)
FIELD = ErrorBody(400, "unbounded_request", "No.", param="audio")


def test_openai_the_documented_body():
    assert orjson.loads(OPENAI_ERRORS.error(CAP, "req_1")) == {
        "error": {
            "code": "budget_cap_exceeded",
            "message": MESSAGE,
            "reset_at": "2026-12-01T00:00:00Z",
            "type": "insufficient_quota",
            "param": None,
            "reason": "spent",
            "scope": "tenant",
            "window": "month",
            "limit_usd": "49.00",
            "spent_usd": "49.00",
            "held_usd": "0.00",
        }
    }
    assert orjson.loads(OPENAI_ERRORS.error(FIELD, "req_1"))["error"]["param"] == "audio"


def test_anthropic_the_documented_body():
    assert orjson.loads(ANTHROPIC_ERRORS.error(CAP, "req_1")) == {
        "type": "error",
        "error": {"type": "rate_limit_error", "code": "budget_cap_exceeded", "message": MESSAGE, **DETAILS},
        "request_id": "req_1",
    }


def test_google_the_documented_body():
    body = orjson.loads(GOOGLE_ERRORS.error(CAP, "req_1"))
    retry = body["error"]["details"].pop()
    assert retry["@type"] == "type.googleapis.com/google.rpc.RetryInfo"
    assert body == {
        "error": {
            "code": 429,
            "status": "RESOURCE_EXHAUSTED",
            "message": MESSAGE,
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "budget_cap_exceeded",
                    "domain": "tokonomics",
                    "metadata": DETAILS,
                }
            ],
        }
    }
    size = ErrorBody(429, "budget_cap_exceeded", "x", details={"fits_output_tokens": 7, "reset_at": None})
    [info] = orjson.loads(GOOGLE_ERRORS.error(size, "r"))["error"]["details"]
    assert info["metadata"] == {"fits_output_tokens": "7"}


def test_google_is_told_when_it_may_try_again():
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def delay(code, **details):
        _, *found = orjson.loads(GOOGLE_ERRORS.error(ErrorBody(429, code, "m", details=details), "r"))["error"][
            "details"
        ]
        return [each["retryDelay"] for each in found]

    assert 86_390 <= int(delay("budget_cap_exceeded", reset_at=tomorrow)[0].removesuffix("s")) <= 86_400
    assert delay("budget_cap_exceeded", reset_at="2020-01-01T00:00:00Z") == ["1s"]
    assert delay("budget_held", reset_at=tomorrow) == ["1s"]
    assert delay("rate_limited", reset_at=tomorrow) == delay("budget_cap_exceeded") == []


@pytest.mark.parametrize("dialect", [OPENAI_ERRORS, ANTHROPIC_ERRORS])
def test_details_cannot_take_the_place_of_the_code(dialect):
    body = ErrorBody(429, "budget_cap_exceeded", "m", "t", details={"code": "x", "message": "x", "type": "x"})
    error = orjson.loads(dialect.error(body, "r"))["error"]
    assert (error["code"], error["message"]) == ("budget_cap_exceeded", "m")
    assert error["type"] != "x"


@pytest.mark.parametrize(
    ("status", "type_", "google"),
    [
        (400, "invalid_request_error", "INVALID_ARGUMENT"),
        (401, "authentication_error", "UNAUTHENTICATED"),
        (403, "permission_error", "PERMISSION_DENIED"),
        (404, "not_found_error", "NOT_FOUND"),
        (413, "request_too_large", "INVALID_ARGUMENT"),
        (429, "rate_limit_error", "RESOURCE_EXHAUSTED"),
        (502, "api_error", "UNAVAILABLE"),
        (503, "api_error", "UNAVAILABLE"),
        (504, "timeout_error", "DEADLINE_EXCEEDED"),
    ],
)
def test_every_status_has_its_type(status, type_, google):
    body = ErrorBody(status, "c", "m")
    assert orjson.loads(ANTHROPIC_ERRORS.error(body, "r"))["error"]["type"] == type_
    assert orjson.loads(GOOGLE_ERRORS.error(body, "r"))["error"]["status"] == google


@pytest.mark.parametrize("dialect", [OPENAI_ERRORS, ANTHROPIC_ERRORS, GOOGLE_ERRORS])
def test_inside_a_stream_an_error_is_one_event_with_the_same_body(dialect):
    [event] = Decoder().feed(dialect.stream_error(CAP, "req_1") + b"x")
    assert event.data == dialect.error(CAP, "req_1")
    assert event.name == ("error" if dialect is ANTHROPIC_ERRORS else "message")


def test_inside_a_stream_of_a_response_an_error_is_the_documented_event():
    [event] = Decoder().feed(OPENAI_RESPONSES_ERRORS.stream_error(CAP, "req_1") + b"x")
    said = orjson.loads(event.data)
    assert (event.name, said["type"], said["code"], said["message"]) == (
        "error",
        "error",
        "budget_cap_exceeded",
        MESSAGE,
    )
    assert said["error"] == orjson.loads(OPENAI_ERRORS.error(CAP, "req_1"))["error"]
    assert OPENAI_RESPONSES_ERRORS.error(CAP, "req_1") == OPENAI_ERRORS.error(CAP, "req_1")


def _transport(http, status, body, content_type):
    """`http` is httpx or its successor: each SDK wants its own."""
    reply = http.Response(status, content=body, headers={"content-type": content_type, "x-should-retry": "false"})
    return http.Client(transport=http.MockTransport(lambda request: reply))


def _openai(status, body, content_type="application/json"):
    http_client = _transport(httpx, status, body, content_type)
    return openai.OpenAI(api_key="x", base_url="http://gateway/v1", http_client=http_client)


def _anthropic(status, body, content_type="application/json"):
    http_client = _transport(httpx2, status, body, content_type)
    return anthropic.Anthropic(api_key="x", base_url="http://gateway", http_client=http_client)


def test_the_openai_client_reads_code_type_and_param():
    with _openai(429, OPENAI_ERRORS.error(CAP, "req_1")) as client, pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])
    assert (caught.value.code, caught.value.type) == ("budget_cap_exceeded", "insufficient_quota")
    assert caught.value.body["reset_at"] == "2026-12-01T00:00:00Z"


def test_the_anthropic_client_reads_the_type():
    with (
        _anthropic(429, ANTHROPIC_ERRORS.error(CAP, "req_1")) as client,
        pytest.raises(anthropic.RateLimitError) as caught,
    ):
        client.messages.create(model="claude-sonnet-5-5", max_tokens=5, messages=[{"role": "user", "content": "x"}])
    assert caught.value.body["error"]["code"] == "budget_cap_exceeded"


def test_both_clients_raise_on_an_error_inside_a_stream():
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
    sse = "text/event-stream"
    with _openai(200, OPENAI_ERRORS.stream_error(CAP, "r"), sse) as client, pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(**asked))
    assert caught.value.code == "budget_cap_exceeded"
    client = _anthropic(200, ANTHROPIC_ERRORS.stream_error(CAP, "r"), sse)
    with client, pytest.raises(anthropic.APIError) as caught:
        list(client.messages.create(max_tokens=5, **asked))
    assert caught.value.body["error"]["code"] == "budget_cap_exceeded"


def test_the_openai_client_raises_on_an_error_inside_a_stream_of_a_response():
    sse = "text/event-stream"
    client = _openai(200, OPENAI_RESPONSES_ERRORS.stream_error(CAP, "r"), sse)
    with client, pytest.raises(openai.APIError) as caught:
        list(client.responses.create(model="m", input="x", stream=True))
    assert caught.value.code == "budget_cap_exceeded"


def _gemini(status, body, content_type="application/json"):
    client = _transport(httpx2, status, body, content_type)
    return genai.Client(
        api_key="x", http_options=types.HttpOptions(base_url="http://gateway", httpx_client=client)
    ).models


def test_the_google_client_reads_code_status_and_details():
    with pytest.raises(genai_errors.ClientError) as caught:
        _gemini(429, GOOGLE_ERRORS.error(CAP, "r")).generate_content(model="gemini-2.5-flash", contents="x")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert caught.value.message == MESSAGE
    [info, _retry] = caught.value.details["error"]["details"]
    assert (info["reason"], info["metadata"]["reset_at"]) == ("budget_cap_exceeded", "2026-12-01T00:00:00Z")


def test_the_google_client_raises_on_an_error_inside_a_stream():
    models = _gemini(200, GOOGLE_ERRORS.stream_error(CAP, "r"), "text/event-stream")
    with pytest.raises(genai_errors.ClientError) as caught:
        list(models.generate_content_stream(model="gemini-2.5-flash", contents="x"))
    assert caught.value.status == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/messages", "anthropic"),
        ("/v1/messages/count_tokens", "anthropic"),
        ("/v1/messages/batches", "anthropic"),
        ("/v1beta/models/gemini-2.5-pro:generateContent", "google"),
        ("/v1beta", "google"),
        ("/v1/models/gemini-2.5-pro:generateContent", "google"),
        ("/v1/models/gemini-2.5-pro:predict", "google"),
        ("/v1/models/gpt-4o", "openai"),
        ("/v1/models", "openai"),
        ("/v1/responses", "openai"),
        ("/v1/chat/completions", "openai"),
        ("/v1/messagesque", "openai"),
        ("/v1/betamax", "openai"),
        ("/v1/files", "openai"),
        ("/v1", "openai"),
        ("/", "openai"),
    ],
)
def test_every_path_is_answered_in_its_familys_words(path, name):
    assert dialect_for(path).name == name
