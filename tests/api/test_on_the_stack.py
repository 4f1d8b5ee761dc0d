"""The API of the running product, over real HTTP: changes hold from the next request, a call shows in the figures."""

import csv
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from budgets.money import parse_usd
from tests.support.stack import ProductStack


@pytest.fixture
def made(stack: ProductStack) -> dict[str, Any]:
    return stack.create_tenant(test_key=True)


@pytest.fixture
def api(stack: ProductStack, made: dict[str, Any]) -> Iterator[httpx.Client]:
    token = {"authorization": f"Bearer {made['management_token']}"}
    with httpx.Client(base_url=f"{stack.base_url}/api/v1/", headers=token, trust_env=False, timeout=20) as client:
        yield client


def chat(stack: ProductStack, key: str) -> httpx.Response:
    return httpx.post(
        f"{stack.base_url}/v1/chat/completions",
        json={"model": "gpt-4o-mini", "max_tokens": 300, "messages": [{"role": "user", "content": "Hello"}]},
        headers={"authorization": f"Bearer {key}", "x-tokonomics-sandbox": "output=200"},
        trust_env=False,
        timeout=20,
    )


def within(seconds: float, found: Callable[[], Any]) -> Any:
    until = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)
    return answer


def test_a_call_shows_up_everywhere_with_one_cost(stack: ProductStack, made: dict[str, Any], api: httpx.Client) -> None:
    reply = chat(stack, made["test_api_key"])
    assert reply.status_code == 200, reply.text
    cost = reply.headers["x-tokonomics-cost-usd"]
    assert parse_usd(cost, decimals=9) > 0
    assert api.get("tenant/").json()["test_spent_usd"] == cost
    assert api.get(f"keys/{made['test_api_key_id']}/").json()["spent_today_usd"] == cost
    own = api.get("budget/", headers={"authorization": f"Bearer {made['test_api_key']}"}).json()
    assert (own["scopes"][0]["spent_usd"], own["scopes"][0]["held_usd"]) == (cost, "0.00")
    rows = within(10, lambda: api.get("usage/", params={"mode": "test"}).json()["results"])
    assert [(row["cost_usd"], row["api_key"], row["status"]) for row in rows] == [
        (cost, made["test_api_key_id"], "settled")
    ]
    assert api.get("usage/summary/").json()["totals"]["cost_usd"] == cost
    with api.stream("GET", "usage/export.csv") as export:
        exported = list(csv.DictReader(io.StringIO(export.read().decode())))
    assert [row["cost_usd"] for row in exported] == [cost]


def test_a_changed_cap_and_a_revoked_key_hold_from_the_next_request(
    stack: ProductStack, made: dict[str, Any], api: httpx.Client
) -> None:
    key = made["test_api_key"]
    assert chat(stack, key).status_code == 200
    assert api.patch(f"keys/{made['test_api_key_id']}/", json={"cap_usd": "0"}).status_code == 200
    for _ in range(4):  # whichever worker answers
        assert chat(stack, key).json()["error"]["code"] == "budget_cap_exceeded"
    assert api.patch(f"keys/{made['test_api_key_id']}/", json={"cap_usd": None}).status_code == 200
    assert chat(stack, key).status_code == 200
    new = api.post(f"keys/{made['test_api_key_id']}/rotate/", json={"overlap_seconds": 60}).json()["key"]
    assert chat(stack, new).status_code == chat(stack, key).status_code == 200
    assert api.post(f"keys/{made['test_api_key_id']}/revoke/").json()["status"] == "revoked"
    for secret in (key, new) * 2:
        assert chat(stack, secret).json()["error"]["code"] == "api_key_revoked"


def test_the_stored_provider_key_is_tested_at_the_provider(
    stack: ProductStack, made: dict[str, Any], api: httpx.Client
) -> None:
    stored = {each["provider"]: each["id"] for each in api.get("provider-credentials/").json()["results"]}
    said = api.post(f"provider-credentials/{stored['openai']}/test/").json()
    assert stack.provider is not None and f"GET {stack.provider.base_url_openai}/models" in said["message"]
    assert said["http_status"] is not None


def test_the_reference_page_and_the_schema_are_public(stack: ProductStack) -> None:
    with httpx.Client(base_url=stack.base_url, trust_env=False, timeout=20) as anybody:
        assert anybody.get("/api/v1/schema/").json()["info"]["title"] == "Tokonomics API"
        page = anybody.get("/api/docs/")
        assert page.status_code == 200 and "PATCH /api/v1/tenant/" in page.text
        assert anybody.get("/api/v1/tenant/").status_code == 401
