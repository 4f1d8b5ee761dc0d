"""P5: a change holds from the very next request, on both workers, also while requests race with it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.dialects import ANTHROPIC, OPENAI
from tests.support.office import Company, DeskGone, Office
from tests.support.stack import ProductStack
from tests.support.wire import Wire, post, wires_to_each

PASSES = (200, "")
CAPPED = (429, "budget_cap_exceeded")
Outcome = tuple[int, str]


@pytest.fixture
def workers(stack: ProductStack) -> Iterator[dict[int, Wire]]:
    """A connection to each web process."""
    wires = wires_to_each(stack.base_url, stack.worker_pids())
    assert len(wires) == 2
    yield wires
    for wire in wires.values():
        wire.close()


def outcome(wire: Wire, request: bytes) -> Outcome:
    wire.send(request)
    reply = wire.reply()
    if reply.status == 200:
        return PASSES
    return reply.status, reply.json()["error"]["code"]


# --- Under traffic ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """Times by the monotonic clock."""

    worker: int
    started: float
    ended: float
    outcome: Outcome


class Traffic:
    """One client a worker, each with a request under way at all times."""

    def __init__(self, workers: dict[int, Wire], key: str) -> None:
        self.answers: list[Answer] = []
        self._requests = [OPENAI.request(key, output=20), OPENAI.request(key, output=20, stream=True)]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(pid, wire)) for pid, wire in workers.items()]
        self._workers = workers.keys()

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, pid: int, wire: Wire) -> None:
        while not self._over.is_set():
            started = time.monotonic()
            result = outcome(wire, self._requests[len(self.answers) % 2])
            self.answers.append(Answer(pid, started, time.monotonic(), result))

    def wait(self, since: float, count: int = 6) -> None:
        """Until each worker has answered so many requests that started after a moment."""
        deadline = time.monotonic() + 45
        while True:
            seen = [answer.worker for answer in list(self.answers) if answer.started > since]
            if all(seen.count(worker) >= count for worker in self._workers):
                return
            assert time.monotonic() < deadline and all(thread.is_alive() for thread in self._threads)
            time.sleep(0.01)

    def change(self, make: Callable[[], Any]) -> tuple[float, float]:
        """When the change began, and when it had returned."""
        began = time.monotonic()
        make()
        returned = time.monotonic()
        self.wait(returned)
        return began, returned

    def outcomes(self, start: float, end: float) -> set[Outcome]:
        """Of the requests that started after the one moment and were answered before the other."""
        return {answer.outcome for answer in self.answers if start < answer.started and answer.ended < end}


@dataclass(frozen=True)
class Change:
    """`prepare` makes what it starts from, `make` is the change; what requests meet before and after."""

    make: tuple[str, dict[str, Any]]
    before: Outcome
    after: Outcome
    prepare: tuple[tuple[str, dict[str, Any]], ...] = ()


KEY = "the company's first key"
SECRET = {"provider": "openai", "secret": "sk-mock-openai"}
CHANGES = {
    "cap lowered": Change(("set_cap", {"cap": "0.00"}), PASSES, CAPPED),
    "cap raised": Change(("set_cap", {"cap": "9.00"}), CAPPED, PASSES, (("set_cap", {"cap": "0.00"}),)),
    "made hard": Change(("set_cap", {"hard": True}), PASSES, CAPPED, (("set_cap", {"cap": "0.00", "hard": False}),)),
    "made soft": Change(("set_cap", {"hard": False}), CAPPED, PASSES, (("set_cap", {"cap": "0.00"}),)),
    "key capped": Change(("set_key_cap", {"key_id": KEY, "window": "day", "cap": "0.00"}), PASSES, CAPPED),
    "end users capped": Change(("cap_end_users", {"key_id": KEY, "window": "day", "cap": "0.00"}), PASSES, CAPPED),
    "end users uncapped": Change(
        ("cap_end_users", {"key_id": KEY, "window": "day", "cap": None}),
        CAPPED,
        PASSES,
        (("cap_end_users", {"key_id": KEY, "window": "day", "cap": "0.00"}),),
    ),
    "key revoked": Change(("revoke_key", {"key_id": KEY}), PASSES, (403, "api_key_revoked")),
    "models narrowed": Change(
        ("allow_models", {"key_id": KEY, "models": ["gpt-4o-mini"]}), PASSES, (403, "model_not_allowed")
    ),
    "models widened": Change(
        ("allow_models", {"key_id": KEY, "models": []}),
        (403, "model_not_allowed"),
        PASSES,
        (("allow_models", {"key_id": KEY, "models": ["gpt-4o-mini"]}),),
    ),
    "provider removed": Change(("remove_provider", {"provider": "openai"}), PASSES, (400, "provider_not_configured")),
    "provider set": Change(
        ("set_provider", SECRET),
        (400, "provider_not_configured"),
        PASSES,
        (("remove_provider", {"provider": "openai"}),),
    ),
    "company suspended": Change(("suspend", {}), PASSES, (403, "tenant_suspended")),
    "company resumed": Change(("resume", {}), (403, "tenant_suspended"), PASSES, (("suspend", {}),)),
}


def apply(company: Company, order: tuple[str, dict[str, Any]]) -> None:
    action, options = order
    company.do(action, **{name: company.key_id if value == KEY else value for name, value in options.items()})


@pytest.mark.fault("change: made while requests flow", promises=("P5",))
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_first_request_after_a_change_obeys_it(company: Company, workers: dict[int, Wire], change: Change) -> None:
    """Nobody asks meanwhile, so that nobody can have met the fence: the version alone tells."""
    request = OPENAI.request(company.key, output=20)
    for order in change.prepare:
        apply(company, order)
    assert [outcome(wire, request) for wire in workers.values()] == [change.before] * 2
    apply(company, change.make)
    assert [outcome(wire, request) for wire in workers.values()] == [change.after] * 2


@pytest.mark.fault("change: made while requests flow", promises=("P5",))
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_request_that_starts_after_the_change_obeys_it(
    company: Company, workers: dict[int, Wire], change: Change
) -> None:
    for order in change.prepare:
        apply(company, order)
    start = time.monotonic()
    with Traffic(workers, company.key) as traffic:
        traffic.wait(start)
        began, returned = traffic.change(lambda: apply(company, change.make))
    assert traffic.outcomes(start, began) == {change.before}
    assert traffic.outcomes(returned, time.monotonic()) == {change.after}
    assert traffic.outcomes(start, time.monotonic()) == {change.before, change.after}


@pytest.mark.fault("change: made while requests flow", promises=("P5", "P6"))
def test_a_cap_moved_back_and_forth_under_traffic_never_lags(company: Company, workers: dict[int, Wire]) -> None:
    start = time.monotonic()
    with Traffic(workers, company.key) as traffic:
        traffic.wait(start)
        for number in range(12):
            cap, expected = ("0.00", CAPPED) if number % 2 == 0 else ("50.00", PASSES)
            _, returned = traffic.change(lambda cap=cap: company.do("set_cap", cap=cap))
            assert traffic.outcomes(returned, time.monotonic()) == {expected}, number
    passed = sum(answer.outcome == PASSES for answer in traffic.answers)
    company.rows(passed)


# --- Routes without a hold -------------------------------------------------------------------------------------------


def free_requests(key: str) -> list[bytes]:
    counted = b'{"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "Hi"}]}'
    return [
        post("/v1/models", b"", OPENAI.headers(key), method="GET"),
        post("/v1/messages/count_tokens", counted, ANTHROPIC.headers(key)),
    ]


@pytest.mark.fault("change: made while requests flow", promises=("P5",))
def test_free_routes_obey_the_next_moment_too(company: Company, workers: dict[int, Wire]) -> None:
    def meets(expected: Outcome) -> None:
        for wire in workers.values():
            for request in free_requests(company.key):
                assert outcome(wire, request) == expected, request[:30]

    meets(PASSES)
    company.do("suspend")
    meets((403, "tenant_suspended"))
    company.do("resume")
    meets(PASSES)
    company.do("revoke_key", key_id=company.key_id)
    meets((403, "api_key_revoked"))


# --- Changes cut off by a crash --------------------------------------------------------------------------------------


@pytest.mark.fault("change: its process dies", promises=("P4", "P5"))
@pytest.mark.parametrize(
    ("committed", "after"), [(True, CAPPED), (False, PASSES)], ids=["after its commit", "before its commit"]
)
def test_a_change_whose_process_dies_is_found_made_or_undone(
    stack: ProductStack, company: Company, workers: dict[int, Wire], committed: bool, after: Outcome
) -> None:
    """The fence stays behind; the next request on either worker waits for nobody, and finds what the database has."""
    request = OPENAI.request(company.key, output=20)
    assert {outcome(wire, request) for wire in workers.values()} == {PASSES}
    with Office(stack) as doomed, pytest.raises(DeskGone):
        doomed.do("die_in_change", tenant=company.id, cap="0.00", committed=committed)
    assert company.do("fences") != []
    assert [outcome(wire, request) for wire in workers.values()] == [after, after]
    assert company.do("fences") == []
