"""Where requests go: scheme, host and port."""

from __future__ import annotations

from typing import NamedTuple

import httpx

DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """`host` as in a URL, without brackets, internationalised names encoded. `guarded`: a tenant named it, so each
    connection is made only where a tenant may reach."""

    scheme: str
    host: str
    port: int
    guarded: bool = False

    @classmethod
    def of(cls, url: httpx.URL, *, guarded: bool = False) -> Origin:
        if url.scheme not in DEFAULT_PORTS or not url.host:
            raise httpx.UnsupportedProtocol(f"Not an http(s) URL: {url.scheme}://{url.host}")
        return cls(url.scheme, url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS[url.scheme], guarded)
