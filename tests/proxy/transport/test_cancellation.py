"""Cancelled at any point, an exchange leaves nothing behind: no connection, no slot, no byte for the next one."""

import asyncio
import contextlib
from pathlib import Path

import httpx
import pytest

from proxy.transport import KeepAliveTransport, Limits, PoolStats
from tests.proxy.transport.servers import OK, Peer, counts, exchange, head_of, post, serving, until, whole

EMPTY = PoolStats(open=0, idle=0, in_use=0, connecting=0, waiting=0)


async def cancelled(task: asyncio.Task) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_while_waiting_for_the_head():
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.closed_by_client()
        await peer.send(OK)

    async with serving(script) as server, KeepAliveTransport() as transport:
        task = asyncio.create_task(post(transport, server))
        await until(lambda: len(server.requests) == 1)
        await cancelled(task)
        assert counts(transport, server) == EMPTY
        await until(lambda: server.open == 0)
        assert await exchange(transport, server) == b"ok"


async def test_cancelled_while_writing_to_a_provider_that_does_not_read():
    async def script(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(30)

    async with serving(script) as server, KeepAliveTransport() as transport:
        body = b"x" * 50_000_000
        task = asyncio.create_task(transport.send(server.origin, head_of(body), body))
        await until(lambda: server.open == 1)
        await cancelled(task)
        assert counts(transport, server) == EMPTY
        async with asyncio.timeout(2):
            await transport.aclose()  # returns when the sockets are gone


async def test_cancelled_while_waiting_for_the_body():
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await peer.closed_by_client()

    async with serving(script) as server, KeepAliveTransport() as transport:
        reply = await post(transport, server)
        assert await reply.next_chunk() == b"some"
        task = asyncio.create_task(reply.next_chunk())
        await asyncio.sleep(0.01)
        await cancelled(task)
        assert counts(transport, server) == EMPTY
        await until(lambda: server.open == 0)
        with pytest.raises(httpx.StreamClosed):
            await reply.next_chunk()


async def test_cancelled_while_connecting():
    async with serving(Peer.closed_by_client) as server, KeepAliveTransport(limits=Limits(per_origin=1)) as transport:
        for _ in range(5):
            task = asyncio.create_task(post(transport, server))
            await asyncio.sleep(0)
            assert counts(transport, server).connecting == 1
            await cancelled(task)
            assert counts(transport, server) == EMPTY
        await until(lambda: server.open == 0)


async def test_cancelled_while_waiting_for_a_connection():
    async def script(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.05)
        await peer.send(OK)

    async with serving(script) as server, KeepAliveTransport(limits=Limits(per_origin=1)) as transport:
        first = asyncio.create_task(exchange(transport, server))
        await asyncio.sleep(0)
        second = asyncio.create_task(exchange(transport, server))
        await asyncio.sleep(0.01)
        assert counts(transport, server).waiting == 1
        await cancelled(second)
        assert await first == b"ok"
        assert counts(transport, server) == PoolStats(open=1, idle=1, in_use=0, connecting=0, waiting=0)


@pytest.mark.parametrize("given", ["connection", "slot"])
async def test_cancelled_in_the_very_moment_of_being_given_what_it_waited_for(given):
    """Both happen in one turn of the loop. What the cancelled one was given must reach the next, not be lost."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            if peer.number == 0 and given == "slot":
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            else:
                await peer.send(OK)

    async with serving(script) as server, KeepAliveTransport(limits=Limits(per_origin=1)) as transport:
        reply = await post(transport, server)
        pool = transport._pools[server.origin]
        connection = pool.take()
        first, second = (asyncio.create_task(exchange(transport, server)) for _ in range(2))
        await asyncio.sleep(0)
        assert counts(transport, server).waiting == 2
        if connection is not None:
            pool.release(connection)
        else:
            await reply.aclose()
        await cancelled(first)
        assert await second == b"ok"
        assert counts(transport, server) == PoolStats(open=1, idle=1, in_use=0, connecting=0, waiting=0)


async def test_cancelled_in_the_very_moment_of_the_reply():
    """The reply is whole and its connection at home: cancelling must not touch who uses it now."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(OK, pause=0.01)

    async with serving(script) as server, KeepAliveTransport() as transport:
        for _ in range(5):
            task = asyncio.create_task(exchange(transport, server))
            served = len(server.requests)
            await until(lambda served=served: len(server.requests) > served)
            while counts(transport, server).in_use:  # noqa: ASYNC110 (turn by turn, to hit the one of the reply)
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert await exchange(transport, server) == b"ok"
        assert server.connections == 1


@pytest.mark.parametrize("seed", range(3))
async def test_cancelled_at_any_moment_whatsoever(seed):
    """Hundreds of exchanges cut at every point of their way; then all is as it was, and the pool serves on."""

    async def script(peer: Peer) -> None:
        while True:
            body = (await peer.request()).body
            await peer.send(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                *[b"%x\r\n%b\r\n" % (len(body), body)] * 3,
                b"0\r\n\r\n",
                pause=0.001,
            )

    async def one(transport, server, number: int) -> None:
        body = b"%05d" % number
        assert await exchange(transport, server, body) == body * 3

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async with serving(script) as server, KeepAliveTransport(limits=Limits(per_origin=5)) as transport:
        before = open_files()
        tasks = []
        for number in range(300):
            task = asyncio.create_task(one(transport, server, number))
            asyncio.get_running_loop().call_later((number * 7 + seed) % 53 / 2000, task.cancel)
            tasks.append(task)
            if number % 10 == seed:
                await asyncio.sleep(0.001)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} <= {asyncio.CancelledError, type(None)}
        await until(lambda: counts(transport, server).in_use == 0)
        stats = counts(transport, server)
        assert (stats.connecting, stats.waiting, stats.open) == (0, 0, stats.idle)
        await asyncio.gather(*[one(transport, server, number) for number in range(20)])
        await transport.aclose()
        await until(lambda: server.open == 0)
        await until(lambda: open_files() <= before)


async def test_a_reader_thrown_away_without_being_cancelled_closes_its_connection():
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await peer.closed_by_client()

    async with serving(script) as server, KeepAliveTransport() as transport:
        reply = await post(transport, server)
        reader = whole(reply)
        with contextlib.suppress(StopIteration):
            reader.send(None)
        reader.close()
        assert counts(transport, server) == EMPTY
