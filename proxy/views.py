"""The endpoints of the metered routes: which adapter serves, and each refusal in the client's own dialect."""

import logging
from datetime import UTC, datetime
from urllib.parse import parse_qs

from django.db import DatabaseError
from django.http import HttpRequest

from budgets.ledger_errors import LedgerUnavailable
from budgets.refusals import Refused
from proxy import metrics, refusals
from proxy.admission import PolicyChanged
from proxy.engine import engine
from proxy.forward import POLICY_ATTEMPTS, Answer, forward
from proxy.http import ProxyRequest, ProxyResponse
from proxy.offered import offered
from proxy.providers import registry
from proxy.providers.base import HeaderMap
from proxy.providers.model_list import model_list
from proxy.quoting import Call
from proxy.refusals import Refusal

log = logging.getLogger(__name__)


async def metered(request: HttpRequest) -> ProxyResponse:
    """Every path below /v1, /v1beta and /openai but the list of models."""
    assert isinstance(request, ProxyRequest)
    adapter = registry.adapter_for(request.path, request.query) if request.method == "POST" else None
    secret = secret_of(request)
    try:
        if adapter is None:
            raise refusals.route_not_metered(request.method or "", request.path)
        call = Call(adapter, secret, request.header_map, request.body, request.request_id)
        try:
            answer = await forward(call, engine())
        finally:
            adapter = call.whose or adapter
    except Refusal as refusal:
        answer = _refuse(request, secret, refusal)
    place = (adapter.kind or adapter.provider, adapter.path) if adapter is not None else ("", "")
    metrics.numbers.requests[*place, answer.status // 100] += 1
    return ProxyResponse(answer.status, answer.headers, answer.body)


async def models(request: HttpRequest) -> ProxyResponse:
    """GET /v1/models and /v1beta/models: what this key may use, and what we have prices for."""
    assert isinstance(request, ProxyRequest)
    try:
        if request.method != "GET":
            raise refusals.route_not_metered(request.method or "", request.path)
        answer = await _list_models(request)
    except Refusal as refusal:
        answer = _refuse(request, secret_of(request), refusal)
    return ProxyResponse(answer.status, answer.headers, answer.body)


async def _list_models(request: ProxyRequest) -> Answer:
    admission, secret = engine().admission, secret_of(request)
    for _ in range(POLICY_ATTEMPTS):
        try:
            await admission.confirm(secret)  # first: a refusal must stand by the newest policy too
            caller = await admission.caller(secret)
        except PolicyChanged:
            continue
        except (LedgerUnavailable, DatabaseError) as error:
            raise refusals.ledger_unavailable() from error
        listed = offered(caller, datetime.now(UTC).date())
        return Answer(
            200, [(b"content-type", b"application/json")], model_list(listed, request.header_map, request.path)
        )
    raise refusals.ledger_unavailable()


def secret_of(request: ProxyRequest) -> str:
    """The key that the client sent, in whichever of the five places its SDK puts it; "" where there is none."""
    headers: HeaderMap = request.header_map
    authorization = headers.get("authorization", "")
    if authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    if secret := headers.get("x-api-key") or headers.get("x-goog-api-key") or headers.get("api-key", ""):
        return secret
    # Google's clients may put it into the address; nobody else's do.
    of_google = registry.dialect_for(request.path).name == "google"
    in_query = parse_qs(request.query).get("key", []) if of_google else []
    return in_query[0] if len(in_query) == 1 else ""


def _refuse(request: ProxyRequest, secret: str, refusal: Refusal) -> Answer:
    dialect = registry.dialect_for(request.path)
    _note(request, secret, refusal)
    headers = [(b"content-type", b"application/json"), *refusal.headers]
    return Answer(refusal.body.status, headers, dialect.error(refusal.body, request.request_id))


def _note(request: ProxyRequest, secret: str, refusal: Refusal) -> None:
    """For the pages of the tenant whose key it was, if it was anybody's."""
    running, body = engine(), refusal.body
    caller = running.admission.policies.known(secret)
    metrics.numbers.refusals[body.code] += 1
    log.debug("%s refused: %s", request.request_id, body.code)
    if caller is None or not running.tally.count(caller.tenant_id, body.code, caller.key_id):
        return
    refused = Refused(
        at_ms=int(running.lane.now() * 1000),
        request_id=request.request_id,
        key_id=caller.key_id,
        mode=caller.mode,
        code=body.code,
        reason=str(body.details.get("reason", "")),
        scope=str(body.details.get("scope", "")),
        model=refusal.model,
        message=f"{body.message} {body.details.get('detail', '')}".strip(),
        end_user=refusal.end_user,
    )
    running.tally.keep(caller.tenant_id, refused)
