"""One exchange with addresses that were judged before, TLS and Host still saying the name; it ends as a whole in time.

Redirects are answers and are never followed; no proxy of the environment is asked; time and size are bounded for the
whole, not a read at a time.
"""

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpcore
import httpx

MOST_ANSWER_BYTES = 16_384
PORTS = {"http": 80, "https": 443}


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
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said: the beginning of its body, its Retry-After where it gave one, the time that it took."""

    status: int
    body: str
    retry_after: str
    took_ms: int


class Clock:
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

    def __init__(self, inner: httpcore.NetworkStream, clock: Clock) -> None:
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

    def __init__(self, addresses: list[str], clock: Clock) -> None:
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


def exchange(
    url: Url,
    addresses: list[str],
    body: bytes,
    headers: Mapping[str, str],
    clock: Clock,
    *,
    method: str = "POST",
    most: int = MOST_ANSWER_BYTES,
) -> Answer:
    """Send it and read the beginning of the answer, `most` bytes. Raises httpcore's errors and ssl.SSLError."""
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
    context = httpx.create_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # some builds of Python leave it to the system
    return context
