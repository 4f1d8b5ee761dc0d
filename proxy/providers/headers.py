"""Which headers pass, in either direction. All others stay with us: keys, cookies, addresses, hop-by-hop headers."""

from collections.abc import Iterable

from proxy.providers.base import HeaderMap

RawHeaders = list[tuple[bytes, bytes]]

SANDBOX = "x-tokonomics-sandbox"
PROVIDER_REQUEST_ID = b"x-tokonomics-provider-request-id"

_REQUEST = ("accept", "user-agent", "idempotency-key")
_RESPONSE = frozenset({b"content-type", b"retry-after", b"retry-after-ms", b"x-should-retry"})
_RESPONSE_PREFIXES = (b"openai-", b"x-ratelimit-", b"anthropic-", b"x-gemini-")
_REQUEST_IDS = frozenset({b"x-request-id", b"request-id"})


def forwarded_headers(
    headers: HeaderMap,
    extra: Iterable[str],
    authentication: tuple[bytes, bytes],
    *,
    sandbox: bool,
    content_type: bytes = b"application/json",
) -> RawHeaders:
    """The headers to send: the common allow-list, the format's own `extra`, and the tenant's provider key.

    The body is ours, so its type and the wish for an uncompressed reply are ours too.
    """
    sent: RawHeaders = [
        (b"content-type", content_type),
        (b"accept-encoding", b"identity"),
        authentication,
    ]
    names = [*_REQUEST, *extra, SANDBOX] if sandbox else [*_REQUEST, *extra]
    for name in names:
        if value := headers.get(name):
            sent.append((name.encode(), value.encode("latin-1", "ignore")))
    return sent


def response_headers(raw: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """The provider's reply headers that the client gets; the provider's own request id under a name of ours."""
    passed: RawHeaders = []
    for name, value in raw:
        lower = name.lower()
        if lower in _RESPONSE or lower.startswith(_RESPONSE_PREFIXES):
            passed.append((lower, value))
        elif lower in _REQUEST_IDS:
            passed.append((PROVIDER_REQUEST_ID, value))
    return passed
