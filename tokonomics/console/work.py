"""The background processes: `python -m tokonomics.console.work worker` runs tasks, `beat` sends the periodic ones."""

import logging
import sys
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


@signals.worker_ready.connect
@signals.beat_init.connect
def announce(**_: Any) -> None:
    ready.announce()


@signals.setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """That somebody listens here keeps Celery from replacing Django's LOGGING with its own."""
    logging.getLogger("celery").setLevel(logging.WARNING)  # at INFO, two lines for each task
    logging.getLogger("django_celery_beat").setLevel(logging.WARNING)


if __name__ == "__main__":
    # "Running as root" is dangerous to Celery where messages are pickled; ours are JSON, and containers run as root.
    warnings.simplefilter("ignore", platforms.SecurityWarning)  # type: ignore[attr-defined]
    app.start(["--quiet", *ARGUMENTS[sys.argv[1]], *sys.argv[2:]])
