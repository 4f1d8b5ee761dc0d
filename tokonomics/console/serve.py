"""One web process on a listening socket that it inherits: `python -m tokonomics.console.serve APP --fd N`.

Several of them share one socket, so the kernel gives a new connection to whichever is free to accept it. uvicorn's own
`--fd` takes every socket for a unix one and would lose TCP_NODELAY and the client's address.
"""

import argparse
import logging
import socket

import uvicorn

from tokonomics.console import ready

# Longer than the keep-alive of client pools (5 s in httpx, about 60 s in load balancers): the side that reuses a
# connection should be the side that closes it first.
KEEP_ALIVE_SECONDS = 75


class Server(uvicorn.Server):
    """Says that it is ready once it accepts connections."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        ready.announce()


def config(app: str, *, grace: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        log_config=None,  # Django's LOGGING, which the application sets up as it is imported
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=grace,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tokonomics.console.serve")
    parser.add_argument("app", help="module:attribute of an ASGI application")
    parser.add_argument("--fd", type=int, required=True, help="the listening socket")
    parser.add_argument("--grace", type=int, default=20, help="seconds that open requests may take to end")
    options = parser.parse_args()
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    server = Server(config(options.app, grace=options.grace))
    server.run(sockets=[socket.socket(fileno=options.fd)])


if __name__ == "__main__":
    main()
