"""The way of one request, from top to bottom."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import httpx
from django.conf import settings
from django.db import DatabaseError

from budgets.end_users import end_user_hash
from budgets.ledger import CapExceeded, LedgerUnavailable, Request, Reservation
from budgets.money import format_usd
from budgets.pricing import bound, catalogue
from budgets.pricing.bound import Quote
from budgets.pricing.rates import Model
from proxy import metrics, refusals, upstream
from proxy.admission import KeyPolicy, PolicyChanged
from proxy.engine import Engine
from proxy.providers import headers as allowed
from proxy.providers.base import Adapter, HeaderMap, ParsedRequest, RequestRefused
from proxy.providers.bounds import quote_of
from proxy.refusals import Fit, Refusal
from proxy.settlement import Settlement
from proxy.stream import MeteredStream
from proxy.upstream import Decoder, RawHeaders, Reply, UnreadableReply, UpstreamFailed
from tenants.errors import EncryptionUnavailable

MOST_REPLY_BYTES = 64 * 1024 * 1024
POLICY_ATTEMPTS = 5
# What the smallest request that is still useful takes as input, for telling "spent" from "too large".
SMALL_INPUT_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Call:
    """What the client sent. `secret`: its API key, "" where there is none."""

    adapter: Adapter
    secret: str
    headers: HeaderMap
    body: bytes
    request_id: str


@dataclass(slots=True)
class Answer:
    """What the client gets: `body` is the whole of it, or a stream that the handler iterates and always closes."""

    status: int
    headers: RawHeaders
    body: bytes | MeteredStream


async def forward(call: Call, engine: Engine) -> Answer:
    """Raises Refusal, and nothing else that the client could make sense of."""
    for _ in range(POLICY_ATTEMPTS):
        try:
            return await _forward(call, engine)
        except PolicyChanged:
            continue  # decided on a policy that holds no more: once again, on the new one
        except (LedgerUnavailable, DatabaseError) as error:
            raise refusals.ledger_unavailable() from error
    raise refusals.ledger_unavailable()


async def _forward(call: Call, engine: Engine) -> Answer:
    try:
        caller = await engine.admission.caller(call.secret)
        parsed = _parse(call, caller)
        secret = _provider_secret(call.adapter, caller)
        priced = None if call.adapter.free else _price(call.adapter, caller, parsed)
    except Refusal:
        await engine.admission.confirm(call.secret)  # it must stand by the newest policy too
        raise
    if priced is None:
        return await _pass_free(call, caller, parsed, secret, engine)
    model, quote = priced
    reservation = await _reserve(call, caller, parsed, model, quote, engine)
    settlement = Settlement(reservation, model, engine.inflight)
    try:
        reply = await _send(call, caller, parsed, quote.affordable(reservation.held), secret, engine)
        return await _answer(call, parsed, reply, settlement)
    except UpstreamFailed as failure:
        if failure.sent:
            settlement.at_hold(None, ("no_reply",))
        else:
            settlement.given_back("not_sent", None)
        raise _upstream_refusal(failure) from failure
    except BaseException:
        # Nobody can say any more what the provider made of it (cancelled, or a fault of ours).
        settlement.at_hold(None, ("aborted",))
        raise


# --- before the hold -------------------------------------------------------------------------------------------------


def _parse(call: Call, caller: KeyPolicy) -> ParsedRequest:
    try:
        parsed = call.adapter.parse(call.body, call.headers, caller.allowed_fields)
    except RequestRefused as error:
        raise refusals.refused(error) from error
    if caller.allowed_models and parsed.model not in caller.allowed_models:
        raise refusals.key_refused("model_not_allowed", f"This API key may not use the model {parsed.model!r}.")
    return parsed


def _price(adapter: Adapter, caller: KeyPolicy, parsed: ParsedRequest) -> tuple[Model, Quote]:
    """The model's prices, and the most that this request can cost. No price, no forward."""
    model = catalogue.find(adapter.provider, parsed.model, datetime.now(UTC).date(), purpose=adapter.purpose)
    if model is None:
        message = (
            f"The model {parsed.model!r} has no price here, so what it costs cannot be bounded. "
            "Use a model from GET /v1/models."
        )
        raise refusals.bad_request("model_not_priced", message, "model")
    try:
        limits = {"default_limit": caller.default_output_limit, "floor": caller.least_output_limit}
        return model, quote_of(parsed, model, **limits)
    except RequestRefused as error:
        raise refusals.refused(error) from error


def _provider_secret(adapter: Adapter, caller: KeyPolicy) -> str:
    if caller.mode == "test":
        return "sandbox"
    if ("tenant", "month") not in caller.caps:
        raise refusals.bad_request(
            "budget_not_set", "Set a monthly budget first, under Settings. Test keys work without one."
        )
    try:
        secret = caller.secret(adapter.provider)
    except EncryptionUnavailable as error:
        raise refusals.unavailable("provider_not_configured", str(error), 503) from error
    if secret is None:
        message = f"No key for {adapter.provider} is stored. Add one under Providers, or use a test key (tk_test_...)."
        raise refusals.bad_request("provider_not_configured", message)
    return secret


async def _reserve(
    call: Call, caller: KeyPolicy, parsed: ParsedRequest, model: Model, quote: Quote, engine: Engine
) -> Reservation:
    request = Request(
        tenant_id=caller.tenant_id,
        key_id=caller.key_id,
        mode=caller.mode,
        provider=call.adapter.provider,
        model=parsed.model,
        endpoint=call.adapter.path,
        end_user=end_user_hash(caller.tenant_id, parsed.end_user) if parsed.end_user else "",
        stream=parsed.stream,
        price=_price_of(model),
    )
    try:
        return await engine.admission.admit(call.secret, caller, request, quote)
    except CapExceeded as error:
        fit = _fit(error, caller, parsed, model, quote)
        raise refusals.cap_exceeded(error, fit, parsed.model) from error


def _fit(error: CapExceeded, caller: KeyPolicy, parsed: ParsedRequest, model: Model, quote: Quote) -> Fit:
    """What would fit in what is left: fewer output tokens, or at least some small request."""
    left = error.cap - error.spent - error.held
    floor = caller.least_output_limit
    worthwhile = max(1, min(floor, parsed.output_limit)) if parsed.output_limit is not None else floor
    tokens = quote.fits_output_tokens(left) if left > 0 else 0
    useful = tokens >= worthwhile or _smallest(model, floor) <= left
    return Fit(quote.least, tokens if tokens >= worthwhile else 0, useful)


@lru_cache(maxsize=1024)
def _smallest(model: Model, floor: int) -> int:
    """What the smallest request that is still useful costs, nanodollars."""
    small = bound.quote(model, input_tokens=SMALL_INPUT_TOKENS, client_limit=None, default_limit=floor, floor=floor)
    return small.least


@lru_cache(maxsize=1024)
def _price_of(model: Model) -> tuple[tuple[str, int], ...]:
    rates = model.rates
    kinds = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    return tuple((kind, rate) for kind in kinds if (rate := getattr(rates, kind)) is not None)


# --- after the hold --------------------------------------------------------------------------------------------------


async def _send(
    call: Call, caller: KeyPolicy, parsed: ParsedRequest, output_limit: int, secret: str, engine: Engine
) -> Reply:
    """Our serialisation of what was priced, with the tenant's own provider key. Raises UpstreamFailed."""
    sandbox = caller.mode == "test"
    body = call.adapter.render(parsed, output_limit if parsed.output_limit is None else parsed.output_limit)
    headers = call.adapter.request_headers(call.headers, secret, sandbox=sandbox)
    route = engine.upstream.route(call.adapter, parsed, sandbox=sandbox)
    started = time.monotonic()
    reply = await engine.upstream.send(route, headers, body)
    first_byte = metrics.numbers.first_byte_of("sandbox" if sandbox else call.adapter.provider)
    first_byte.observe(time.monotonic() - started)
    return reply


async def _answer(call: Call, parsed: ParsedRequest, reply: Reply, settlement: Settlement) -> Answer:
    """The provider's reply as the client gets it; a stream settles as it ends, a whole reply here."""
    headers = allowed.response_headers(reply.headers)
    if (remaining := settlement.reservation.remaining) is not None:
        headers.append((b"x-tokonomics-budget-remaining-usd", format_usd(remaining).encode()))
    decoder = Decoder(reply.headers)
    if not decoder.readable:
        headers += [header for header in reply.headers if header[0] == b"content-encoding"]
    if parsed.stream and reply.status < 300:
        stream = MeteredStream(
            reply,
            call.adapter.meter(parsed),
            decoder,
            settlement,
            call.adapter.dialect,
            call.request_id,
            drain_seconds=settings.ABANDONED_DRAIN_SECONDS,
            drain_bytes=settings.ABANDONED_DRAIN_BYTES,
        )
        return Answer(reply.status, headers, stream)
    body = await _read_whole(reply, decoder)
    if reply.status >= 300:
        settlement.given_back("provider_error", reply.status)
    else:
        meter = call.adapter.meter(parsed)
        if decoder.readable:
            meter.feed_body(body)
        settlement.at_usage(meter, reply.status)
        headers.append((b"x-tokonomics-cost-usd", format_usd(settlement.cost).encode()))
    await asyncio.sleep(0)  # the turn that writes the settle comes before the one that answers
    return Answer(reply.status, headers, body)


async def _read_whole(reply: Reply, decoder: Decoder) -> bytes:
    """The body, decoded. Raises UpstreamFailed where it does not come whole."""
    parts: list[bytes] = []
    size = 0
    try:
        while (data := await reply.next_chunk()) is not None:
            parts.append(decoder.decode(data) if decoder.active else data)
            size += len(parts[-1])
            if size > MOST_REPLY_BYTES:
                await reply.aclose()
                raise UpstreamFailed("provider_unreachable", "The provider's reply is too large to pass.", sent=True)
    except (httpx.TransportError, httpx.StreamError) as error:
        failure = upstream.failed(error)
        failure.sent = True
        raise failure from error
    except UnreadableReply as error:
        await reply.aclose()
        raise UpstreamFailed("provider_unreachable", f"The reply is unreadable: {error}", sent=True) from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _pass_free(call: Call, caller: KeyPolicy, parsed: ParsedRequest, secret: str, engine: Engine) -> Answer:
    """Something that the provider bills nothing for: no hold, but the policy must be the one that holds."""
    await engine.admission.confirm(call.secret)
    try:
        reply = await _send(call, caller, parsed, 0, secret, engine)
        body = await _read_whole(reply, Decoder(reply.headers))
    except UpstreamFailed as failure:
        raise _upstream_refusal(failure) from failure
    return Answer(reply.status, allowed.response_headers(reply.headers), body)


def _upstream_refusal(failure: UpstreamFailed) -> Refusal:
    return refusals.unavailable(failure.code, failure.message, 504 if failure.code == "provider_timeout" else 502)
