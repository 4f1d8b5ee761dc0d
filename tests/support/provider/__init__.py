"""A provider for tests that remembers everything: a real HTTP/1.1 server in a thread of its own.

    with ProviderMock() as mock:
        client = openai.OpenAI(base_url=mock.base_url_openai, api_key="any")
        ...
        assert mock.count == 1
        assert mock.requests[0].json()["model"] == "gpt-4o-mini"
        assert mock.usage_total() == [Tokens(prompt=7, output=42)]

By default it answers like the sandbox provider, `X-Tokonomics-Sandbox` included. `mock.script(...)` puts a behaviour
of the test's own in its place, down to the byte. It keeps its own books: `usage_total()` is what a provider would bill,
the tokens of a stream that its client left included.

`python -m tests.support.provider --port P` runs it alone: prints its port, answers `GET /__stats__` with counts as
JSON and `POST /__reset__` by starting to count again.
"""

from tests.support.provider.behaviour import GATE, Behaviour, Framing, Pause
from tests.support.provider.mock import ProviderMock
from tests.support.provider.record import RecordedRequest
from tokonomics.sandbox.reply import Chunk
from tokonomics.sandbox.tokens import Tokens

__all__ = ["GATE", "Behaviour", "Chunk", "Framing", "Pause", "ProviderMock", "RecordedRequest", "Tokens"]
