"""The supervisor with small parts: shells that sleep, in place of the product's processes."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.processes import alive, wait_until
from tokonomics.console.logs import MAX_WAITING, LineWriter
from tokonomics.console.supervisor import Part, Supervisor

Plan = Callable[[Supervisor], Awaitable[None]]


def sleeper(name: str, *, trap: str = "trap 'exit 0' TERM", grace: float = 5.0) -> Part:
    """A part that runs until it is told to end, and is ready when its traps are set."""
    script = f"{trap}; printf 1 >/proc/self/fd/$TOKONOMICS_READY_FD; while :; do sleep 0.02; done"
    return Part(name, ["sh", "-c", script], grace=grace, says_ready=True)


SAYS_BYE = "trap 'echo bye; exit 0' TERM"


class Run:
    """A supervisor's life in this process, and what it printed."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "output"

    def __call__(self, plan: Plan, *, signals: tuple[int, ...] = (signal.SIGTERM,), when: str = "go") -> int:
        async def main() -> int:
            with self.path.open("wb") as output:
                writer = LineWriter(output.fileno())
                supervisor = Supervisor(os.environ, writer)
                asyncio.get_running_loop().create_task(self._send(signals, when))
                try:
                    return await supervisor.run(lambda: plan(supervisor))
                finally:
                    writer.close()

        return asyncio.run(main())

    async def _send(self, signals: tuple[int, ...], when: str) -> None:
        """Each signal once the output has its own cue: `when`, then `stopping`."""
        for signum, cue in zip(signals, (when, "stopping"), strict=False):
            while cue not in self.output:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            os.kill(os.getpid(), signum)

    @property
    def output(self) -> str:
        return self.path.read_text() if self.path.exists() else ""

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_parts_stop_in_the_reverse_order_of_their_start(run: Run) -> None:
    async def plan(supervisor: Supervisor) -> None:
        for name in ("store", "tasks", "web"):
            await supervisor.start(sleeper(name, trap="trap 'sleep 0.1; echo bye; exit 0' TERM"))
        await supervisor.all_ready()
        supervisor.say("go")

    assert run(plan) == 0
    assert [line.split()[0] for line in run.lines if "bye" in line] == ["web", "tasks", "store"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_way_to_ask_for_the_end_is_an_orderly_one(run: Run, signum: int) -> None:
    async def plan(supervisor: Supervisor) -> None:
        await supervisor.start(sleeper("web", trap=SAYS_BYE))
        await supervisor.all_ready()
        supervisor.say("go")

    assert run(plan, signals=(signum,)) == 0
    assert any("bye" in line for line in run.lines)


def test_every_line_has_the_name_of_its_part_in_front(run: Run) -> None:
    async def plan(supervisor: Supervisor) -> None:
        await supervisor.once(Part("migrate", ["sh", "-c", "echo one; echo two >&2; printf three"]))
        await supervisor.all_ready()
        supervisor.say("go")

    assert run(plan) == 0
    assert run.lines[:3] == ["migrate  | one", "migrate  | two", "migrate  | three"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", "tasks ended with exit code 3"),
        ("kill -9 $$", "tasks was ended by SIGKILL"),
        ("exit 0", "exit code 0"),
    ],
)
def test_a_part_that_ends_by_itself_ends_the_whole_and_is_named(run: Run, script: str, words: str) -> None:
    async def plan(supervisor: Supervisor) -> None:
        await supervisor.start(sleeper("web", trap=SAYS_BYE))
        await supervisor.all_ready()
        await supervisor.start(Part("tasks", ["sh", "-c", f"sleep 0.2; {script}"]))
        await asyncio.sleep(60)

    assert run(plan, signals=()) == 1
    assert words in run.output
    assert any("bye" in line for line in run.lines), "the other part was not asked to end"


def test_a_step_that_fails_stops_the_start(run: Run) -> None:
    async def plan(supervisor: Supervisor) -> None:
        await supervisor.start(sleeper("store"))
        await supervisor.once(Part("migrate", ["sh", "-c", "exit 7"]))
        await supervisor.start(Part("web", ["sh", "-c", "echo never"]))

    assert run(plan, signals=()) == 1
    assert "migrate ended with exit code 7" in run.output
    assert "never" not in run.output


def test_what_never_becomes_ready_stops_the_start(run: Run) -> None:
    async def plan(supervisor: Supervisor) -> None:
        await supervisor.until(lambda: False, what="The store did not answer", timeout=0.2)

    assert run(plan, signals=()) == 1
    assert "The store did not answer within" in run.output


def test_ready_means_that_the_part_said_so(run: Run) -> None:
    says = "import time, os; time.sleep(0.4); print('working'); os.write(int(os.environ['TOKONOMICS_READY_FD']), b'1')"
    part = Part("web", [sys.executable, "-u", "-c", says + "; time.sleep(60)"], says_ready=True)

    async def plan(supervisor: Supervisor) -> None:
        await supervisor.start(part)
        await supervisor.all_ready()
        supervisor.say("go")

    started = time.monotonic()
    assert run(plan) == 0
    assert time.monotonic() - started > 0.4


def test_a_part_that_ends_before_it_is_ready_ends_the_start(run: Run) -> None:
    async def plan(supervisor: Supervisor) -> None:
        await supervisor.start(Part("web", ["sh", "-c", "exit 4"], says_ready=True))
        await supervisor.all_ready()

    assert run(plan, signals=()) == 1
    assert "web ended with exit code 4" in run.output


def test_a_signal_during_the_start_ends_it(run: Run) -> None:
    async def plan(supervisor: Supervisor) -> None:
        await supervisor.start(sleeper("store", trap=SAYS_BYE))
        await supervisor.all_ready()
        await supervisor.once(Part("migrate", ["sh", "-c", "echo go; sleep 60"]))

    started = time.monotonic()
    assert run(plan) == 0
    assert time.monotonic() - started < 10
    assert any("bye" in line for line in run.lines)


def test_a_second_signal_hurries(run: Run) -> None:
    async def plan(supervisor: Supervisor) -> None:
        await supervisor.start(sleeper("web", trap="trap : TERM; trap 'echo hurried; exit 1' INT", grace=60))
        await supervisor.all_ready()
        supervisor.say("go")

    started = time.monotonic()
    assert run(plan, signals=(signal.SIGTERM, signal.SIGTERM)) == 0
    assert time.monotonic() - started < 10
    assert "hurried" in run.output


def test_a_part_that_does_not_end_is_killed(run: Run) -> None:
    async def plan(supervisor: Supervisor) -> None:
        await supervisor.start(sleeper("web", trap="trap : TERM INT", grace=0.3))
        await supervisor.all_ready()
        supervisor.say("go")

    assert run(plan) == 0
    assert "web does not end; killing it." in run.output


def test_a_mistake_in_the_plan_is_not_taken_for_a_failing_part(run: Run) -> None:
    async def plan(supervisor: Supervisor) -> None:
        await supervisor.start(sleeper("store", trap=SAYS_BYE))
        await supervisor.all_ready()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(plan, signals=())
    assert any("bye" in line for line in run.lines), "the part was left running"


def test_a_killed_supervisor_takes_its_parts_along(tmp_path: Path) -> None:
    program = """
import asyncio, os
from tokonomics.console.logs import LineWriter
from tokonomics.console.supervisor import Part, Supervisor

async def main():
    supervisor = Supervisor(os.environ, LineWriter(1))
    await supervisor.run(lambda: supervisor.start(Part("web", ["sh", "-c", "trap : TERM; echo pid $$; sleep 60"])))

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        part = int(process.stdout.readline().split()[-1])
        assert alive(part)
        process.kill()
        wait_until(lambda: not alive(part), seconds=5)


def test_output_that_nobody_reads_holds_nothing_up() -> None:
    """A pipe takes 64 KiB; the rest waits, then is dropped and counted. The writer's caller never waits."""
    told, tell = os.pipe()
    writer = LineWriter(tell)
    started = time.monotonic()
    for _ in range(MAX_WAITING + 5000):
        writer.line("web.1", "x" * 100)
    assert time.monotonic() - started < 5
    received = b""
    while received.count(b"\n") < MAX_WAITING:
        received += os.read(told, 1 << 20)
    writer.line("web.1", "the end")
    while b"the end" not in received:
        received += os.read(told, 1 << 20)
    writer.close()
    assert b"lines were dropped" in received
    os.close(told)
    os.close(tell)


def test_a_reader_that_has_gone_stops_nothing(run: Run) -> None:
    told, tell = os.pipe()
    os.close(told)
    writer = LineWriter(tell)
    writer.line("web.1", "to nobody")
    writer.close()
    os.close(tell)
