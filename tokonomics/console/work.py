"""The background processes: `python -m tokonomics.console.work worker` runs tasks, `beat` sends the periodic ones."""

import logging
import os
import signal
import sys
import threading
import time
import warnings
from typing import Any

from celery import platforms, signals

from tokonomics.celery import app
from tokonomics.console import ready

# Threads: the tasks wait for the database and the network, and one process is quick to start and leaves no children.
ARGUMENTS = {
    "worker": ["worker", "--pool=threads", "--concurrency=4", "--without-gossip", "--without-mingle"],
    "beat": ["beat", "--scheduler=django_celery_beat.schedulers:DatabaseScheduler", "--pidfile="],
}


YIELDS = 10  # what `nice` calls it: where processors are short, requests come before their bookkeeping
PAUSE_SECONDS = 1.0  # before a worker that broke down begins anew
was_ready, asked_to_end = threading.Event(), threading.Event()


@signals.worker_ready.connect
@signals.beat_init.connect
def announce(**_: Any) -> None:
    ready.announce()
    was_ready.set()


@signals.worker_shutting_down.connect
def note_the_signal(**_: Any) -> None:
    asked_to_end.set()


@signals.setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """That somebody listens here keeps Celery from replacing Django's LOGGING with its own."""
    logging.getLogger("celery").setLevel(logging.WARNING)  # at INFO, two lines for each task
    logging.getLogger("django_celery_beat").setLevel(logging.WARNING)


def main(kind: str, *rest: str) -> int:
    os.nice(max(0, YIELDS - os.nice(0)))
    # "Running as root" is dangerous to Celery where messages are pickled; ours are JSON, and containers run as root.
    warnings.simplefilter("ignore", platforms.SecurityWarning)  # type: ignore[attr-defined]
    status: int | None = app.start(["--quiet", *ARGUMENTS[kind], *rest])
    if kind == "worker" and was_ready.is_set() and not asked_to_end.is_set():
        # A broker that goes away while a task is being acknowledged ends Celery's worker ("Unrecoverable error"). It is
        # no reason to end with it: every task bears to be run again.
        logging.getLogger(__name__).error("the worker broke down; it begins anew")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(PAUSE_SECONDS)
        os.execv(sys.executable, [sys.executable, "-m", __spec__.name, kind, *rest])
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
