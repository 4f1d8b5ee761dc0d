"""Admission between a ledger that may fall silent and requests that must not be let through on a guess."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from budgets import keyspace
from budgets.claims import Request, Reservation
from budgets.inflight import InFlight
from budgets.lanes import Lane, ScriptError
from budgets.ledger import Ledger
from budgets.ledger_errors import LedgerUnavailable
from budgets.pricing import bound, catalogue
from proxy.admission import Admission, Ask
from proxy.key_policy import KeyPolicy
from tests.support.valkey import ValkeyServer

TENANT, KEY = "ten_admission", "key_1"
USD = 1_000_000_000
REQUEST = Request(TENANT, KEY, "live", "openai", "gpt-4o", "/chat/completions", "", False, (("input", 1),))


class Mute(Ledger):
    """Redis does what it is asked to; the answer to a reserve never arrives."""

    async def hold(self, *args: Any, **kwargs: Any) -> Reservation:
        await super().hold(*args, **kwargs)
        raise LedgerUnavailable("the answer was lost")


@pytest.fixture
async def lane(store: ValkeyServer) -> AsyncIterator[Lane]:
    opened = Lane(store.url, timeout=0.5)
    await opened.command("PING")
    await opened.command("HSET", keyspace.policy(TENANT), "run_id", opened.run_id, "version", 1)
    yield opened
    await opened.aclose()


def caller() -> KeyPolicy:
    return KeyPolicy(
        tenant_id=TENANT,
        key_id=KEY,
        mode="live",
        version=1,
        revoked=False,
        paused=False,
        suspended=False,
        expires_at=None,
        allowed_models=frozenset(),
        allowed_fields=frozenset(),
        default_output_limit=100,
        least_output_limit=10,
        caps={("tenant", "month"): (10 * USD, True)},
        raises={},
        ciphertexts={},
        requires_end_user=False,
        end_users=None,
    )


@pytest.mark.fault("Redis: a reply is lost", promises=("P4", "P6"))
async def test_a_reserve_whose_answer_was_lost_is_refused_and_holds_nothing(lane: Lane) -> None:
    model = catalogue.find("openai", "gpt-4o", date(2026, 11, 24))
    assert model is not None
    quote = bound.quote(model, input_tokens=10, client_limit=100, default_limit=100, floor=10)
    ledger = Mute(lane, "worker-1", lease_seconds=60)
    admission = Admission(ledger, InFlight(ledger), held_wait=0.0)
    with pytest.raises(LedgerUnavailable):
        await admission.admit("tk_live_x", caller(), REQUEST, Ask(quote.least, quote.most))
    await asyncio.sleep(0.05)
    month = ledger.windows().month
    counter = keyspace.tenant_counter(TENANT, "live", month.suffix)
    spent, held = await lane.command("HMGET", counter, "spent", "held")
    assert (int(spent or 0), int(held)) == (0, 0)
    assert await lane.command("ZCARD", keyspace.holds(TENANT)) == 0


class Loading(InFlight):
    """A server that reads its data after a restart answers every command with an error."""

    async def recover(self, tenant_id: str) -> None:
        raise ScriptError("LOADING Valkey is loading the dataset in memory")


@pytest.mark.fault("Redis: an error instead of an answer", promises=("P4",))
async def test_an_error_of_the_store_is_an_unavailable_ledger_wherever_it_meets_us(lane: Lane) -> None:
    ledger = Ledger(lane, "worker-1", lease_seconds=60)
    admission = Admission(ledger, Loading(ledger), held_wait=0.0)
    admission.policies._known["tk_live_x"] = caller()
    with pytest.raises(LedgerUnavailable, match="LOADING"):
        await admission.recover(TENANT)
    await lane.command("DEL", keyspace.policy(TENANT))
    await lane.command("SET", keyspace.policy(TENANT), "not a hash")
    with pytest.raises(LedgerUnavailable, match="WRONGTYPE"):
        await admission.confirm("tk_live_x")
    with pytest.raises(LedgerUnavailable, match="WRONGTYPE"):
        await admission.admit("tk_live_x", caller(), REQUEST, Ask(1, 1))
