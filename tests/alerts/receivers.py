"""Real receivers on loopback: an HTTP server that answers as it is told, and a mail server that keeps what it gets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Say:
    """One answer. `seconds`: how long the receiver thinks before it."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0


Script = Callable[[Received], Say]


class Receiver:
    """`script` decides the answer to each request; `url` has no slash at its end."""

    def __init__(self, *, host: str = "127.0.0.1") -> None:
        self.received: list[Received] = []
        self.script: Script = lambda _: Say()
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                names = {name.lower(): value for name, value in self.headers.items()}
                receiver._answer(self, Received(self.path, names, body, time.monotonic()))

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            address_family = 10 if ":" in host else 2
            request_queue_size = 128

        self._server = Server((host, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.port = self._server.server_address[1]
        self.url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def _answer(self, handler: BaseHTTPRequestHandler, heard: Received) -> None:
        with self._lock:
            self.received.append(heard)
            said = self.script(heard)
        time.sleep(said.seconds)
        try:
            handler.send_response(said.status)
            for name, value in said.headers.items():
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(said.body)))
            handler.end_headers()
            handler.wfile.write(said.body)
        except (BrokenPipeError, ConnectionResetError):
            return  # whoever asked is gone: a killed worker, an exhausted clock

    def failing(self, times: int, status: int = 503) -> None:
        """Answer `status` to the next requests, then 200."""
        left = iter(range(times))
        self.script = lambda _: Say(status, b"not now") if next(left, None) is not None else Say()

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Mailbox:
    """What a mail server got. `refuse` maps an address to the answer that it gets instead: `550 no such user`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse: dict[str, str] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        mail = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]
        mail["X-Envelope-To"] = ", ".join(envelope.rcpt_tos)
        self.mails.append(mail)  # type: ignore[arg-type]
        return "250 kept"


class _AnyPort(Controller):
    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server() -> Iterator[tuple[Mailbox, int]]:
    """(the box, the port)."""
    box = Mailbox()
    controller = _AnyPort(box, hostname="127.0.0.1", port=0, ready_timeout=10)
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()
