"""A client whose base URL is almost right: it gets an answer in its own format that says what is wrong."""

import pytest
from django.test import Client

from proxy.providers import unmetered


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/chat/completions", "openai"), ("/responses", "openai"), ("/embeddings", "openai"),
        ("/images/generations", "openai"), ("/messages", "anthropic"), ("/messages/count_tokens", "anthropic"),
        ("/models/gemini-2.5-flash:generateContent", "google"),
    ],
)  # fmt: skip
def test_without_its_v1_a_client_is_told_so_in_its_own_format(client: Client, path: str, dialect: str) -> None:
    reply = client.post(path, data="{}", content_type="application/json")
    assert (reply.status_code, reply["content-type"]) == (404, "application/json")
    error = reply.json()["error"]
    assert "should end in /v1" in error["message"]
    code = error["details"][0]["reason"] if dialect == "google" else error["code"]
    assert code == "route_not_metered"
    assert (reply.json().get("type") == "error") is (dialect == "anthropic")


def test_a_v1_too_many_is_said_too() -> None:
    assert "a /v1 too many" in unmetered.why("/v1/v1/messages")
    assert "a /v1 too many" in unmetered.why("/v1/v1beta/models/gemini-2.5-flash:generateContent")
    assert "/v1" not in unmetered.why("/v1/x")


def test_a_person_still_gets_a_page(client: Client) -> None:
    reply = client.get("/nothing/")
    assert reply.status_code == 404
    assert reply["content-type"].startswith("text/html")
