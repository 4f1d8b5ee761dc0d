"""Celery doors. The sweep is the net under all of them: what no nudge told of goes out with it."""

import logging

from celery import shared_task
from kombu.exceptions import OperationalError

from alerts import outbox, pump, watch
from budgets import journal

log = logging.getLogger(__name__)


@shared_task
def drain(tenant_ids: list[str]) -> None:
    """Nudged by the proxies: journal entries become rows, and what they crossed goes out at once."""
    for tenant_id in tenant_ids:
        try:
            journal.drain(tenant_id)
        except journal.Stuck as stuck:  # the sweep fails of it, so that it is seen; here it keeps nobody else waiting
            log.error("%s", stuck)
    if outbox.take_up(tenant_ids):
        nudge()


@shared_task
def deliver() -> None:
    pump.run()


@shared_task
def sweep() -> None:
    outbox.take_up()
    pump.run()


@shared_task
def look() -> None:
    """Every half minute: where spend is heading, and how fast."""
    if watch.look():
        nudge()


def nudge() -> None:
    """Have deliveries that were just added sent now rather than by the next sweep."""
    try:
        deliver.apply_async(retry=False, ignore_result=True)
    except OperationalError as error:
        log.warning("the broker does not answer; the sweep sends what is due: %s", error)
