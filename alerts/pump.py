"""Sends what is due, several at a time, in threads of its own: a slow receiver holds up no other tenant and no drain.

One pump runs in a process, however many tasks ask for it. It is asked again while it runs: then it looks once more.
"""

import logging
import threading
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db import close_old_connections, connections
from django.utils import timezone

from alerts import delivering, outbox
from alerts.models import Delivery

log = logging.getLogger(__name__)

AT_ONCE = 8
AT_ONCE_OF_A_TENANT = 3
LONGEST_RUN = 60.0  # seconds; then the task ends, and the next sweep goes on

_running = threading.Lock()
_wanted = threading.Event()


def run() -> int:
    """Send whatever is due until nothing is; how many tries that were. 0 at once while another thread does it."""
    _wanted.set()
    tries = 0
    while _wanted.is_set() and _running.acquire(blocking=False):
        try:
            tries += _run()
        finally:
            _running.release()
        # Who asked between our last look and the release found the lock taken, and has left the wish behind.
    return tries


def _run() -> int:
    began, tries = time.monotonic(), 0
    busy: dict[Future[None], str] = {}
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="deliver") as threads:
        while time.monotonic() - began < LONGEST_RUN:
            _wanted.clear()
            while len(busy) < AT_ONCE and (delivery := _claim(busy)) is not None:
                busy[threads.submit(_deliver, delivery)] = delivery.tenant_id
                tries += 1
            if not busy:
                break
            done, _ = wait(busy, timeout=0.5, return_when=FIRST_COMPLETED)
            for each in done:
                del busy[each]
                each.result()
    return tries


def _claim(busy: dict[Future[None], str]) -> Delivery | None:
    full = [tenant_id for tenant_id, count in Counter(busy.values()).items() if count >= AT_ONCE_OF_A_TENANT]
    return outbox.claim(timezone.now(), except_of=full)


def _deliver(delivery: Delivery) -> None:
    close_old_connections()
    try:
        delivering.deliver(delivery)
    finally:
        connections.close_all()  # of this thread: it is gone soon, and nobody else could
