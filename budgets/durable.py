"""Holds that are on disk, or at a replica, before their requests go out: WAITAOF after each reserve and extend.

WAITAOF keeps its connection waiting, so what must wait goes out over connections of its own: all that is asked for
while they wait goes out together, over the next one that is free. Everything else takes the ordinary lane, settles too.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from budgets.cluster import ClusterLane, Reply
from budgets.frames import Argument, PackedCall
from budgets.lanes import Lane
from tenants.store import Script, StoreUnavailable

WAYS = 8  # connections that may wait at the same time
REMIND_SECONDS = 0.004
MORE_THAN_THERE_ARE = 1000
SYNC_SECONDS = 1.5  # how long is waited for it


@dataclass(frozen=True, slots=True)
class Copies:
    """Where a hold has to be on disk before it counts: at the server itself (0 or 1), and at how many replicas."""

    here: int
    replicas: int

    @classmethod
    def parse(cls, text: str) -> "Copies | None":
        """`1,0`, `0,1`, `1,2`; None for nothing, and for `0,0`. Raises ValueError."""
        if not text:
            return None
        here, _, replicas = text.partition(",")
        if here not in ("0", "1") or not replicas.isdecimal():
            raise ValueError(f"TOKONOMICS_REDIS_WAITAOF is {text!r}: it takes 1,0 or 0,1 or the like.")
        copies = cls(int(here), int(replicas))
        return copies if copies.here or copies.replicas else None

    def reached(self, answer: Any) -> bool:
        return int(answer[0]) >= self.here and int(answer[1]) >= self.replicas


@dataclass(slots=True)
class _Waiting:
    """`ask` makes the call, on the lane to the server of `key`."""

    key: str
    ask: Callable[[Lane], Reply]
    reply: Reply


class DurableLane:
    """A lane whose `durable` scripts are answered once they are where they have to be, or refused if they never are."""

    def __init__(
        self, lane: Lane | ClusterLane, ways: list[Lane | ClusterLane], copies: Copies, durable: Sequence[Script]
    ) -> None:
        self._lane, self._ways, self._copies = lane, ways, copies
        self._durable = {script.sha for script in durable}
        self._reminder, *self._free = ways
        self._queue: list[_Waiting] = []
        self._due = False
        self._loop = asyncio.get_running_loop()
        # All else is the ordinary lane's.
        self.command, self.flush, self.now = lane.command, lane.flush, lane.now
        self.set_time, self.run_id_at = lane.set_time, lane.run_id_at

    def call(self, script: Script, keys: Sequence[str], *args: Argument) -> Reply:
        if script.sha not in self._durable:
            return self._lane.call(script, keys, *args)
        return self._wait(_Waiting(keys[0], lambda lane: lane.call(script, keys, *args), self._loop.create_future()))

    def send(self, call: PackedCall) -> Reply:
        if call.script.sha not in self._durable:
            return self._lane.send(call)
        return self._wait(_Waiting(call.key, lambda lane: lane.send(call), self._loop.create_future()))

    def _wait(self, waiting: _Waiting) -> Reply:
        self._queue.append(waiting)
        self._send_soon()
        return waiting.reply

    def _send_soon(self) -> None:
        if self._queue and self._free and not self._due:
            self._due = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        """All that is queued over one way, then one WAITAOF to each server that was written to."""
        self._due = False
        way, batch, self._queue = self._free.pop(), self._queue, []
        if isinstance(way, ClusterLane) and not way.known:
            way.command("EXISTS", batch[0].key).add_done_callback(partial(self._introduced, way, batch))
            return
        by_server: dict[Lane, list[tuple[_Waiting, Reply]]] = {}
        for waiting in batch:
            if not waiting.reply.done():
                server = way.lane_at(waiting.key)
                by_server.setdefault(server, []).append((waiting, waiting.ask(server)))
        syncs = [self._sync(way, server, sent) for server, sent in by_server.items()]
        asyncio.gather(*syncs, return_exceptions=True).add_done_callback(partial(self._freed, way))

    def _sync(self, way: Lane | ClusterLane, server: Lane, sent: list[tuple[_Waiting, Reply]]) -> Reply:
        limit = int(SYNC_SECONDS * 1000)
        sync = server.command("WAITAOF", self._copies.here, self._copies.replicas, limit)
        sync.add_done_callback(partial(self._synced, way, server, sent))
        if self._copies.replicas:
            self._loop.call_later(REMIND_SECONDS, self._remind, sent[0][0].key, sync)
        return sync

    def _remind(self, key: str, sync: Reply) -> None:
        """A replica that was asked before it had synced tells again only after a second. A WAIT that nobody can fulfil
        makes the server ask all replicas once more."""
        if not sync.done():
            if not isinstance(self._reminder, ClusterLane) or self._reminder.known:
                self._reminder.lane_at(key).command("WAIT", MORE_THAN_THERE_ARE, 1)
            else:
                self._reminder.look_soon()
            self._loop.call_later(REMIND_SECONDS, self._remind, key, sync)

    def _synced(self, way: Lane | ClusterLane, server: Lane, sent: list[tuple[_Waiting, Reply]], sync: Reply) -> None:
        """The server has answered WAITAOF, and so everything that was written to it before."""
        why = self._missing(sync)
        late = [(waiting, answer) for waiting, answer in sent if not answer.done()]
        for waiting, answer in sent:
            if waiting.reply.done() or not answer.done():
                continue
            if (error := answer.exception()) is not None:
                waiting.reply.set_exception(error)
            elif answer.result()[0] != b"OK":
                waiting.reply.set_result(answer.result())  # refused: there is nothing to keep
            elif isinstance(way, ClusterLane) and way.lane_at(waiting.key) is not server:
                _refuse(waiting.reply, "its server has changed")
            elif why:
                _refuse(waiting.reply, why)
            else:
                waiting.reply.set_result(answer.result())
        if late:  # the server did not know the script, or not the key: it was written once more, after our WAITAOF
            again = asyncio.gather(*(answer for _, answer in late), return_exceptions=True)
            again.add_done_callback(lambda _: self._sync(way, server, late))

    def _missing(self, sync: Reply) -> str:
        """Why what was written is not known to be where it has to be, '' where it is."""
        if sync.cancelled() or (error := sync.exception()) is not None:
            return f"not known to be on disk: {error if not sync.cancelled() else 'cancelled'}"
        here, replicas = sync.result()
        return "" if self._copies.reached((here, replicas)) else f"on disk at {here} here and {replicas} replicas only"

    def _introduced(self, way: ClusterLane, batch: list[_Waiting], asked: Reply) -> None:
        """This way has found its cluster, or nobody who would tell."""
        if way.known:
            self._queue = batch + self._queue
        for waiting in [] if way.known else batch:
            _refuse(waiting.reply, "the cluster cannot be reached")
        self._freed(way, asked)

    def _freed(self, way: Lane | ClusterLane, done: Any) -> None:
        self._free.append(way)
        self._send_soon()

    @property
    def run_id(self) -> str:
        return self._lane.run_id

    @property
    def opened(self) -> int:
        return self._lane.opened + sum(way.opened for way in self._ways)

    @property
    def connected(self) -> bool:
        return self._lane.connected

    async def aclose(self) -> None:
        for waiting in self._queue:
            _refuse(waiting.reply, "closed")
        await asyncio.gather(self._lane.aclose(), *(way.aclose() for way in self._ways))


def _refuse(reply: Reply, why: str) -> None:
    if not reply.done():
        reply.set_exception(StoreUnavailable(why))
        reply.exception()  # a caller that has gone away is no reason for a warning
