"""Where a tenant's own endpoint may be reached: its name is judged at every connection, and the address that was judged
is the one that is connected to (tenants.netguard), while TLS and Host still say the name.
"""

import asyncio

import httpx
from django.conf import settings

from proxy.origin import Origin
from tenants import netguard

SECONDS = 5.0


async def addresses(origin: Origin) -> list[str]:
    """Raises httpx.ConnectError: nothing is sent to where a tenant may not reach."""
    if settings.PROVIDERS_ALLOW_PRIVATE_URLS:
        return [origin.host]
    url = netguard.Url(origin.scheme, origin.host, origin.port, "/")
    try:
        return await asyncio.to_thread(netguard.addresses, url, private=False, seconds=SECONDS)
    except netguard.NotSent as error:
        raise httpx.ConnectError(str(error)) from error
