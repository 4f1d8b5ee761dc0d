"""TLS: the provider's certificate is verified, and everything else holds as without."""

import asyncio
import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.transport import KeepAliveTransport, Limits, Origin, PoolStats, Timeouts, not_sent
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


@dataclass(frozen=True)
class Authority:
    """A certificate authority made for these tests, and its servers' contexts."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    folder: Path

    def server(self, name: str, *, days: int = 1) -> ssl.SSLContext:
        """A server's context with a certificate for `name` (an address or a host), ending in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(name, key, self.key, issuer=self.certificate.subject, days=days)
        path = self.folder / f"{name}-{days}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.certificate.public_bytes(serialization.Encoding.PEM).decode())


def _sign(name, key, authority_key, *, issuer=None, days: int = 1, ca: bool = False) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=10))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(_sign("authority.test", key, key, ca=True), key, tmp_path_factory.mktemp("tls"))


async def test_a_provider_whose_certificate_is_trusted_is_spoken_to(authority):
    async with (
        serving(answering(OK), authority.server("127.0.0.1")) as server,
        KeepAliveTransport(ssl_context=authority.client()) as transport,
        httpx.AsyncClient(transport=transport) as client,
    ):
        for _ in range(5):
            assert (await client.post(server.url, json={})).content == b"ok"
            assert await exchange(transport, server) == b"ok"
        assert server.connections == 1


@pytest.mark.parametrize(
    ("name", "days", "trusted"),
    [
        pytest.param("127.0.0.1", 1, False, id="unknown authority"),
        pytest.param("provider.test", 1, True, id="another name"),
        pytest.param("127.0.0.1", -1, True, id="expired"),
    ],
)
async def test_a_certificate_that_does_not_convince_ends_it_before_anything_is_sent(authority, name, days, trusted):
    context = authority.client() if trusted else None
    async with (
        serving(answering(OK), authority.server(name, days=days)) as server,
        KeepAliveTransport(ssl_context=context) as transport,
    ):
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            await exchange(transport, server)
        assert not_sent(caught.value)
        assert server.requests == []
        assert counts(transport, server).open == 0


async def test_a_host_name_is_asked_for_and_checked(authority):
    context = authority.server("localhost")
    asked = []
    context.sni_callback = lambda connection, name, context: asked.append(name)
    async with (
        serving(answering(OK), context) as server,
        KeepAliveTransport(ssl_context=authority.client()) as transport,
    ):
        reply = await transport.send(Origin("https", "localhost", server.port), head_of(), b"")
        assert await whole(reply) == b"ok"
    assert asked == ["localhost"]


async def test_the_default_context_verifies_and_speaks_http_1_only(authority):
    async with (
        serving(answering(OK), authority.server("127.0.0.1")) as server,
        KeepAliveTransport() as transport,
    ):
        with pytest.raises(httpx.ConnectError):
            await exchange(transport, server)
        context = transport._context
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cadata=authority.certificate.public_bytes(serialization.Encoding.PEM).decode())
        assert await exchange(transport, server) == b"ok"
        [connection] = transport._pools[server.origin]._idle
        assert connection._transport.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


async def test_a_server_without_tls_is_an_error_that_says_nothing_was_sent(authority):
    async with (
        serving(answering(OK)) as server,
        KeepAliveTransport(ssl_context=authority.client(), timeouts=Timeouts(connect=1)) as transport,
    ):
        origin = server.origin._replace(scheme="https")
        with pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)) as caught:
            await transport.send(origin, head_of())
        assert not_sent(caught.value)
        assert transport.stats()[origin].open == 0


async def test_a_handshake_that_stalls_is_a_connect_timeout_and_leaves_no_socket(authority):
    async with (
        serving(Peer.closed_by_client) as server,
        KeepAliveTransport(ssl_context=authority.client(), timeouts=Timeouts(connect=0.1)) as transport,
    ):
        origin = server.origin._replace(scheme="https")
        with pytest.raises(httpx.ConnectTimeout):
            await transport.send(origin, head_of())
        assert transport.stats()[origin].open == 0
        await until(lambda: server.open == 0)


async def test_a_cancelled_handshake_leaves_no_socket(authority):
    async with (
        serving(Peer.closed_by_client) as server,
        KeepAliveTransport(ssl_context=authority.client()) as transport,
    ):
        origin = server.origin._replace(scheme="https")
        task = asyncio.create_task(transport.send(origin, head_of()))
        await until(lambda: server.open == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert transport.stats()[origin].open == 0
        await until(lambda: server.open == 0)


async def test_large_bodies_pass_both_ways_and_the_connection_is_kept(authority):
    async def echo(peer: Peer) -> None:
        while True:
            body = (await peer.request()).body
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async with (
        serving(echo, authority.server("127.0.0.1")) as server,
        KeepAliveTransport(ssl_context=authority.client()) as transport,
    ):
        for size in (1, 100_000, 3_000_000):
            body = bytes(range(256)) * (size // 256 + 1)
            reply = await post(transport, server, body)
            await asyncio.sleep(0.02)  # let the buffer fill
            assert await whole(reply) == body
        assert server.connections == 1


async def test_a_slow_consumer_stops_the_provider(authority):
    size = 30_000_000
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            await peer.send(b"x" * 10_000)
            sent += 10_000

    async with (
        serving(script, authority.server("127.0.0.1")) as server,
        KeepAliveTransport(ssl_context=authority.client()) as transport,
    ):
        reply = await post(transport, server)
        await asyncio.sleep(0.2)
        assert reply.buffered < 2_000_000
        assert sent < size
        assert len(await whole(reply)) == size


async def test_a_stream_arrives_chunk_by_chunk_and_may_be_left_early(authority):
    passed_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await passed_on.wait()
        await peer.send(b"6\r\nsecond\r\n")
        await peer.closed_by_client()

    async with (
        serving(script, authority.server("127.0.0.1")) as server,
        KeepAliveTransport(ssl_context=authority.client(), limits=Limits(per_origin=1)) as transport,
    ):
        reply = await post(transport, server)
        assert await reply.next_chunk() == b"first"
        passed_on.set()
        assert await reply.next_chunk() == b"second"
        await reply.aclose()
        assert counts(transport, server) == PoolStats(open=0, idle=0, in_use=0, connecting=0, waiting=0)
        await until(lambda: server.open == 0)


async def test_a_pooled_connection_found_closed_is_replaced(authority):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        peer.close()

    async with (
        serving(script, authority.server("127.0.0.1")) as server,
        KeepAliveTransport(ssl_context=authority.client()) as transport,
    ):
        for _ in range(3):
            assert await exchange(transport, server) == b"ok"
            await asyncio.sleep(0.05)
        assert server.connections == 3


async def test_a_body_without_length_and_a_cut_one_are_told_apart(authority):
    async def script(peer: Peer) -> None:
        await peer.request()
        length = b"" if peer.number == 0 else b"Content-Length: 100\r\n"
        await peer.send(b"HTTP/1.1 200 OK\r\n%b\r\nhello" % length)
        peer.close()
        await asyncio.sleep(0.05)

    async with (
        serving(script, authority.server("127.0.0.1")) as server,
        KeepAliveTransport(ssl_context=authority.client()) as transport,
    ):
        assert await exchange(transport, server) == b"hello"
        with pytest.raises(httpx.RemoteProtocolError):
            await exchange(transport, server)
