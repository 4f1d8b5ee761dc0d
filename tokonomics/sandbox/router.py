"""From a request to its reply. Pure: bytes in, a `Reply` out, never an exception for what a client sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tokonomics.sandbox import instructions as header
from tokonomics.sandbox.anthropic import ANTHROPIC
from tokonomics.sandbox.compatible import COMPATIBLE
from tokonomics.sandbox.dialect import Dialect, Request, RequestError
from tokonomics.sandbox.faults import broken
from tokonomics.sandbox.gemini import GEMINI
from tokonomics.sandbox.instructions import Fault, FaultKind, InstructionError
from tokonomics.sandbox.openai import OPENAI
from tokonomics.sandbox.openai_responses import OPENAI_RESPONSES
from tokonomics.sandbox.reply import Reply

DIALECTS: tuple[Dialect, ...] = (COMPATIBLE, GEMINI, ANTHROPIC, OPENAI_RESPONSES, OPENAI)
FALLBACK = OPENAI

_STATUS_MESSAGES = {
    400: "The sandbox was told to refuse this request.",
    401: "Incorrect API key provided.",
    404: "The requested resource was not found.",
    429: "Rate limit reached, please try again later.",
    529: "Overloaded",
}


def answer(method: str, path: str, headers: Mapping[str, str], body: bytes, *, now: int, query: str = "") -> Reply:
    """The sandbox's reply. Header names must be lower case; `now` (Unix seconds) only shows up as `created`."""
    request = Request(method, path, headers, body, now, query=query)
    dialect = next((known for known in DIALECTS if known.speaks(request)), FALLBACK)
    try:
        return _answer(request, dialect)
    except InstructionError as exc:
        error = RequestError(400, str(exc), code="invalid_sandbox_instruction", param="X-Tokonomics-Sandbox")
    except RequestError as exc:
        error = exc
    except RecursionError:
        error = RequestError(400, "The JSON body of your request is nested too deeply.")
    return dialect.error(request, error)


def refusal(method: str, path: str, headers: Mapping[str, str], status: int, message: str) -> Reply:
    """An error in the dialect that the request speaks, for a body that was never read."""
    request = Request(method, path, headers, b"", 0)
    dialect = next((known for known in DIALECTS if known.speaks(request)), FALLBACK)
    return dialect.error(request, RequestError(status, message))


def _answer(request: Request, dialect: Dialect) -> Reply:
    handler = dialect.handler(request)
    if handler is None:
        raise RequestError(404, f"Invalid URL ({request.method} {request.path})", code="unknown_url")
    orders = header.parse(request.headers.get(header.HEADER, ""))
    request = replace(request, instructions=orders)
    match orders.fault:
        case Fault(FaultKind.STATUS, status):
            message = _STATUS_MESSAGES.get(status, f"The sandbox was told to answer {status}.")
            reply = dialect.error(request, RequestError(status, message))
        case fault:
            reply = broken(handler(request), fault, dialect)
    return replace(reply, delay=orders.delay, chunk_delay=orders.chunk_delay if reply.is_stream else 0.0)
