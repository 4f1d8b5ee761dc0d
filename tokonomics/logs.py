"""How a line of the log looks: one JSON object, or text for a person at a terminal. Lines of all loggers pass here.

Names of fields: `at`, `level`, `logger`, `event`, where it has one `request_id`, whatever the line's `extra` adds, and
`exception`. No part of the product logs a prompt, a reply or a key; should one come in an exception's words, what looks
like a key is masked.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

from proxy import request_id

Event = MutableMapping[str, Any]
SECRET = re.compile(r"(tk_live_|tk_test_|tkm_|whsec_|sk-|AIza|gAAAA|[?&]key=|[Bb]earer )[A-Za-z0-9_~+/=.-]{6,}")


def formatter(style: str) -> logging.Formatter:
    """`json`, `text`, or `auto`: text where standard error is a terminal."""
    as_text = style == "text" or (style == "auto" and sys.stderr.isatty())
    chain: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", key="at"),
        structlog.stdlib.ExtraAdder(),
        add_request_id,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=chain,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            mask_secrets,
            text if as_text else json,
        ],
    )


def add_request_id(_logger: Any, _method: str, event: Event) -> Event:
    if "request_id" not in event and (serving := request_id.current.get()):
        event["request_id"] = serving
    return event


def mask_secrets(_logger: Any, _method: str, event: Event) -> Event:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = SECRET.sub(r"\1...", value)
    return event


def json(_logger: Any, _method: str, event: Event) -> str:
    first = {name: event.pop(name) for name in ("at", "level", "logger", "event") if name in event}
    return orjson.dumps({**first, **event}, default=str).decode()


def text(_logger: Any, _method: str, event: Event) -> str:
    """`2026-11-24T09:00:00Z WARNING proxy.settlement: what happened  request_id=rq_... status=200`"""
    at, level, name, what = (event.pop(field, "") for field in ("at", "level", "logger", "event"))
    exception = event.pop("exception", "")
    fields = "".join(
        f" {field}={value!r}" if " " in str(value) else f" {field}={value}" for field, value in event.items()
    )
    line = f"{at} {level.upper()} {name}: {_one_line(str(what))}{' ' if fields else ''}{_one_line(fields)}"
    return f"{line}\n{exception}" if exception else line


def _one_line(words: str) -> str:
    """A client's words must not look like a line of ours."""
    return words.translate({ord("\n"): "\\n", ord("\r"): "\\r", 0x1B: "\\e"})
