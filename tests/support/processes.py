"""What /proc knows of processes: who descends from whom."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def children_of(pid: int) -> dict[int, list[str]]:
    """The living children of a process and their command lines."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if int(parent) == pid and status != "Z":
            found[int(entry.name)] = command
    return found


def descendants_of(pid: int) -> dict[int, list[str]]:
    found = children_of(pid)
    for child in list(found):
        found.update(descendants_of(child))
    return found


def state_of(pid: int) -> str:
    """`R`, `S`, `T` (stopped), `Z` (ended, not collected), or nothing for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """A zombie is not: it has ended, whoever should have collected it."""
    return state_of(pid) not in ("", "Z")


def send(pid: int, signum: int) -> None:
    os.kill(pid, signum)


def wait_until(condition: Callable[[], object], *, seconds: float = 20, what: str = "") -> None:
    """Ask every 50 ms. Raises AssertionError when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.05)
