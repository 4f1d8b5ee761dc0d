"""The whole product, `manage.py up`, with its ledger on a Cluster: a cap holds through the loss of a master."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.bills import PRICES
from tests.support.dialects import OPENAI
from tests.support.fleet import Cluster, await_promotion
from tests.support.office import Company, Office
from tests.support.provider import ProviderMock
from tests.support.stack import ProductStack
from tests.support.valkey import ValkeyServer
from tests.support.wire import Wire

pytestmark = pytest.mark.stack

SECRETS = {
    "TOKONOMICS_SECRET_KEY": "the secret of a product on a cluster, of fifty characters",
    "TOKONOMICS_ENCRYPTION_KEYS": "J4pXj1mYyN2fK9s0h3v7b6q5w8e1r4t7y0u3i6o9p2A=",
}


@dataclass(frozen=True)
class OnCluster:
    """`beside`: the plain server of tasks, live pages and cache. `cost`: of every call."""

    cluster: Cluster
    beside: ValkeyServer
    stack: ProductStack
    provider: ProviderMock
    office: Office
    cost: int


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnCluster]:
    folder = tmp_path_factory.mktemp("product")
    beside = ValkeyServer(folder / "beside", append_only=False).start()
    recording = OPENAI.record("output=50")
    with Cluster(folder / "cluster", replicas=1) as cluster, ProviderMock() as mock:
        mock.script(lambda _request: recording.behaviour())
        environment = {"REDIS_URL": cluster.url, "TOKONOMICS_BROKER_URL": beside.url, **SECRETS}
        environment["TOKONOMICS_CHANNELS_URL"] = beside.url
        stack = ProductStack(folder / "stack", provider=mock, workers=1, environment=environment)
        try:
            stack.start()
            with Office(stack) as office:
                yield OnCluster(cluster, beside, stack, mock, office, PRICES["gpt-4o"].bill(recording.tokens))
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


@pytest.mark.fault("broker: lost", promises=("P3", "P6"))
def test_without_the_broker_requests_pass_and_once_it_is_back_all_is_in_the_ledger(product: OnCluster) -> None:
    company = product.office.company()
    with Wire(product.stack.base_url) as wire:
        assert code_of_one_call(wire, company) == ""
        company.rows(1)
        product.beside.kill()
        assert [code_of_one_call(wire, company) for _ in range(3)] == [""] * 3
        product.beside.start()
    assert [row.cost for row in company.rows(4)] == [product.cost] * 4


@pytest.mark.fault("Redis: a master of a Cluster dies", promises=("P1", "P3", "P4"))
def test_a_cap_holds_through_the_loss_of_a_master(product: OnCluster) -> None:
    cluster, office, cost = product.cluster, product.office, product.cost
    master = cluster.nodes[0]
    companies = [office.company() for _ in range(4)]
    while not (on_it := [one for one in companies if cluster.master_of("policy:{" + one.id + "}") is master]):
        companies.append(office.company())
    struck, away = on_it[0], next(one for one in companies if one not in on_it)
    asked = product.provider.count
    with Wire(product.stack.base_url) as wire:
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
    assert product.provider.count - asked == 6
