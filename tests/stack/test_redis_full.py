"""Redis full, or not there when a web process starts: refused with the code that says why, and no caps lost after."""

import time
from collections.abc import Iterator

import pytest

from tests.stack.conftest import Rough
from tests.stack.test_redis_away import (
    AFFORDED,
    SPENT_BEFORE,
    ask,
    ask_until_it_is_let_in,
    assert_refused_in_time,
    assert_settled_at_usage,
    assert_the_rest_is_as_before,
    assert_whole,
    company_that_affords,
    open_streams,
    workers,  # noqa: F401
)
from tests.support.web import WebProcess
from tests.support.wire import Wire


@pytest.fixture
def full(rough: Rough) -> Iterator[Rough]:
    yield rough
    if rough.valkey.running():
        rough.valkey.cli("CONFIG", "SET", "maxmemory", 0)


def fill(rough: Rough) -> None:
    rough.valkey.cli("CONFIG", "SET", "maxmemory", "1mb")


@pytest.mark.fault("Redis: memory full", promises=("P1", "P2", "P4"))
def test_a_full_redis_refuses_and_afterwards_the_cap_holds_as_before(
    full: Rough,
    workers: list[Wire],  # noqa: F811
) -> None:
    company = company_that_affords(full, AFFORDED)
    for _ in range(SPENT_BEFORE):
        assert ask(workers[0], company).status == 200
    company.rows(SPENT_BEFORE)
    fill(full)
    assert_refused_in_time(full, workers, company)
    full.valkey.cli("CONFIG", "SET", "maxmemory", 0)
    assert_the_rest_is_as_before(full, workers, company)


@pytest.mark.fault("Redis: memory full", promises=("P3", "P6"))
def test_streams_in_flight_go_on_and_are_settled_once_there_is_room(
    full: Rough,
    workers: list[Wire],  # noqa: F811
) -> None:
    company = full.office.company()
    recordings = open_streams(full, workers, company)
    fill(full)
    full.provider.gate.set()
    assert_whole(workers, recordings)
    time.sleep(0.7)
    full.valkey.cli("CONFIG", "SET", "maxmemory", 0)
    assert_settled_at_usage(company.rows(2), recordings)


@pytest.mark.fault("Redis: down at boot", promises=("P2", "P4"))
def test_a_web_process_that_starts_without_redis_refuses_until_it_is_there(rough: Rough) -> None:
    company = company_that_affords(rough, AFFORDED)
    rough.valkey.kill()
    with WebProcess(rough.stack) as early, Wire(early.base_url) as wire:
        assert_refused_in_time(rough, [wire], company)
        rough.valkey.start()
        ask_until_it_is_let_in([wire], company)
    company.rows(1)
