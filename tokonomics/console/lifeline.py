"""Children that do not outlive their parent, even if it is killed: Linux's PR_SET_PDEATHSIG."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signum: int = signal.SIGKILL, *, parent: int | None = None) -> None:
    """Ask the kernel to send us `signum` when the thread that started us ends. Elsewhere than on Linux, nothing."""
    if _libc is None:
        return
    if _libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signum)  # it ended before we asked


def tie_to_me(signum: int = signal.SIGKILL) -> Callable[[], None]:
    """A `preexec_fn` for a child of this process."""
    parent = os.getpid()
    return lambda: die_with_parent(signum, parent=parent)
