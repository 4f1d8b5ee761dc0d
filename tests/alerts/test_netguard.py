"""A tenant's URL reaches public addresses and nothing else, however it is written, answered or redirected."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpcore
import pytest

from tenants import netguard
from tenants.netguard import AddressRefused, InvalidUrl, NoAnswer
from tenants.pinned import MOST_ANSWER_BYTES
from tests.alerts.receivers import Receiver, Say

NO_HEADERS: dict[str, str] = {}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def allowed(settings: Any) -> None:
    settings.ALERTS_ALLOW_PRIVATE_URLS = True


def send(url: str, **options: Any) -> netguard.Answer:
    return netguard.post(netguard.parse(url), b"{}", NO_HEADERS, **options)


# --- Nothing inside is reached ----------------------------------------------------------------------------------------

LOOPBACK = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001"),
    *("127.0.0.1.", "localhost", "LOCALHOST", "localhost.", "①②⑦.⓪.⓪.①", "0", "0.0.0.0", "127.0.0.2"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1%25lo]", "127.0.0.1%2f", "127.0.0.1%00.example.com"),
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_is_not_reached_however_it_is_written(host: str, receiver: Receiver) -> None:
    with Receiver(host="::1") as sixth, pytest.raises((InvalidUrl, AddressRefused)):
        send(f"http://{host}:{sixth.port if '[' in host else receiver.port}/")
    assert receiver.received == sixth.received == []


@pytest.mark.parametrize(
    "url",
    [
        *("http://user@127.0.0.1/", "http://example.com@127.0.0.1/", "http://example.com\\@127.0.0.1/"),
        *(
            "http://127.0.0.1#@example.com/",
            "http:127.0.0.1",
            "//127.0.0.1/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
        ),
        *("http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http://", "http://[::1", "", "http://exa mple.com/"),
    ],
)
def test_what_could_be_read_in_two_ways_is_no_address(url: str, receiver: Receiver) -> None:
    with pytest.raises((InvalidUrl, AddressRefused)):
        send(url.replace("127.0.0.1", f"127.0.0.1:{receiver.port}", 1) if url.endswith("/") else url)
    assert receiver.received == []


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "168.63.129.16", "100.100.100.200"),
        *("0.0.0.0", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("fd00:ec2::254", "fc00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "::", "::1", "2001:db8::1"),
        *("::ffff:10.0.0.1", "::ffff:169.254.169.254", "2002:a9fe:a9fe::", "64:ff9b::a9fe:a9fe", "::7f00:1"),
    ],
)
def test_private_link_local_metadata_multicast_and_unspecified_are_refused(address: str) -> None:
    assert not netguard.is_allowed(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2001:4860:4860::8888", "2606:4700::1111"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert netguard.is_allowed(address)


def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver, allowed: None) -> None:
    with Receiver() as inside:
        receiver.script = lambda _: Say(302, headers={"location": f"{inside.url}/secrets"})
        assert send(receiver.url).status == 302
        assert len(receiver.received) == 1 and inside.received == []


def test_a_proxy_of_the_environment_is_not_asked(
    receiver: Receiver, allowed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert send(receiver.url).status == 200
        assert proxy.received == []


# --- Names ------------------------------------------------------------------------------------------------------------


class Names:
    """A name server: each look-up of a name gets the next of its answers, the last one for good."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if not host.endswith(".example"):
            return [(2, 1, 6, "", (host, port))]
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [(2, 1, 6, "", (address, port)) for address in answer]


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were connected to; none of them answers."""
    made: list[str] = []

    def connect(self: Any, host: str, port: int, **_: Any) -> Any:
        made.append(host)
        raise httpcore.ConnectError("no such network here")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    return made


def test_a_name_that_turns_into_loopback_after_the_check_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, connections: list[str]
) -> None:
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", names)
    with pytest.raises(NoAnswer):
        send("http://rebinding.example/")
    assert names.asked == 1 and connections == ["8.8.8.8"]
    with pytest.raises(AddressRefused):
        send("http://rebinding.example/")
    assert names.asked == 2 and connections == ["8.8.8.8"]


def test_one_private_address_among_public_ones_refuses_the_name(
    monkeypatch: pytest.MonkeyPatch, connections: list[str]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(["8.8.8.8", "10.0.0.7"]))
    with pytest.raises(AddressRefused) as refused:
        send("http://mixed.example/")
    assert connections == [] and "10.0.0.7" not in str(refused.value)


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch, connections: list[str]) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(["8.8.8.8", "1.1.1.1"]))
    with pytest.raises(NoAnswer):
        send("http://two.example/")
    assert connections == ["8.8.8.8", "1.1.1.1"]


def test_the_name_goes_out_in_host_though_the_address_was_connected_to(
    receiver: Receiver, allowed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(["127.0.0.1"]))
    send(f"http://hooks.example:{receiver.port}/a?b=c")
    (heard,) = receiver.received
    assert (heard.path, heard.headers["host"]) == ("/a?b=c", f"hooks.example:{receiver.port}")


def test_tls_is_asked_for_by_name(allowed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(["127.0.0.1"]))
    named: list[str] = []
    original = ssl.SSLContext.wrap_socket

    def wrap(self: Any, sock: Any, *args: Any, server_hostname: str | None = None, **more: Any) -> Any:
        named.append(server_hostname or "")
        return original(self, sock, *args, server_hostname=server_hostname, **more)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap)
    with Receiver() as plain, pytest.raises(NoAnswer):
        send(f"https://hooks.example:{plain.port}/", seconds=2)
    assert named == ["hooks.example"]


def test_a_name_that_hangs_ends_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        asked.wait(3)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    with pytest.raises(NoAnswer):
        send("http://slow.example/", seconds=0.2)
    assert time.monotonic() - began < 1
    asked.set()


# --- Time and size ----------------------------------------------------------------------------------------------------


def test_an_answer_that_never_comes_ends_with_the_time(receiver: Receiver, allowed: None) -> None:
    receiver.script = lambda _: Say(seconds=1)
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"did not answer within 0\.2 s"):
        send(receiver.url, seconds=0.2)
    assert time.monotonic() - began < 0.9


def test_an_answer_that_drips_ends_with_the_time(allowed: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
                while not ended.wait(0.05):
                    try:
                        peer.sendall(b"x")
                    except OSError:
                        return

        dripping = threading.Thread(target=drip)
        dripping.start()
        began = time.monotonic()
        with pytest.raises(NoAnswer):
            send(f"http://127.0.0.1:{server.getsockname()[1]}/", seconds=0.4)
        assert time.monotonic() - began < 1.5
        ended.set()
        dripping.join()


def test_of_a_long_answer_only_the_beginning_is_read(receiver: Receiver, allowed: None) -> None:
    receiver.script = lambda _: Say(500, b"x" * 5_000_000)
    answer = send(receiver.url)
    assert (answer.status, len(answer.body)) == (500, MOST_ANSWER_BYTES)


def test_a_closed_port_is_no_answer(receiver: Receiver, allowed: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NoAnswer):
        send(f"http://127.0.0.1:{port}/")


def test_vetting_refuses_early_and_lets_an_unknown_name_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AddressRefused):
        netguard.vet(netguard.parse("http://localhost:8000/"))

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    netguard.vet(netguard.parse("https://not-yet.example/"))
