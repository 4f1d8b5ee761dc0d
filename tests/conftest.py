"""Fixtures for every test: real servers, started by the suite itself, ended with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.valkey import ValkeyServer


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """One real Valkey for this pytest process, at the address that the test settings name. Keeps nothing on disk."""
    from django.conf import settings

    server = ValkeyServer(settings.DATA_DIR, append_only=False)
    assert server.url == settings.REDIS_URL
    server.start()
    yield server
    server.kill()


@pytest.fixture
def store(valkey: ValkeyServer) -> Iterator[ValkeyServer]:
    """The product's Redis for one test: empty, up, and with no connection left from the test before."""
    yield from _lent(valkey)


@pytest.fixture
def own_valkey(tmp_path: Path, settings: Any) -> Iterator[ValkeyServer]:
    """A private server with its append-only file, for tests that stop, kill or restore it; the settings point to it."""
    server = ValkeyServer(tmp_path / "valkey", append_only=True).start()
    settings.REDIS_URL = settings.CHANNELS_URL = server.url
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": server.url}}
    try:
        yield from _lent(server)
    finally:
        server.kill()


def _lent(server: ValkeyServer) -> Iterator[ValkeyServer]:
    from tenants import store as client

    if not server.healthy():  # the test before left it frozen or stopped
        server.kill()
        server.start()
    server.flushall()
    client.reset()
    yield server
    client.reset()
