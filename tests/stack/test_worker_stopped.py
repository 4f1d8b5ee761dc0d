"""A web process that is told to stop with a stream open: it lets it end, or cuts it and says what it costs."""

import signal
import time

import pytest

from tests.stack.conftest import LEASE, Rough
from tests.stack.test_worker_killed import open_stream
from tests.support.bills import PRICES
from tests.support.dialects import OPENAI
from tests.support.processes import alive, send, wait_until
from tests.support.web import WebProcess

GRACE = 2  # seconds; `tests.support.web` starts the process with it


@pytest.mark.fault("web worker: told to stop", promises=("P3", "P6"))
def test_a_stream_that_ends_in_time_is_settled_at_its_cost(rough: Rough) -> None:
    company = rough.office.company()
    recording = OPENAI.record("output=9", stream=True)
    with WebProcess(rough.stack) as leaving, open_stream(rough, leaving.base_url, company, OPENAI) as wire:
        send(leaving.pid, signal.SIGTERM)
        time.sleep(0.3)
        rough.provider.gate.set()
        rest = b"".join(iter(wire.piece, b""))
        assert rest.endswith(b"data: [DONE]\n\n")
        wait_until(lambda: not alive(leaving.pid), seconds=10, what="the process ended")
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("settled", PRICES["gpt-4o"].bill(recording.tokens))


@pytest.mark.fault("web worker: told to stop", promises=("P3", "P6"))
def test_a_stream_that_does_not_is_charged_at_once_and_not_when_its_lease_ends(rough: Rough) -> None:
    company = rough.office.company()
    with WebProcess(rough.stack) as leaving, open_stream(rough, leaving.base_url, company, OPENAI) as wire:
        told = time.monotonic()
        send(leaving.pid, signal.SIGTERM)
        wait_until(lambda: not alive(leaving.pid), seconds=GRACE + 15, what="the process ended")
        assert b"[DONE]" not in b"".join(iter(wire.piece, b""))
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("charged_at_hold", row.held)
    assert time.monotonic() - told < GRACE + LEASE + 15
