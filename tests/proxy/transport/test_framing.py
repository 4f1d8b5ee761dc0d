"""Replies that do not say clearly where they end, or that are too much: refused, never guessed at."""

from unittest.mock import Mock

import httpx
import pytest

from proxy.framing import MAX_HEAD, MAX_HEADERS, Malformed, ReplyDecoder
from proxy.reply import Reply
from proxy.transport import KeepAliveTransport, not_sent, request_head
from tests.proxy.transport.servers import OK, Peer, answering, counts, exchange, post, serving, whole

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = 16 * MAX_HEAD


def length(value: bytes) -> bytes:
    return HEAD + b"Content-Length: " + value + b"\r\n\r\nok"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(length(b"+2"), id="length with a sign"),
        pytest.param(length(b"-2"), id="negative length"),
        pytest.param(length(b"0x2"), id="hexadecimal length"),
        pytest.param(length(b"2, 2"), id="list of lengths"),
        pytest.param(length(b""), id="empty length"),
        pytest.param(length(b"9" * 30), id="length beyond 64 bits"),
        pytest.param(HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", id="two lengths"),
        pytest.param(
            HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="length and chunks"
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", id="chunks and length"
        ),
        pytest.param(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="a second coding"),
        pytest.param(HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="a coding much like chunked"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked twice"
        ),
        pytest.param(HEAD + b"Transfer-Encoding: identity\r\n\r\nok", id="identity"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
            id="chunked, taken back",
        ),
        pytest.param(CHUNKED + b"-2\r\nok\r\n0\r\n\r\n", id="negative chunk"),
        pytest.param(CHUNKED + b"f" * 17 + b"\r\nok\r\n0\r\n\r\n", id="chunk beyond 64 bits"),
        pytest.param(CHUNKED + b"2\nok\n0\n\n", id="chunk lines without CR"),
        pytest.param(CHUNKED + b"2\r\nokay\r\n0\r\n\r\n", id="chunk longer than it says"),
        pytest.param(CHUNKED + b"0\r\nContent-Length: 7\r\n\r\n", id="length in the trailers"),
        pytest.param(HEAD + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nok", id="folded header"),
        pytest.param(HEAD + b"Content-Length : 2\r\n\r\nok", id="space before the colon"),
        pytest.param(HEAD + b"X: a\x00b\r\nContent-Length: 2\r\n\r\nok", id="NUL in a header"),
        pytest.param(HEAD + b"X: a\rb\r\nContent-Length: 2\r\n\r\nok", id="bare CR in a header"),
        pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", id="head lines without CR"),
        pytest.param(b"HTTP/1.9 200 OK\r\nContent-Length: 2\r\n\r\nok", id="unknown version"),
        pytest.param(b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok", id="status of four digits"),
        pytest.param(b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok", id="status below 100"),
        pytest.param(b"HTTP/1.1 103 Early\r\nContent-Length: 2\r\n\r\nok" + OK, id="interim reply with a length"),
        pytest.param(b"HTTP/1.1 104 X\r\nContent-Length: 2\r\n\r\nok" + OK, id="unknown interim reply with a body"),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", id="upgrade"
        ),
        pytest.param(bytes(range(256)), id="noise"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x0a", id="TLS alert"),
    ],
)
@pytest.mark.parametrize("in_pieces", [False, True], ids=["at once", "byte by byte"])
async def test_a_reply_that_could_be_read_in_two_ways_is_refused(reply, in_pieces):
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number:
            await answering(OK)(peer)
        await peer.send(*([reply[i : i + 1] for i in range(len(reply))] if in_pieces else [reply]))
        await peer.closed_by_client()

    async with serving(script) as server, KeepAliveTransport() as transport:
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await exchange(transport, server)
        assert not not_sent(caught.value)
        assert counts(transport, server).open == 0


async def test_an_offer_to_upgrade_is_no_upgrade():
    reply = HEAD + b"Upgrade: h2,h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok"
    async with serving(answering(reply)) as server, KeepAliveTransport() as transport:
        assert await exchange(transport, server) == b"ok"
        assert counts(transport, server).idle == 1


async def refused(raw: bytes, *, piece: int) -> str:
    """What the transport says to a reply sent in pieces of so many bytes, which never comes to its end."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*[raw[i : i + piece] for i in range(0, len(raw), piece)])
        await peer.closed_by_client()

    async with serving(script) as server, KeepAliveTransport() as transport:
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await exchange(transport, server)
        assert counts(transport, server).open == 0
    return str(caught.value)


@pytest.mark.parametrize("piece", [1000, 10_000_000])
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(HEAD + b"X: " + b"x" * ENDLESS, id="one endless header"),
        pytest.param(HEAD + b"X: " + b"x" * 2 * MAX_HEAD + b"\r\nContent-Length: 2\r\n\r\nok", id="one huge header"),
        pytest.param(HEAD + b"X: 1\r\n" * (ENDLESS // 6), id="endless headers"),
        pytest.param(b"HTTP/1.1 200 " + b"x" * ENDLESS, id="endless reason"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * (ENDLESS // 25), id="endless interim replies"),
        pytest.param(CHUNKED + b"2;" + b"x" * ENDLESS, id="endless chunk extension"),
        pytest.param(CHUNKED + b"2\r\nok\r\n0\r\nX: " + b"x" * ENDLESS, id="endless trailer"),
        pytest.param(CHUNKED + b"2\r\nok\r\n0\r\n" + b"X: 1\r\n" * (ENDLESS // 6), id="endless trailers"),
    ],
)
async def test_what_grows_without_a_body_is_cut(raw, piece):
    await refused(raw, piece=piece)


def test_a_huge_head_is_refused_even_if_the_whole_reply_comes_in_one_piece():
    decoder = ReplyDecoder()
    fits = b"x" * (MAX_HEAD - 100)
    for value in (fits, fits + b"x" * 200):
        reply = Reply(Mock())
        decoder.begin(reply, bodyless=False)
        raw = HEAD + b"X: " + value + b"\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
        if value is fits:
            decoder.feed(raw)
            assert (decoder.ended, decoder.keep_alive, reply.status) == (True, True, 200)
        else:
            with pytest.raises(Malformed, match="too large a head"):
                decoder.feed(raw)


async def test_too_many_headers_are_refused():
    fits = HEAD + b"X: 1\r\n" * (MAX_HEADERS - 1) + b"Content-Length: 2\r\n\r\nok"
    async with serving(answering(fits)) as server, KeepAliveTransport() as transport:
        reply = await post(transport, server)
        assert len(reply.headers) == MAX_HEADERS
        assert await whole(reply) == b"ok"
    assert "too many headers" in await refused(fits.replace(b"X: 1\r\n", b"X: 1\r\nX: 1\r\n", 1), piece=1000)


async def test_a_long_stream_of_tiny_chunks_is_not_taken_for_a_flood():
    chunks = 2 * MAX_HEAD
    reply = CHUNKED + b"1\r\nx\r\n" * chunks + b"0\r\n\r\n"
    async with serving(answering(reply)) as server, KeepAliveTransport() as transport:
        assert len(await exchange(transport, server)) == chunks
        assert counts(transport, server).idle == 1


@pytest.mark.parametrize(
    ("method", "target", "header"),
    [
        (b"GET", b"/", (b"X", b"a\r\nY: b")),
        (b"GET", b"/", (b"X", b"a\nY: b")),
        (b"GET", b"/", (b"X", b"a\rY: b")),
        (b"GET", b"/", (b"X", b"a\x00")),
        (b"GET", b"/", (b"X: a\r\nY", b"b")),
        (b"GET", b"/", (b"X ", b"a")),
        (b"GET", b"/", (b"", b"a")),
        (b"GET", b"/", (b"X", b"\r\n\r\nGET /other HTTP/1.1")),
        (b"GET", b"/ HTTP/1.1\r\nY: b\r\n", (b"X", b"a")),
        (b"GET", b"/a b", (b"X", b"a")),
        (b"GET", b"", (b"X", b"a")),
        (b"GET /", b"/", (b"X", b"a")),
        (b"GET\r\n", b"/", (b"X", b"a")),
    ],
)
def test_a_request_head_cannot_be_broken_out_of(method, target, header):
    with pytest.raises(httpx.LocalProtocolError):
        request_head(method, target, [(b"Host", b"provider"), header])


def test_a_request_head_is_written_as_given():
    headers = [(b"Host", b"provider"), (b"X-Empty", b""), (b"x-sp\xc3\xa9cial", b"caf\xc3\xa9")]
    assert request_head(b"POST", b"/a?b", headers[:2]) == b"POST /a?b HTTP/1.1\r\nHost: provider\r\nX-Empty: \r\n\r\n"
    with pytest.raises(httpx.LocalProtocolError):
        request_head(b"POST", b"/a?b", headers)
