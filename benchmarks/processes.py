"""Child processes of the benchmark, each on the cores that it belongs to, each ended by its own pid."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import machine
from tokonomics.console.lifeline import tie_to_me

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120.0


class Process:
    """A child; its output goes to `log`."""

    def __init__(self, command: list[str], *, cores: set[int], log: Path, env: Mapping[str, str] | None = None) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        tie = tie_to_me(signal.SIGTERM)

        def tied() -> None:
            tie()
            os.sched_setaffinity(0, cores)

        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ if env is None else env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=tied,
            )

    @property
    def pids(self) -> list[int]:
        return [self.process.pid, *machine.children(self.process.pid)]

    def until(self, condition: Callable[[], bool]) -> None:
        """Raises RuntimeError with the last of its output where it ends first, or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.process.args!r} did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)


class Provider(Process):
    """`benchmarks.provider`, beside the load. With `tls` (certificate, key) it speaks https."""

    def __init__(self, log: Path, *, tls: tuple[Path, Path] | None = None) -> None:
        arguments = ["--tls", str(tls[0]), str(tls[1])] if tls else []
        super().__init__([sys.executable, "-m", "benchmarks.provider", *arguments], cores=machine.OTHERS, log=log)
        self.until(lambda: log.read_text().endswith("\n"))
        self.port = int(log.read_text())
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"


def answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as reply:
            return bool(reply.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
