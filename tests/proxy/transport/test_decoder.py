"""The decoder alone, without a socket: however the bytes are cut, and whatever they are."""

from itertools import pairwise
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.framing import Malformed, ReplyDecoder
from proxy.reply import Reply

HEAD = b"HTTP/1.1 200 OK\r\nX-One: 1\r\nx-two:  2 \r\n"
REPLIES = [
    HEAD + b"Content-Length: 5\r\n\r\nhello",
    HEAD + b"Content-Length: 0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: t\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + HEAD + b"Content-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 204 No Content\r\nKeep-Alive: timeout=7\r\n\r\n",
    b"HTTP/1.0 500 Oh\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nno",
]
LAST = b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nlast"


async def decoded(decoder: ReplyDecoder, pieces: list[bytes]):
    reply = Reply(Mock())
    decoder.begin(reply, bodyless=False)
    for piece in pieces:
        assert not decoder.ended
        decoder.feed(piece)
    body = await reply.next_chunk() if reply.buffered else b""
    return reply.status, reply.headers, body, decoder.ended, decoder.keep_alive, decoder.expiry


@given(cuts=st.sets(st.integers(min_value=1, max_value=120)))
@pytest.mark.parametrize("raw", REPLIES)
async def test_a_reply_means_the_same_however_it_is_cut(raw, cuts):
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    pieces = [raw[start:end] for start, end in pairwise(edges)]
    decoder = ReplyDecoder()
    in_pieces = await decoded(decoder, pieces)
    assert in_pieces == await decoded(ReplyDecoder(), [raw])
    assert in_pieces[3:5] == (True, True)
    assert (await decoded(decoder, [LAST]))[:3] == (201, [(b"content-length", b"4")], b"last")


@given(
    raw=st.sampled_from(REPLIES),
    at=st.integers(min_value=0, max_value=150),
    length=st.integers(min_value=0, max_value=4),
    put=st.one_of(st.binary(max_size=4), st.sampled_from([b"\r\n", b"\n", b"\r\n\r\n", b":", b",", b"0", b"chunked"])),
)
def test_damaged_bytes_are_refused_or_make_one_reply_but_nothing_else(raw, at, length, put):
    decoder = ReplyDecoder()
    reply = Reply(Mock())
    decoder.begin(reply, bodyless=False)
    try:
        decoder.feed(raw[:at] + put + raw[at + length :])
    except Malformed:
        assert not decoder.keep_alive
    else:
        assert reply.status == 0 or 200 <= reply.status <= 999
        assert b"HTTP/1" not in b"".join(reply._chunks), "the next reply's head became this one's body"


@given(st.binary(max_size=300))
def test_noise_is_no_reply(noise):
    decoder = ReplyDecoder()
    decoder.begin(Reply(Mock()), bodyless=False)
    try:
        decoder.feed(noise)
    except Malformed:
        return
    assert not decoder.ended
