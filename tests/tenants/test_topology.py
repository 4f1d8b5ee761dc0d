"""What REDIS_URL may say, and what is made of it."""

import pytest
from redis.asyncio.sentinel import SentinelManagedSSLConnection

from tenants import topology
from tenants.topology import Address, Kind


def test_a_plain_address_is_left_as_it_is() -> None:
    for url in ("redis://one:6379/0", "rediss://:secret@one:6379/0", "unix:///run/valkey.sock?db=0"):
        assert topology.address(url) == Address(Kind.SERVER, url)


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    found = topology.address("redis+cluster://u:p%40ss@one:7000,[::1]:7001,three")
    assert found.kind == Kind.CLUSTER
    assert found.hosts == (("one", 7000), ("::1", 7001), ("three", 6379))
    assert found.url_of(("four", 7003)) == "redis://u:p%40ss@four:7003"
    assert found.url_of(("::1", 7001)) == "redis://u:p%40ss@[::1]:7001"


def test_a_sentinel_has_credentials_of_its_own() -> None:
    url = "rediss+sentinel://u:p@one,two:26380/mymaster?db=2&sentinel_password=s&ssl_cert_reqs=none"
    found = topology.address(url)
    assert (found.kind, found.service) == (Kind.SENTINEL, "mymaster")
    assert found.hosts == (("one", 26379), ("two", 26380))
    assert found.url_of(("m", 1)) == "rediss://u:p@m:1?db=2&ssl_cert_reqs=none"
    assert found.of_sentinels == {"password": "s"}


def test_connections_through_sentinels_keep_tls_and_database() -> None:
    pool = topology.async_pool(topology.address("rediss+sentinel://u:p@one/mymaster?db=2"), timeout=0.5)
    assert pool.connection_class is SentinelManagedSSLConnection
    assert (pool.connection_kwargs["db"], pool.connection_kwargs["username"]) == (2, "u")
    blocking = topology.connect(topology.address("redis+sentinel://u:p@one/mymaster?db=2"), timeout=0.5)
    assert blocking.pool_of("").connection_kwargs["db"] == 2
    blocking.close()


@pytest.mark.parametrize("url", ["redis+cluster://", "redis+sentinel://one", "redis+ring://one", "http+cluster://one"])
def test_what_cannot_be_understood_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="REDIS_URL"):
        topology.address(url)
