"""The machine: which core runs what, and what a process has cost. Linux only (/proc)."""

import os
import platform
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
MEASURED = CORES[0]
"""The core of what is measured; load, provider, Redis and everything else run on the others."""
OTHERS = set(CORES[1:]) or {CORES[0]}


def pin(pids: list[int], cores: set[int]) -> None:
    """Every thread of these processes."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


def cpu_seconds(pids: list[int]) -> float:
    """User and system time so far, ended threads included."""
    return sum(sum(int(part) for part in _stat(pid)[11:13]) for pid in pids) / TICKS


def resident_kb(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def children(pid: int) -> list[int]:
    """All descendants."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int(_stat(int(entry.name))[1]) == pid:
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended between the two looks
    return found + [each for child in found for each in children(child)]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on (state, parent, ...): the second may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def load_average() -> float:
    return os.getloadavg()[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Machine:
    processor: str
    cores: int
    memory_gib: int
    kernel: str
    python: str

    @classmethod
    def here(cls) -> "Machine":
        processor = _line(Path("/proc/cpuinfo"), "model name") or platform.machine()
        memory = int(_line(Path("/proc/meminfo"), "MemTotal").split()[0])
        return cls(processor, len(CORES), round(memory / 2**20), platform.release(), platform.python_version())

    def __str__(self) -> str:
        return f"{self.processor}, {self.cores} cores, {self.memory_gib} GiB, Linux {self.kernel}, Python {self.python}"


def _line(path: Path, name: str) -> str:
    """What stands behind `name:` where that comes first; "" if it does not come."""
    lines = (line.partition(":") for line in path.read_text().splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")


def commit() -> str:
    """The commit that was measured, with a mark where the tree was changed since."""
    asked = ["git", "describe", "--always", "--dirty=+changes", "--exclude=*"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
