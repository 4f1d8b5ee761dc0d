"""The proxy's way to the money Redis: what one turn of the event loop asks for goes out as one write.

A `Lane` is one connection. redis-py opens it (TLS, Sentinel, authentication and database are its business), then the
lane speaks to the stream directly: commands are packed by hiredis and written together, replies come back in order and
each goes to its own caller. Nothing is ever repeated here: a call that got no answer in time raises `StoreUnavailable`,
and whoever made it decides (every script is idempotent by hold).
"""

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from budgets.frames import DEADLINE, Argument, PackedCall, packed
from tenants import topology
from tenants.store import Script, StoreUnavailable, run_id_of

log = logging.getLogger(__name__)


class ScriptError(Exception):
    """The store answered one command with an error (out of memory, wrong type): that command changed nothing."""


class _Call:
    """`command`: plain, or of a script; `run_id_at`: where the run_id goes then, 0: nowhere. `script` None: a plain
    command, or a script that is sent as source."""

    __slots__ = ("command", "deadline", "future", "run_id_at", "script", "sent_at")

    def __init__(
        self,
        command: list[Argument] | PackedCall,
        deadline: float,
        future: asyncio.Future[Any],
        script: Script | None = None,
        run_id_at: int = 0,
    ) -> None:
        self.command, self.deadline, self.future = command, deadline, future
        self.script, self.run_id_at = script, run_id_at
        self.sent_at = 0.0


class Lane:
    """One pipelined connection of one event loop; opens itself when first used and after each failure."""

    def __init__(self, url: str, timeout: float) -> None:
        self._timeout = timeout
        self._pool = topology.async_pool(topology.address(url), timeout)
        self._loop = asyncio.get_running_loop()
        self._connection: AbstractConnection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._waiting: deque[_Call] = deque()
        self._sent: deque[_Call] = deque()
        self._doubted: _Call | None = None
        self._flush_due = False
        self._closed = False
        self._run_id, self._packed_run_id = "", packed("")
        self.opened = 0  # connections so far: more than one means reconnects
        # Redis time minus the loop's, seconds, never ahead of the truth; by our own clock until a server has told its.
        self._clock = time.time() - self._loop.time()

    # --- asking ----------------------------------------------------------------------------------------------------

    def call(self, script: Script, keys: Sequence[str], *args: Argument) -> "asyncio.Future[Any]":
        """Queue one script; the future brings its reply, ScriptError, or StoreUnavailable."""
        return self._ask(["EVALSHA", script.sha, len(keys), *keys, "", *args], script, 3 + len(keys))

    def send(self, call: PackedCall) -> "asyncio.Future[Any]":
        """The same for one that is packed already."""
        return self._ask(call, call.script)

    def command(self, *args: Argument) -> "asyncio.Future[Any]":
        """Queue one plain command."""
        return self._ask(list(args))

    def _ask(
        self, command: list[Argument] | PackedCall, script: Script | None = None, run_id_at: int = 0
    ) -> "asyncio.Future[Any]":
        future = self._loop.create_future()
        self._waiting.append(_Call(command, self._loop.time() + self._timeout, future, script, run_id_at))
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)
        return future

    def now(self) -> float:
        """The time by Redis's clock as far as known, epoch seconds; not ahead of it but for this clock's drift."""
        return self._loop.time() + self._clock

    def set_time(self, now_ms: int, key: str = "") -> None:
        """A script on this key said what time it is, and our estimate was off: take its word."""
        self._clock = now_ms / 1000 - self._loop.time()

    def lane_at(self, key: str) -> "Lane":
        """The lane to the server that keeps a key."""
        return self

    @property
    def run_id(self) -> str:
        """Of the server that was reached last; '' while none was."""
        return self._run_id

    def run_id_at(self, key: str) -> str:
        """The server that keeps a key; '' while none is known."""
        return self.run_id

    def flush(self) -> None:
        """Write what is queued, now: what must be on its way before the client's last byte does not wait for a turn."""
        self._flush_due = False
        if not self._waiting:
            return
        connection = self._connection
        if connection is None or connection._writer is None or connection._writer.transport.is_closing():
            self._reopen()
            return
        now = self._loop.time()
        out: list[bytes] = []
        while self._waiting:
            call = self._waiting.popleft()
            if call.future.done():
                continue
            call.sent_at = now
            self._write(call, out)
            self._sent.append(call)
        connection._writer.write(b"".join(out))
        self._ensure_watch()

    def _write(self, call: _Call, out: list[bytes]) -> None:
        """With run_id and deadline filled in; the call may be written to another connection yet."""
        command, at = call.command, call.run_id_at
        deadline_ms = int((call.deadline + self._clock) * 1000)
        if isinstance(command, PackedCall):
            command.write(out, self._packed_run_id, deadline_ms, as_source=call.script is None)
            return
        if at:
            command = command.copy()
            command[at] = self._run_id
            for index in range(at + 1, min(at + 3, len(command))):  # it is the first or the second
                if command[index] is DEADLINE:
                    command[index] = deadline_ms
        out.append(hiredis.pack_command(tuple(command)))  # type: ignore[arg-type]

    # --- the connection --------------------------------------------------------------------------------------------

    def _reopen(self) -> None:
        if self._closed:
            self._fail(self._waiting, "the connection is closed for good")
        elif self._opening is None:
            self._opening = self._loop.create_task(self._open())

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command("INFO", "server", check_health=False)
                self._run_id = run_id_of(await connection.read_response())
                self._packed_run_id = packed(self._run_id)
                await connection.send_command("TIME", check_health=False)
                seconds, micros = await connection.read_response()
                self._clock = int(seconds) + int(micros) / 1e6 - self._loop.time()
        except (RedisError, OSError, StoreUnavailable) as error:
            self._fail(self._waiting, str(error) or type(error).__name__)
            return
        finally:
            self._opening = None
        self._connection = connection
        self.opened += 1
        self._reading = self._loop.create_task(self._read(connection))
        self.flush()

    async def _read(self, connection: AbstractConnection) -> None:
        reader = hiredis.Reader()
        stream = connection._reader
        why = "the server closed the connection"
        try:
            while data := await stream.read(65536):  # type: ignore[union-attr]
                reader.feed(data)
                while (reply := reader.gets()) is not False:
                    self._deliver(reply)
        except (OSError, hiredis.HiredisError) as error:
            why = str(error)
        if self._connection is connection:
            await self._drop(why)

    def _deliver(self, reply: Any) -> None:
        call = self._sent.popleft()
        future = call.future
        if future.done():
            return
        if not isinstance(reply, hiredis.ReplyError):
            future.set_result(reply)
        elif call.script is not None and str(reply).startswith("NOSCRIPT"):
            if isinstance(call.command, list):
                call.command[:2] = ["EVAL", call.script.source]
            call.script = None
            self._waiting.append(call)
            self.flush()
        else:
            self._refused(call, str(reply))

    def _refused(self, call: _Call, error: str) -> None:
        call.future.set_exception(ScriptError(error))
        if error.startswith("READONLY"):  # it was the master once: the next connection asks who is now
            self._loop.create_task(self._drop("the server is a replica now"))

    def _ensure_watch(self) -> None:
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout / 4, self._look)

    def _look(self) -> None:
        """The oldest call that is out tells whether the server still answers.

        Overdue twice running: where it was our own loop that stood still, the answer is there and gets read now.
        """
        self._watch = None
        if not self._sent:
            return
        overdue = self._loop.time() - self._sent[0].sent_at > self._timeout
        if overdue and self._doubted is self._sent[0]:
            self._loop.create_task(self._drop("no answer in time"))
            return
        self._doubted = self._sent[0] if overdue else None
        self._watch = self._loop.call_later(0.02 if overdue else self._timeout / 4, self._look)

    async def _drop(self, why: str) -> None:
        connection, self._connection = self._connection, None
        self._fail(self._sent, why)
        if self._reading is not None and self._reading is not asyncio.current_task():
            self._reading.cancel()
        self._reading = None
        if connection is not None:
            with suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)
        if self._waiting:
            self._reopen()

    def _fail(self, calls: deque[_Call], why: str) -> None:
        failed = list(itertools.islice(calls, len(calls)))
        calls.clear()
        for call in failed:
            if not call.future.done():
                call.future.set_exception(StoreUnavailable(why))
                call.future.exception()  # a caller that has gone away is no reason for a warning

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def aclose(self) -> None:
        """Write what is queued, wait for the answers within the timeout, and close."""
        self.flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                await asyncio.gather(*[call.future for call in (*self._sent, *self._waiting)], return_exceptions=True)
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        self._fail(self._waiting, "closed")
        await self._drop("closed")
        await self._pool.aclose()
