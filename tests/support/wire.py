"""HTTP/1.1 by hand: one TCP connection to a web worker, of which a test decides every byte that goes out.

wire = Wire(stack.base_url)
wire.send(post("/v1/chat/completions", b"{}", {"authorization": "Bearer tk_live_..."}))
assert wire.reply().status == 401
"""

import json
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httptools

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER for no time at all
LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class WireReply:
    """One whole reply; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class _Arriving:
    """A reply of which the head has come."""

    status: int
    headers: dict[str, str]
    pieces: list[bytes] = field(default_factory=list)
    ended: bool = False


class Wire:
    """Blocking; every wait ends after `timeout` seconds with TimeoutError. `receive_buffer`: SO_RCVBUF, bytes."""

    def __init__(self, base_url: str, *, timeout: float = 45.0, receive_buffer: int | None = None) -> None:
        address = urlsplit(base_url)
        self.server_port = address.port or 80
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(timeout)
        self._socket.connect((address.hostname or "", self.server_port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self._socket.getsockname()[1]
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._replies: deque[_Arriving] = deque()
        self._closed_by_peer = False

    # --- Out -------------------------------------------------------------------------------------------------------
    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        """Leave with a TCP reset, as a killed client does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._socket.close()

    def half_close(self) -> None:
        """Say that nothing more will be sent; go on reading."""
        self._socket.shutdown(socket.SHUT_WR)

    # --- In --------------------------------------------------------------------------------------------------------
    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the reply that is arriving; interim ones (1xx) are passed over. Raises EOFError."""
        while not self._replies:
            self._receive()
            if self._closed_by_peer and not self._replies:
                raise EOFError("the connection ended without a reply")
        return self._replies[0].status, self._replies[0].headers

    def piece(self) -> bytes:
        """What has arrived of the body since the last call, a byte at least; b"" at its end or the connection's."""
        self.head()
        arriving = self._replies[0]
        while not (arriving.pieces or arriving.ended or self._closed_by_peer):
            self._receive()
        return arriving.pieces.pop(0) if arriving.pieces else b""

    def reply(self) -> WireReply:
        """The whole of it, ready for the next one. Raises EOFError if the connection ends before the reply does."""
        status, headers = self.head()
        body = b"".join(iter(self.piece, b""))
        if not self._replies.popleft().ended:
            raise EOFError(f"the reply broke off after {len(body)} bytes: {body[-200:]!r}")
        return WireReply(status, headers, body)

    def ended_by_peer(self) -> bool:
        """Wait until the server closes the connection; False if it sends something instead."""
        try:
            return not self._socket.recv(1)
        except ConnectionResetError:
            return True

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            self._closed_by_peer = True
            return
        if data:
            self._parser.feed_data(data)
        else:
            self._closed_by_peer = True
            self._end_with_connection()

    def _end_with_connection(self) -> None:
        """A body without a length and without chunks ends as its connection does."""
        if self._replies and not {"content-length", "transfer-encoding"} & self._replies[-1].headers.keys():
            self._replies[-1].ended = True

    # --- The parser's side -----------------------------------------------------------------------------------------
    @property
    def _interim(self) -> bool:
        return self._parser.get_status_code() < 200

    def on_message_begin(self) -> None:
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        if not self._interim:
            self._replies.append(_Arriving(self._parser.get_status_code(), self._headers))

    def on_body(self, body: bytes) -> None:
        self._replies[-1].pieces.append(body)

    def on_message_complete(self) -> None:
        if not self._interim:
            self._replies[-1].ended = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def post(path: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST") -> bytes:
    """A whole request with an honest content-length."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", *[f"{name}: {value}" for name, value in headers.items()]]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode("latin-1") + body


# --- Which process has it --------------------------------------------------------------------------------------------


def serving_pid(wire: Wire, pids: Iterable[int], patience: float = 20.0) -> int:
    """The one of these processes that has accepted the connection."""
    deadline = time.monotonic() + patience
    candidates = list(pids)
    while True:
        inode = _server_side_inode(wire)
        for pid in candidates:
            if inode and inode in _socket_inodes(pid):
                return pid
        assert time.monotonic() < deadline, f"nobody of {candidates} has accepted the connection"
        time.sleep(0.02)


def wires_to_each(base_url: str, pids: Iterable[int], most: int = 400) -> dict[int, Wire]:
    """A connection to each of these processes, all of which listen on the same socket."""
    candidates = set(pids)
    found: dict[int, Wire] = {}
    others: list[Wire] = []
    for _ in range(most):
        wire = Wire(base_url)
        pid = serving_pid(wire, candidates)
        if found.setdefault(pid, wire) is not wire:
            others.append(wire)
        if found.keys() == candidates:
            break
    for wire in others:
        wire.close()
    assert found.keys() == candidates, f"{most} connections all went to {sorted(found)}"
    return found


def _server_side_inode(wire: Wire) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *rest = line.split()
        ports = int(local.rpartition(":")[2], 16), int(remote.rpartition(":")[2], 16)
        if ports == (wire.server_port, wire.port) and state != LISTEN:
            return rest[5]
    return ""


def _socket_inodes(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue  # closed while we looked
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found
