"""What `up` decides before it starts anything."""

import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

from tokonomics.console.embedded import EmbeddedValkeyError, socket_path, socket_url
from tokonomics.console.management.commands.up import holds_data, make_private, url_of
from tokonomics.console.stack import AddressTaken, claim_port, listen


def test_each_web_process_gets_a_socket_on_the_same_port() -> None:
    listeners = listen("127.0.0.1", 0, 3)
    assert len({listener.getsockname() for listener in listeners}) == 1
    for listener in listeners:
        listener.listen()
        listener.close()


@pytest.mark.parametrize("accepting", [True, False])
def test_a_port_is_not_shared_with_another_up(accepting: bool) -> None:
    """Neither while the first is starting, when its sockets are bound but do not listen yet, nor later."""
    with ExitStack() as first:
        listeners = [first.enter_context(listener) for listener in listen("127.0.0.1", 0, 2)]
        port = listeners[0].getsockname()[1]
        first.enter_context(claim_port("127.0.0.1", port))
        if accepting:
            listeners[0].listen()
        with pytest.raises(AddressTaken, match=f"Port {port} on 127.0.0.1 cannot be used: address already in use"):
            for second in listen("127.0.0.1", port, 2):
                first.enter_context(second)
            claim_port("127.0.0.1", port)


def test_a_port_that_something_else_listens_on_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressTaken, match=f"--port {port + 1}"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused_in_words() -> None:
    with pytest.raises(AddressTaken, match=r"203\.0\.113\.1"):
        listen("203.0.113.1", 8000)
    with pytest.raises(AddressTaken, match="not an address"):
        listen("no such host", 8000)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("box.local", "box.local"),
    ],
)
def test_the_printed_address_can_be_opened(host: str, shown: str) -> None:
    (listener,) = listen("127.0.0.1", 0)
    assert url_of(host, listener) == f"http://{shown}:{listener.getsockname()[1]}"
    listener.close()


def test_a_new_data_directory_is_ours_alone(tmp_path: Path) -> None:
    make_private(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_directory_with_other_things_in_it_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("")
    tmp_path.chmod(0o755)
    make_private(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


@pytest.mark.parametrize(("name", "found"), [("tokonomics.sqlite3", True), ("valkey", True), ("secrets", False)])
def test_data_of_an_earlier_start_is_noticed(tmp_path: Path, name: str, found: bool) -> None:
    (tmp_path / name).mkdir()
    assert holds_data(tmp_path) is found


def test_a_deep_data_directory_has_its_socket_elsewhere_and_always_there(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    assert socket_path(tmp_path) == tmp_path / "valkey.sock" or len(str(tmp_path)) > 90
    assert len(str(socket_path(deep))) < 104
    assert socket_path(deep) == socket_path(deep) != socket_path(tmp_path / ("e" * 120))


def test_a_socket_folder_that_somebody_else_could_have_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tokonomics-0"
    monkeypatch.setattr("tokonomics.console.embedded.socket_path", lambda data_dir: folder / "x.sock")
    assert socket_url(tmp_path / "data").startswith("unix://")
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with pytest.raises(EmbeddedValkeyError, match="only you can enter"):
        socket_url(tmp_path / "data")
    folder.chmod(0o700)
    assert socket_url(tmp_path / "data")
    folder.rename(tmp_path / "real")
    folder.symlink_to(tmp_path / "real")
    with pytest.raises(EmbeddedValkeyError, match="link"):
        socket_url(tmp_path / "data")
