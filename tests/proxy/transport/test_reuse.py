"""A connection carries a next request only after a clean exchange; no reply is ever taken for another's."""

import asyncio
import socket
import threading

import httpx
import pytest

from proxy.transport import KeepAliveTransport, Origin, Timeouts, not_sent
from tests.proxy.transport.servers import (
    OK,
    Peer,
    answering,
    counts,
    exchange,
    head_of,
    post,
    serving,
    until,
    whole,
)

FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.fault("provider: sends more than one reply", promises=("P8",))
@pytest.mark.parametrize("extra", [FORGED, b"x", b"HTTP/1.1 100 Continue\r\n\r\n", b"0\r\n\r\n"])
@pytest.mark.parametrize("reply", [OK, CHUNKED, b"HTTP/1.1 204 No Content\r\n\r\n"])
@pytest.mark.parametrize("gap", [0, 0.03])
async def test_bytes_after_a_reply_close_the_connection_and_answer_nobody(reply, extra, gap):
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(*([reply, extra] if gap else [reply + extra]), pause=gap)
            await peer.closed_by_client()
        else:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine")

    async with serving(script) as server, KeepAliveTransport() as transport:
        assert await exchange(transport, server) == (b"" if b"204" in reply else b"ok")
        await asyncio.sleep(2 * gap)
        assert await exchange(transport, server) == b"mine"
        assert server.connections == 2


@pytest.mark.parametrize("last_words", [FORGED, b""], ids=["bytes", "end of file"])
async def test_what_the_event_loop_has_not_read_yet_is_seen_before_a_connection_is_used_again(last_words):
    """The provider is a thread here, and the loop does not turn between its last words and our next request."""
    replied, spoken = threading.Event(), threading.Event()

    def provider(listener: socket.socket) -> None:
        first, _ = listener.accept()
        with first:
            first.recv(65536)
            first.sendall(OK)
            assert replied.wait(5)
            first.sendall(last_words)
            if not last_words:
                first.shutdown(socket.SHUT_WR)
            spoken.set()
            second, _ = listener.accept()
            with second:
                second.recv(65536)
                second.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=provider, args=[listener])
        thread.start()
        origin = Origin("http", "127.0.0.1", listener.getsockname()[1])
        async with KeepAliveTransport() as transport:
            assert await whole(await transport.send(origin, head_of())) == b"ok"
            replied.set()
            assert spoken.wait(5)
            assert await whole(await transport.send(origin, head_of())) == b"mine"
        thread.join(5)


@pytest.mark.fault("provider: answers before it has the whole request", promises=("P8",))
@pytest.mark.parametrize("status", [200, 302, 413])
async def test_a_whole_reply_to_a_half_written_request_ends_the_connection(status):
    """What is left of the body must not precede another tenant's request."""
    body = b"x" * 20_000_000

    async def script(peer: Peer) -> None:
        if peer.number == 0:
            await peer.head()
            await peer.send(b"HTTP/1.1 %d Early\r\nContent-Length: 5\r\n\r\nearly" % status)
            await peer.closed_by_client()
        else:
            await answering(OK)(peer)

    async with serving(script) as server, KeepAliveTransport() as transport:
        reply = await transport.send(server.origin, head_of(body), body)
        assert (reply.status, await whole(reply)) == (status, b"early")
        assert counts(transport, server).open == 0
        assert await exchange(transport, server) == b"ok"
        assert server.connections == 2


async def test_an_early_error_ends_the_writing_at_once():
    body = b"x" * 50_000_000
    taken = 0

    async def script(peer: Peer) -> None:
        nonlocal taken
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\n", pause=0.05)
        try:
            async with asyncio.timeout(0.3):
                while taken < len(body):
                    taken += len(await peer.reader.read(1_000_000))
        except TimeoutError:
            await peer.send(b"big")

    async with serving(script) as server, KeepAliveTransport() as transport:
        reply = await transport.send(server.origin, head_of(body), body)
        assert (reply.status, await whole(reply)) == (413, b"big")
    assert taken < len(body) / 2, "or the kernel's buffers are larger than this test thinks"


async def test_an_error_to_a_large_request_ends_the_connection_even_if_the_kernel_took_it_all():
    body = b"x" * 100_000

    async with (
        serving(answering(b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno")) as server,
        KeepAliveTransport() as transport,
    ):
        assert await exchange(transport, server, body) == b"no"
        assert counts(transport, server).open == 0
        assert await exchange(transport, server, b"small") == b"no"
        assert counts(transport, server).idle == 1


async def test_a_reply_that_streams_while_the_request_is_still_written_gets_the_whole_request():
    body = b"x" * 5_000_000

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
        await peer.reader.readexactly(len(body))
        await peer.send(b"got all")

    async with serving(script) as server, KeepAliveTransport() as transport:
        assert await exchange(transport, server, body) == b"got all"
        assert counts(transport, server).open == 0


async def test_a_whole_reply_frees_its_connection_before_it_is_read():
    async with serving(answering(OK)) as server, KeepAliveTransport() as transport:
        first = await post(transport, server)
        await until(lambda: counts(transport, server).idle == 1)
        second = await post(transport, server)
        assert (await whole(first), await whole(second)) == (b"ok", b"ok")
        assert server.connections == 1


async def test_a_reply_kept_too_long_cannot_touch_the_exchange_after_it():
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsec", b"ond", pause=0.03)

    async with serving(script) as server, KeepAliveTransport() as transport:
        first = await post(transport, server)
        await whole(first)
        second = await post(transport, server)
        assert await first.next_chunk() is None
        await first.aclose()
        assert await whole(second) == b"second"


async def test_a_reply_left_early_closes_its_connection_and_says_so_to_who_reads_on():
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await peer.closed_by_client()

    async with serving(script) as server, KeepAliveTransport() as transport:
        reply = await post(transport, server)
        assert await reply.next_chunk() == b"some"
        await reply.aclose()
        await reply.aclose()
        assert counts(transport, server).open == 0
        await until(lambda: server.open == 0)
        with pytest.raises(httpx.StreamClosed):
            await reply.next_chunk()
        assert not reply.complete


async def test_what_arrived_before_a_failure_is_read_before_it_is_raised():
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")

    async with serving(script) as server, KeepAliveTransport() as transport:
        reply = await post(transport, server)
        await until(lambda: counts(transport, server).open == 0)
        assert await reply.next_chunk() == b"some"
        with pytest.raises(httpx.RemoteProtocolError):
            await reply.next_chunk()
        assert not reply.complete


async def test_a_head_is_handed_on_though_the_body_fails_in_the_same_packet():
    reply_and_nonsense = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nnonsense"
    async with serving(answering(reply_and_nonsense)) as server, KeepAliveTransport() as transport:
        reply = await post(transport, server)
        assert (reply.status, await reply.next_chunk()) == (200, b"ok")
        with pytest.raises(httpx.RemoteProtocolError):
            await reply.next_chunk()


async def test_a_reply_longer_than_the_limit_comes_in_part_and_is_not_complete():
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000)
        await peer.closed_by_client()

    async with serving(script) as server, KeepAliveTransport() as transport:
        reply = await post(transport, server)
        part = await reply.read(1000)
        assert 1000 < len(part) < 300_000
        assert not reply.complete
        assert len(part) + len(await whole(reply)) == 300_000


@pytest.mark.fault("provider: cuts a reply", promises=("P3",))
async def test_a_request_that_died_after_writing_is_never_sent_again():
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        peer.reset()

    async with serving(script) as server, KeepAliveTransport() as transport:
        await exchange(transport, server)
        with pytest.raises(httpx.ReadError) as caught:
            await exchange(transport, server)
        assert not not_sent(caught.value)
        assert (server.connections, len(server.requests)) == (1, 2)


async def test_the_announced_keep_alive_time_is_kept_with_a_second_to_spare():
    reply = b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=%d, max=9\r\nContent-Length: 2\r\n\r\nok"
    async with serving(answering(reply % 1, reply % 5)) as server, KeepAliveTransport() as transport:
        await exchange(transport, server)
        assert counts(transport, server).open == 0
        await exchange(transport, server)
        assert counts(transport, server).idle == 1


@pytest.mark.parametrize("why", ["unknown name", "label too long"])
async def test_a_host_that_does_not_resolve_is_an_error_that_says_nothing_was_sent(why):
    host = "no-such-host.invalid" if why == "unknown name" else "a" * 70 + ".invalid"
    async with KeepAliveTransport(timeouts=Timeouts(connect=3)) as transport:
        with pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)) as caught:
            await transport.send(Origin("http", host, 80), head_of())
        assert not_sent(caught.value)
        assert transport.stats()[Origin("http", host, 80)].open == 0
