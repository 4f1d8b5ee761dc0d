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

from tests.support.processes import descendants_of
from tokonomics.console.lifeline import tie_to_me

USER = "tokonomics"


class PostgresServer:
    """`url` names an empty database. A crash of the machine would not matter to a test, so nothing is put on the disk;
    with `survives_a_crash` at least nothing that was committed is lost with the process."""

    def __init__(self, *, survives_a_crash: bool = False) -> None:
        self._survives = survives_a_crash
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
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        initdb = ["initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
        subprocess.run(self._as_owner(initdb), check=True, capture_output=True, cwd=self.folder)
        self.start()
        self.create_database("tokonomics")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.crash()
        shutil.rmtree(self.folder)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @staticmethod
    def _as_owner(command: list[str]) -> list[str]:
        command = [f"{_binaries()}/{command[0]}", *command[1:]]
        if os.getuid() != 0:  # PostgreSQL refuses to run as root
            return command
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=INT", "--", *command]

    def start(self) -> None:
        """On the data that is there."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "on" if self._survives else "off",
            "full_page_writes": "off",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "autovacuum": "off",
        }
        words = [f"--{key}={value}" for key, value in options.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._as_owner(["postgres", "-D", str(self._data), *words]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=tie_to_me(signal.SIGINT),
            )
        self._wait()

    def crash(self) -> None:
        """At once, without writing anything; every connection breaks."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        for pid in (self._process.pid, *descendants_of(self._process.pid)):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in (self._process.pid, *descendants_of(self._process.pid)):
            os.kill(pid, signal.SIGCONT)

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
