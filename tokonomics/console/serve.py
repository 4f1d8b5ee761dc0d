"""One web process on a listening socket that it inherits: `python -m tokonomics.console.serve APP --fd N`.

uvicorn's own `--fd` takes every socket for a unix one and would lose TCP_NODELAY and the client's address.
"""

import argparse
import asyncio
import gc
import importlib
import logging
import socket
import sys
from datetime import date
from typing import Any

import uvicorn

from budgets.pricing import catalogue
from tokonomics.console import ready

# Longer than the keep-alive of client pools (5 s in httpx, about 60 s in load balancers): the side that reuses a
# connection should be the side that closes it first.
KEEP_ALIVE_SECONDS = 75
GIVE_WAY_SECONDS = 0.001  # until a thread beside it (a policy from the database, a word to the broker) lets the loop on


class Server(uvicorn.Server):
    """Accepts connections once its application is warm, and says so."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await warm_up(self.config.loaded_app)
        rarely_look_for_garbage()
        await super().startup(sockets)
        ready.announce()

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's clock, ten times a second: once in each second every client is held to its time."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if (look := getattr(connection, "look", None)) is not None:
                    look(now)
        return await super().on_tick(counter)


def rarely_look_for_garbage() -> None:
    """What is imported by now stays for good, and neither requests nor failures leave circles of objects behind
    (tests/benchmarks/test_garbage.py): at Python's own thresholds a tenth of a busy worker's time goes into looking for
    them. All streams wait for a look, some 4 ms for ten thousand of the youngest.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


async def warm_up(app: Any) -> None:
    """One request that no client waits for, and one price: Django imports its addresses and pages on the first, which
    takes a second or two, and the price list is read for the other."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
    }
    scope |= {"path": "/healthz", "raw_path": b"/healthz", "root_path": "", "query_string": b""}
    scope |= {"headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 0), "server": ("127.0.0.1", 0)}
    ends = asyncio.get_running_loop().create_future()
    received = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        return next(received, None) or await ends

    async def send(message: Any) -> None:
        pass

    await app(scope, receive, send)
    catalogue.find("openai", "gpt-4o-mini", date.today())


def _protocol(app: str) -> Any:
    """The application's own, where its module names one."""
    return getattr(importlib.import_module(app.partition(":")[0]), "protocol", "httptools")


def config(app: str, *, grace: int, trusted_proxies: str) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=_protocol(app),
        ws="websockets-sansio",
        log_config=None,  # Django's LOGGING, which the application sets up as it is imported
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=grace,
        forwarded_allow_ips=trusted_proxies,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tokonomics.console.serve")
    parser.add_argument("app", help="module:attribute of an ASGI application")
    parser.add_argument("--fd", type=int, required=True, help="the listening socket")
    parser.add_argument("--grace", type=int, default=20, help="seconds that open requests may take to end")
    parser.add_argument("--trusted-proxies", default="127.0.0.1", help="whose X-Forwarded-* headers are believed")
    options = parser.parse_args()
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    sys.setswitchinterval(GIVE_WAY_SECONDS)
    server = Server(config(options.app, grace=options.grace, trusted_proxies=options.trusted_proxies))
    server.run(sockets=[socket.socket(fileno=options.fd)])


if __name__ == "__main__":
    main()
