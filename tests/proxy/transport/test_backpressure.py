"""Neither side can make the other fill our memory."""

import asyncio

from proxy.connection import HIGH_WATER, WRITE_SLICE
from proxy.transport import KeepAliveTransport
from tests.proxy.transport.servers import OK, Peer, counts, head_of, post, serving, until, whole

SIZE = 40_000_000
ONE_READ = 256 * 1024  # what an event loop may deliver in one piece


async def test_a_slow_consumer_stops_the_provider_and_then_gets_everything():
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        while sent < SIZE:
            await peer.send(b"%010d" % (sent // 10) * 1000)
            sent += 10_000
        await peer.request()
        await peer.send(OK)

    async with serving(script) as server, KeepAliveTransport() as transport:
        reply = await post(transport, server)
        for _ in range(3):
            await asyncio.sleep(0.1)
            assert reply.buffered <= HIGH_WATER + ONE_READ
            assert sent < SIZE
            first = await reply.next_chunk()
            assert first
        size = sum([len(chunk) async for chunk in _rest(reply)])
        assert size < SIZE
        assert counts(transport, server).idle == 1
        assert await whole(await post(transport, server)) == b"ok"
        assert server.connections == 1


async def _rest(reply):
    while (chunk := await reply.next_chunk()) is not None:
        assert len(chunk) <= HIGH_WATER + ONE_READ
        yield chunk


async def test_a_body_larger_than_the_buffer_is_the_one_that_was_sent():
    body = b"".join(b"%08d" % number for number in range(500_000))

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)

    async with serving(script) as server, KeepAliveTransport() as transport:
        reply = await post(transport, server)
        await asyncio.sleep(0.1)
        assert await whole(reply) == body


async def test_a_connection_that_ended_while_reading_was_paused_is_seen_to_close():
    """The reply's end may lie in what arrived before the pause took hold."""

    async def script(peer: Peer) -> None:
        await peer.request()
        body = b"x" * 2 * HIGH_WATER
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body) + 1, body), pause=0.05)
        await peer.send(b"x", pause=0.2)

    async with serving(script) as server, KeepAliveTransport() as transport:
        await whole(await post(transport, server))
        assert counts(transport, server).idle == 1
        await until(lambda: counts(transport, server).open == 0)


async def test_a_provider_that_does_not_read_is_handed_only_a_little_at_a_time():
    body = memoryview(bytes(SIZE))
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await go_on.wait()
        await peer.reader.readexactly(SIZE)
        await peer.send(OK)

    async with serving(script) as server, KeepAliveTransport() as transport:
        task = asyncio.create_task(transport.send(server.origin, head_of(bytes(body)), bytes(body)))
        await asyncio.sleep(0.2)
        [connection] = transport._pools[server.origin]._sockets
        assert connection._transport.get_write_buffer_size() <= 2 * WRITE_SLICE
        go_on.set()
        assert await whole(await task) == b"ok"
        assert counts(transport, server).idle == 1
