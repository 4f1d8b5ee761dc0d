"""Where websockets go. From our own pages only: a browser sends its cookies wherever a page makes it connect."""

from typing import Any
from urllib.parse import urlsplit

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import validate_host
from django.urls import path, re_path

from tokonomics.console.consumer import LiveConsumer


class SameOrigin:
    """Refuses a socket whose Origin is not the very host that it is opened on (or one that CSRF trusts too)."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope.get("headers", [])}
        ours = is_ours(headers.get(b"origin", ""), headers.get(b"host", ""))
        await (self.inner if ours else WebsocketDenier())(scope, receive, send)


def is_ours(origin: str, host: str) -> bool:
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        asked, hostname = urlsplit(origin).netloc, urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False  # no address at all
    return bool(host) and asked == host and validate_host(hostname, settings.ALLOWED_HOSTS)


sockets = SameOrigin(
    AuthMiddlewareStack(
        URLRouter(
            [
                path("t/<slug:slug>/live/", LiveConsumer.as_asgi()),
                re_path(r"", WebsocketDenier.as_asgi()),
            ]
        )
    )
)
