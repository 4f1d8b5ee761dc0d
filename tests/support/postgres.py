"""A real PostgreSQL cluster for tests, in a folder of its own, gone when the suite ends."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tokonomics.console.lifeline import tie_to_me

USER = "tokonomics"


class PostgresServer:
    """`url` names an empty database. Durability is off: a crash of the machine would not matter to a test."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tokonomics-postgres-"))
        self.port = _free_port()

    @property
    def url(self) -> str:
        return self.url_of("tokonomics")

    def url_of(self, database: str) -> str:
        return f"postgres://{USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """An empty database and its URL."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    def __enter__(self) -> Self:
        as_owner = []
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=INT", "--"]
        binaries, data = _binaries(), str(self.folder / "data")
        initdb = [f"{binaries}/initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
        subprocess.run([*as_owner, *initdb], check=True, capture_output=True, cwd=self.folder)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *as_owner,
                    f"{binaries}/postgres",
                    "-D",
                    data,
                    *(f"--{key}={value}" for key, value in options.items()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=tie_to_me(signal.SIGINT),
            )
        self._wait()
        self.create_database("tokonomics")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGQUIT)  # at once, without writing anything
        self._process.wait(20)
        shutil.rmtree(self.folder)

    def _wait(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError as error:
                log = (self.folder / "log").read_text()
                assert self._process.poll() is None, f"PostgreSQL ended while it was starting:\n{log}"
                assert time.monotonic() < deadline, f"{error}\n{log}"
                time.sleep(0.05)


def _binaries() -> Path:
    """Debian keeps each major version in a folder of its own; others have them in PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda found: int(found.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    assert found, "PostgreSQL is not installed: `make test` installs it on Debian"
    return Path(found).resolve().parent


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
