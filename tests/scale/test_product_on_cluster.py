"""The whole product, `manage.py up`, with its ledger on a Cluster: a cap holds through the loss of a master."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bills import PRICES
from tests.support.dialects import OPENAI
from tests.support.fleet import Cluster, await_promotion
from tests.support.office import Company, Office
from tests.support.provider import ProviderMock
from tests.support.stack import ProductStack
from tests.support.valkey import ValkeyServer
from tests.support.wire import Wire

pytestmark = [pytest.mark.stack, pytest.mark.fault("Redis: a master of a Cluster dies", promises=("P1", "P3", "P4"))]

SECRETS = {
    "TOKONOMICS_SECRET_KEY": "the secret of a product on a cluster, of fifty characters",
    "TOKONOMICS_ENCRYPTION_KEYS": "J4pXj1mYyN2fK9s0h3v7b6q5w8e1r4t7y0u3i6o9p2A=",
}


@pytest.fixture
def on_cluster(tmp_path: Path) -> Iterator[tuple[Cluster, ProductStack, ProviderMock]]:
    beside = ValkeyServer(tmp_path / "beside", append_only=False).start()
    with Cluster(tmp_path / "cluster", replicas=1) as cluster, ProviderMock() as mock:
        environment = {"REDIS_URL": cluster.url, "TOKONOMICS_BROKER_URL": beside.url, **SECRETS}
        environment["TOKONOMICS_CHANNELS_URL"] = beside.url
        stack = ProductStack(tmp_path / "stack", provider=mock, workers=1, environment=environment)
        try:
            yield cluster, stack.start(), mock
            assert stack.stop() == 0, stack.output()
        finally:
            if stack.running():
                stack.kill()
            beside.kill()


def code_of_one_call(wire: Wire, company: Company) -> str:
    """'' for one that passed."""
    wire.send(OPENAI.request(company.key))
    reply = wire.reply()
    return "" if reply.status == 200 else str(reply.json()["error"]["code"])


def test_a_cap_holds_through_the_loss_of_a_master(on_cluster: tuple[Cluster, ProductStack, ProviderMock]) -> None:
    cluster, stack, provider = on_cluster
    recording = OPENAI.record("output=50")
    provider.script(lambda _request: recording.behaviour())
    cost = PRICES["gpt-4o"].bill(recording.tokens)
    with Office(stack) as office, Wire(stack.base_url) as wire:
        companies = [office.company() for _ in range(4)]
        master = cluster.nodes[0]
        while not (on_it := [one for one in companies if cluster.master_of("policy:{" + one.id + "}") is master]):
            companies.append(office.company())
        struck, away = on_it[0], next(one for one in companies if one not in on_it)
        for company in (struck, away):
            assert [code_of_one_call(wire, company) for _ in range(2)] == ["", ""]
        (hold, *_) = (row.held for row in struck.rows(2))
        room = 2 * cost + hold
        struck.do("set_cap", cap=f"{room // 10**9}.{room % 10**9:09d}")
        master.kill()
        assert code_of_one_call(wire, away) == "", "the other masters' companies go on"
        codes = [code_of_one_call(wire, struck)]
        deadline = time.monotonic() + 30
        while codes[-1]:
            assert codes[-1] == "ledger_unavailable" and time.monotonic() < deadline, codes
            time.sleep(0.05)
            codes.append(code_of_one_call(wire, struck))
        await_promotion(cluster.nodes[3])
        assert code_of_one_call(wire, struck) == "budget_cap_exceeded"
        assert [row.cost for row in struck.rows(3)] == [cost] * 3
        assert [row.cost for row in away.rows(3)] == [cost] * 3
        assert provider.count == 6
