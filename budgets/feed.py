"""Tells the open pages of a tenant, over Channels, that there is something new; they read it themselves.

A hint, never the data: whoever receives it asks for what they may see. Nothing depends on it arriving.
"""

import logging
from typing import Any

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
    if layer is not None and (problem := async_to_sync(_told)(layer, tenant_id)):
        log.warning("the pages of %s were not told: %s", tenant_id, problem)


async def _told(layer: Any, tenant_id: str) -> str:
    """ "" or what is wrong. An error that went through `async_to_sync` would keep its thread until the next collection
    of garbage: some dozens of them while Redis is away."""
    try:
        await layer.group_send(group(tenant_id), {"type": "ledger.moved"})
    except (redis.RedisError, OSError) as error:
        return str(error) or type(error).__name__
    return ""
