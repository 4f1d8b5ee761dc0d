"""`/healthz` and `/readyz`: what a load balancer and an operator are told."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client

from tests.support.valkey import ValkeyServer
from tokonomics.console.health import redis_state


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.django_db
def test_ready_when_redis_and_the_database_answer(store: ValkeyServer, client: Client) -> None:
    reply = client.get("/readyz")
    assert reply.status_code == 200
    assert reply.json() == {
        "ready": True,
        "redis": {"ok": True, "maxmemory_policy": "noeviction", "problem": ""},
        "database": {"ok": True, "problem": ""},
    }


@pytest.fixture
def evicting(store: ValkeyServer) -> Iterator[None]:
    store.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    yield
    store.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")


@pytest.mark.django_db
@pytest.mark.usefixtures("evicting")
def test_not_ready_while_redis_may_throw_counters_away(client: Client) -> None:
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert reply.json()["ready"] is False
    assert reply.json()["redis"]["maxmemory_policy"] == "allkeys-lru"
    assert "noeviction" in reply.json()["redis"]["problem"]
    assert reply.json()["database"]["ok"] is True


@pytest.mark.django_db
@pytest.mark.parametrize("trouble", ["stop", "freeze"])
def test_not_ready_while_redis_does_not_answer(own_valkey: ValkeyServer, client: Client, trouble: str) -> None:
    getattr(own_valkey, trouble)()
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert reply.json()["redis"] == {"ok": False, "maxmemory_policy": "unknown", "problem": "Redis does not answer."}


@pytest.mark.django_db
def test_not_ready_while_the_database_does_not_answer(
    store: ValkeyServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(connection, "cursor", broken)
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert reply.json()["database"] == {"ok": False, "problem": "The database does not answer."}
    assert reply.json()["redis"]["ok"] is True


def test_alive_needs_neither(client: Client) -> None:
    """No store and no database: pytest-django refuses any query in a test that did not ask for one."""
    reply = client.get("/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


def test_start_up_asks_the_same_question(store: ValkeyServer) -> None:
    assert redis_state().problem == ""
