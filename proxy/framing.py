"""Where a reply begins and ends on the wire: httptools, no I/O. What could be read in two ways is refused."""

from __future__ import annotations

import re
from math import inf
from typing import Any

import httptools

from proxy.reply import Reply

MAX_HEAD = 64 * 1024  # bytes that may arrive without a byte of body: head, interim replies, trailers, chunk extensions
MAX_HEADERS = 256

FRAMING = frozenset((b"content-length", b"transfer-encoding", b"keep-alive"))
KEEP_ALIVE_TIMEOUT = re.compile(rb"timeout\s*=\s*(\d{1,6})", re.IGNORECASE)


class Malformed(Exception):
    """The bytes are not one reply in HTTP/1.1; the message says why."""


class ReplyDecoder:
    """Decodes the replies on one connection, one after the other, each into the `Reply` given to `begin`."""

    def __init__(self) -> None:
        self._parser: Any = None

    def begin(self, reply: Reply, *, bodyless: bool) -> None:
        """Expect a reply; `bodyless` for the one to a HEAD request."""
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self.ended = False
        self.quiet = 0  # bytes since the last piece of body; 0 only if the last feed brought some
        self.keep_alive = False  # whether a next reply may follow on this connection
        self.expiry = inf  # seconds of silence after which the provider says that it will close
        self._reply = reply
        self._bodyless = bodyless
        self._headers: list[tuple[bytes, bytes]] = []
        self._interim = False  # within a 1xx
        self._begun = False
        self._framed = False  # whether the body's end can be told without the connection's

    @property
    def ends_with_connection(self) -> bool:
        return self._begun and not self._framed and not self.ended

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire. Raises Malformed. Bytes past the reply's end only withdraw `keep_alive`."""
        self.quiet += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self.keep_alive = False
            if not self.ended:
                raise Malformed(str(exc.__context__ or exc)) from exc
        if self.quiet > MAX_HEAD and not self.ended:
            raise Malformed("too many bytes without a body")

    def let_go(self) -> None:
        """No more will come. The parser holds this decoder, which holds the parser: garbage that goes in a circle."""
        self._parser = None

    # The parser's callbacks. What they raise stops it and comes out of `feed_data`.

    def on_message_begin(self) -> None:
        if self.ended:
            raise Malformed("bytes after the reply")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._begun:
            return  # a trailer; nobody downstream has asked for any
        name = name.lower()
        value = value.rstrip(b" \t")
        self._headers.append((name, value))
        if name in FRAMING:
            self._on_framing_header(name, value)

    def _on_framing_header(self, name: bytes, value: bytes) -> None:
        if name == b"keep-alive":
            if found := KEEP_ALIVE_TIMEOUT.search(value):
                self.expiry = float(found[1])
        elif name == b"transfer-encoding" and (self._framed or value.lower() != b"chunked"):
            raise Malformed("a transfer coding other than chunked")
        else:
            self._framed = True  # the parser refuses a second length, and a length beside chunks

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        headers = self._headers
        if len(headers) > MAX_HEADERS:
            raise Malformed("too many headers")
        if self.quiet > MAX_HEAD and sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEAD:
            raise Malformed("too large a head")
        if status < 200:
            if status < 100 or status == 101 or self._framed:
                raise Malformed(f"an unexpected status {status}")
            self._interim = True
            return
        self._begun = True
        self.keep_alive = self._parser.should_keep_alive()
        if self._bodyless:
            self.keep_alive = False  # the parser cannot be told that no body follows
            self.ended = True
        self._reply.start(status, headers)

    def on_body(self, data: bytes) -> None:
        if self.ended:
            raise Malformed("a body where none may be")
        self.quiet = 0
        self._reply.feed(data)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
            self._headers = []
        else:
            self.ended = True
