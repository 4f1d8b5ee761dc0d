"""`manage.py up`: the whole product with one command."""

import asyncio
import os
import signal
import socket
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from budgets.durable import Copies
from tenants.checks import server_problem
from tokonomics.console import secrets
from tokonomics.console.embedded import EmbeddedValkey, EmbeddedValkeyError
from tokonomics.console.lifeline import die_with_parent
from tokonomics.console.logs import LineWriter
from tokonomics.console.stack import BASE_DIR, AddressTaken, Stack, claim_port, listen
from tokonomics.console.supervisor import Supervisor


class Command(BaseCommand):
    help = (
        "Run Tokonomics: the embedded Valkey, migrations, the web processes, the task worker, the periodic tasks and "
        "the sandbox provider. Ctrl-C or SIGTERM stops all of them in order."
    )
    requires_system_checks = []  # they ask for the secrets that we are about to make; every part runs them for itself

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1; 0.0.0.0 for all)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (8000; 0 for any free one)")
        parser.add_argument("--data-dir", default=None, help="where data and secrets are kept (TOKONOMICS_DATA_DIR)")
        parser.add_argument("--workers", type=int, default=cores(), help="web processes (as many as cores)")
        parser.add_argument("--with-parent", action="store_true", help="stop when the process that started us ends")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        if options["with_parent"]:
            die_with_parent(signal.SIGTERM)
        if options["data_dir"] and Path(options["data_dir"]).absolute() != settings.DATA_DIR:
            raise CommandError("--data-dir must be known before the settings are read: use manage.py.")
        if options["workers"] < 1:
            raise CommandError("--workers must be 1 or more.")
        try:
            stack = prepare(options["host"], options["port"], options["workers"])
        except (AddressTaken, EmbeddedValkeyError, secrets.SecretsMissing, OSError) as error:
            raise CommandError(str(error)) from error
        if status := asyncio.run(supervise(stack, options["host"], started)):
            sys.exit(status)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare(host: str, port: int, workers: int) -> Stack:
    """All that can be refused is refused here, before anything runs."""
    data_dir: Path = settings.DATA_DIR
    if problem := server_problem():
        raise CommandError(problem)
    try:
        Copies.parse(settings.REDIS_WAITAOF)
    except ValueError as error:
        raise CommandError(str(error)) from error
    listeners = listen(host, port, workers)
    claim = claim_port(host, listeners[0].getsockname()[1])
    make_private(data_dir)
    valkey = None if os.environ.get("REDIS_URL") else EmbeddedValkey(data_dir)
    lock = valkey.claim() if valkey else None
    secrets.ensure(data_dir, os.environ, embedded=valkey is not None, first_start=not holds_data(data_dir))
    sandbox = None if os.environ.get("TOKONOMICS_SANDBOX_URL") else listen("127.0.0.1", 0)[0]
    return Stack(
        listeners=listeners,
        claim=claim,
        grace=settings.SHUTDOWN_GRACE_SECONDS,
        trusted_proxies=settings.TRUSTED_PROXIES,
        environment=environment(data_dir, sandbox, url_of(host, listeners[0])),
        valkey=valkey,
        valkey_lock=lock,
        sandbox=sandbox,
    )


def make_private(data_dir: Path) -> None:
    """Ours alone. A folder that was there before and has something in it is left as its owner made it."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(data_dir.iterdir()):
        data_dir.chmod(0o700)


def holds_data(data_dir: Path) -> bool:
    return any((data_dir / name).exists() for name in ("tokonomics.sqlite3", "valkey"))


def environment(data_dir: Path, sandbox: socket.socket | None, url: str) -> dict[str, str]:
    """What every part sees: ours, and where the others are."""
    paths = [str(BASE_DIR), *filter(None, [os.environ.get("PYTHONPATH")])]
    parts = {
        **os.environ,
        "TOKONOMICS_DATA_DIR": str(data_dir),
        "TOKONOMICS_LISTEN_URL": url,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
    if os.environ.get("TOKONOMICS_LOG_FORMAT", "auto") == "auto" and sys.stdout.isatty():
        parts["TOKONOMICS_LOG_FORMAT"] = "text"  # the parts write to us, not to the terminal
    if sandbox is not None:
        parts["TOKONOMICS_SANDBOX_URL"] = url_of("127.0.0.1", sandbox)
    return parts


def url_of(host: str, listener: socket.socket) -> str:
    """The address that a browser on this machine can open."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{listener.getsockname()[1]}"


async def supervise(stack: Stack, host: str, started: float) -> int:
    """0 after an orderly end that was asked for, 1 when a part failed."""
    url = url_of(host, stack.listeners[0])
    writer = LineWriter(sys.stdout.fileno())
    supervisor = Supervisor(stack.environment, writer)

    async def plan() -> None:
        await stack.start(supervisor)
        supervisor.say(f"Tokonomics is ready: {url} (after {time.monotonic() - started:.1f} s)")

    try:
        return await supervisor.run(plan)
    finally:
        writer.close()
