"""The real Lua against a plain model: random interleavings, every invariant looked at after every step.

What the model leaves out is time (leases end when the machine says so, by holds reserved with no lease at all) and the
database (a dictionary of rows stands for it; budgets/test_recovery.py has the real one).
"""

import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings as django_settings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from budgets import keyspace, scripts, user_counters
from budgets.entries import FINAL, Entry
from tenants import store
from tests.support.valkey import ValkeyServer

TENANT = "ten_model"
KEYS = ("key_a", "key_b")
USERS = ("user_1", "user_2")
CAPS = {"tenant": 1_000, "key_a": 600, "key_b": None, "user_1": 250, "user_2": 350}
# What a request counts in, the widest first: key_a counts its end users, key_b does not.
PATHS = (("tenant", "key_a", "user_1"), ("tenant", "key_a", "user_2"), ("tenant", "key_b"))
LEASE_MS = 3_600_000
FAR = 4_000_000_000
AMOUNTS = st.integers(min_value=0, max_value=400)


def counter(name: str) -> str:
    if name == "tenant":
        return keyspace.tenant_counter(TENANT, "live", "2026-11")
    if name in USERS:
        return keyspace.user_counter(TENANT, name, "key_a", "2026-11")
    return keyspace.key_counter(TENANT, name, "2026-11")


@dataclass
class Hold:
    """The model's idea of a hold."""

    places: tuple[str, ...]
    amount: int
    state: str = "open"
    lease: bool = True
    charged: int = 0
    seen_by_worker: bool = True


@dataclass
class Model:
    holds: dict[str, Hold] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    journaled: dict[str, int] = field(default_factory=dict)
    """What each hold has been charged by entries of the journal, drained or not."""

    def spent(self, place: str) -> int:
        return sum(self.journaled.get(name, 0) for name, hold in self.holds.items() if place in hold.places)

    def held(self, place: str) -> int:
        return sum(hold.amount for hold in self.holds.values() if place in hold.places and hold.state == "open")

    def room(self, places: tuple[str, ...]) -> int:
        return min(cap - self.spent(place) - self.held(place) for place in places if (cap := CAPS[place]) is not None)

    def share(self, places: tuple[str, ...], most: int) -> int:
        """What one may have of what is left, where so many others hold as much and one more may come."""
        return min(
            (cap - self.spent(place) - self.held(place)) // (2 + 4 * self.held(place) // max(most, 1))
            for place in places
            if (cap := CAPS[place]) is not None
        )


class LedgerMachine(RuleBasedStateMachine):
    """One tenant, two keys (one with a cap of its own), one store, one stand-in for the database."""

    @initialize()
    def start(self) -> None:
        store.client().flushall()
        self.model = Model()
        self.cursor = "0-0"
        self.number = 0
        self.breached = False
        self.run_id = self._server()
        store.client().hset(keyspace.policy(TENANT), mapping={"run_id": self.run_id, "version": 1})

    @staticmethod
    def _server() -> str:
        """The run_id of the server that keeps the tenant."""
        return str(store.client().info("server")["run_id"])

    # --- The calls ---------------------------------------------------------------------------------------------------

    def _reserve(self, hold: str, places: tuple[str, ...], least: int, most: int, lease_ms: int) -> Any:
        arguments: list[Any] = []
        for place in places:
            cap = CAPS[place]
            arguments += ["" if cap is None else cap, "1", FAR]
        return store.run(
            scripts.RESERVE,
            [*self._keys(hold), *map(counter, places)],
            [
                1,
                FAR * 1000,
                0,
                FAR,
                lease_ms,
                least,
                most,
                "w",
                "{}",
                keyspace.hold_prefix(TENANT),
                hold,
                *arguments,
            ],
        )

    @staticmethod
    def _keys(hold: str) -> list[str]:
        return [
            keyspace.policy(TENANT),
            keyspace.hold(TENANT, hold),
            keyspace.holds(TENANT),
            keyspace.journal(TENANT),
        ]

    def _lapse(self) -> None:
        """Every hold without a lease ends, in the store and in the model."""
        while store.run(
            scripts.LAPSE,
            [keyspace.policy(TENANT), keyspace.holds(TENANT), keyspace.journal(TENANT)],
            [keyspace.hold_prefix(TENANT), 100],
        )[2]:
            pass
        for name, hold in self.model.holds.items():
            if hold.state == "open" and not hold.lease:
                hold.state = "ended"
                self.model.journaled[name] = hold.charged = hold.amount

    def _pick(self, data: Any, *states: str) -> str | None:
        names = [name for name, hold in self.model.holds.items() if hold.state in states]
        return data.draw(st.sampled_from(names)) if names else None

    # --- The steps ---------------------------------------------------------------------------------------------------

    @rule(
        places=st.sampled_from(PATHS), amounts=st.tuples(AMOUNTS, AMOUNTS), lease=st.sampled_from([True, True, False])
    )
    def reserve(self, places: tuple[str, ...], amounts: tuple[int, int], lease: bool) -> None:
        self._lapse()  # a reserve sweeps by itself; done here first so that the model can follow
        least, most = sorted(amounts)
        self.number += 1
        name = f"req_{self.number}"
        room = self.model.room(places)
        reply = self._reserve(name, places, least, most, LEASE_MS if lease else 0)
        if room >= least:
            assert (reply[0], int(reply[1])) == (b"OK", max(least, min(most, self.model.share(places, most))))
            self.model.holds[name] = Hold(places, int(reply[1]), lease=lease)
        else:
            lacking = [
                place
                for place in places
                if CAPS[place] is not None and CAPS[place] - self.model.spent(place) - self.model.held(place) < least
            ]
            capped = [place for place in lacking if CAPS[place] - self.model.spent(place) < least]
            assert reply[0] == (b"CAPPED" if capped else b"HELD")
            assert places[int(reply[1]) - 1] == (capped or lacking)[0]

    @rule(data=st.data())
    def repeat_a_reserve(self, data: Any) -> None:
        name = self._pick(data, "open", "settled", "released", "ended")
        if name is None:
            return
        hold = self.model.holds[name]
        self._lapse()
        reply = self._reserve(name, hold.places, 0, 400, LEASE_MS)
        if hold.state == "open":
            assert (reply[0], int(reply[1])) == (b"OK", hold.amount)
        else:
            assert reply[0] == b"GONE"

    @rule(data=st.data(), least=AMOUNTS, more=AMOUNTS)
    def extend(self, data: Any, least: int, more: int) -> None:
        self._lapse()
        name = self._pick(data, "open", "settled", "ended")
        if name is None:
            return
        hold = self.model.holds[name]
        arguments: list[Any] = []
        for place in hold.places:
            cap = CAPS[place]
            arguments += ["" if cap is None else cap, "1"]
        reply = store.run(
            scripts.EXTEND,
            [*self._keys(name)[:3], *[counter(place) for place in hold.places]],
            [FAR * 1000, LEASE_MS, least, least + more, name, hold.amount, *arguments],
        )
        room = self.model.room(hold.places)
        if hold.state != "open":
            assert reply[0] == b"GONE"
        elif room >= least:
            hold.amount += max(least, min(least + more, room // 8))
            hold.lease = True  # an extension renews
            assert (reply[0], int(reply[1])) == (b"OK", hold.amount)
        else:
            assert reply[0] in (b"CAPPED", b"HELD")

    @rule(data=st.data(), share=st.integers(0, 100), times=st.integers(1, 2))
    def settle(self, data: Any, share: int, times: int) -> None:
        name = self._pick(data, "open", "ended", "settled", "released")
        if name is None:
            return
        hold = self.model.holds[name]
        cost = hold.amount * share // 100
        for _ in range(times):
            reply = store.run(scripts.SETTLE, self._keys(name), [name, cost, "{}", ""])
            if hold.state in ("open", "ended"):
                assert reply[0] == b"OK"
                hold.state = "settled"
                self.model.journaled[name] = hold.charged = cost
            else:
                assert reply[0] == b"DONE"

    @rule(data=st.data(), breach=st.integers(1, 500))
    def settle_above_the_hold(self, data: Any, breach: int) -> None:
        """A bound that was wrong: recorded in full, never refused."""
        name = self._pick(data, "open")
        if name is None:
            return
        hold = self.model.holds[name]
        assert store.run(scripts.SETTLE, self._keys(name), [name, hold.amount + breach, "{}", ""])[0] == b"OK"
        hold.state = "settled"
        self.model.journaled[name] = hold.charged = hold.amount + breach
        self.breached = True

    @rule(data=st.data())
    def release(self, data: Any) -> None:
        name = self._pick(data, "open", "ended", "settled", "released")
        if name is None:
            return
        hold = self.model.holds[name]
        reply = store.run(scripts.RELEASE, self._keys(name), [name, "{}"])
        if hold.state in ("open", "ended"):
            assert reply[0] == b"OK"
            hold.state = "released"
            self.model.journaled[name] = hold.charged = 0
        else:
            assert reply[0] == b"DONE"

    @rule(places=st.sampled_from(PATHS))
    def release_before_a_late_reserve(self, places: tuple[str, ...]) -> None:
        self._lapse()
        self.number += 1
        name = f"req_{self.number}"
        assert store.run(scripts.RELEASE, self._keys(name), [name, "{}"]) == [b"OK", b""]
        assert self._reserve(name, places, 0, 1, LEASE_MS)[0] == b"GONE"

    @rule()
    def leases_end(self) -> None:
        self._lapse()

    @rule(count=st.integers(1, 5))
    def drain(self, count: int) -> None:
        """Some entries become rows, as budgets.journal does it: new rows once, corrections by replacement."""
        entries = self._journal()[:count]
        for entry in entries:
            if entry.kind != "refused":
                assert (entry.kind == "corrected") == (entry.hold in self.model.rows)
                self.model.rows[entry.hold] = entry.cost
        if entries:
            self.cursor = entries[-1].id
            store.run(
                scripts.ACK,
                [keyspace.policy(TENANT), keyspace.journal(TENANT), keyspace.graves(TENANT)],
                [self.cursor, keyspace.hold_prefix(TENANT), *[entry.hold for entry in entries if entry.kind in FINAL]],
            )

    @rule(loses_policy=st.booleans())
    def the_store_comes_back_as_another_server(self, loses_policy: bool) -> None:
        """A restart with its data: cold for everyone, rebuilt from rows, journal and holds."""
        policy = keyspace.policy(TENANT)
        if loses_policy:
            drained = store.client().hget(policy, "drained_upto")
            store.client().delete(policy)
            if drained:
                store.client().hset(policy, "drained_upto", drained)
        else:
            store.client().hset(policy, "run_id", "f" * 40)
        for place in ("tenant", *KEYS):
            store.client().delete(counter(place))
        assert self._reserve("req_cold", PATHS[0], 1, 1, LEASE_MS)[0] == b"COLD"
        self._rebuild()

    @rule()
    def an_old_rebuild_comes_late(self) -> None:
        """Sums read before a drain must not be built on after it."""
        if self.cursor == "0-0":
            return
        store.client().hset(keyspace.policy(TENANT), "run_id", "e" * 40)
        assert self._rebuild(cursor="0-0") == b"RETRY"
        assert self._rebuild() == b"OK"

    @rule()
    def a_second_rebuild_changes_nothing(self) -> None:
        assert self._rebuild() == b"LIVE"

    @rule()
    def a_live_tenant_is_counted_anew(self) -> None:
        """As when a key begins to count its end users."""
        assert self._rebuild(live_too=True) == b"OK"

    def _rows_of(self, place: str) -> list[int]:
        return [cost for name, cost in self.model.rows.items() if place in self.model.holds[name].places]

    def _rebuild(self, cursor: str | None = None, *, live_too: bool = False) -> bytes:
        """End users first, and only those of whom the ledger has a row, as budgets.user_counters does it."""
        if not user_counters.recount(TENANT, live_too=live_too):
            return b"LIVE"
        for place in USERS:
            if rows := self._rows_of(place):
                assert store.run(scripts.SEED, [keyspace.policy(TENANT), counter(place)], [sum(rows), FAR]) == [b"OK"]
        arguments: list[Any] = []
        for place in ("tenant", *KEYS):
            arguments += [sum(self._rows_of(place)), FAR]
        reply = store.run(
            scripts.REBUILD,
            [
                keyspace.policy(TENANT),
                keyspace.holds(TENANT),
                keyspace.journal(TENANT),
                *[counter(place) for place in ("tenant", *KEYS)],
            ],
            [1, cursor or self.cursor, keyspace.hold_prefix(TENANT), 0, 0, "", *arguments],
        )
        return bytes(reply[0])

    @rule(data=st.data())
    def flushall_and_every_worker_shows_what_it_has(self, data: Any) -> None:
        """Everything in Redis is gone; rows and the workers' memory bring it back."""
        store.client().flushall()
        self._rebuild()
        for name, hold in self.model.holds.items():
            presenting = {"open": "open", "ended": "ended"}.get(hold.state)
            charged_row = name in self.model.rows
            if presenting == "open" or (presenting == "ended" and not charged_row):
                # A lease that ended here, with its entry lost before the drain: to its worker it is open still.
                hold.state, hold.lease = "open", True
                self.model.journaled.pop(name, None)
                self._present(name, hold, "open")
            elif presenting == "ended":
                self._present(name, hold, "ended")
            elif not charged_row and hold.state == "settled":
                reply = store.run(
                    scripts.SETTLE,
                    self._keys(name),
                    [name, hold.charged, "{}", "adopt", hold.amount, self._counters(hold), 1_000, "{}"],
                )
                assert reply[0] == b"OK"
            elif hold.state == "settled" and self.model.rows[name] != hold.charged:
                self._present(name, hold, "ended")  # the row says what the lease charged, the worker knows better
                store.run(scripts.SETTLE, self._keys(name), [name, hold.charged, "{}", ""])
            elif hold.state == "released":
                self._show_release(name, hold, charged_row=charged_row)
            else:
                self._bury(name)

    def _show_release(self, name: str, hold: Hold, *, charged_row: bool) -> None:
        if charged_row and self.model.rows[name]:
            self._present(name, hold, "ended")
        store.run(scripts.RELEASE, self._keys(name), [name, "{}"])
        if not charged_row:
            self.model.rows.setdefault(name, 0)  # of cost nothing: whether its row exists changes no sum

    def _bury(self, name: str) -> None:
        """Known to the database and drained: a worker has forgotten it, and nothing more will be said of it."""
        store.client().set(keyspace.hold(TENANT, name), "settled")

    def _present(self, name: str, hold: Hold, state: str) -> None:
        amount = hold.amount if state == "open" else self.model.rows[name]
        reply = store.run(
            scripts.PRESENT, self._keys(name), [name, amount, self._counters(hold), 1_000, "w", "{}", LEASE_MS, state]
        )
        assert reply == [b"OK", state.encode()]

    @staticmethod
    def _counters(hold: Hold) -> str:
        return " ".join(counter(place) for place in hold.places)

    # --- What must hold ----------------------------------------------------------------------------------------------

    def _journal(self) -> list[Entry]:
        raw: Any = store.client().xrange(keyspace.journal(TENANT), min=f"({self.cursor}", max="+")
        return [Entry.decode(entry_id, fields) for entry_id, fields in raw]

    @invariant()
    def redis_equals_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        for place in ("tenant", *KEYS, *USERS):
            spent, held = store.client().hmget(counter(place), "spent", "held")
            assert (int(spent or 0), int(held or 0)) == (self.model.spent(place), self.model.held(place)), place

    @invariant()
    def nothing_is_above_its_cap(self) -> None:
        """P1, while every bound was true."""
        if not hasattr(self, "model") or self.breached:
            return
        for place, cap in CAPS.items():
            assert cap is None or self.model.spent(place) + self.model.held(place) <= cap

    @invariant()
    def rows_and_journal_make_the_counters(self) -> None:
        """P6: what is a row, and what will be one, add up to what is spent."""
        if not hasattr(self, "model"):
            return
        total = sum(self.model.rows.values()) + sum(entry.spent for entry in self._journal() if entry.kind != "refused")
        assert total == self.model.spent("tenant")

    @precondition(lambda self: hasattr(self, "model"))
    @invariant()
    def only_open_holds_have_leases(self) -> None:
        leased = {name.decode() for name in store.client().zrange(keyspace.holds(TENANT), 0, -1)}
        assert leased == {name for name, hold in self.model.holds.items() if hold.state == "open"}


# 100 runs of 60 steps; `TOKONOMICS_MODEL_RUNS=5000` for a long night.
RUNS = int(os.environ.get("TOKONOMICS_MODEL_RUNS", "100"))


@pytest.mark.fault("load: random interleavings, replays, crashes, rebuilds", promises=("P1", "P3", "P4", "P6"))
@pytest.mark.timeout(600)
def test_random_interleavings_keep_every_invariant(store_for_machine: ValkeyServer) -> None:
    assert store_for_machine.url == django_settings.REDIS_URL
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=not os.environ.get("TOKONOMICS_MODEL_RUNS"),
        ),
    )


@pytest.fixture
def store_for_machine(store: ValkeyServer) -> ValkeyServer:  # the machine's own module name `store` is the client
    return store
