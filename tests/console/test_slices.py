"""Time slices: what Redis asks the scheduler for, and what must stay as it was."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tokonomics.console import slices

TELL = """
import os
from pathlib import Path
found = [line.split()[-1] for line in Path("/proc/self/sched").read_text().splitlines() if line.startswith("se.slice")]
print(os.sched_getscheduler(0), os.nice(0), *found)
"""


def told(*, ask: bool) -> list[str]:
    """Policy, niceness and, on kernels that have one, the slice of a child."""
    asked = slices.ask_for_short_ones if ask else None
    return subprocess.check_output([sys.executable, "-c", TELL], preexec_fn=asked, text=True).split()


def test_a_child_gets_short_slices_and_keeps_its_policy_and_niceness() -> None:
    before, after = told(ask=False), told(ask=True)
    assert after[:2] == before[:2]
    major, minor = (int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
    if (major, minor) >= (6, 12) and Path("/proc/self/sched").exists() and slices._SYS_SCHED_SETATTR:
        assert (int(after[2]), int(before[2]) > int(after[2])) == (slices.SHORT_NANOSECONDS, True)


def test_where_the_kernel_does_not_know_of_it_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "_SYS_SCHED_SETATTR", 9999)
    assert told(ask=True) == told(ask=False)
    monkeypatch.setattr(slices, "_SYS_SCHED_SETATTR", None)
    assert told(ask=True) == told(ask=False)
