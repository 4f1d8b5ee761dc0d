"""The money Redis, for code that may block: commands, tasks, pages. The proxy's own client is budgets/lanes.py.

Every connection learns the `run_id` of its server as it opens and sends it with each script, so that a server which
the counters were not built on is noticed by the script itself. The client never repeats a call by itself:
redis-py would count a timed-out script twice.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry


class Script:
    """A Lua script and its SHA-1; `keys` come first on the wire, then the server's run_id, then `args`."""

    def __init__(self, path: Path, prelude: Path | None = None) -> None:
        self.name = path.stem
        self.source = (prelude.read_text() if prelude else "") + path.read_text()
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class StoreUnavailable(Exception):
    """Redis did not answer, refused the connection, or is not fit to keep money; nothing is known of the last call."""


_pool: redis.ConnectionPool | None = None


def pool() -> redis.ConnectionPool:
    global _pool
    if _pool is None:
        _pool = redis.ConnectionPool.from_url(
            settings.REDIS_URL,
            socket_timeout=settings.LEDGER_TIMEOUT,
            socket_connect_timeout=settings.LEDGER_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            max_connections=50,
        )
    return _pool


def reset() -> None:
    """Forget the connections: after a fork, and in tests that start a server of their own."""
    global _pool
    if _pool is not None:
        _pool.disconnect()
    _pool = None


def client() -> redis.Redis:
    """For plain commands (no script): INFO, XRANGE, SCAN."""
    return redis.Redis(connection_pool=pool(), retry=Retry(NoBackoff(), 0))


def now() -> float:
    """The time by Redis's clock, epoch seconds: the one that windows and leases go by. Raises StoreUnavailable."""
    try:
        reply: Any = client().time()
    except redis.RedisError as error:
        raise StoreUnavailable(str(error)) from error
    return float(reply[0] + reply[1] / 1_000_000)


def run(script: Script, keys: Sequence[str], args: Sequence[str | int | bytes]) -> Any:
    """Run one script with the run_id of the very connection that carries it. Raises StoreUnavailable."""
    connection = None
    try:
        connection = pool().get_connection()
        run_id = _run_id(connection)
        tail = (len(keys), *keys, run_id, *args)
        try:
            return _call(connection, "EVALSHA", script.sha, *tail)
        except NoScriptError:
            return _call(connection, "EVAL", script.source, *tail)
    except BaseException as error:
        if connection is not None:
            connection.disconnect()  # type: ignore[no-untyped-call]  # whatever stopped us (a task's time limit too): an answer may still be under way
        if isinstance(error, redis.ResponseError) or not isinstance(error, redis.RedisError | OSError):
            raise
        raise StoreUnavailable(str(error)) from error
    finally:
        if connection is not None:
            pool().release(connection)


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
    text = info.decode() if isinstance(info, bytes) else info
    for line in text.splitlines():
        if line.startswith("run_id:"):
            return line[7:].strip()
    raise StoreUnavailable("the server names no run_id")
