"""Providers of OpenAI's format, below a path of their own (`/mistral/v1/chat/completions`): they tell a stream's usage
unasked, as some of them do, and answer as OpenAI's routes do.
"""

from __future__ import annotations

import re
from dataclasses import replace

import orjson

from tokonomics.sandbox.dialect import Dialect, Handler, Request
from tokonomics.sandbox.openai import ERROR_EVENT, ROUTES
from tokonomics.sandbox.openai_replies import error
from tokonomics.sandbox.reply import Reply

_PATH = re.compile(r"/[a-z][a-z0-9-]*(/v1/(?:chat/completions|completions|embeddings|models))")


def _handler(request: Request) -> Handler | None:
    found = _PATH.fullmatch(request.path)
    handler = ROUTES.get((request.method, found[1])) if found else None
    if handler is None or request.method != "POST":
        return handler

    def answer(asked: Request) -> Reply:
        return handler(_told_of_usage(asked))

    return answer


def _told_of_usage(request: Request) -> Request:
    document = request.json()
    if not document.get("stream") or document.get("stream_options") is not None:
        return request
    return replace(request, body=orjson.dumps({**document, "stream_options": {"include_usage": True}}))


COMPATIBLE = Dialect(
    name="compatible",
    speaks=lambda request: _PATH.fullmatch(request.path) is not None,
    handler=_handler,
    error=error,
    error_event=ERROR_EVENT,
)
