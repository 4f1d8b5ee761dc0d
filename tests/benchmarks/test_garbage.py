"""What a request leaves to the garbage collector, well ended or not: nothing.

An exception that is kept where one of its own frames can reach it is dozens of objects, with the request, its stream
and two connections among them; a worker that looks for garbage rarely would grow by them (tokonomics/console/serve.py).
"""

import asyncio
import gc
import types
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop
from django.conf import settings as django_settings

from budgets.money import NANO
from proxy import engine
from tests.benchmarks.driver import Driver
from tests.support.provider import Behaviour, ProviderMock
from tests.support.provider.behaviour import After
from tests.support.valkey import ValkeyServer
from tokonomics import celery  # noqa: F401 (what is published goes to our broker)
from tokonomics.console.services import TenantOrder, create_tenant

REQUESTS = 160
OURS = ("proxy", "budgets", "tenants")
ROOT = Path(engine.__file__).parent.parent

CHUNK = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
CUT = Behaviour.sse(CHUNK, CHUNK, after=After.CLOSE)


@dataclass(frozen=True, kw_only=True)
class Case:
    """`answer` None: as the provider does by default. `cap`: dollars of the company's month."""

    stream: bool = False
    status: int | None = 200
    answer: Behaviour | None = None
    cap: str = "1000000"
    leave_after: int | None = None
    first_byte: float = 60.0
    idle: float = 60.0
    port: int | None = None


CASES = {
    "a plain request": Case(),
    "a stream": Case(stream=True),
    "refused at the cap": Case(cap="0", status=429),
    "refused for what others hold": Case(cap="0.002", status=None, answer=Behaviour(never_answer=True), first_byte=0.1),
    "an error of the provider's": Case(answer=Behaviour.json({"error": {"message": "no"}}, status=500), status=500),
    "a reply that is cut": Case(answer=Behaviour.json({"id": "x" * 99}, cut_after=20), status=502),
    "a provider that says nothing": Case(answer=Behaviour(never_answer=True), status=504, first_byte=0.05),
    "not HTTP": Case(answer=Behaviour(raw=b"garbage\r\n\r\n", after=After.CLOSE), status=502),
    "nobody there": Case(port=1, status=502),
    "a stream that is cut": Case(stream=True, answer=CUT),
    "a stream that is reset": Case(stream=True, answer=Behaviour.sse(CHUNK, after=After.RESET), status=None),
    "a stream that hangs": Case(stream=True, answer=Behaviour.sse(CHUNK, after=After.HANG), idle=0.05),
    "a stream of garbage": Case(stream=True, answer=Behaviour.sse(b"data: {no\n\n", b"data: [DONE]\n\n")),
    "compressed garbage": Case(
        stream=True, answer=Behaviour(headers={"content-encoding": "gzip"}, body=(b"no gzip",)), status=None
    ),
    "a client that leaves a stream": Case(stream=True, leave_after=2, status=None),
    "a client that leaves before the first piece": Case(stream=True, leave_after=1, status=None),
}


def left_in_circles(driver: Driver) -> Counter[str]:
    """Objects of ours that only the collector could free after REQUESTS requests, by their names."""

    async def measure() -> Counter[str]:
        try:
            await driver.run(REQUESTS // 4)  # what is made once is there
            await asyncio.sleep(0.2)
            gc.collect()
            gc.disable()
            await driver.run(REQUESTS)
            await asyncio.sleep(0.2)  # those whose clients left have read on
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            return Counter(name for found in gc.garbage if (name := _name_of(found)))
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
            await engine.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure())


def _name_of(found: Any) -> str:
    """Of an object of one of our classes or a frame of our code; of any other, nothing."""
    if isinstance(found, types.FrameType):
        path = Path(found.f_code.co_filename)
        return found.f_code.co_qualname if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in OURS else ""
    kind = type(found)
    return kind.__qualname__ if kind.__module__.partition(".")[0] in OURS else ""


@pytest.mark.parametrize("name", CASES)
@pytest.mark.django_db(transaction=True)
def test_a_request_leaves_nothing_for_the_garbage_collector(
    name: str, store: ValkeyServer, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    case = CASES[name]
    settings.LEDGER_TIMEOUT = 10.0
    settings.HELD_WAIT_SECONDS = 0.05
    settings.UPSTREAM_FIRST_BYTE_TIMEOUT, settings.UPSTREAM_IDLE_TIMEOUT = case.first_byte, case.idle
    with ProviderMock(keep=0) as mock:
        mock.script(lambda request: case.answer)
        there = f"http://127.0.0.1:{case.port or mock.port}/v1"
        settings.PROVIDER_BASE_URLS = {**django_settings.PROVIDER_BASE_URLS, "openai": there}
        cap = int(float(case.cap) * NANO)
        order = TenantOrder(name="Gate", owner_email="g@example.com", monthly_cap=cap, providers={"openai": "sk-x"})
        key = create_tenant(order).api_key.secret
        driver = Driver(key, stream=case.stream, expect=case.status, leave_after=case.leave_after)
        found = left_in_circles(driver)
    assert sum(found.values()) < REQUESTS // 10, found.most_common(12)
