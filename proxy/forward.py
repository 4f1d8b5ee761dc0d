"""The way of one request, from top to bottom."""

import asyncio
import time
from dataclasses import dataclass
from functools import partial

import httpx
from django.conf import settings
from django.db import DatabaseError

from budgets.claims import Reservation
from budgets.ledger_errors import CapExceeded, LedgerUnavailable
from budgets.money import format_usd
from budgets.pricing.bound import Quote
from budgets.pricing.rates import Model
from proxy import metrics, refusals, upstream
from proxy.admission import PolicyChanged
from proxy.engine import Engine
from proxy.extending import Extender
from proxy.fitting import fit_of
from proxy.holding import Basis, Plan, plan_of
from proxy.key_policy import KeyPolicy
from proxy.partial_holds import Steps
from proxy.partial_stream import PartialStream
from proxy.providers import headers as allowed
from proxy.providers.base import ParsedRequest
from proxy.quoting import Call, end_user_of, parse, placed, price, provider_secret, told_prices
from proxy.refusals import Fit, Refusal
from proxy.settlement import Settlement
from proxy.stream import MeteredStream
from proxy.upstream import Decoder, RawHeaders, Reply, UnreadableReply, UpstreamFailed

MOST_REPLY_BYTES = 64 * 1024 * 1024
POLICY_ATTEMPTS = 5
LARGE_BODY = 256 * 1024  # read off the event loop: pictures, sound and whole books take their time


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
        call = placed(call, caller)
        parsed = await asyncio.to_thread(parse, call, caller) if len(call.body) > LARGE_BODY else parse(call, caller)
        end_user = end_user_of(call, caller, parsed)
        secret = provider_secret(call.adapter, caller)
        kept = await engine.kept.find((caller.tenant_id, caller.mode), parsed.continues) if parsed.continues else None
        found = None if call.adapter.free else price(call.adapter, caller, parsed, kept)
        if found is not None:
            parsed = told_prices(call.adapter, parsed, found[0])
    except Refusal:
        await engine.admission.confirm(call.secret)  # it must stand by the newest policy too
        raise
    if found is None:
        return await _pass_free(call, caller, parsed, secret, engine)
    model, quote = found
    plan = plan_of(call.adapter, caller, parsed, call.headers, model, quote, engine.estimates)
    plan, reservation = await _reserve(call, caller, parsed, end_user, model, plan, engine)
    settlement = _settlement(reservation, model, plan, engine)
    try:
        if parsed.kept:
            settlement.keep = partial(engine.kept.note, (caller.tenant_id, caller.mode), model)
        output_limit = plan.output_limit(reservation.held)
        settlement.told = _told(call, parsed, quote, output_limit)
        reply = await _send(call, caller, parsed, output_limit, secret, engine)
        settlement.answered()
        if parsed.stream and reply.status < 300:
            return _stream(call, caller, parsed, end_user, plan, reply, settlement, engine)
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


# --- the hold ---------------------------------------------------------------------------------------------------------


async def _reserve(
    call: Call, caller: KeyPolicy, parsed: ParsedRequest, end_user: str, model: Model, plan: Plan, engine: Engine
) -> tuple[Plan, Reservation]:
    """The hold, and the plan that it was granted by."""
    adapter = call.adapter
    request = caller.request(adapter.provider, adapter.path, parsed.model, end_user, model, stream=parsed.stream)
    waited = False
    while True:
        try:
            return plan, await engine.admission.admit(call.secret, caller, request, plan.ask, waited=waited)
        except CapExceeded as error:  # kept in no variable: with its traceback it would be garbage that goes in circles
            if (smaller := plan.smaller) is None:
                fit = fit_of(error, caller, parsed, model, plan)
                raise refusals.cap_exceeded(error, fit, parsed.model) from error
        plan, waited = smaller, True


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
    first_byte = metrics.numbers.first_byte_of("sandbox" if sandbox else call.adapter.kind or call.adapter.provider)
    first_byte.observe(time.monotonic() - started)
    return reply


def _told(call: Call, parsed: ParsedRequest, quote: Quote, output_limit: int) -> dict[str, object]:
    """What the record keeps beside how it ended; budgets.journal reads these names."""
    bound = {"input": quote.input_tokens, "output": output_limit, "choices": parsed.choices}
    if (most := parsed.at_most) is not None:
        bound["output"] = most.total_output_tokens
        bound |= {name: count for name, count in most.counts().items() if name in ("characters", "milliseconds")}
    return {"rid": call.request_id, "bound": bound}


def _settlement(reservation: Reservation, model: Model, plan: Plan, engine: Engine) -> Settlement:
    settlement = Settlement(reservation, model, engine.inflight, freed=engine.admission.room.freed)
    if plan.basis is Basis.ESTIMATE:
        settlement.estimated = plan.quote.most
    if (place := plan.place) is not None:
        bound = reservation.held if plan.basis is Basis.BOUND else plan.quote.most
        settlement.learn = lambda cost: engine.estimates.note(place, cost, bound)
    return settlement


def _head(reply: Reply, settlement: Settlement) -> tuple[RawHeaders, Decoder]:
    """What the client gets to see of the provider's headers, and how its body is read."""
    headers = allowed.response_headers(reply.headers)
    if (remaining := settlement.reservation.remaining) is not None:
        headers.append((b"x-tokonomics-budget-remaining-usd", format_usd(remaining).encode()))
    decoder = Decoder(reply.headers)
    if not decoder.readable:
        headers += [header for header in reply.headers if header[0] == b"content-encoding"]
    return headers, decoder


def _stream(
    call: Call,
    caller: KeyPolicy,
    parsed: ParsedRequest,
    end_user: str,
    plan: Plan,
    reply: Reply,
    settlement: Settlement,
    engine: Engine,
) -> Answer:
    """The provider's stream as the client gets it: it settles as it ends."""
    headers, decoder = _head(reply, settlement)
    drain = {"drain_seconds": settings.ABANDONED_DRAIN_SECONDS, "drain_bytes": settings.ABANDONED_DRAIN_BYTES}
    parts = (reply, call.adapter.meter(parsed), decoder, settlement, call.adapter.dialect, call.request_id)
    hold = settlement.reservation
    if plan.terms is None or hold.held >= plan.quote.most:
        return Answer(reply.status, headers, MeteredStream(*parts, **drain))
    stream = PartialStream(
        *parts,
        steps=Steps(plan.quote, hold.held),
        watch=plan.terms.watch(call.request_id),
        extender=Extender(engine.ledger, engine.admission, call.secret, caller, end_user, hold),
        explain=lambda error: refusals.cap_exceeded(error, Fit(plan.ask.least, 0, False), parsed.model).body,
        **drain,
    )
    return Answer(reply.status, headers, stream)


async def _answer(call: Call, parsed: ParsedRequest, reply: Reply, settlement: Settlement) -> Answer:
    """The provider's whole reply as the client gets it, settled."""
    headers, decoder = _head(reply, settlement)
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
        raise upstream.failed(error, sent=True) from error
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
