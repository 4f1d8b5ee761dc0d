"""What every wire format has to say about a request and its reply. Pure: bytes in, values out, no I/O, no Django.

The way of one request through an adapter:

    parsed = adapter.parse(body, headers, allowed_fields)   # refuses what it does not understand (RequestRefused)
    quote  = bounds.quote_of(parsed, model, ...)            # the most that it can cost, reserved in the ledger
    out    = adapter.render(parsed, output_limit)           # our serialisation of what was priced
    meter  = adapter.meter(parsed)                          # reads the usage out of the reply as it passes
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Protocol

from budgets.pricing.rates import Model, Purpose, Retention
from budgets.pricing.usage import Usage
from budgets.values import value
from proxy.sse import Event

HeaderMap = Mapping[str, str]
"""Request headers by lower-case name."""


class RequestRefused(Exception):
    """A request that is refused before any money is looked at. `code` is one of the error codes of docs/api.md."""

    def __init__(self, code: str, message: str, *, status: int = 400, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.param = code, message, status, param


@value
class Image:
    """One image of a request; None where its size is not known. `detail` as OpenAI's field has it.

    `most`: what stands for it in `input_tokens` until the model's own formula takes its place (`bounds`).
    """

    most: int
    width: int | None = None
    height: int | None = None
    detail: str = "auto"


@value
class ParsedRequest:
    """One request as its adapter understood it."""

    model: str
    stream: bool
    payload: dict[str, Any]
    """The decoded body; `render` writes it out again. Never logged."""
    input_tokens: int
    """The most that it can be billed for; `bounds.most_input_tokens` knows better about images, by the model."""
    output_limit: int | None
    """The client's own limit of output tokens per choice; None where it gave none; 0 is a limit too."""
    choices: int = 1
    """How many replies are billed (`n`, `best_of`; each turn of a loop that the provider runs)."""
    least_output: int = 1
    """Below this many output tokens the request makes no sense (a thinking budget plus one, for example)."""
    end_user: str = ""
    """Who the application says it acts for; hashed before it is stored anywhere."""
    fees: int = 0
    """The most that per-request and per-tool fees can come to, in nanodollars."""
    service_tier: str = ""
    """The tier whose prices may apply, as `render` sends it; `auto` may become any."""
    region: str = ""
    """Where the model has to run, if the price depends on it; "" may become any."""
    usage_wanted: bool = True
    """False where the client did not ask for the usage chunk that we ask for: it is then taken out of the stream."""
    audio: bool = False
    """Whether audio rates may apply."""
    images: tuple[Image, ...] = ()
    fills_window: bool = False
    """Whether some input has no formula: all of it is then bounded by the model's context window x `model_calls`, and a
    model whose window nobody published cannot be bounded."""
    continues: str = ""
    """The reply that it goes on from, which the provider kept: its length is not in the request."""
    kept: bool = False
    """Whether the provider keeps its reply, so that another request may go on from it."""
    model_calls: int = 1
    """How often the provider may run the model for it: the most calls of tools that it runs itself, plus one."""
    web_searches: int = 0
    """The most provider-side searches that carry the model's fee per search."""
    retention: Retention = Retention.NONE
    """The longest-lived prompt cache entry that it can write."""
    usual_limit: int = 0
    """The most that is written into it where the client named no limit and the model's own is not known; 0: any."""
    extra_output: int = 0
    """Output tokens that may be billed beyond the limit, per choice (a rejected prediction)."""
    at_most: Usage | None = None
    """The most that it can be billed for, unit by unit, where the units are no tokens of text (pictures, characters,
    time of sound): no output limit is written, and the fields about tokens above do not count."""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of a tenant's own: Azure's resource, a server of theirs. It is judged at every connection.

    `deployments`: Azure's names for what runs there, each with the model that its price goes by. `api_version`: of
    Azure's dated API; empty for the newer one, and elsewhere.
    """

    provider: str
    base_url: str
    api_version: str = ""
    deployments: tuple[tuple[str, str], ...] = ()

    def model_of(self, deployment: str) -> str | None:
        return dict(self.deployments).get(deployment)


class Meter(Protocol):
    """Reads one reply. For streams `feed` is called with each piece as it arrives, for plain replies `feed_body` once.

    `feed` returns the bytes to pass on: the same object, unless something that only we asked for has to be taken out.
    `finish` is called after the last piece. `usage` raises UsageUnknown if the reply gave none that can be true.
    """

    def feed(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...
    def feed_body(self, body: bytes) -> None: ...
    def usage(self) -> Usage: ...

    @property
    def complete(self) -> bool:
        """Whether the stream came to the end that its format prescribes."""
        ...


class Watch(Protocol):
    """Counts what one stream of text shows while only a part of its bound is held, and ends it as its provider would.

    `note` is called with each whole event: the most tokens that it can carry. `length_ending(tokens)` is the dialect's
    own end of a reply that has reached its limit, `tokens` being what it is charged for; our error event follows it,
    then `end`.
    """

    end: bytes

    def note(self, event: Event) -> int: ...
    def length_ending(self, tokens: int) -> bytes: ...


_NO_TEXT = frozenset({"role", "type"})


def text_bytes(value: Any) -> int:
    """UTF-8 bytes of all text in a decoded delta, whatever its fields are called; `role` and `type` are none."""
    if type(value) is str:
        return len(value) if value.isascii() else len(value.encode())
    if type(value) is dict:
        return sum(text_bytes(each) for name, each in value.items() if name not in _NO_TEXT)
    return sum(map(text_bytes, value)) if type(value) is list else 0


@value
class ErrorBody:
    """What a refusal says, before a dialect gives it its form. `details` are the extra fields of DESIGN section 6."""

    status: int
    code: str
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


class Dialect(Protocol):
    """The error bodies of one family of clients."""

    name: str

    def error(self, body: ErrorBody, request_id: str) -> bytes: ...
    def stream_error(self, body: ErrorBody, request_id: str) -> bytes:
        """The same as an event inside a stream that has already begun."""
        ...


class Adapter(Protocol):
    """One wire format: one endpoint of one family. Adapters derive from it, for its defaults."""

    provider: str
    """Whose credential, base URL and prices apply, by its id in `tenants.providers`; for a tenant's own endpoint the
    name that the tenant gave it."""
    kind: str = ""
    """Its name in metrics where `provider` is a tenant's word; empty: the same."""
    endpoint: Endpoint | None = None
    """Where it is, if not at the operator's base URL of the provider."""
    dialect: Dialect
    path: str
    """Where it lives below the provider's base URL, e.g. `/chat/completions`; also its name in the ledger."""
    free: bool = False
    """True where the provider bills nothing for it: it is forwarded without a hold."""
    purpose: Purpose = Purpose.TEXT
    """Which of the provider's models serve it."""

    def target(self, parsed: ParsedRequest) -> str:
        """What follows the base URL in this request: the path, unless the model or a question mark is in it."""
        return self.path

    def price_name(self, parsed: ParsedRequest) -> str:
        """The name that the model has a price under."""
        return parsed.model

    def priced(self, parsed: ParsedRequest, model: Model) -> ParsedRequest:
        """The same, once its prices are known: for a provider that can be told not to exceed them."""
        return parsed

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: AbstractSet[str]) -> ParsedRequest:
        """Raises RequestRefused. `allowed_fields`: names (fields, beta headers) that the tenant lets pass unpriced."""
        ...

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes: ...
    def meter(self, parsed: ParsedRequest) -> Meter: ...
    def request_headers(self, headers: HeaderMap, secret: str, *, sandbox: bool = False) -> list[tuple[bytes, bytes]]:
        """The allow-listed request headers with the tenant's own provider key in place of ours.

        `sandbox`: whether the reply comes from our own sandbox, which alone may see the header that instructs it.
        """
        ...
