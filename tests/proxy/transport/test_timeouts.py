"""Each wait has its own limit, and its own error."""

import asyncio
import socket
import time
from dataclasses import replace

import httpx
import pytest

from proxy.transport import KeepAliveTransport, Limits, Origin, PoolStats, Timeouts, not_sent
from tests.proxy.transport.servers import OK, Peer, answering, counts, exchange, head_of, post, serving, until, whole

PATIENT = Timeouts(connect=5, pool=5, write=5, first_byte=5, idle=5, total=5)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


async def says_nothing(peer: Peer) -> None:
    await peer.request()
    await peer.closed_by_client()


async def drips_its_head(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n", *[b"X: 1\r\n"] * 50, pause=0.02)


async def falls_silent(peer: Peer) -> None:
    await peer.request()
    await peer.send(HEAD + b"some")
    await peer.closed_by_client()


async def drips_chunk_extensions(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n4;", *[b"x"] * 50, pause=0.02)


async def drips_its_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(HEAD, *[b"x"] * 100, pause=0.02)


async def takes_no_request(peer: Peer) -> None:
    await asyncio.sleep(5)


@pytest.mark.parametrize(
    ("limit", "script", "error", "says"),
    [
        ("first_byte", says_nothing, httpx.ReadTimeout, "did not begin"),
        ("first_byte", drips_its_head, httpx.ReadTimeout, "did not begin"),
        ("idle", falls_silent, httpx.ReadTimeout, "fell silent"),
        ("idle", drips_chunk_extensions, httpx.ReadTimeout, "fell silent"),
        ("total", says_nothing, httpx.ReadTimeout, "took too long"),
        ("total", drips_its_body, httpx.ReadTimeout, "took too long"),
        ("write", takes_no_request, httpx.WriteTimeout, "did not take"),
    ],
)
async def test_each_limit_is_kept_and_named(limit, script, error, says):
    timeouts = replace(PATIENT, **{limit: 0.15})
    body = b"x" * (50_000_000 if limit == "write" else 2)
    async with serving(script) as server, KeepAliveTransport(timeouts=timeouts) as transport:
        began = time.monotonic()
        with pytest.raises(error, match=says) as caught:
            await exchange(transport, server, body)
        assert 0.14 < time.monotonic() - began < 3.0
        assert not not_sent(caught.value)
        assert counts(transport, server).open == 0


async def test_a_large_request_taken_slowly_but_steadily_is_not_late():
    body = b"x" * 12_000_000

    async def script(peer: Peer) -> None:
        head = await peer.head()
        left = len(body) if head else 0
        while left:
            await asyncio.sleep(0.01)
            left -= len(await peer.reader.read(600_000))
        await peer.send(OK)

    timeouts = replace(PATIENT, write=0.2)
    async with serving(script) as server, KeepAliveTransport(timeouts=timeouts) as transport:
        began = time.monotonic()
        assert await exchange(transport, server, body) == b"ok"
        assert time.monotonic() - began > 0.2, "or this shows nothing"


async def test_a_stream_that_keeps_coming_is_not_idle_however_long_it_lasts():
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n", *[b"x"] * 20, pause=0.03)

    timeouts = replace(PATIENT, first_byte=0.2, idle=0.2)
    async with serving(script) as server, KeepAliveTransport(timeouts=timeouts) as transport:
        assert await exchange(transport, server) == b"x" * 20


async def test_a_slow_consumer_does_not_make_the_provider_late():
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", pause=0.05)
        await peer.send(b"abc", pause=0.4)
        await peer.send(b"def")
        await peer.closed_by_client()

    async with serving(script) as server, KeepAliveTransport(timeouts=replace(PATIENT, idle=0.2)) as transport:
        reply = await post(transport, server)
        assert await reply.next_chunk() == b"abc"
        await asyncio.sleep(0.3)  # longer than `idle`, and nobody waits
        assert await reply.next_chunk() == b"def"
        assert await reply.next_chunk() is None


async def test_a_consumer_that_stays_away_is_ended_by_the_total():
    async with serving(falls_silent) as server, KeepAliveTransport(timeouts=replace(PATIENT, total=0.15)) as transport:
        reply = await post(transport, server)
        await until(lambda: counts(transport, server).open == 0)
        assert await reply.next_chunk() == b"some"
        with pytest.raises(httpx.ReadTimeout):
            await reply.next_chunk()


async def test_a_deadline_does_not_outlive_its_exchange():
    async def script(peer: Peer) -> None:
        for pause in (0, 0.15, 0.15, 0.15):
            await peer.request()
            await asyncio.sleep(pause)
            await peer.send(OK)

    async with serving(script) as server, KeepAliveTransport(timeouts=replace(PATIENT, first_byte=0.25)) as transport:
        for _ in range(4):
            assert await exchange(transport, server) == b"ok"
        assert server.connections == 1


async def test_a_total_does_not_outlive_its_exchange_either():
    async with serving(answering(OK)) as server, KeepAliveTransport(timeouts=replace(PATIENT, total=0.1)) as transport:
        await exchange(transport, server)
        await asyncio.sleep(0.2)
        assert counts(transport, server).idle == 1


async def test_no_limit_means_no_limit():
    timeouts = Timeouts(connect=None, pool=None, write=None, first_byte=None, idle=None, total=None)
    async with serving(drips_its_body) as server, KeepAliveTransport(timeouts=timeouts) as transport:
        reply = await post(transport, server)
        assert await reply.next_chunk() is not None
        await reply.aclose()


async def test_limits_given_with_a_request_replace_the_transports():
    async with serving(says_nothing) as server, KeepAliveTransport(timeouts=PATIENT) as transport:
        with pytest.raises(httpx.ReadTimeout):
            await transport.send(server.origin, head_of(), timeouts=replace(PATIENT, first_byte=0.05))
        request = httpx.Request("GET", server.url, extensions={"timeout": {"read": 5.0, "total": 0.05}})
        with pytest.raises(httpx.ReadTimeout, match="took too long"):
            await transport.handle_async_request(request)


@pytest.mark.parametrize("limit", ["connect", "total"])
async def test_an_address_that_does_not_answer_is_a_connect_timeout(limit):
    """A listener whose backlog is full drops further connection attempts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        origin = Origin("http", *address)
        async with KeepAliveTransport(timeouts=replace(PATIENT, **{limit: 0.1})) as transport:
            with pytest.raises(httpx.ConnectTimeout) as caught:
                await transport.send(origin, head_of())
            assert not_sent(caught.value)
            assert transport.stats()[origin].open == 0
        for filler in fillers:
            filler.close()


async def test_the_wait_for_a_connection_has_its_limit_and_leaves_no_trace():
    limits = Limits(per_origin=1)
    timeouts = replace(PATIENT, pool=0.1)
    async with serving(drips_its_body) as server, KeepAliveTransport(timeouts=timeouts, limits=limits) as transport:
        reply = await post(transport, server)
        began = time.monotonic()
        with pytest.raises(httpx.PoolTimeout) as caught:
            await post(transport, server)
        assert 0.09 < time.monotonic() - began < 3.0
        assert not_sent(caught.value)
        assert counts(transport, server).waiting == 0
        await reply.aclose()


@pytest.mark.parametrize("seconds", [0.1, 0.3])
async def test_an_idle_connection_expires(seconds):
    async with serving(answering(OK)) as server, KeepAliveTransport(limits=Limits(idle_expiry=seconds)) as transport:
        for _ in range(2):
            await exchange(transport, server)
        began = time.monotonic()
        assert counts(transport, server).idle == 1
        await until(lambda: counts(transport, server) == PoolStats(open=0, idle=0, in_use=0, connecting=0, waiting=0))
        assert 0.8 * seconds < time.monotonic() - began < seconds + 0.5
        await until(lambda: server.open == 0)
        assert await whole(await post(transport, server)) == b"ok"
