"""What an estimate foresees is what the ledger's own script decides."""

import random
from collections.abc import AsyncIterator

import pytest

from budgets.claims import Counter, Request, hold_id
from budgets.ledger import Ledger
from budgets.ledger_errors import CapExceeded
from budgets.reach import AnyLane
from proxy.estimate import wall_before
from tests.support.valkey import ValkeyServer
from tests.support.warm_lane import warm_lane

TENANT = "ten_foreseen"
REQUEST = Request(TENANT, "key_1", "live", "openai", "gpt-4o", "/chat/completions", "", False, (("input", 1),))
CASES = 250


@pytest.fixture
async def lane(store: ValkeyServer) -> AsyncIterator[AnyLane]:
    async with warm_lane(store.url, TENANT) as lane:
        yield lane


async def test_the_wall_that_is_foreseen_is_the_one_that_a_reserve_meets(lane: AnyLane) -> None:
    chance, seen = random.Random(7), set()
    ledger = Ledger(lane, "worker-1", lease_seconds=60)
    windows = ledger.windows()
    for case in range(CASES):
        standing = []
        for name in ("tenant", "api_key", "day"):
            cap, hard = chance.choice([None, 0, 50, 100]), chance.random() < 0.8
            counter = Counter(name, windows.month, f"budget:{{{TENANT}}}:{case}:{name}", cap, hard)
            spent, held = chance.choice([0, 20, 60, 120]), chance.choice([0, 0, 30, 90])
            await lane.command("HSET", counter.key, "spent", spent, "held", held)
            standing.append((counter, spent, held))
        least = chance.choice([0, 1, 30, 60])
        foreseen = wall_before(standing, least)
        met: CapExceeded | None = None
        try:
            await ledger.reserve(
                REQUEST,
                [counter for counter, _, _ in standing],
                day=windows.day,
                version=1,
                least=least,
                most=max(1, least),
                hold=hold_id(),
            )
        except CapExceeded as error:
            met = error
        said = [
            error and (error.counter.scope, error.spent, error.held, error.cap, error.held_only)
            for error in (foreseen, met)
        ]
        assert said[0] == said[1]
        seen.add(None if met is None else met.held_only)
    assert seen == {None, True, False}
