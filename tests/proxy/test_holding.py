"""By which rule a request is held for, and that what is foreseen of a grant is what the ledger grants."""

import itertools
import random
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from budgets import keyspace
from budgets.claims import Counter, Request, hold_id
from budgets.lanes import Lane
from budgets.ledger import Ledger
from budgets.ledger_errors import CapExceeded
from budgets.pricing import catalogue
from budgets.pricing.bound import Quote
from proxy.admission import Ask
from proxy.estimates import ENOUGH, Estimates
from proxy.holding import Basis, Plan, foreseen, plan_of
from proxy.key_policy import KeyPolicy
from proxy.partial_holds import FIRST
from proxy.providers.base import ParsedRequest
from proxy.providers.bounds import quote_of
from proxy.providers.openai_chat import OPENAI_CHAT
from tests.proxy.providers.support import openai
from tests.support.valkey import ValkeyServer

TENANT = "ten_holding"
GPT = catalogue.find("openai", "gpt-4o", date(2026, 11, 24))
assert GPT is not None


def caller(**fields: Any) -> KeyPolicy:
    usual: dict[str, Any] = {
        "tenant_id": TENANT, "key_id": "key_1", "mode": "live", "version": 1, "revoked": False, "paused": False,
        "suspended": False, "expires_at": None, "allowed_models": frozenset(), "allowed_fields": frozenset(),
        "default_output_limit": 16_384, "least_output_limit": 256, "caps": {}, "raises": {}, "ciphertexts": {},
        "requires_end_user": False, "end_users": None,
    }  # fmt: skip
    return KeyPolicy(**{**usual, **fields})


def plan(parsed: ParsedRequest, known: Estimates | None = None, **fields: Any) -> Plan:
    assert GPT is not None
    quote = quote_of(parsed, GPT, default_limit=16_384, floor=256)
    return plan_of(OPENAI_CHAT, caller(**fields), parsed, {}, GPT, quote, known or Estimates())


def test_a_plain_request_holds_its_bound_or_what_a_smaller_limit_would_need() -> None:
    made = plan(openai())
    assert (made.basis, made.ask.between, made.smaller) == (Basis.BOUND, True, None)
    assert made.ask.least < made.ask.most == made.quote.most
    assert made.output_limit(made.ask.least) == 256


def test_a_stream_holds_its_bound_or_a_first_step_and_sends_the_whole_limit() -> None:
    made = plan(openai(stream=True))
    assert (made.basis, made.ask.between) == (Basis.PARTIAL, False)
    assert made.ask.least == made.quote.at(FIRST)
    assert made.output_limit(made.ask.least) == 16_384


def test_where_not_even_a_first_step_fits_a_stream_without_a_limit_of_its_own_may_get_a_smaller_one() -> None:
    smaller = plan(openai(stream=True)).smaller
    assert smaller is not None and (smaller.basis, smaller.ask.between) == (Basis.BOUND, True)
    assert smaller.ask.least == smaller.quote.at(256)
    assert plan(openai(stream=True, max_tokens=4096)).smaller is None


def test_a_stream_with_a_short_limit_holds_its_bound() -> None:
    """Counted in bytes it would come to hold nearly all of it, or be cut where money is short."""
    assert plan(openai(stream=True, max_tokens=1024)).basis is Basis.BOUND
    assert plan(openai(stream=True, max_tokens=4096)).basis is Basis.PARTIAL


def test_the_operator_can_turn_partial_holds_off(settings: Any) -> None:
    settings.PARTIAL_HOLDS = False
    assert plan(openai(stream=True)).basis is Basis.BOUND


def test_an_estimate_is_held_by_choice_alone_and_once_it_is_known() -> None:
    known, parsed = Estimates(), openai(max_tokens=4096)
    place, bound = ("key_1", "gpt-4o", "/chat/completions"), plan(parsed).quote.most
    for _ in range(ENOUGH):
        known.note(place, bound // 100, bound)
    assert plan(parsed, known).basis is Basis.BOUND
    assert plan(parsed, hold_policy="estimate").basis is Basis.BOUND
    made = plan(parsed, known, hold_policy="estimate")
    assert made.basis is Basis.ESTIMATE and made.ask.least == made.ask.most < bound // 50
    assert made.output_limit(made.ask.most) == 4096


# --- What is foreseen is what is granted -----------------------------------------------------------------------------


@pytest.fixture
async def ledger(store: ValkeyServer) -> AsyncIterator[Ledger]:
    lane = Lane(store.url, timeout=2.0)
    await lane.command("PING")
    await lane.command("HSET", keyspace.policy(TENANT), "run_id", lane.run_id, "version", 1)
    yield Ledger(lane, "worker", lease_seconds=60)
    await lane.aclose()


async def test_the_ledger_grants_what_is_foreseen(ledger: Ledger) -> None:
    chance, windows = random.Random(11), ledger.windows()
    request = Request(TENANT, "key_1", "live", "openai", "gpt-4o", "/x", "", False, ())
    for number in itertools.count():
        if number == 300:
            break
        caps = [chance.randint(0, 2_000), chance.choice([None, chance.randint(0, 2_000)])]
        keys = [f"budget:{{{TENANT}}}:{number}:{place}" for place in "ab"]
        counters = [Counter("tenant", windows.month, key, cap, True) for key, cap in zip(keys, caps, strict=True)]
        standing = [(chance.randint(0, 800), chance.randint(0, 800)) for _ in keys]
        for key, (spent, held) in zip(keys, standing, strict=True):
            await ledger.lane.command("HSET", key, "spent", spent, "held", held)
        least, most = sorted(chance.randint(0, 600) for _ in range(2))
        ask = Ask(least, most, between=chance.random() < 0.5)
        rooms = [
            (cap - spent - held, held) for cap, (spent, held) in zip(caps, standing, strict=True) if cap is not None
        ]
        terms = {"day": windows.day, "version": 1, "hold": hold_id(), "between": ask.between}
        try:
            granted = (await ledger.reserve(request, counters, least=least, most=most, **terms)).held
        except CapExceeded:
            assert min(room for room, _ in rooms) < least
        else:
            assert granted == foreseen(ask, rooms), (ask, rooms)
            assert least <= granted <= most and all(granted <= room for room, _ in rooms)


def test_a_quote_that_costs_nothing_is_no_division_by_nothing() -> None:
    free = Quote(0, 0, 1, 1, 0, ())
    assert foreseen(Ask(free.least, free.most), [(0, 0)]) == 0
