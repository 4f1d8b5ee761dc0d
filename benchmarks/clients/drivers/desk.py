"""Takes orders on stdin and answers on stdout, one JSON a line. Runs inside a client's own environment: imports nothing
but the standard library.

    {"feature": "plain", "base_url": "http://127.0.0.1:1234", "key": "tk_live_..."}
    {"ok": true, "seconds": 0.3, "said": "Amber bay"}   or   {"ok": false, "seconds": ..., "error": ..., "message": ...}
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

CITY_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "inhabitants": {"type": "integer"}},
    "required": ["city", "inhabitants"],
    "additionalProperties": False,
}
WEATHER_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Where"}},
    "required": ["city"],
    "additionalProperties": False,
}
QUESTION = "What is the weather like in Lisbon?"


def weather(city: str) -> str:
    """Tells the weather in a city."""
    return f"Sunny in {city}."


def serve(connect: Callable[[str, str], Any], *features: Callable[[Any], Any]) -> None:
    """`connect(base_url, key)` makes what each feature takes; a feature answers what it got, never nothing."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not for the one who asks
    by_name = {feature.__name__: feature for feature in features}
    for line in sys.stdin:
        order = json.loads(line)
        started = time.monotonic()
        try:
            said = by_name[order["feature"]](connect(order["base_url"], order["key"]))
            if not said and said != 0:
                raise AssertionError(f"{order['feature']} gave nothing: {said!r}")
            answer = {"ok": True, "said": str(said)[:300]}
        except Exception as error:  # whatever it is, it is what a user of this client sees
            kind = f"{type(error).__module__}.{type(error).__name__}".removeprefix("builtins.")
            answer = {"ok": False, "error": kind, "message": str(error)}
        answers.write(json.dumps({**answer, "seconds": time.monotonic() - started}) + "\n")
        answers.flush()
