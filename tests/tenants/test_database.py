"""The database from the event loop: a question that gets no answer is given up, and questions do not pile up."""

import asyncio
import threading
import time
from typing import Any

import pytest
from django.db import OperationalError

from tenants import database
from tenants.database import beside, in_thread


@pytest.mark.fault("database: frozen", promises=("P4",))
async def test_a_question_that_gets_no_answer_in_time_is_given_up(settings: Any) -> None:
    settings.DATABASE_TIMEOUT = 0.1
    answered = threading.Event()
    began = time.monotonic()
    with pytest.raises(OperationalError, match=r"did not answer within 0\.1 s"):
        await in_thread(answered.wait, 5)
    assert time.monotonic() - began < 1
    answered.set()
    assert await in_thread(lambda: 7) == 7


@pytest.mark.fault("database: frozen", promises=("P4",))
async def test_questions_beyond_a_bound_are_refused_at_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATABASE_TIMEOUT = 0.5
    monkeypatch.setattr(database, "MOST_WAITING", 10)
    answered = threading.Event()
    outcomes = await asyncio.gather(*[in_thread(answered.wait, 5) for _ in range(50)], return_exceptions=True)
    answered.set()
    await asyncio.sleep(0.1)
    assert {type(outcome) for outcome in outcomes} == {OperationalError}
    refused = [outcome for outcome in outcomes if "too many questions" in str(outcome)]
    assert len(refused) >= 30
    assert await in_thread(lambda: 7) == 7, "what was given up is not worked off"


async def test_a_timeout_of_the_question_itself_stays_what_it_is() -> None:
    def fail() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        await in_thread(fail)


@pytest.mark.fault("broker: frozen", promises=("P4",))
async def test_what_waits_for_the_broker_keeps_nobody_from_the_database() -> None:
    answered = threading.Event()
    waiting = [asyncio.create_task(beside(answered.wait, 5)) for _ in range(8)]
    await asyncio.sleep(0.02)
    assert await in_thread(lambda: 7) == 7
    answered.set()
    await asyncio.gather(*waiting)
