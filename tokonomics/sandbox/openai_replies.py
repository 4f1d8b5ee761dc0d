"""What all of OpenAI's replies share: headers and errors."""

from __future__ import annotations

from tokonomics.sandbox.dialect import Request, RequestError
from tokonomics.sandbox.generation import digest_of
from tokonomics.sandbox.reply import Headers, Reply, plain

_ERRORS = {  # status -> type, code; as the API has them
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def headers(request: Request) -> Headers:
    return (
        ("x-request-id", "req_" + digest_of(request.body)),
        ("openai-organization", "tokonomics-sandbox"),
        ("openai-processing-ms", "12"),
        ("openai-version", "2020-10-01"),
    )


def error(request: Request, problem: RequestError) -> Reply:
    usual = ("server_error", None) if problem.status >= 500 else ("invalid_request_error", None)
    kind, code = _ERRORS.get(problem.status, usual)
    document = {"message": problem.message, "type": kind, "param": problem.param, "code": problem.code or code}
    sent = headers(request)
    if problem.status == 429:
        limits = (("x-ratelimit-limit-requests", "500"), ("x-ratelimit-remaining-requests", "0"))
        sent = (*sent, ("retry-after", "1"), *limits)
    return plain({"error": document}, headers=sent, status=problem.status)
