"""A real Cluster for the tests of this folder, started once; the settings of each test point to it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tenants import store as blocking
from tests.support.fleet import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters. Tests that kill one start a cluster of their own."""
    with Cluster(tmp_path_factory.mktemp("cluster"), replicas=0) as running:
        yield running


@pytest.fixture
def store(cluster: Cluster, settings: Any) -> Iterator[Cluster]:
    """The same name as the one server's, so that its tests can be run here: the Cluster, empty."""
    settings.REDIS_URL = cluster.url
    cluster.flushall()
    blocking.reset()
    yield cluster
    blocking.reset()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "scale":
            item.add_marker(pytest.mark.xdist_group("cluster"))
