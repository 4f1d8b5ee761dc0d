"""Which addresses a tenant's URL may reach, and the one way to send something to it.

A tenant names the URL, so it may name our own database, another container, or the machine's metadata service. Here the
name is resolved once, every address that it has is judged, and the connection goes to the very address that was judged
while TLS and Host still say the name: a name that answers otherwise a moment later (DNS rebinding) reaches nothing.
Redirects are answers and are never followed; no proxy of the environment is asked; time and size are bounded for the
whole, not a read at a time. TOKONOMICS_ALERTS_ALLOW_PRIVATE_URLS lifts the judgement alone, for tests and intranets.
"""

import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore
import httpx
from django.conf import settings

SECONDS = 10.0  # for all of it: name, connection, TLS, request, answer
MOST_ANSWER_BYTES = 16_384
LONGEST_URL = 2_000

_NAT64 = IPv6Network("64:ff9b::/96")  # an IPv4 address in its last four bytes
_METADATA = frozenset({ip_address("168.63.129.16")})  # public by its number, but the cloud's own: Azure's wire server
_PORTS = {"http": 80, "https": 443}
_WHOLE = "Enter a whole address, like https://hooks.example.com/alerts."
_NUMBER = re.compile(r"(0x[0-9a-f]*|\d+)", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]+", re.IGNORECASE)

# A look-up has no timeout of its own: one that hangs keeps a thread here, and not its caller.
_lookups = ThreadPoolExecutor(max_workers=8, thread_name_prefix="lookup")


class InvalidUrl(ValueError):
    """The text is no URL that something can be sent to; the message is a sentence for the person who typed it."""


class NotSent(Exception):
    """Nothing that could be called an answer came back; the message says why."""


class AddressRefused(NotSent):
    """The URL leads to where a tenant may not reach."""


class NoAnswer(NotSent):
    """The name is unknown, the connection failed, or the time was over. May do better later."""


@dataclass(frozen=True, slots=True)
class Url:
    """`host` as the wire has it (IDNA, no brackets); `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said: the beginning of its body, its Retry-After where it gave one, the time that it took."""

    status: int
    body: str
    retry_after: str
    took_ms: int


def parse(text: str) -> Url:
    """Raises InvalidUrl."""
    text = text.strip()
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidUrl(_WHOLE) from error
    host = url.raw_host.decode().lower().rstrip(".")
    if url.scheme not in _PORTS or not _HOST.fullmatch(host) or len(text) > LONGEST_URL:
        raise InvalidUrl(_WHOLE)
    port = _PORTS[url.scheme] if url.port is None else url.port
    if not 0 < port <= 65_535:
        raise InvalidUrl("Enter a port from 1 to 65535.")
    if url.userinfo or "\\" in text:
        raise InvalidUrl("Enter the address without a user name or password in it.")
    if _is_disguised(host):
        raise InvalidUrl("Enter the host by its name, or by an address in its usual form.")
    return Url(url.scheme, host, port, url.raw_path.decode())


def vet(url: Url, *, private: bool | None = None) -> None:
    """Whether something may be sent there, as its name answers now: early, for the person who types it.

    `private`: whether a private address is allowed; None: as alerts may. Raises AddressRefused. A name that cannot be
    looked up passes: it is judged again at every sending.
    """
    try:
        _judged(url, _Clock(2.0), private)
    except NoAnswer:
        return


def addresses(url: Url, *, private: bool, seconds: float = SECONDS) -> list[str]:
    """Where a connection to it may be made, now, at least one. Raises AddressRefused, NoAnswer."""
    return _judged(url, _Clock(seconds), private)


def get(url: Url, headers: Mapping[str, str], *, private: bool, most: int, seconds: float = SECONDS) -> Answer:
    """Ask for it, once, and read the beginning of the answer, `most` bytes. Raises AddressRefused, NoAnswer."""
    clock = _Clock(seconds)
    judged = _judged(url, clock, private)
    with _no_answer(url, seconds):
        return _exchange(url, judged, b"", headers, clock, method="GET", most=most)


def post(url: Url, body: bytes, headers: Mapping[str, str], *, seconds: float = SECONDS) -> Answer:
    """Send it, once. Raises AddressRefused, NoAnswer; any status is an Answer."""
    clock = _Clock(seconds)
    judged = _judged(url, clock)
    with _no_answer(url, seconds):
        return _exchange(url, judged, body, headers, clock)


@contextmanager
def _no_answer(url: Url, seconds: float) -> Iterator[None]:
    """What goes wrong on the way, in words of ours."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise NoAnswer(f"{url.origin} did not answer within {seconds:g} s.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
        raise NoAnswer(f"{url.origin} could not be reached: {str(error) or type(error).__name__}.") from error


# --- Judging ---------------------------------------------------------------------------------------------------------


def _is_disguised(host: str) -> bool:
    """An address written as a number, in octal, in hex or with parts left out: `2130706433`, `0x7f.1`, `0177.0.0.1`."""
    if ":" in host or not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return False
    try:
        return str(IPv4Address(host)) != host
    except ValueError:
        return True


def is_allowed(address: str) -> bool:
    """Whether a tenant's URL may reach this address: public, and of one particular host."""
    ip = ip_address(address.partition("%")[0])
    return all(each.is_global and not _is_special(each) for each in (ip, *_inside(ip)))


def _is_special(ip: IPv4Address | IPv6Address) -> bool:
    special = ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback or ip.is_link_local
    return special or ip.is_private or ip in _METADATA or (isinstance(ip, IPv6Address) and ip.is_site_local)


def _inside(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 one stands for: mapped, 6to4, Teredo, NAT64."""
    if isinstance(ip, IPv4Address):
        return []
    found = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        found.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


def _judged(url: Url, clock: "_Clock", private: bool | None = None) -> list[str]:
    """The addresses of a URL, if every one of them is allowed. Raises AddressRefused, NoAnswer."""
    found = _look_up(url, clock)
    of_alerts = private is None
    if not (settings.ALERTS_ALLOW_PRIVATE_URLS if of_alerts else private) and not all(map(is_allowed, found)):
        # Which address it is stays untold: internal names are not for tenants to look up.
        who = "Alerts go" if of_alerts else "Requests go"
        raise AddressRefused(
            f"{url.origin} leads to this machine or into a private network. {who} to public addresses only, "
            "unless the operator allows others."
        )
    return found


def _look_up(url: Url, clock: "_Clock") -> list[str]:
    looking: Future[list[Any]] = _lookups.submit(socket.getaddrinfo, url.host, url.port, type=socket.SOCK_STREAM)
    try:
        found = looking.result(timeout=clock.left)
    except TimeoutError as error:
        raise NoAnswer(f"The name {url.host} could not be looked up in time.") from error
    except (OSError, UnicodeError) as error:
        raise NoAnswer(f"The name {url.host} could not be looked up.") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


# --- Sending ---------------------------------------------------------------------------------------------------------


class _Clock:
    """The time that is left of a whole exchange."""

    def __init__(self, seconds: float) -> None:
        self._began = time.monotonic()
        self._ends = self._began + seconds

    @property
    def left(self) -> float:
        """Seconds, above 0. Raises httpcore's ReadTimeout once there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left

    @property
    def took_ms(self) -> int:
        return int((time.monotonic() - self._began) * 1000)


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends when the whole time is over: a body that drips cannot hold us."""

    def __init__(self, inner: httpcore.NetworkStream, clock: _Clock) -> None:
        self._inner, self._clock = inner, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._clock.left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._clock.left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._clock.left), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Pinned(httpcore.NetworkBackend):
    """Connects to the addresses that were judged, whatever the name says by now."""

    def __init__(self, addresses: list[str], clock: _Clock) -> None:
        self._addresses, self._clock = addresses, clock
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        *before, last = self._addresses
        for address in before:
            try:
                return self._connect(address, port)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._connect(last, port)

    def _connect(self, address: str, port: int) -> httpcore.NetworkStream:
        # Each address gets half of what is left, so that one which swallows packets leaves time for the next.
        share = self._clock.left / (2 if len(self._addresses) > 1 else 1)
        return _Stream(self._sockets.connect_tcp(address, port, timeout=share), self._clock)


def _exchange(
    url: Url,
    addresses: list[str],
    body: bytes,
    headers: Mapping[str, str],
    clock: _Clock,
    *,
    method: str = "POST",
    most: int = MOST_ANSWER_BYTES,
) -> Answer:
    where = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target)
    host = url.origin.partition("://")[2]
    sent = {"host": host, "accept-encoding": "identity", "connection": "close", **headers}
    with (
        httpcore.ConnectionPool(ssl_context=_tls(), network_backend=_Pinned(addresses, clock)) as pool,
        pool.stream(method, where, headers=list(sent.items()), content=body) as reply,
    ):
        received = b""
        for chunk in reply.iter_stream():
            received += chunk
            if len(received) >= most:
                break
        retry_after = next((value for name, value in reply.headers if name.lower() == b"retry-after"), b"")
        text = received[:most].decode("utf-8", "replace")
        return Answer(reply.status, text, retry_after.decode("latin-1"), clock.took_ms)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
