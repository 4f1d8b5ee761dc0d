"""What every target has: a port, headers that open its door, the processes that count, an end."""

from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.processes import ROOT, Process, Provider, answers

CACHE = ROOT / ".cache" / "bench"
MODEL = "gpt-4o-mini"


class Target:
    """One thing to measure. `start` returns once it answers; `stop` ends all that it started."""

    name = ""
    title = ""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self.folder, self.provider = folder / self.name, provider
        self.port = 0
        self.headers = {"authorization": "Bearer sk-bench"}
        self._running: list[Process] = []

    @classmethod
    def missing(cls) -> str:
        """What has to be installed first; "" where nothing has."""
        return ""

    def start(self) -> None:
        raise NotImplementedError

    @property
    def measured(self) -> list[int]:
        """The processes whose CPU time and memory count."""
        return self._running[-1].pids

    def reserves(self) -> dict[str, float]:
        """How many budget checks took up to so many seconds, since it was started; empty where there are none."""
        return {}

    def come_to_rest(self) -> None:
        """Work that it does behind its replies must not fall on whoever is measured next."""

    def stop(self) -> None:
        for process in reversed(self._running):
            process.stop()
        self._running = []

    def _run(self, command: list[Any], *, path: str = "", beside: bool = False, **options: Any) -> Process:
        """Start a part, on the measured core unless it is only `beside`; wait until it answers GET `path`."""
        cores = machine.OTHERS if beside else {machine.MEASURED}
        log = self.folder / f"{len(self._running)}.log"
        process = Process([str(word) for word in command], cores=cores, log=log, **options)
        self._running.append(process)
        if path:
            process.until(lambda: answers(self.port, path))
        return process
