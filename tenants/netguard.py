"""Which addresses a tenant's URL may reach, and the one way to send something to it.

A tenant names the URL, so it may name our own database, another container, or the machine's metadata service. Here the
name is resolved once, every address that it has is judged, and the connection goes to the very address that was judged
while TLS and Host still say the name (tenants.pinned): a name that answers otherwise a moment later (DNS rebinding)
reaches nothing. TOKONOMICS_ALERTS_ALLOW_PRIVATE_URLS lifts the judgement alone, for tests and intranets.
"""

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore
import httpx
from django.conf import settings

from tenants.pinned import PORTS, Clock, exchange
from tenants.pinned import Answer as Answer  # both are part of what this module offers
from tenants.pinned import Url as Url

SECONDS = 10.0  # for all of it: name, connection, TLS, request, answer
LONGEST_URL = 2_000

_NAT64 = IPv6Network("64:ff9b::/96")  # an IPv4 address in its last four bytes
_METADATA = frozenset({ip_address("168.63.129.16")})  # public by its number, but the cloud's own: Azure's wire server
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


def parse(text: str) -> Url:
    """Raises InvalidUrl."""
    text = text.strip()
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidUrl(_WHOLE) from error
    host = url.raw_host.decode().lower().rstrip(".")
    if url.scheme not in PORTS or not _HOST.fullmatch(host) or len(text) > LONGEST_URL:
        raise InvalidUrl(_WHOLE)
    port = PORTS[url.scheme] if url.port is None else url.port
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
        _judged(url, Clock(2.0), private)
    except NoAnswer:
        return


def addresses(url: Url, *, private: bool, seconds: float = SECONDS) -> list[str]:
    """Where a connection to it may be made, now, at least one. Raises AddressRefused, NoAnswer."""
    return _judged(url, Clock(seconds), private)


def get(url: Url, headers: Mapping[str, str], *, private: bool, most: int, seconds: float = SECONDS) -> Answer:
    """Ask for it, once, and read the beginning of the answer, `most` bytes. Raises AddressRefused, NoAnswer."""
    clock = Clock(seconds)
    judged = _judged(url, clock, private)
    with _no_answer(url, seconds):
        return exchange(url, judged, b"", headers, clock, method="GET", most=most)


def post(url: Url, body: bytes, headers: Mapping[str, str], *, seconds: float = SECONDS) -> Answer:
    """Send it, once. Raises AddressRefused, NoAnswer; any status is an Answer."""
    clock = Clock(seconds)
    judged = _judged(url, clock)
    with _no_answer(url, seconds):
        return exchange(url, judged, body, headers, clock)


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


def _judged(url: Url, clock: Clock, private: bool | None = None) -> list[str]:
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


def _look_up(url: Url, clock: Clock) -> list[str]:
    looking: Future[list[Any]] = _lookups.submit(socket.getaddrinfo, url.host, url.port, type=socket.SOCK_STREAM)
    try:
        found = looking.result(timeout=clock.left)
    except TimeoutError as error:
        raise NoAnswer(f"The name {url.host} could not be looked up in time.") from error
    except (OSError, UnicodeError) as error:
        raise NoAnswer(f"The name {url.host} could not be looked up.") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
