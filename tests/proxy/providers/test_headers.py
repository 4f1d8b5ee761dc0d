"""Only listed headers pass, and the key that goes out is the tenant's own."""

import pytest

from proxy.providers.anthropic_messages import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES
from proxy.providers.headers import response_headers
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.providers.openai_free import OPENAI_MODERATIONS
from proxy.providers.openai_responses import OPENAI_RESPONSES
from tests.proxy.providers.support import EMBED, FLASH

CLIENT = {
    "authorization": "Bearer tk_live_ours",
    "x-api-key": "tk_live_ours",
    "x-goog-api-key": "tk_live_ours",
    "proxy-authorization": "Basic x",
    "cookie": "session=1",
    "host": "gateway.example",
    "x-forwarded-for": "10.0.0.7",
    "content-type": "text/plain",
    "content-length": "7",
    "content-encoding": "gzip",
    "accept-encoding": "gzip, br",
    "connection": "keep-alive",
    "transfer-encoding": "chunked",
    "x-stainless-os": "Linux",
    "x-tokonomics-sandbox": "output=5",
    "x-tokonomics-end-user": "u",
    "accept": "text/event-stream",
    "user-agent": "app/1.0",
    "idempotency-key": "k-1",
    "openai-organization": "org-1",
    "openai-project": "proj-1",
    "openai-beta": "x=v1",
    "anthropic-version": "2024-01-01",
    "anthropic-beta": "pdfs-2024-09-25",
    "anthropic-dangerous-direct-browser-access": "true",
}
COMMON = {
    b"content-type": b"application/json",
    b"accept-encoding": b"identity",
    b"accept": b"text/event-stream",
    b"user-agent": b"app/1.0",
    b"idempotency-key": b"k-1",
}


@pytest.mark.parametrize("adapter", [OPENAI_CHAT, OPENAI_RESPONSES, OPENAI_EMBEDDINGS, OPENAI_MODERATIONS])
def test_openai_requests_carry_the_list_and_the_tenants_key(adapter):
    sent = adapter.request_headers(CLIENT, "sk-theirs")
    assert len(dict(sent)) == len(sent)
    assert dict(sent) == COMMON | {
        b"authorization": b"Bearer sk-theirs",
        b"openai-organization": b"org-1",
        b"openai-project": b"proj-1",
        b"openai-beta": b"x=v1",
    }


@pytest.mark.parametrize("adapter", [ANTHROPIC_MESSAGES, ANTHROPIC_COUNT_TOKENS])
def test_anthropic_requests_carry_the_list_and_the_tenants_key(adapter):
    sent = adapter.request_headers(CLIENT, "sk-theirs")
    assert len(dict(sent)) == len(sent)
    assert dict(sent) == COMMON | {
        b"x-api-key": b"sk-theirs",
        b"anthropic-version": b"2024-01-01",
        b"anthropic-beta": b"pdfs-2024-09-25",
    }


@pytest.mark.parametrize("adapter", [FLASH, EMBED])
def test_gemini_requests_carry_the_list_and_the_tenants_key(adapter):
    sent = adapter.request_headers({**CLIENT, "x-goog-user-project": "ours", "x-goog-api-client": "x"}, "AIza-theirs")
    assert len(dict(sent)) == len(sent)
    assert dict(sent) == COMMON | {b"x-goog-api-key": b"AIza-theirs"}


def test_a_client_that_names_no_version_gets_the_first():
    assert (b"anthropic-version", b"2023-06-01") in ANTHROPIC_MESSAGES.request_headers({}, "sk")


@pytest.mark.parametrize("adapter", [OPENAI_CHAT, ANTHROPIC_MESSAGES, OPENAI_RESPONSES, FLASH])
def test_the_sandbox_header_goes_to_the_sandbox_only(adapter):
    assert (b"x-tokonomics-sandbox", b"output=5") in adapter.request_headers(CLIENT, "sk", sandbox=True)
    assert b"x-tokonomics-sandbox" not in dict(adapter.request_headers(CLIENT, "sk"))


def test_response_headers_are_listed_too():
    raw = [
        (b"Content-Type", b"application/json"),
        (b"x-request-id", b"req_1"),
        (b"openai-processing-ms", b"5"),
        (b"x-ratelimit-remaining-tokens", b"9"),
        (b"anthropic-ratelimit-requests-remaining", b"9"),
        (b"x-gemini-service-tier", b"standard"),
        (b"retry-after", b"2"),
        (b"retry-after-ms", b"2000"),
        (b"x-should-retry", b"false"),
        (b"set-cookie", b"__cf_bm=1"),
        (b"server", b"cloudflare"),
        (b"content-length", b"9"),
        (b"content-encoding", b"gzip"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"close"),
        (b"strict-transport-security", b"max-age=1"),
    ]
    assert response_headers(raw) == [
        (b"content-type", b"application/json"),
        (b"x-tokonomics-provider-request-id", b"req_1"),
        *raw[2:9],
    ]
    assert response_headers([(b"Request-Id", b"req_2")]) == [(b"x-tokonomics-provider-request-id", b"req_2")]
