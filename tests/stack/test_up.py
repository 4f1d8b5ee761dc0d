"""`manage.py up`: one command brings everything up, and takes everything down again."""

import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.processes import alive, descendants_of, send, wait_until
from tests.support.stack import ProductStack
from tests.support.valkey import ValkeyServer

SECRETS = {
    "TOKONOMICS_SECRET_KEY": "a-secret-for-tests-only-and-long-enough-to-pass-the-check",
    "TOKONOMICS_ENCRYPTION_KEYS": "J4pXj1mYyN2fK9s0h3v7b6q5w8e1r4t7y0u3i6o9p2A=",
}
PARTS = {"web", "worker", "beat", "sandbox", "valkey"}


def test_a_fresh_data_directory_comes_up_with_every_part_and_answers(stack: ProductStack) -> None:
    assert set(stack.parts().values()) == PARTS
    assert httpx.get(stack.base_url + "/healthz").json() == {"status": "ok"}
    ready = httpx.get(stack.base_url + "/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "ready": True,
        "redis": {"ok": True, "maxmemory_policy": "noeviction", "problem": ""},
        "database": {"ok": True, "problem": ""},
    }


def test_secrets_are_made_once_and_only_their_owner_can_read_them(stack: ProductStack) -> None:
    folder = stack.data_dir / "secrets"
    assert stat.S_IMODE(stack.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["tokonomics_encryption_keys", "tokonomics_secret_key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert all(len(file.read_text().strip()) >= 44 for file in files)


def test_every_line_says_which_part_it_comes_from(stack: ProductStack) -> None:
    ours = ("Tokonomics is ready: ",)
    assert all(" | " in line or line.startswith(ours) for line in stack.output().splitlines())


def test_both_web_processes_serve(stack: ProductStack) -> None:
    """New connections go to whichever process is free: each must have done some of the work."""
    before = {pid: cpu_ticks(pid) for pid in stack.worker_pids()}
    assert len(before) == 2
    for _ in range(20):
        with_many_connections(stack.base_url)
        if all(cpu_ticks(pid) > ticks + 2 for pid, ticks in before.items()):
            return
    pytest.fail(f"one process did nothing: {before} {[cpu_ticks(pid) for pid in before]}")


def with_many_connections(base_url: str, count: int = 40) -> None:
    clients = [httpx.Client() for _ in range(count)]
    try:
        assert {client.get(base_url + "/healthz").status_code for client in clients} == {200}
    finally:
        for client in clients:
            client.close()


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_taken_port_is_named_before_anything_starts(own_stack: ProductStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        own_stack.port = other.getsockname()[1]
        assert own_stack.launch().wait(30) == 1
    assert f"Port {own_stack.port} on 127.0.0.1" in own_stack.output()
    assert "--port" in own_stack.output()
    assert not own_stack.data_dir.exists()


@pytest.mark.fault("Redis: evicts", promises=("P4",))
def test_a_redis_that_evicts_is_refused_before_anything_is_served(
    own_stack: ProductStack, own_valkey: ValkeyServer
) -> None:
    own_valkey.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    own_stack.env |= {"REDIS_URL": own_valkey.url, **SECRETS}
    assert own_stack.launch().wait(30) == 1
    assert "maxmemory-policy allkeys-lru" in own_stack.output()
    assert "Set it to noeviction" in own_stack.output()


def test_with_a_redis_of_ones_own_secrets_are_asked_for(own_stack: ProductStack, own_valkey: ValkeyServer) -> None:
    own_stack.env |= {"REDIS_URL": own_valkey.url}
    assert own_stack.launch().wait(30) == 1
    assert "Set TOKONOMICS_SECRET_KEY and TOKONOMICS_ENCRYPTION_KEYS" in own_stack.output()


def test_sigterm_lets_an_open_stream_end_and_leaves_no_process(own_stack: ProductStack) -> None:
    own_stack.workers = 1
    own_stack.start()
    everything = [own_stack.pid, *descendants_of(own_stack.pid)]
    key = own_stack.create_tenant(test_key=True)["test_api_key"]
    with a_stream(own_stack.base_url, key) as reply:
        lines = reply.iter_lines()
        assert next(lines).startswith("data: ")
        assert own_stack.process is not None
        own_stack.process.terminate()
        rest = list(lines)
    assert rest[-2:] == ["data: [DONE]", ""]
    assert own_stack.process.wait(30) == 0
    assert not [pid for pid in everything if alive(pid)]
    assert own_stack.output().splitlines()[-1].startswith("valkey"), "the store did not stop last"
    with pytest.raises(httpx.ConnectError):
        httpx.get(own_stack.base_url + "/healthz")


@contextmanager
def a_stream(base_url: str, key: str) -> Iterator[httpx.Response]:
    """About two seconds of chunks from the sandbox provider."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    headers = {"authorization": f"Bearer {key}", "x-tokonomics-sandbox": "output=20; chunk_delay=0.1"}
    url = base_url + "/v1/chat/completions"
    with httpx.Client(timeout=30) as client, client.stream("POST", url, json=body, headers=headers) as reply:
        assert reply.status_code == 200, reply.read()
        yield reply


def test_a_killed_supervisor_leaves_no_orphan_and_a_dead_part_ends_the_whole(own_stack: ProductStack) -> None:
    own_stack.workers = 1
    own_stack.start()
    own_stack.manage("shell", "-c", "from tenants.store import client; client().set('kept', '1')")
    orphans = list(descendants_of(own_stack.pid))
    own_stack.kill()  # Valkey is asked to end, and puts everything on the disk
    wait_until(lambda: not [pid for pid in orphans if alive(pid)], seconds=10, what="all children ended")

    own_stack.start()  # on the same data
    found = own_stack.manage("shell", "-v0", "-c", "from tenants.store import client; print(client().get('kept'))")
    assert found.stdout.strip() == "b'1'"
    assert own_stack.process is not None

    everything = [own_stack.pid, *descendants_of(own_stack.pid)]
    send(own_stack.pids("worker")[0], signal.SIGKILL)
    assert own_stack.process.wait(40) == 1
    assert "worker was ended by SIGKILL" in own_stack.output()
    assert not [pid for pid in everything if alive(pid)]


def test_a_second_up_on_the_same_data_directory_is_refused(stack: ProductStack) -> None:
    second = ProductStack(stack.folder / "second", workers=1)
    second.data_dir = stack.data_dir
    assert second.launch().wait(40) == 1
    assert "already running on" in second.output()
    assert stack.running()
