"""A tenant's own endpoint is connected to only where a tenant may reach, and at the very address that was judged."""

import socket
from typing import Any

import httpx
import pytest

from proxy.transport import KeepAliveTransport, Origin, not_sent
from tests.proxy.transport.servers import OK, Peer, head_of, serving


async def answer(peer: Peer) -> None:
    await peer.request()
    await peer.send(OK)
    await peer.closed_by_client()


def answering(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Names now answer with these addresses, in turn; who was asked for."""
    asked: list[str] = []
    turns = iter([*addresses, *addresses[-1:] * 9])

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(turns), port))]

    monkeypatch.setattr("tenants.netguard.socket.getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "localhost"])
async def test_a_private_address_is_never_connected_to(host: str, settings: Any) -> None:
    settings.PROVIDERS_ALLOW_PRIVATE_URLS = False
    async with serving(answer) as server:
        transport = KeepAliveTransport()
        with pytest.raises(httpx.ConnectError) as refused:
            await transport.send(Origin("http", host, server.port, True), head_of(), b"")
        await transport.aclose()
    assert not_sent(refused.value) and "private network" in str(refused.value) and server.connections == 0


async def test_a_name_that_answers_otherwise_a_moment_later_reaches_nothing(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROVIDERS_ALLOW_PRIVATE_URLS = False
    asked = answering(monkeypatch, "127.0.0.1")
    async with serving(answer) as server:
        transport = KeepAliveTransport()
        with pytest.raises(httpx.ConnectError):
            await transport.send(Origin("http", "llm.example.com", server.port, True), head_of(), b"")
        await transport.aclose()
    assert asked == ["llm.example.com"] and server.connections == 0


async def test_the_address_that_was_judged_is_the_one_that_is_connected_to(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROVIDERS_ALLOW_PRIVATE_URLS = False
    monkeypatch.setattr("tenants.netguard.is_allowed", lambda address: address == "127.0.0.1")
    asked = answering(monkeypatch, "127.0.0.1", "192.0.2.1")  # one look-up more would lead elsewhere
    async with serving(answer) as server:
        transport = KeepAliveTransport()
        reply = await transport.send(Origin("http", "llm.example.com", server.port, True), head_of(), b"")
        assert await reply.next_chunk() == b"ok"
        await transport.aclose()
    assert reply.status == 200 and asked == ["llm.example.com"]


async def test_where_the_operator_allows_it_a_private_address_is_reached(settings: Any) -> None:
    settings.PROVIDERS_ALLOW_PRIVATE_URLS = True
    async with serving(answer) as server:
        transport = KeepAliveTransport()
        reply = await transport.send(Origin("http", "127.0.0.1", server.port, True), head_of(), b"")
        assert reply.status == 200 and await reply.next_chunk() == b"ok"
        await transport.aclose()


async def test_what_the_operator_names_is_not_judged(settings: Any) -> None:
    settings.PROVIDERS_ALLOW_PRIVATE_URLS = False
    async with serving(answer) as server:
        transport = KeepAliveTransport()
        reply = await transport.send(server.origin, head_of(), b"")
        assert reply.status == 200 and await reply.next_chunk() == b"ok"
        await transport.aclose()
