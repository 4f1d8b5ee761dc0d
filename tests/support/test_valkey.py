"""The suite's own Valkey does what the tests that lean on it believe."""

import time
from pathlib import Path

import pytest
import redis

from tenants import store as client
from tests.support.valkey import ValkeyServer
from tokonomics.console.embedded import EmbeddedValkeyError


def test_the_store_is_empty_and_is_the_server_the_settings_name(store: ValkeyServer) -> None:
    assert client.client().dbsize() == 0
    client.client().set("a", "1")
    assert store.cli("GET", "a") == "1"


def test_nothing_is_ever_evicted(store: ValkeyServer) -> None:
    assert store.cli("CONFIG", "GET", "maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_frozen_server_answers_nothing_until_thawed(store: ValkeyServer) -> None:
    store.freeze()
    started = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        client.client().ping()
    assert time.monotonic() - started < 2
    store.thaw()
    client.reset()
    assert client.client().ping()


def test_a_killed_server_comes_back_with_its_data_and_another_run_id(own_valkey: ValkeyServer) -> None:
    own_valkey.cli("SET", "a", "1")
    before = own_valkey.cli("INFO", "server")["run_id"]
    own_valkey.on_disk()
    own_valkey.kill()
    own_valkey.start()
    assert own_valkey.cli("GET", "a") == "1"
    assert own_valkey.cli("INFO", "server")["run_id"] != before


def test_a_snapshot_brings_an_older_state_back(own_valkey: ValkeyServer, tmp_path: Path) -> None:
    own_valkey.cli("SET", "a", "1")
    own_valkey.save_snapshot(tmp_path / "old")
    own_valkey.cli("SET", "a", "2")
    own_valkey.restore_snapshot(tmp_path / "old")
    assert own_valkey.cli("GET", "a") == "1"


def test_a_second_server_on_the_same_data_directory_is_refused(own_valkey: ValkeyServer) -> None:
    with pytest.raises(EmbeddedValkeyError, match="already running"):
        ValkeyServer(own_valkey.folder, append_only=True).start()
    assert own_valkey.healthy()


def test_the_lock_ends_with_the_server(own_valkey: ValkeyServer) -> None:
    own_valkey.kill()
    second = ValkeyServer(own_valkey.folder, append_only=True).start()
    assert second.healthy()
    second.kill()


@pytest.mark.parametrize("depth", [1, 12])
def test_any_data_directory_will_do_however_deep_or_oddly_named(tmp_path: Path, depth: int) -> None:
    folder = tmp_path.joinpath(*["a folder 100% #1?"] * depth)
    server = ValkeyServer(folder, append_only=True).start()
    try:
        assert server.cli("PING")
        assert len(str(server.embedded.socket)) < 108
    finally:
        server.kill()
