"""What Tokonomics consists of when one command runs it, and in which order it starts.

Up: Valkey, sandbox, migrations, worker, beat, web. Down: web, beat, worker, sandbox, Valkey.
"""

import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokonomics.console.embedded import EmbeddedValkey
from tokonomics.console.health import redis_state
from tokonomics.console.supervisor import Part, PartFailed, Supervisor

BASE_DIR = Path(__file__).resolve().parent.parent.parent
PYTHON = sys.executable
SANDBOX = "tokonomics.sandbox.asgi:app"
APPLICATION = "tokonomics.asgi:application"


class AddressTaken(Exception):
    """The address cannot be listened on; the message says why and what to do."""


def listen(host: str, port: int, count: int = 1) -> list[socket.socket]:
    """Bound sockets, one for each web process, that do not accept yet: until those are up, clients are refused at once.

    The kernel deals connections out evenly among them (SO_REUSEPORT); one shared socket was measured to give 61 of 64
    connections to one process. The first is bound without, so that a port in use is never shared by mistake.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda one: one[0])  # IPv4 before IPv6
    except socket.gaierror as error:
        raise AddressTaken(f"{host} is not an address of this machine ({error.strerror}).") from error
    with ExitStack() as undo:
        listeners = [undo.enter_context(socket.socket(family, kind, protocol)) for _ in range(count)]
        try:
            _bind(listeners, address)
        except OSError as error:
            raise AddressTaken(_why_not(host, port, error)) from error
        undo.pop_all()
    return listeners


def claim_port(host: str, port: int) -> socket.socket:
    """Keep another `up` away for as long as this is open: bound sockets that do not listen yet can be bound again, and
    would share our connections. The name lives where ports do, in the network namespace. Elsewhere than on Linux it
    claims nothing."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if sys.platform == "linux":
        try:
            claim.bind(f"\0tokonomics-port-{port}")
        except OSError as error:
            claim.close()
            raise AddressTaken(_why_not(host, port, error)) from error
    return claim


def _bind(listeners: list[socket.socket], address: Any) -> None:
    first, *others = listeners
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    first.bind(address)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    for other in others:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(first.getsockname())


def _why_not(host: str, port: int, error: OSError) -> str:
    return (
        f"Port {port} on {host} cannot be used: {os.strerror(error.errno or 0).lower()}. "
        f'Stop what uses it, or choose another one: `make run ARGS="--port {port + 1 if port < 65535 else 8000}"`.'
    )


@dataclass(frozen=True)
class Stack:
    """One installation as it is about to run. `environment` is what every part sees."""

    listeners: list[socket.socket]  # one for each web process
    claim: socket.socket  # see `claim_port`
    grace: int  # seconds that open requests get to end
    trusted_proxies: str
    environment: Mapping[str, str]
    valkey: EmbeddedValkey | None  # None: REDIS_URL names a server of the operator's
    valkey_lock: int | None  # goes to that process, which keeps the data directory locked
    sandbox: socket.socket | None  # None: TOKONOMICS_SANDBOX_URL names one elsewhere

    async def start(self, supervisor: Supervisor) -> None:
        """Raises PartFailed."""
        await self._start_redis(supervisor)
        if self.sandbox is not None:
            await supervisor.start(self._web_process("sandbox", SANDBOX, self.sandbox, grace=1))
            self.sandbox.close()
        migrate = [PYTHON, str(BASE_DIR / "manage.py"), "migrate", "--no-input", "--verbosity=0"]
        await supervisor.once(Part("migrate", migrate))
        await supervisor.start(self._work("worker"))
        await supervisor.start(self._work("beat"))
        named = [(f"web.{number}", listener) for number, listener in enumerate(self.listeners, start=1)]
        await supervisor.start(*(self._web_process(name, APPLICATION, one, self.grace) for name, one in named))
        for listener in self.listeners:
            listener.close()  # once the web process has closed its own, clients are refused, not left waiting
        await supervisor.all_ready()

    async def _start_redis(self, supervisor: Supervisor) -> None:
        if self.valkey is not None and self.valkey_lock is not None:
            await supervisor.start(
                Part(
                    "valkey",
                    self.valkey.command(),
                    pass_fds=[self.valkey_lock],
                    orphan_signal=signal.SIGTERM,  # it puts its last writes on the disk
                    grace=15,
                    short_slices=True,
                )
            )
            os.close(self.valkey_lock)
            await supervisor.until(self.valkey.answers, what="Valkey did not load its data", timeout=120)
        await supervisor.until(lambda: redis_state().reachable, what="Redis, at REDIS_URL, did not answer", timeout=30)
        if problem := redis_state().problem:
            raise PartFailed(problem)

    def _web_process(self, name: str, app: str, listener: socket.socket, grace: int) -> Part:
        number = listener.fileno()
        return Part(
            name,
            [
                PYTHON,
                "-m",
                "tokonomics.console.serve",
                app,
                f"--fd={number}",
                f"--grace={grace}",
                f"--trusted-proxies={self.trusted_proxies}",
            ],
            grace=grace + 5,
            pass_fds=[number],
            says_ready=True,
        )

    def _work(self, kind: str) -> Part:
        return Part(kind, [PYTHON, "-m", "tokonomics.console.work", kind], grace=15, says_ready=True)
