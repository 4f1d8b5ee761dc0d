"""Tells the open pages of a tenant, over Channels, that there is something new; they read it themselves.

A hint, never the data: whoever receives it asks for what they may see. Nothing depends on it arriving.
"""

import logging

import redis
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

log = logging.getLogger(__name__)


def group(tenant_id: str) -> str:
    """The Channels group of a tenant's open pages."""
    return f"tenant.{tenant_id}"


def announce(tenant_id: str) -> None:
    """Spend, holds or refusals have changed. Blocks: for tasks and threads."""
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        async_to_sync(layer.group_send)(group(tenant_id), {"type": "ledger.moved"})
    except (redis.RedisError, OSError) as error:
        log.warning("the pages of %s were not told: %s", tenant_id, error)
