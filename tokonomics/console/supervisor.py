"""Runs the parts of the product as child processes: started in order, logs prefixed, stopped in reverse order.

A part that ends by itself ends the whole: nothing keeps running that nobody watches. Every part is a session leader, so
that Ctrl-C reaches only us and we decide the order; on Linux it dies with us even if we are killed.
"""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tokonomics.console import ready, slices
from tokonomics.console.lifeline import tie_to_me
from tokonomics.console.logs import LineWriter

HURRY_SECONDS = 3.0  # what a part gets after the second signal


class PartFailed(Exception):
    """A part could not start, or ended by itself; the message names it and says how."""


@dataclass(frozen=True)
class Part:
    """One child process. `grace`: seconds from SIGTERM to SIGKILL. `says_ready`: it announces itself (see `ready`).
    `short_slices`: it answers at once and briefly (see `slices`)."""

    name: str
    command: Sequence[str]
    grace: float = 10.0
    pass_fds: Sequence[int] = ()
    says_ready: bool = False
    orphan_signal: int = signal.SIGKILL
    short_slices: bool = False

    def before_exec(self) -> Callable[[], None]:
        """What the child does before it becomes its command."""
        tie = tie_to_me(self.orphan_signal)

        def prepare() -> None:
            tie()
            if self.short_slices:
                slices.ask_for_short_ones()

        return prepare


@dataclass
class Running:
    part: Part
    process: Process
    output: asyncio.ReadTransport
    announced: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    def how_it_ended(self) -> str:
        code = self.process.returncode
        if code is not None and code < 0:
            return f"{self.part.name} was ended by {signal.Signals(-code).name}"
        return f"{self.part.name} ended with exit code {code}"


class Supervisor:
    """`run(plan)` is its life; the plan calls `start`, `all_ready`, `once` and `until`, which raise PartFailed."""

    def __init__(self, environment: Mapping[str, str], writer: LineWriter) -> None:
        self._environment = dict(environment)
        self._writer = writer
        self._groups: list[list[Running]] = []
        self._failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._stopping = False

    def say(self, text: str) -> None:
        self._writer.line("", text)

    async def run(self, plan: Callable[[], Awaitable[None]]) -> int:
        """0 after a signal asked for the end, 1 when a part failed. Everything is stopped when this returns."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self._on_signal, signum)
        starting: asyncio.Future[Any] = asyncio.ensure_future(plan())
        stop: asyncio.Future[Any] = asyncio.ensure_future(self._stop.wait())
        failed: asyncio.Future[Any] = self._failed
        await asyncio.wait({starting, stop, failed}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and not starting.exception():
            await asyncio.wait({stop, failed}, return_when=asyncio.FIRST_COMPLETED)
        for task in (starting, stop):
            task.cancel()
        await asyncio.wait({starting, stop})
        problem = self._problem(starting)
        if problem:
            self.say(f"{problem}. Stopping everything.")
        await self._stop_all()
        if not starting.cancelled() and not isinstance(starting.exception(), PartFailed | None):
            starting.result()  # a mistake of ours: raise it
        return 1 if problem else 0

    def _problem(self, starting: "asyncio.Future[Any]") -> str:
        if self._failed.done():
            return self._failed.result()
        if not starting.cancelled() and (error := starting.exception()):
            return str(error) or type(error).__name__
        return ""

    # --- For the plan ----------------------------------------------------------------------------------------------
    async def start(self, *parts: Part) -> None:
        """Start these, without waiting for them. What starts together stops together."""
        group: list[Running] = []
        self._groups.append(group)
        for part in parts:
            running = await self._spawn(part)
            group.append(running)
            running.tasks.append(asyncio.create_task(self._watch(running)))

    async def all_ready(self) -> None:
        """Until each part that announces itself has done so."""
        for group in self._groups:
            for running in group:
                if running.part.says_ready:
                    await running.announced.wait()

    async def once(self, part: Part) -> None:
        """Run one that has to end by itself, with exit code 0."""
        running = await self._spawn(part)
        self._groups.append([running])
        await running.process.wait()
        await self._tidy(running)
        self._groups.remove([running])
        if running.process.returncode != 0:
            raise PartFailed(running.how_it_ended())

    async def until(self, condition: Callable[[], bool], *, what: str, timeout: float) -> None:
        """Ask again and again. Raises PartFailed after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise PartFailed(f"{what} within {timeout:.0f} s")
            await asyncio.sleep(0.02)

    # --- Processes -------------------------------------------------------------------------------------------------
    async def _spawn(self, part: Part) -> Running:
        told, tell = os.pipe()
        lines, write = os.pipe()
        environment = {**self._environment, ready.VARIABLE: str(tell)} if part.says_ready else self._environment
        try:
            process = await asyncio.create_subprocess_exec(
                *part.command,
                stdin=DEVNULL,
                stdout=write,
                stderr=STDOUT,
                env=environment,
                pass_fds=[*part.pass_fds, *([tell] if part.says_ready else [])],
                start_new_session=True,
                preexec_fn=part.before_exec(),
            )
        finally:
            os.close(tell)
            os.close(write)
        loop, stream = asyncio.get_running_loop(), asyncio.StreamReader()
        output, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(lines, "rb"))
        running = Running(part, process, output)
        running.tasks.append(asyncio.create_task(self._writer.follow(part.name, stream)))
        loop.add_reader(told, self._on_announcement, told, running)
        return running

    def _on_announcement(self, told: int, running: Running) -> None:
        """A byte means ready; the bare end of the pipe means that the process is gone, which `_watch` tells."""
        if os.read(told, 1):
            running.announced.set()
        asyncio.get_running_loop().remove_reader(told)
        os.close(told)

    async def _watch(self, running: Running) -> None:
        await running.process.wait()
        if not self._stopping and not self._failed.done():
            self._failed.set_result(running.how_it_ended())

    def _on_signal(self, signum: int) -> None:
        if self._stop.is_set():
            self.say("Asked again: ending now, without waiting for open requests.")
            self._hurry.set()
        else:
            self.say(f"{signal.Signals(signum).name}: stopping. Open requests may end first; a second signal hurries.")
            self._stop.set()

    async def _stop_all(self) -> None:
        self._stopping = True
        for group in reversed(self._groups):
            await asyncio.gather(*(self._end(running) for running in group))

    async def _end(self, running: Running) -> None:
        if running.alive:
            running.process.send_signal(signal.SIGTERM)
            if not await self._ended(running, running.part.grace, or_when=self._hurry):
                running.process.send_signal(signal.SIGINT)  # for uvicorn and Celery: cancel what is open, but tidily
                if not await self._ended(running, HURRY_SECONDS):
                    self.say(f"{running.part.name} does not end; killing it.")
                    running.process.kill()
        await running.process.wait()
        await self._tidy(running)

    async def _tidy(self, running: Running) -> None:
        """Children that the part left behind go too; they would hold its output open."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        await asyncio.wait(running.tasks, timeout=1)
        running.output.close()

    async def _ended(self, running: Running, seconds: float, or_when: asyncio.Event | None = None) -> bool:
        ended = asyncio.ensure_future(running.process.wait())
        hurry = [asyncio.ensure_future(or_when.wait())] if or_when else []
        await asyncio.wait({ended, *hurry}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in (ended, *hurry):
            task.cancel()
        return not running.alive
