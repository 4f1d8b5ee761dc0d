"""The slim request and response of the metered routes. They are Django's own types, less what nobody asks for here."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from proxy.stream import MeteredStream
from tenants.ids import new_id


class ProxyRequest(HttpRequest):
    """A request whose body has been read and bounded. `header_map`: values by lower-case name.

    `query` may hold a key (`?key=`): it is not for logs, nor to be sent on.
    """

    def __init__(self, scope: Any, body: bytes) -> None:
        super().__init__()
        self.scope = scope
        self.method = scope["method"]
        self.path = self.path_info = scope["path"]
        self.header_map = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.query = scope.get("query_string", b"").decode("latin-1")
        self._body = body
        self.request_id = new_id("rq", 20)


class ProxyResponse(HttpResponseBase):
    """Status, headers as bytes, and a whole body or a metered stream."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes | MeteredStream) -> None:
        super().__init__(status=status)
        self.raw_headers = headers
        self.body = body
        self.streaming = isinstance(body, MeteredStream)

    @property
    def content(self) -> bytes:
        assert isinstance(self.body, bytes)
        return self.body
