"""The money Redis, for code that may block: commands, tasks, pages. The proxy's own client is budgets/lanes.py.

Every connection learns the `run_id` of its server as it opens and sends it with each script, so that a server which
the counters were not built on is noticed by the script itself. The client never repeats a call by itself:
redis-py would count a timed-out script twice.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from redis.exceptions import MovedError, NoScriptError

from tenants import topology


class Script:
    """A Lua script and its SHA-1; `keys` come first on the wire, then the server's run_id, then `args`."""

    def __init__(self, path: Path, prelude: Path | None = None) -> None:
        self.name = path.stem
        self.source = (prelude.read_text() if prelude else "") + path.read_text()
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class StoreUnavailable(Exception):
    """Redis did not answer, refused the connection, or is not fit to keep money; nothing is known of the last call."""


# Errors of a server that is not fit to be asked now, or not the one to ask: the command changed nothing.
_UNFIT = (
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.AskError,
)
_UNFIT_WORDS = ("MISCONF", "NOREPLICAS", "BUSY")
MOST_MOVES = 3

_store: topology.Store | None = None


def servers() -> topology.Store:
    """What REDIS_URL leads to. Raises StoreUnavailable where it says nothing that is understood."""
    global _store
    if _store is None:
        try:
            _store = topology.connect(topology.address(settings.REDIS_URL), settings.LEDGER_TIMEOUT)
        except ValueError as error:
            raise StoreUnavailable(str(error)) from error
    return _store


def reset() -> None:
    """Forget the connections: after a fork, and in tests that start a server of their own."""
    global _store
    if _store is not None:
        _store.close()
    _store = None


def client() -> redis.Redis:
    """For plain commands (no script) on one key each: XRANGE, HGETALL. Raises redis.RedisError."""
    return servers().client()


def now(key: str = "") -> float:
    """The time by Redis's clock, epoch seconds: the one that windows and leases go by. In a Cluster, of the server that
    keeps the key. Raises StoreUnavailable."""
    with _connection(key) as connection:
        seconds, micros = _call(connection, "TIME")
    return int(seconds) + int(micros) / 1_000_000


def age(key: str) -> float:
    """For how long the server that keeps the key is sure to have kept it, seconds: since it came up; 0 for a replica
    that became the master, which may lack what its master wrote last. Raises StoreUnavailable."""
    with _connection(key) as connection:
        up = _line_of(_call(connection, "INFO", "server"), "uptime_in_seconds")
        promoted = _line_of(_call(connection, "INFO", "replication"), "master_replid2").strip("0")
    return 0.0 if promoted else float(up)


def run(script: Script, keys: Sequence[str], args: Sequence[str | int | bytes]) -> Any:
    """Run one script with the run_id of the very connection that carries it. Raises StoreUnavailable."""
    for _ in range(MOST_MOVES):
        try:
            with _connection(keys[0]) as connection:
                tail = (len(keys), *keys, _run_id(connection), *args)
                try:
                    return _call(connection, "EVALSHA", script.sha, *tail)
                except NoScriptError:
                    return _call(connection, "EVAL", script.source, *tail)
        except MovedError:  # nothing was changed there
            servers().lost()
    raise StoreUnavailable("the servers of the cluster do not agree on who keeps this tenant")


@contextmanager
def _connection(key: str) -> Iterator[Any]:
    """A connection to the server that keeps a key, given back at the end. What goes wrong is StoreUnavailable, but for
    MovedError and errors of the command itself."""
    pool = connection = None
    try:
        pool, connection = _opened(key)
        yield connection
    except BaseException as error:
        if connection is not None:
            connection.disconnect()  # whatever stopped us (a task's time limit too): an answer may still be under way
        if isinstance(error, MovedError) or not isinstance(error, redis.RedisError | OSError):
            raise
        if isinstance(error, redis.ResponseError) and not _says_unfit(error):
            raise
        servers().lost()
        raise StoreUnavailable(str(error)) from error
    finally:
        if pool is not None and connection is not None:
            pool.release(connection)


def _opened(key: str) -> tuple[redis.ConnectionPool, Any]:
    """Nothing has been sent yet: where one server is gone and another may have its place, that one is asked."""
    try:
        pool = servers().pool_of(key)
        return pool, _taken(pool)
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        if not servers().lost():
            raise
    pool = servers().pool_of(key)
    return pool, _taken(pool)


def _taken(pool: redis.ConnectionPool) -> Any:
    """A thread that finds a server gone disconnects its whole pool; redis-py then looks at a socket that is None."""
    try:
        return pool.get_connection()
    except TypeError as error:
        raise redis.ConnectionError("the connection was given up while it was taken") from error


def _says_unfit(error: redis.ResponseError) -> bool:
    return isinstance(error, _UNFIT) or str(error).startswith(_UNFIT_WORDS)


def _call(connection: Any, *command: str | int | bytes) -> Any:
    connection.send_command(*command, check_health=False)
    return connection.read_response()


def _run_id(connection: Any) -> str:
    """Known for as long as the socket lives: a reconnect makes a new socket, and asks again."""
    connection.connect()
    socket = connection._sock
    known: tuple[Any, str] | None = getattr(connection, "_tokonomics_run_id", None)
    if known is not None and known[0] is socket:
        return known[1]
    info = _call(connection, "INFO", "server")
    run_id = run_id_of(info)
    connection._tokonomics_run_id = (connection._sock, run_id)
    return run_id


def run_id_of(info: bytes | str) -> str:
    """The `run_id` line of INFO's answer."""
    return _line_of(info, "run_id")


def _line_of(info: bytes | str, name: str) -> str:
    text = info.decode() if isinstance(info, bytes) else info
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return line[len(name) + 1 :].strip()
    raise StoreUnavailable(f"the server names no {name}")
