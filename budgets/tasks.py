"""Celery doors: one line each into the services."""

import logging

from celery import shared_task

from budgets import recovery
from tenants.models import Tenant

log = logging.getLogger(__name__)


@shared_task
def sweep() -> None:
    """The safety net of every few seconds: end leases that ran out, drain what no nudge told of."""
    recovery.look_after(recovery.active_tenants())


@shared_task
def sweep_all() -> None:
    """The hourly net under the net: the same for every tenant of the database."""
    recovery.look_after(Tenant.objects.values_list("id", flat=True))
