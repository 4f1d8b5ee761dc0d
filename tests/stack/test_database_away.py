"""The database frozen or down while requests flow: known keys pass, the journal keeps, past a bound all is refused."""

import time
from collections.abc import Iterator

import pytest

from tests.stack.conftest import Rough
from tests.support.bills import PRICES
from tests.support.dialects import OPENAI
from tests.support.office import Company, Office
from tests.support.postgres import PostgresServer
from tests.support.provider import ProviderMock
from tests.support.stack import ProductStack
from tests.support.valkey import ValkeyServer
from tests.support.wire import Wire

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("postgres")]

IN_MEMORY = 16  # ends of requests that the web process keeps; of one company, half as many
SECRETS = {
    "TOKONOMICS_SECRET_KEY": "the secret of a product on PostgreSQL, of fifty characters",
    "TOKONOMICS_ENCRYPTION_KEYS": "J4pXj1mYyN2fK9s0h3v7b6q5w8e1r4t7y0u3i6o9p2A=",
}


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PostgresServer, Rough]]:
    """A product of one web process whose PostgreSQL is the tests' own to freeze and crash."""
    folder = tmp_path_factory.mktemp("away")
    valkey = ValkeyServer(folder / "valkey", append_only=False)
    with PostgresServer(survives_a_crash=True) as postgres, ProviderMock() as mock:
        environment = {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": valkey.url,
            "TOKONOMICS_DATABASE_TIMEOUT": "1",
            "TOKONOMICS_MOST_UNDRAINED": str(IN_MEMORY),
            **SECRETS,
        }
        stack = ProductStack(folder / "stack", provider=mock, workers=1, environment=environment)
        valkey.start()
        try:
            stack.start()
            with Office(stack) as office:
                yield postgres, Rough(stack, office, valkey, mock)
            assert stack.stop() == 0, stack.output()
        finally:
            if stack.running():
                stack.kill()
            valkey.kill()


def code_of_one_call(wire: Wire, company: Company) -> str:
    """'' for one that passed."""
    wire.send(OPENAI.request(company.key))
    reply = wire.reply()
    return "" if reply.status == 200 else str(reply.json()["error"]["code"])


def same_cost(rough: Rough) -> int:
    recording = OPENAI.record("output=9")
    rough.provider.script(lambda _request: recording.behaviour())
    return PRICES["gpt-4o"].bill(recording.tokens)


def until_let_in(wire: Wire, company: Company) -> None:
    deadline = time.monotonic() + 45
    while code := code_of_one_call(wire, company):
        assert code == "ledger_unavailable"
        assert time.monotonic() < deadline, "not let in again"
        time.sleep(0.2)


@pytest.mark.fault("database: frozen", promises=("P3", "P4"))
def test_while_the_database_is_frozen_known_keys_pass_and_others_are_refused_in_time(
    on_postgres: tuple[PostgresServer, Rough],
) -> None:
    postgres, rough = on_postgres
    cost = same_cost(rough)
    known, unknown = rough.office.company(), rough.office.company()
    with Wire(rough.base_url) as wire:
        assert code_of_one_call(wire, known) == ""
        postgres.freeze()
        try:
            assert [code_of_one_call(wire, known) for _ in range(3)] == [""] * 3
            began = time.monotonic()
            assert code_of_one_call(wire, unknown) == "ledger_unavailable"
            assert time.monotonic() - began < 3
            assert code_of_one_call(wire, known) == "", "the one that waited kept nobody waiting"
        finally:
            postgres.thaw()
        until_let_in(wire, unknown)
    assert [row.cost for row in known.rows(5)] == [cost] * 5
    unknown.rows(1)


@pytest.mark.fault("database: down", promises=("P3", "P4", "P6"))
def test_while_the_database_is_down_the_journal_keeps_up_to_a_bound_and_nothing_is_lost(
    on_postgres: tuple[PostgresServer, Rough],
) -> None:
    postgres, rough = on_postgres
    cost = same_cost(rough)
    company = rough.office.company()
    with Wire(rough.base_url) as wire:
        assert code_of_one_call(wire, company) == ""
        company.rows(1)
        postgres.crash()
        codes = [code_of_one_call(wire, company) for _ in range(IN_MEMORY)]
        passed = codes.count("")
        assert codes == [""] * passed + ["ledger_unavailable"] * (len(codes) - passed)
        assert 0 < passed <= IN_MEMORY // 2, "those of before may not be known to be drained yet"
        postgres.start()
        until_let_in(wire, company)
    assert [row.cost for row in company.rows(passed + 2)] == [cost] * (passed + 2)
    assert rough.stack.running()
