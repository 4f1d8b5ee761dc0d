"""Tells the open pages of a tenant, over Channels, that there is something new; they read it themselves.

A hint, never the data: whoever receives it asks for what they may see. Nothing depends on it arriving.
"""

import asyncio
import logging
import threading
from functools import cache

import redis
from channels.layers import get_channel_layer

log = logging.getLogger(__name__)

MOST_SECONDS = 5.0  # for a word to the channel layer


def group(tenant_id: str) -> str:
    """The Channels group of a tenant's open pages."""
    return f"tenant.{tenant_id}"


async def tell(tenant_id: str) -> bool:
    """Spend, holds or refusals have changed. Whether that could be said."""
    if (layer := get_channel_layer()) is None:
        return True
    try:
        async with asyncio.timeout(MOST_SECONDS):
            await layer.group_send(group(tenant_id), {"type": "ledger.moved"})
    except (redis.RedisError, OSError) as error:
        log.warning("the pages of %s were not told: %s", tenant_id, str(error) or type(error).__name__)
        return False
    return True


def announce(tenant_id: str) -> None:
    """The same for tasks and threads: blocks until it is said."""
    asyncio.run_coroutine_threadsafe(tell(tenant_id), _loop()).result()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One for this process, and with it one connection: asgiref's `async_to_sync` makes both anew for every call."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="feed", daemon=True).start()
    return loop
