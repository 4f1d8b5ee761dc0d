"""The proxy's way to a Redis Cluster: a `Lane` to each master, every call on the lane of its key's slot.

All keys of a tenant share a slot (`budgets.keyspace`), so no script spans two nodes, and what a tenant's counters were
built on is the run_id of one node. The map of slots is read again when a lane breaks, until every master answers; a
call that is told MOVED or ASK changed nothing where it was, and goes on to the node that was named.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from redis.crc import key_slot

from budgets.frames import Argument, PackedCall
from budgets.lanes import Lane, ScriptError, _Call
from tenants.store import Script, StoreUnavailable
from tenants.topology import Address, Host

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
Reply = asyncio.Future[Any]


class _NodeLane(Lane):
    """The lane to one node. Reports to the cluster what it cannot answer for."""

    def __init__(self, cluster: "ClusterLane", host: Host, url: str, timeout: float) -> None:
        self.host = host
        self._cluster = cluster
        super().__init__(url, timeout)

    def take(self, call: _Call) -> None:
        """Queue a call that another node has refused."""
        self._waiting.append(call)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def _refused(self, call: _Call, error: str) -> None:
        word, _, rest = error.partition(" ")
        if word in ("MOVED", "ASK") and self._loop.time() < call.deadline:
            slot, address = rest.split()[:2]
            name, _, port = address.rpartition(":")
            self._cluster.redirect(call, int(slot), (name or self.host[0], int(port)), for_good=word == "MOVED")
        else:
            super()._refused(call, error)

    def _fail(self, calls: deque[_Call], why: str) -> None:
        super()._fail(calls, why)
        if not self._closed:
            self._cluster.look_soon()


class ClusterLane:
    """What `Lane` is, for a Cluster."""

    def __init__(self, where: Address, timeout: float) -> None:
        self._where, self._timeout = where, timeout
        self._loop = asyncio.get_running_loop()
        self._nodes: dict[Host, _NodeLane] = {}
        self._by_slot: list[_NodeLane] = []  # empty until the map of slots was read
        self._homeless: list[tuple[str, Callable[[Lane], Reply], Reply]] = []
        self._looking: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False
        self._clock = time.time() - self._loop.time()

    # --- asking ----------------------------------------------------------------------------------------------------

    def call(self, script: Script, keys: Sequence[str], *args: Argument) -> Reply:
        if self.known:
            return self.lane_at(keys[0]).call(script, keys, *args)
        return self._later(keys[0], lambda lane: lane.call(script, keys, *args))

    def send(self, call: PackedCall) -> Reply:
        if self.known:
            return self.lane_at(call.key).send(call)
        return self._later(call.key, lambda lane: lane.send(call))

    def command(self, *args: Argument) -> Reply:
        """One plain command on its first argument's node: all of ours name their key there."""
        key = str(args[1]) if len(args) > 1 else ""
        if self.known:
            return self.lane_at(key).command(*args)
        return self._later(key, lambda lane: lane.command(*args))

    @property
    def known(self) -> bool:
        """Whether the map of slots was read."""
        return bool(self._by_slot)

    def lane_at(self, key: str) -> Lane:
        """The lane to the node that keeps a key, once they are known."""
        return self._by_slot[key_slot(key.encode())]

    def _later(self, key: str, ask: Callable[[Lane], Reply]) -> Reply:
        reply = self._loop.create_future()
        if self._closed:
            _fail(reply, "the connection is closed for good")
        else:
            self._homeless.append((key, ask, reply))
            self.look_soon()
        return reply

    def flush(self) -> None:
        for lane in self._nodes.values():
            lane.flush()

    def now(self) -> float:
        """By the clock of the node that was asked last what time it is; the others refuse what is of another day."""
        return self._loop.time() + self._clock

    def set_time(self, now_ms: int, key: str = "") -> None:
        self._clock = now_ms / 1000 - self._loop.time()
        if self.known:
            self.lane_at(key).set_time(now_ms)

    def run_id_at(self, key: str) -> str:
        return self.lane_at(key).run_id if self.known else ""

    # --- what is known of it ---------------------------------------------------------------------------------------

    @property
    def _masters(self) -> set[_NodeLane]:
        return set(self._by_slot)

    @property
    def run_id(self) -> str:
        """Changes whenever one node becomes another server."""
        return " ".join(sorted(lane.run_id for lane in self._masters))

    @property
    def opened(self) -> int:
        return sum(lane.opened for lane in self._nodes.values())

    @property
    def connected(self) -> bool:
        return self.known and all(lane.connected for lane in self._masters)

    # --- the map of slots ------------------------------------------------------------------------------------------

    def look_soon(self) -> None:
        if self._looking is None and not self._closed:
            self._looking = self._loop.create_task(self._look_until_whole())

    async def _look_until_whole(self) -> None:
        try:
            while not self._closed:
                await self._look()
                masters = self._masters
                answers = await asyncio.gather(*(lane.command("PING") for lane in masters), return_exceptions=True)
                if masters and masters == self._masters and not any(isinstance(one, Exception) for one in answers):
                    return
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._looking = None

    async def _look(self) -> None:
        """Ask all nodes at once; the first map is taken. Whoever waits for the first one waits no longer than this."""
        asked = [self._node(host) for host in {*self._where.hosts, *self._nodes}]
        questions = [self._loop.create_task(self._ask_for_map(lane)) for lane in asked]
        why = ""
        try:
            for question in asyncio.as_completed(questions):
                try:
                    self._learn(*await question)
                    return
                except (StoreUnavailable, ScriptError) as error:
                    why = str(error)
        finally:
            for question in questions:
                question.cancel()
            await asyncio.gather(*questions, return_exceptions=True)
        homeless, self._homeless = self._homeless, []
        for _, _, reply in homeless:
            _fail(reply, why)

    async def _ask_for_map(self, lane: _NodeLane) -> tuple[_NodeLane, list[Any]]:
        slots = await lane.command("CLUSTER", "SLOTS")
        if not slots:
            raise StoreUnavailable("a node of the cluster that knows no slots")
        return lane, slots

    def _learn(self, teller: _NodeLane, slots: list[Any]) -> None:
        by_slot: list[_NodeLane] = [teller] * 16384  # a slot that nobody serves: it says so itself
        for first, last, (name, port, *_), *_replicas in slots:
            host = str(name or b"", "ascii") or teller.host[0]
            by_slot[first : last + 1] = [self._node((host, port))] * (last - first + 1)
        self._by_slot = by_slot
        self._clock = teller.now() - self._loop.time()
        for lane in set(self._nodes.values()) - self._masters:
            del self._nodes[lane.host]
            self._close_soon(lane)
        homeless, self._homeless = self._homeless, []
        for key, ask, reply in homeless:
            ask(self._by_slot[key_slot(key.encode())]).add_done_callback(partial(_pass_on, reply))

    def redirect(self, call: _Call, slot: int, host: Host, *, for_good: bool) -> None:
        """Send a call that another node has refused to the node that it named."""
        lane = self._node(host)
        if for_good:
            if self._by_slot:
                self._by_slot[slot] = lane
            self.look_soon()
        else:
            lane.command("ASKING")
        lane.take(call)

    def _node(self, host: Host) -> _NodeLane:
        lane = self._nodes.get(host)
        if lane is None:
            lane = self._nodes[host] = _NodeLane(self, host, self._where.url_of(host), self._timeout)
        return lane

    def _close_soon(self, lane: _NodeLane) -> None:
        closing = self._loop.create_task(lane.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        self.flush()
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        for _, _, reply in self._homeless:
            _fail(reply, "closed")
        await asyncio.gather(*(lane.aclose() for lane in self._nodes.values()), *self._closing)


def _fail(reply: Reply, why: str) -> None:
    if not reply.done():
        reply.set_exception(StoreUnavailable(why))
        reply.exception()  # a caller that has gone away is no reason for a warning


def _pass_on(reply: Reply, told: Reply) -> None:
    if reply.done():
        return
    if told.cancelled():
        reply.cancel()
    elif (error := told.exception()) is not None:
        reply.set_exception(error)
        reply.exception()
    else:
        reply.set_result(told.result())
