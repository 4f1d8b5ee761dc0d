"""How many connections there are, who gets which, and that none is ever lost."""

import asyncio
import socket

import httpx
import pytest

from proxy.transport import KeepAliveTransport, Limits, Origin, PoolStats, not_sent
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


async def names_itself(peer: Peer) -> None:
    """Replies with the connection's number, after a moment."""
    while True:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n%03d" % peer.number, pause=0.01)


async def hangs(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    await peer.closed_by_client()


async def test_no_more_connections_are_opened_than_allowed_and_all_requests_are_served():
    async with serving(names_itself) as server, KeepAliveTransport(limits=Limits(per_origin=3)) as transport:
        bodies = await asyncio.gather(*[exchange(transport, server) for _ in range(30)])
        assert set(bodies) == {b"000", b"001", b"002"}
        assert counts(transport, server) == PoolStats(open=3, idle=3, in_use=0, connecting=0, waiting=0)


async def test_the_connection_used_last_is_used_next():
    async with serving(names_itself) as server, KeepAliveTransport() as transport:
        await asyncio.gather(*[exchange(transport, server) for _ in range(3)])
        used = {await exchange(transport, server) for _ in range(5)}
        assert len(used) == 1


async def test_waiting_requests_are_served_in_the_order_of_their_coming():
    order = []

    async def one(transport, server, number: int) -> None:
        await exchange(transport, server)
        order.append(number)

    async with serving(names_itself) as server, KeepAliveTransport(limits=Limits(per_origin=1)) as transport:
        await asyncio.gather(*[one(transport, server, number) for number in range(10)])
    assert order == list(range(10))


async def test_idle_connections_above_the_limit_are_closed():
    limits = Limits(per_origin=10, idle_per_origin=2)
    async with serving(names_itself) as server, KeepAliveTransport(limits=limits) as transport:
        await asyncio.gather(*[exchange(transport, server) for _ in range(6)])
        assert counts(transport, server) == PoolStats(open=2, idle=2, in_use=0, connecting=0, waiting=0)
        await until(lambda: server.open == 2)


async def test_each_origin_has_its_own_connections():
    limits = Limits(per_origin=1)
    async with serving(hangs) as one, serving(answering(OK)) as other, KeepAliveTransport(limits=limits) as transport:
        reply = await post(transport, one)
        assert await exchange(transport, other) == b"ok"
        assert (counts(transport, one).in_use, counts(transport, other).idle) == (1, 1)
        await reply.aclose()


async def test_a_slot_freed_by_a_failure_goes_to_who_waits():
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await asyncio.sleep(0.05)
            peer.reset()
        else:
            await peer.send(OK)

    async with serving(script) as server, KeepAliveTransport(limits=Limits(per_origin=1)) as transport:
        failing = asyncio.create_task(post(transport, server))
        await asyncio.sleep(0.02)
        waiting = asyncio.create_task(exchange(transport, server))
        with pytest.raises(httpx.ReadError):
            await failing
        assert await waiting == b"ok"


async def test_failures_to_connect_give_their_slots_back():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = Origin("http", *listener.getsockname())
    async with KeepAliveTransport(limits=Limits(per_origin=2)) as transport:
        results = await asyncio.gather(
            *[transport.send(origin, head_of()) for _ in range(8)],
            return_exceptions=True,
        )
        assert {type(result) for result in results} == {httpx.ConnectError}
        assert transport.stats()[origin] == PoolStats(open=0, idle=0, in_use=0, connecting=0, waiting=0)


async def test_a_connection_handed_over_dead_is_replaced_for_the_one_who_waited():
    """The provider closes right after its reply: the waiter is handed the connection before anybody can know."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.03)
        await peer.send(OK)
        peer.close()

    async with serving(script) as server, KeepAliveTransport(limits=Limits(per_origin=1)) as transport:
        bodies = await asyncio.gather(*[exchange(transport, server) for _ in range(3)], return_exceptions=True)
        for body in bodies:
            # Closed before the write: replaced. Closed as we wrote: an error, and never a second sending.
            assert body == b"ok" or isinstance(body, httpx.RemoteProtocolError | httpx.ReadError)
        assert bodies[0] == b"ok"
        assert counts(transport, server).waiting == 0


async def test_stats_tell_what_is_going_on():
    async with serving(hangs) as server, KeepAliveTransport(limits=Limits(per_origin=2)) as transport:
        replies = [await post(transport, server) for _ in range(2)]
        waiting = asyncio.create_task(post(transport, server))
        await asyncio.sleep(0)
        assert counts(transport, server) == PoolStats(open=2, idle=0, in_use=2, connecting=0, waiting=1)
        await replies[0].aclose()
        await asyncio.sleep(0)
        assert counts(transport, server) == PoolStats(open=2, idle=0, in_use=1, connecting=1, waiting=0)
        await (await waiting).aclose()
        await replies[1].aclose()
        assert counts(transport, server) == PoolStats(open=0, idle=0, in_use=0, connecting=0, waiting=0)


async def test_closing_the_transport_ends_everything():
    async with serving(hangs) as server:
        transport = KeepAliveTransport(limits=Limits(per_origin=1))
        reply = await post(transport, server)
        reading = asyncio.create_task(whole(reply))
        waiting = asyncio.create_task(post(transport, server))
        await asyncio.sleep(0.01)
        await transport.aclose()
        with pytest.raises(httpx.ReadError):
            await reading
        with pytest.raises(httpx.ConnectError) as caught:
            await waiting
        assert not_sent(caught.value)
        assert counts(transport, server).open == 0
        await until(lambda: server.open == 0)
        for origin in (server.origin, Origin("http", "127.0.0.1", 1)):
            with pytest.raises(httpx.ConnectError, match="closed"):
                await transport.send(origin, head_of())
        await transport.aclose()


async def test_closing_the_transport_while_a_connection_is_being_made_leaves_none():
    async with serving(answering(OK)) as server:
        transport = KeepAliveTransport()
        connecting = asyncio.create_task(post(transport, server))
        await asyncio.sleep(0)
        await transport.aclose()
        with pytest.raises(httpx.ConnectError):
            await connecting
        assert counts(transport, server).open == 0
        await until(lambda: server.open == 0)


async def test_pools_of_origins_no_longer_used_are_forgotten(monkeypatch):
    monkeypatch.setattr("proxy.transport.MAX_EMPTY_POOLS", 3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    async with serving(answering(OK)) as server, KeepAliveTransport() as transport:
        await exchange(transport, server)
        for number in range(2, 12):
            with pytest.raises(httpx.ConnectError):
                await transport.send(Origin("http", f"127.0.0.{number}", closed), head_of())
        assert len(transport.stats()) <= 5
        assert counts(transport, server).idle == 1


async def test_small_writes_are_not_delayed_by_the_kernel():
    async with serving(answering(OK)) as server, KeepAliveTransport() as transport:
        await exchange(transport, server)
        [connection] = transport._pools[server.origin]._idle
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
