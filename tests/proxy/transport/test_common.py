"""What every transport must do: the same promises, kept by ours and by httpx's own, seen through httpx.AsyncClient."""

import asyncio
import gzip
from collections.abc import Callable

import httpx
import pytest

from proxy.transport import KeepAliveTransport, Limits, not_sent
from tests.proxy.transport.servers import OK, Peer, answering, serving


def ours(connections: int) -> httpx.AsyncBaseTransport:
    return KeepAliveTransport(limits=Limits(per_origin=connections))


def stock(connections: int) -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=connections))


@pytest.fixture(params=[ours, stock])
def client(request: pytest.FixtureRequest) -> Callable[..., httpx.AsyncClient]:
    def make(*, connections: int = 100, timeout: float | httpx.Timeout = 5.0) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=request.param(connections), timeout=timeout, trust_env=False)

    return make


async def test_status_headers_and_body_come_back_as_the_provider_sent_them(client):
    reply = (
        b"HTTP/1.1 418 Teapot\r\nX-Kind: a\r\nX-Kind: b\r\nX-Empty:\r\nX-Padded:  c \r\nContent-Length: 5\r\n\r\nhello"
    )
    async with serving(answering(reply)) as server, client() as http:
        response = await http.get(server.url)
    assert response.status_code == 418
    assert response.headers.get_list("x-kind") == ["a", "b"]
    assert (response.headers["x-empty"], response.headers["x-padded"]) == ("", "c")
    assert response.content == b"hello"


@pytest.mark.parametrize("size", [0, 1, 1000, 3_000_000])
async def test_the_request_arrives_whole(client, size):
    body = bytes(range(256)) * (size // 256 + 1)
    async with serving(answering(OK)) as server, client() as http:
        response = await http.post(server.url + "/a%20b?c=d", content=body[:size], headers={"X-Name": "value"})
    assert response.status_code == 200
    [request] = server.requests
    assert request.head.startswith(b"POST /a%20b?c=d HTTP/1.1\r\n")
    assert request.header("host") == f"127.0.0.1:{server.port}"
    assert request.header("x-name") == "value"
    assert request.body == body[:size]


async def test_a_chunked_reply_is_joined_and_its_trailers_left_out(client):
    reply = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: no\r\n\r\n"
    )
    async with serving(answering(reply, OK)) as server, client() as http:
        response = await http.get(server.url)
        assert (await http.get(server.url)).content == b"ok"
    assert response.content == b"hello!"
    assert "x-trailer" not in response.headers
    assert server.connections == 1


async def test_a_reply_in_single_bytes_is_put_together(client):
    async def script(peer: Peer) -> None:
        await peer.request()
        reply = b"HTTP/1.1 200 OK\r\nX-Name: value\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n"
        await peer.send(*[reply[i : i + 1] for i in range(len(reply))])

    async with serving(script) as server, client() as http:
        response = await http.get(server.url)
    assert response.headers["x-name"] == "value"
    assert response.content == b"abc"


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"),
    ],
)
async def test_a_reply_that_has_no_body_is_complete_at_once(client, method, reply):
    async with serving(answering(reply, OK)) as server, client() as http:
        response = await http.request(method, server.url)
        assert response.content == b""
        assert (await http.get(server.url)).content == b"ok"


async def test_interim_replies_are_skipped(client):
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
    async with serving(answering(interim + OK, interim + OK)) as server, client() as http:
        for _ in range(2):
            response = await http.get(server.url)
            assert (response.status_code, response.content) == (200, b"ok")
            assert "link" not in response.headers
    assert server.connections == 1


async def test_a_body_without_length_ends_with_the_connection(client):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", pause=0.01)

    async with serving(script) as server, client() as http:
        for _ in range(2):
            assert (await http.get(server.url)).content == b"hello"
    assert server.connections == 2


async def test_requests_in_a_row_share_one_connection(client):
    async with serving(answering(OK)) as server, client() as http:
        for _ in range(5):
            assert (await http.post(server.url, json={})).content == b"ok"
    assert (server.connections, len(server.requests)) == (1, 5)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_the_provider_means_to_close_is_not_used_again(client, reply):
    async with serving(answering(reply)) as server, client() as http:
        for _ in range(2):
            assert (await http.get(server.url)).content == b"ok"
    assert server.connections == 2


async def test_a_pooled_connection_found_closed_is_replaced_silently(client):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        peer.close()

    async with serving(script) as server, client() as http:
        for _ in range(4):
            assert (await http.post(server.url, json={})).content == b"ok"
            await asyncio.sleep(0.02)
    assert server.connections == 4


async def test_many_requests_at_once_each_get_their_own_reply(client):
    async def echo(peer: Peer) -> None:
        while True:
            body = (await peer.request()).body
            await asyncio.sleep(len(body) % 7 / 1000)
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    bodies = [b"%d" % number * (number + 1) for number in range(60)]
    async with serving(echo) as server, client(connections=6) as http:
        responses = await asyncio.gather(*[http.post(server.url, content=body) for body in bodies])
    assert [response.content for response in responses] == bodies
    assert server.connections <= 6


async def test_a_chunk_is_passed_on_before_the_next_is_sent(client):
    passed_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await passed_on.wait()
        await peer.send(b"6\r\nsecond\r\n0\r\n\r\n")

    async with serving(script) as server, client() as http, http.stream("GET", server.url) as response:
        chunks = []
        async for chunk in response.aiter_raw():
            chunks.append(chunk)
            passed_on.set()
    assert chunks == [b"first", b"second"]


async def test_a_compressed_body_is_passed_as_received(client):
    packed = gzip.compress(b"hello")
    reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(packed), packed)
    async with serving(answering(reply)) as server, client() as http, http.stream("GET", server.url) as response:
        assert b"".join([chunk async for chunk in response.aiter_raw()]) == packed


async def test_a_stream_left_early_gives_its_connection_up(client):
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
            await peer.closed_by_client()
        else:
            await peer.send(OK)

    async with serving(script) as server, client(connections=1) as http:
        async with http.stream("GET", server.url) as response:
            assert await anext(response.aiter_raw()) == b"some"
        assert (await http.get(server.url)).content == b"ok"
    assert server.connections == 2


async def test_a_refused_connection_is_an_error_that_says_nothing_was_sent(client):
    async with serving(answering(OK)) as server:
        pass
    async with client() as http:
        with pytest.raises(httpx.ConnectError) as caught:
            await http.get(server.url)
    assert not_sent(caught.value)


async def test_too_long_a_wait_for_a_connection_is_an_error_that_says_nothing_was_sent(client):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.closed_by_client()

    timeout = httpx.Timeout(5.0, pool=0.05)
    async with serving(script) as server, client(connections=1, timeout=timeout) as http:
        first = asyncio.create_task(http.get(server.url))
        await asyncio.sleep(0.05)
        with pytest.raises(httpx.PoolTimeout) as caught:
            await http.get(server.url)
        assert not_sent(caught.value)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert len(server.requests) == 1


async def silent(peer: Peer) -> None:
    await peer.request()
    await peer.closed_by_client()


async def silent_in_the_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
    await peer.closed_by_client()


async def closes_without_a_word(peer: Peer) -> None:
    await peer.request()


async def closes_in_the_head(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Le")


async def closes_in_the_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome", pause=0.01)


async def closes_between_chunks(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", pause=0.01)


async def speaks_something_else(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")


async def sends_half_a_chunk_size(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")


async def resets(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def resets_in_the_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome", pause=0.01)
    peer.reset()


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (silent, httpx.ReadTimeout),
        (silent_in_the_body, httpx.ReadTimeout),
        (closes_without_a_word, httpx.RemoteProtocolError),
        (closes_in_the_head, httpx.RemoteProtocolError),
        (closes_in_the_body, httpx.RemoteProtocolError),
        (closes_between_chunks, httpx.RemoteProtocolError),
        (speaks_something_else, httpx.RemoteProtocolError),
        (sends_half_a_chunk_size, httpx.RemoteProtocolError),
        (resets, httpx.ReadError),
        (resets_in_the_body, httpx.ReadError),
    ],
)
async def test_a_failed_exchange_is_sent_once_and_its_connection_not_used_again(client, script, error):
    async def first_fails(peer: Peer) -> None:
        await (script(peer) if peer.number == 0 else answering(OK)(peer))

    async with serving(first_fails) as server, client(connections=1, timeout=httpx.Timeout(2.0, read=0.2)) as http:
        with pytest.raises(error) as caught:
            await http.post(server.url, json={})
        assert not not_sent(caught.value)
        assert len(server.requests) == 1
        assert (await http.get(server.url)).content == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "//127.0.0.1/"])
async def test_only_http_and_https_are_spoken(client, url):
    async with client() as http:
        with pytest.raises(httpx.UnsupportedProtocol):
            await http.get(url)


async def test_a_line_break_in_a_header_is_never_sent(client):
    async with serving(answering(OK)) as server, client() as http:
        with pytest.raises(httpx.LocalProtocolError):
            await http.get(server.url, headers={"X-Name": "a\r\nX-Other: b"})
    assert server.requests == []


async def test_a_streamed_request_body_arrives(client):
    async def pieces():
        yield b"one "
        yield b"two"

    async def script(peer: Peer) -> None:
        head = await peer.head()
        chunked = b"chunked" in head.lower()
        rest = await (peer.reader.readuntil(b"0\r\n\r\n") if chunked else peer.reader.readexactly(7))
        assert b"one " in rest
        assert b"two" in rest
        await peer.send(OK)

    async with serving(script) as server, client() as http:
        assert (await http.post(server.url, content=pieces())).content == b"ok"
