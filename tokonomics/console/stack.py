"""What Tokonomics consists of when one command runs it, and in which order it starts.

Up: Valkey, sandbox, migrations, worker, beat, web. Down: web, beat, worker, sandbox, Valkey.
"""

import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tokonomics.console.embedded import EmbeddedValkey
from tokonomics.console.health import redis_state
from tokonomics.console.supervisor import Part, PartFailed, Supervisor

BASE_DIR = Path(__file__).resolve().parent.parent.parent
PYTHON = sys.executable
SANDBOX = "tokonomics.sandbox.asgi:app"
APPLICATION = "tokonomics.asgi:application"


class AddressTaken(Exception):
    """The address cannot be listened on; the message says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket that does not accept yet: until the web processes are up, clients are refused at once."""
    try:
        family, kind, protocol, _, address = min(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE), key=lambda found: found[0]
        )
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except socket.gaierror as error:
        raise AddressTaken(f"{host} is not an address of this machine ({error.strerror}).") from error
    except OSError as error:
        raise AddressTaken(_why_not(host, port, error)) from error
    return listener


def _why_not(host: str, port: int, error: OSError) -> str:
    return (
        f"Port {port} on {host} cannot be used: {os.strerror(error.errno or 0).lower()}. "
        f'Stop what uses it, or choose another one: `make run ARGS="--port {port + 1 if port < 65535 else 8000}"`.'
    )


@dataclass(frozen=True)
class Stack:
    """One installation as it is about to run. `environment` is what every part sees."""

    listener: socket.socket
    workers: int
    grace: int
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
        names = [f"web.{number}" for number in range(1, self.workers + 1)]
        await supervisor.start(*(self._web_process(name, APPLICATION, self.listener, self.grace) for name in names))
        self.listener.close()  # once the web processes have closed theirs, clients are refused, not left waiting
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
                )
            )
            os.close(self.valkey_lock)
            await supervisor.until(self.valkey.answers, what="Valkey did not load its data", timeout=120)
        await supervisor.until(lambda: redis_state().reachable, what="Redis did not answer", timeout=30)
        if problem := redis_state().problem:
            raise PartFailed(problem)

    def _web_process(self, name: str, app: str, listener: socket.socket, grace: int) -> Part:
        number = listener.fileno()
        return Part(
            name,
            [PYTHON, "-m", "tokonomics.console.serve", app, "--fd", str(number), "--grace", str(grace)],
            grace=grace + 5,
            pass_fds=[number],
            says_ready=True,
        )

    def _work(self, kind: str) -> Part:
        return Part(kind, [PYTHON, "-m", "tokonomics.console.work", kind], grace=15, says_ready=True)
