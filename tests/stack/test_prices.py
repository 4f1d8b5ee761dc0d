"""A price of one's own, set over the API: charged from the next request on by each worker, kept in the record."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from budgets.money import parse_usd
from tests.support.dialects import OPENAI
from tests.support.office import Company
from tests.support.stack import ProductStack
from tests.support.wire import Wire, WireReply, wires_to_each

# $1 and $3 a million tokens, where the list says $2.50 and $10.
RATES = {"input": "1", "output": "3"}


@pytest.fixture
def workers(stack: ProductStack) -> Iterator[list[Wire]]:
    wires = list(wires_to_each(stack.base_url, stack.worker_pids()).values())
    yield wires
    for wire in wires:
        wire.close()


@pytest.fixture
def api(stack: ProductStack, company: Company) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {company.management_token}"}
    with httpx.Client(base_url=f"{stack.base_url}/api/v1/", headers=headers, timeout=30) as client:
        yield client


def asked(wire: Wire, key: str) -> WireReply:
    wire.send(OPENAI.request(key, output=20))
    reply = wire.reply()
    assert reply.status == 200, reply.body
    return reply


def charged(reply: WireReply) -> int:
    return parse_usd(reply.headers["x-tokonomics-cost-usd"], decimals=9)


def costing(reply: WireReply, input_usd: int, output_usd: int) -> int:
    """Nanodollars, for rates in whole tenths of a dollar a million tokens."""
    usage = reply.json()["usage"]
    return int(usage["prompt_tokens"] * input_usd + usage["completion_tokens"] * output_usd) * 100


def made(api: httpx.Client, **body: Any) -> Any:
    reply = api.post("prices/", json={"provider": "openai", "model": "gpt-4o", **body})
    assert reply.status_code == 201, reply.text
    return reply.json()


def test_a_price_holds_from_the_next_request_on_each_worker_and_its_record_keeps_it(
    company: Company, workers: list[Wire], api: httpx.Client
) -> None:
    for wire in workers:
        reply = asked(wire, company.key)
        assert charged(reply) == costing(reply, 25, 100)
    own = made(api, rates=RATES)
    replies = [asked(wire, company.key) for wire in workers]
    assert [charged(reply) for reply in replies] == [costing(reply, 10, 30) for reply in replies]
    api.patch(f"prices/{own['id']}/", json={"discount_percent": "20"}).raise_for_status()
    for wire in workers:
        reply = asked(wire, company.key)
        assert charged(reply) == costing(reply, 20, 80)
    api.delete(f"prices/{own['id']}/").raise_for_status()
    assert charged(last := asked(workers[0], company.key)) == costing(last, 25, 100)

    company.rows(7)
    row = api.get(f"usage/?request_id={replies[0].headers['x-request-id']}").json()["results"][0]
    assert parse_usd(row["cost_usd"], decimals=9) == charged(replies[0])
    assert (row["own_price"], row["price_source"], row["price_since"]) == (own["id"], "own price", own["since"][:10])
    assert (row["price"]["input"], row["price"]["output"]) == ("1.00", "3.00")
    assert (
        row["bound"]["input"] >= row["input_tokens"] and row["bound"]["output"] == 20 and row["bound"]["choices"] == 1
    )
    assert 0 <= row["first_byte_ms"] <= row["duration_ms"]


def test_an_estimate_says_what_the_request_then_holds_and_gets(
    company: Company, workers: list[Wire], api: httpx.Client
) -> None:
    made(api, model="*", discount_percent="50")
    request = {"endpoint": OPENAI.path, "body": OPENAI.body(output=20)}
    said = api.post("estimate/", json={**request, "api_key": company.key_id}).json()
    assert said["admitted"] is True, said
    reply = asked(workers[0], company.key)
    (row,) = company.rows(1)
    assert parse_usd(said["bound_usd"], decimals=9) == row.held >= charged(reply)
    company.do("set_cap", cap="0.00")
    with_key = {"Authorization": f"Bearer {company.key}"}
    refused = api.post("estimate/", json=request, headers=with_key).json()["refusal"]
    workers[0].send(OPENAI.request(company.key, output=20))
    met = workers[0].reply()
    assert (met.status, met.json()["error"]) == (refused["status"], refused["body"]["error"])
