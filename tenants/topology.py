"""Where the money Redis is: one server, the master that Sentinels name, or a Cluster. REDIS_URL says which.

    redis://host:6379/0   rediss://...   unix:///path.sock?db=0
    redis+sentinel://user:password@host:26379,host:26379/mymaster?db=0     rediss+sentinel://...
    redis+cluster://user:password@host:6379,host:6379                      rediss+cluster://...

Options after the `?` are redis-py's; `sentinel_username` and `sentinel_password` are for the Sentinels themselves.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis.asyncio.connection import ConnectionPool as AsyncPool
from redis.asyncio.connection import parse_url as parse_async_url
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelPool
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.connection import parse_url
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from redis.sentinel import Sentinel

MOST_CONNECTIONS = 50
_URL = re.compile(r"(?P<scheme>[^:/?#]+)://(?P<netloc>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?")
Host = tuple[str, int]


class Kind(StrEnum):
    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Address:
    """What REDIS_URL says. `hosts`: the Sentinels, or the nodes that the others are learnt from; none for a server."""

    kind: Kind
    url: str
    hosts: tuple[Host, ...] = ()
    service: str = ""

    def url_of(self, host: Host) -> str:
        """The URL of one data server, with the credentials and options of all."""
        scheme, credentials, query, _ = self._parts()
        name = f"[{host[0]}]" if ":" in host[0] else host[0]
        return f"{scheme}://{credentials}{name}:{host[1]}" + (f"?{query}" if query else "")

    @property
    def of_sentinels(self) -> dict[str, str]:
        """`username` and `password` where the Sentinels ask for them."""
        return self._parts()[3]

    def _parts(self) -> tuple[str, str, str, dict[str, str]]:
        scheme, netloc, _, query = _split(self.url)
        credentials, at, _ = netloc.rpartition("@")
        options = dict(parse_qsl(query))
        own = {name: options.pop(f"sentinel_{name}", "") for name in ("username", "password")}
        given = {name: value for name, value in own.items() if value}
        return scheme.partition("+")[0], credentials + at, urlencode(options), given


def _split(url: str) -> tuple[str, str, str, str]:
    """Scheme, network location, path and query. Newer versions of urlsplit take several hosts, one of them in
    brackets, for a mistake."""
    found = _URL.match(url)
    if found is None:
        raise ValueError("REDIS_URL is not a URL.")
    return found["scheme"].lower(), found["netloc"], found["path"], found["query"] or ""


def address(url: str) -> Address:
    """Raises ValueError with what is wrong."""
    scheme, netloc, path, _ = _split(url)
    plain, _, kind = scheme.partition("+")
    if not kind:
        return Address(Kind.SERVER, url)
    if kind not in (Kind.SENTINEL, Kind.CLUSTER) or plain not in ("redis", "rediss"):
        raise ValueError(f"REDIS_URL begins with {scheme}://, which is none of the forms that are known.")
    port = 26379 if kind == Kind.SENTINEL else 6379
    hosts = tuple(_host(word, port) for word in netloc.rpartition("@")[2].split(",") if word)
    service = path.strip("/")
    if not hosts:
        raise ValueError("REDIS_URL names no host.")
    if kind == Kind.SENTINEL and not service:
        raise ValueError("REDIS_URL names no master: redis+sentinel://host:26379/mymaster.")
    return Address(Kind(kind), url, hosts, service)


def _host(word: str, port: int) -> Host:
    split = urlsplit(f"//{word}")
    if not split.hostname:
        raise ValueError(f"REDIS_URL: {word!r} is not a host.")
    return split.hostname, split.port or port


# --- For code that may block ------------------------------------------------------------------------------------------


class Store(Protocol):
    """The servers behind an address, for blocking code. All raise redis.RedisError where nobody can be reached."""

    def client(self) -> redis.Redis:
        """For plain commands."""

    def pool_of(self, key: str) -> redis.ConnectionPool:
        """Connections to the server that keeps a key."""

    def masters(self) -> list[redis.Redis]:
        """A client of each server that keeps keys."""

    def lost(self) -> bool:
        """A server did not answer, or keeps a key no longer: what is known of the servers may be out of date. Whether
        another look may find another server."""

    def close(self) -> None: ...


def connect(where: Address, timeout: float) -> Store:
    """`timeout` seconds for each connect and each reply. Nothing is ever sent twice by the client itself."""
    return Cluster(where, timeout) if where.kind == Kind.CLUSTER else Master(where, timeout)


def _options(timeout: float) -> dict[str, Any]:
    return {"socket_timeout": timeout, "socket_connect_timeout": timeout, "health_check_interval": 0}


class Master:
    """One server, or the one that the Sentinels name at the time of each connect."""

    def __init__(self, where: Address, timeout: float) -> None:
        options = _options(timeout) | {"retry": _never(), "max_connections": MOST_CONNECTIONS}
        self._sentinels: list[redis.Redis] = []
        if where.kind == Kind.SERVER:
            self._pool = redis.ConnectionPool.from_url(where.url, **options)
            return
        asking = _options(timeout / (1 + len(where.hosts))) | {"retry": _never()} | where.of_sentinels
        sentinel = Sentinel(where.hosts, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
        self._sentinels = sentinel.sentinels
        given = _shared(where, parse_url) | options
        self._pool = sentinel.master_for(where.service, **given).connection_pool  # type: ignore[no-untyped-call]

    def client(self) -> redis.Redis:
        return redis.Redis(connection_pool=self._pool, retry=_never())

    def pool_of(self, key: str) -> redis.ConnectionPool:
        return self._pool

    def masters(self) -> list[redis.Redis]:
        return [self.client()]

    def lost(self) -> bool:
        return False  # where there are Sentinels, each connect asks them

    def close(self) -> None:
        self._pool.disconnect()
        for sentinel in self._sentinels:
            sentinel.close()


class _ClusterClient(redis.RedisCluster):
    """redis-py's, with errors that are RedisErrors."""

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        with _redis_errors():
            return super().execute_command(*args, **kwargs)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> Any:
        made: Any = super().pipeline(transaction, shard_hint)  # type: ignore[no-untyped-call]
        made.execute = _redis_errors()(made.execute)
        return made


@contextmanager
def _redis_errors() -> Iterator[None]:
    try:
        yield
    except RedisClusterException as error:
        raise redis.ConnectionError(str(error)) from error


class Cluster:
    """The masters of a Cluster, as far as known; asked for again when one of them is lost."""

    def __init__(self, where: Address, timeout: float) -> None:
        self._where, self._timeout = where, timeout
        self._client: _ClusterClient | None = None
        self._doubted = False

    def client(self) -> Any:
        with _redis_errors():
            if self._client is None:
                self._client = self._connected()
            elif self._doubted:
                self._client.nodes_manager.initialize()
        self._doubted = False
        return self._client

    def _connected(self) -> _ClusterClient:
        given = _shared(self._where, parse_url) | _options(self._timeout) | {"max_connections": MOST_CONNECTIONS}
        given.pop("db", None)
        nodes: list[Any] = [ClusterNode(*host) for host in self._where.hosts]  # type: ignore[no-untyped-call]
        once_more = Retry(NoBackoff(), 1)  # a plain command, when the map of slots has been read again
        return _ClusterClient(startup_nodes=nodes, retry=once_more, require_full_coverage=False, **given)

    def pool_of(self, key: str) -> redis.ConnectionPool:
        client = self.client()
        with _redis_errors():
            node = client.get_node_from_key(key)
        if node is None:
            raise redis.ConnectionError("no server keeps that slot")
        pool: redis.ConnectionPool = client.get_redis_connection(node).connection_pool
        return pool

    def masters(self) -> list[redis.Redis]:
        client = self.client()
        return [client.get_redis_connection(node) for node in client.get_primaries()]

    def lost(self) -> bool:
        self._doubted = True
        return True

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def _never() -> Any:
    return Retry(NoBackoff(), 0)


def _shared(where: Address, parse: Any) -> dict[str, Any]:
    """What redis-py makes of the credentials and options that all servers share."""
    given = {name: value for name, value in parse(where.url_of(("", 0))).items() if name not in ("host", "port")}
    secure = "SSL" in getattr(given.pop("connection_class", None), "__name__", "")
    return given | ({"ssl": True} if secure else {})


# --- For the event loop -----------------------------------------------------------------------------------------------


def async_pool(where: Address, timeout: float) -> AsyncPool:
    """Makes connections to the server, or to the master that the Sentinels name at that time."""
    never = AsyncRetry(NoBackoff(), 0)
    options: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry": never}
    if where.kind == Kind.SERVER:
        return AsyncPool.from_url(where.url, protocol=2, **options)
    slice_of_it = timeout / (1 + len(where.hosts))
    asking = {"socket_timeout": slice_of_it, "socket_connect_timeout": slice_of_it, "retry": never}
    given = _shared(where, parse_async_url)
    connection = SentinelManagedSSLConnection if given.pop("ssl", False) else SentinelManagedConnection
    sentinel = AsyncSentinel(where.hosts, sentinel_kwargs=asking | where.of_sentinels)  # type: ignore[no-untyped-call]
    given |= {"connection_class": connection, "protocol": 2} | options
    return _OwnSentinels(where.service, sentinel, **given)  # type: ignore[no-untyped-call]


class _OwnSentinels(AsyncSentinelPool):
    """Closes its connections to the Sentinels with the others."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()
