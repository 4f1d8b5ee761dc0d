"""How long a process may keep a processor once it has one: Linux's time slice for ordinary tasks (6.12 and later).

Redis answers in some fifty microseconds, and every request waits for it twice. Where its turn is a hundred microseconds
long, the scheduler lets it in ahead of who has a longer one (the drain, a provider's stand-in); its share of the
processor stays what it was. Figures: docs/benchmarks.md, "Latency".
"""

import ctypes
import os
import platform
import sys
from contextlib import suppress

SHORT_NANOSECONDS = 100_000  # the least that Linux takes

_SYS_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}.get(platform.machine())  # glibc names it from 2.41 on only
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Attributes(ctypes.Structure):
    """Linux's `struct sched_attr`, as of its first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def ask_for_short_ones() -> None:
    """For this process and what it becomes. Where the kernel knows nothing of it, or will not, all stays as it is."""
    if _libc is None or _SYS_SCHED_SETATTR is None:
        return
    with suppress(OSError):
        if os.sched_getscheduler(0) != os.SCHED_OTHER:
            return  # the operator has chosen something else for all of us
        wanted = _Attributes(
            size=ctypes.sizeof(_Attributes),
            policy=os.SCHED_OTHER,
            nice=os.getpriority(os.PRIO_PROCESS, 0),
            runtime=SHORT_NANOSECONDS,
        )
        _libc.syscall(_SYS_SCHED_SETATTR, 0, ctypes.byref(wanted), 0)
