"""One web process on the database and Redis of the test that runs: pages, metered routes and websockets.

Lighter than the whole product (`tests.support.stack`): no worker drains the journal and no sandbox answers, so a test
that wants rows writes them. For tests with `transaction=True`, whose rows another process can see, on SQLite.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from django.conf import settings
from django.db import connection

from tokonomics.console.stack import APPLICATION

ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def served(patience: float = 60.0) -> Iterator[str]:
    """Its address, `http://127.0.0.1:<port>`."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    command = [sys.executable, "-m", "tokonomics.console.serve", APPLICATION]
    process = subprocess.Popen(
        [*command, "--fd", str(listener.fileno()), "--grace", "1"],
        cwd=ROOT,
        env=_environment(),
        pass_fds=[listener.fileno()],
    )
    listener.close()
    try:
        _wait(process, address, patience)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _environment() -> dict[str, str]:
    """Of the product, but for what the test settings say of where things are."""
    assert connection.vendor == "sqlite", "another process can be pointed at the test's database on SQLite alone"
    given = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return given | {
        "DJANGO_SETTINGS_MODULE": "tokonomics.settings",
        "TOKONOMICS_DATA_DIR": str(settings.DATA_DIR),
        "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
        "TOKONOMICS_LOG_LEVEL": "WARNING",
    }


def _wait(process: "subprocess.Popen[bytes]", address: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        assert process.poll() is None, f"the web process ended with {process.returncode}"
        assert time.monotonic() < deadline, f"no answer from {address} in {patience} s"
        try:
            httpx.get(f"{address}/healthz", timeout=2, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
