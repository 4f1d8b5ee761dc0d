"""The ASGI entry: metered routes go to the proxy, websockets to Channels, everything else to stock Django."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tokonomics.settings")
pages = get_asgi_application()

from proxy import engine  # noqa: E402
from proxy.asgi import ProxyHandler  # noqa: E402
from proxy.server import protocol_for  # noqa: E402
from tenants.checks import require_secrets  # noqa: E402
from tokonomics import celery  # noqa: E402, F401 (tasks that are published from here go to our broker)
from tokonomics.console.routing import sockets  # noqa: E402

require_secrets()

metered = ProxyHandler()
protocol = protocol_for(metered)
"""What our own server (`tokonomics.console.serve`) speaks with; any other goes through `application`."""


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        path = scope["path"]
        if path.startswith(("/v1/", "/v1beta/", "/openai/")) or path in ("/v1", "/v1beta"):
            await metered(scope, receive, send)
        else:
            await pages(scope, receive, send)
    elif scope["type"] == "websocket":
        await sockets(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)


async def _lifespan(receive: Any, send: Any) -> None:
    """The engine starts with the server, so that leases are looked after from the first moment."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            engine.engine()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await engine.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
