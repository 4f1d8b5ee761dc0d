"""The slim request and response of the metered routes. They are Django's own types, less what nobody asks for here."""

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils.functional import cached_property

from proxy.exchange import Exchange
from proxy.stream import MeteredStream
from tenants.ids import dated_id


class ProxyRequest(HttpRequest):
    """A request whose body has been read and bounded. `header_map`: values by lower-case name.

    `query` may hold a key (`?key=`): it is not for logs, nor to be sent on.
    """

    def __init__(self, exchange: Exchange, body: bytes) -> None:
        # Not Django's own: its forms, cookies and the like are made below, if middleware ever asks for them.
        self.resolver_match = self.content_type = self.content_params = None
        self.method = exchange.method
        self.path = self.path_info = exchange.path
        self.header_map = {name.decode("latin-1"): value.decode("latin-1") for name, value in exchange.headers}
        self.query = exchange.query
        self._body = body
        self.request_id = dated_id("rq", 20)

    def forget_body(self) -> None:
        """It has been read and priced, and a stream may last for an hour."""
        self._body = b""

    @cached_property
    def GET(self) -> QueryDict:  # type: ignore[override]
        return QueryDict(self.query)

    @cached_property
    def META(self) -> dict[str, str]:  # type: ignore[override]
        named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.header_map.items()}
        return {"REQUEST_METHOD": self.method or "", "PATH_INFO": self.path, "QUERY_STRING": self.query, **named}

    @cached_property
    def POST(self) -> QueryDict:  # type: ignore[override]
        return QueryDict()

    @cached_property
    def COOKIES(self) -> dict[str, str]:  # type: ignore[override]
        return {}


class ProxyResponse(HttpResponseBase):
    """Status, headers as bytes (`raw_headers`: these are sent, no others), and a whole body or a metered stream."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes | MeteredStream) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.streaming = isinstance(body, MeteredStream)

    @property
    def content(self) -> bytes:
        assert isinstance(self.body, bytes)
        return self.body
