"""Fixtures for every test: real servers, started by the suite itself, ended with it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.nodeid import coerce_node_id
from playwright.sync_api import Browser

from tests.support.office import Office
from tests.support.postgres import PostgresServer
from tests.support.provider import ProviderMock
from tests.support.stack import ProductStack
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


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real cluster. Tests that touch the database need not ask for it: tests/postgres runs them all a second time."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database with no data in it, as the migrations make it.

    After each emptying of it, Django would write the names of all models and permissions anew: nine tenths of what a
    test that commits used to cost, and a test that reads them can make them. Threads that outlive their test keep their
    connections; PostgreSQL would not drop the database under them.
    """
    from django.contrib.contenttypes.management import create_contenttypes
    from django.db.models.signals import post_migrate

    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    yield
    with django_db_blocker.unblock():
        from django.db import connection

        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Of a module: while it is open no event loop can run in this thread."""
    from tests.support import screens

    with screens.chromium() as chromium:
        yield chromium


# --- The whole product -----------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def provider_mock() -> Iterator[ProviderMock]:
    """The providers of the shared stack; use `stack.provider`."""
    with ProviderMock() as mock:
        yield mock


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory, provider_mock: ProviderMock) -> Iterator[ProductStack]:
    """One product for all tests that do not stop it; use `stack`."""
    running = ProductStack(tmp_path_factory.mktemp("stack"), provider=provider_mock)
    yield running
    if running.running():
        assert running.stop() == 0, running.output()


@pytest.fixture
def stack(shared_stack: ProductStack) -> ProductStack:
    """The product with two web processes, up and ready, its providers answering as they do by default. Data of earlier
    tests is still there: make a tenant of your own."""
    assert shared_stack.provider is not None
    shared_stack.provider.script(None)
    shared_stack.provider.gate.set()
    shared_stack.provider.wait_idle()
    shared_stack.provider.record.reset()
    if not shared_stack.running():
        shared_stack.start()
    return shared_stack


@pytest.fixture(scope="session")
def shared_office(shared_stack: ProductStack) -> Iterator[Office]:
    """One desk for the shared stack; use `office`."""
    if not shared_stack.running():
        shared_stack.start()
    with Office(shared_stack) as office:
        yield office


@pytest.fixture
def office(stack: ProductStack, shared_office: Office) -> Office:
    """Founds companies on the shared stack and reads their ledger."""
    return shared_office


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[ProductStack]:
    """A product that is not started yet, with providers of its own, for tests that stop, kill or configure it
    (`own_stack.env`)."""
    with ProviderMock() as mock:
        mine = ProductStack(tmp_path / "stack", provider=mock)
        yield mine
        if mine.running():
            mine.kill()


# Marker -> the fixtures that earn it, and whether the tests that have it share one xdist worker.
MARKED_BY_FIXTURE = {
    "stack": ({"shared_stack", "own_stack"}, True),
    "postgres": ({"postgres"}, True),
    "database": ({"db", "transactional_db", "django_db_reset_sequences", "live_server"}, False),
}


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        used = set(getattr(item, "fixturenames", ())) | ({"db"} if item.get_closest_marker("django_db") else set())
        for marker, (fixtures, together) in MARKED_BY_FIXTURE.items():
            if fixtures & used:
                item.add_marker(marker)
                if together:
                    item.add_marker(pytest.mark.xdist_group(marker))
    if config.getoption("loadgroup", False):
        _name_the_groups(items)


def _name_the_groups(items: list[pytest.Item]) -> None:
    """pytest-xdist 3.8 writes a test's group into `item._nodeid`, which pytest 9.2 reads no more: without this, nothing
    keeps the tests of a group on one worker, and each worker starts servers of its own."""
    for item in items:
        groups = sorted({mark.args[0] for mark in item.iter_markers("xdist_group")})
        if groups and not item.nodeid.endswith("@" + "_".join(groups)):
            item._id = coerce_node_id(f"{item.nodeid}@{'_'.join(groups)}")  # type: ignore[misc]


@pytest.hookimpl(tryfirst=True)  # before the cache is written
def pytest_sessionfinish(session: pytest.Session) -> None:
    """What failed is looked for by both of its names, with its group and, as it is collected, without: else
    `--last-failed` (.ci/run) would leave out every test that belongs to a group."""
    failed = getattr(session.config.pluginmanager.get_plugin("lfplugin"), "lastfailed", None)
    if failed is not None:
        failed.update({coerce_node_id(re.sub(r"@\w+$", "", str(name))): True for name in failed})


def pytest_unconfigure() -> None:
    """xdist's workers end without running `atexit`."""
    from django.conf import settings

    shutil.rmtree(settings.DATA_DIR, ignore_errors=True)
