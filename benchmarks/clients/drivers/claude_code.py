"""npm `@anthropic-ai/claude-code`, without a terminal and without a login."""

import json
from collections.abc import Callable

from command import Failed, run
from desk import QUESTION, serve

Ask = Callable[..., str]


def connect(base_url: str, key: str) -> Ask:
    def ask(*words: str) -> str:
        return run("claude", "-p", QUESTION, *words, ANTHROPIC_BASE_URL=base_url, ANTHROPIC_API_KEY=key)

    return ask


def plain(ask: Ask) -> str:
    """The model that it takes if nobody says which."""
    return ask("--tools", "")


def stream(ask: Ask) -> str:
    """The last of its events has the result, also where it is an error."""
    try:
        said = ask("--tools", "", "--output-format", "stream-json", "--verbose", "--include-partial-messages")
    except Failed as error:
        raise Failed(error.code, _result(error.printed)) from error
    return _result(said)


def _result(events: str) -> str:
    return json.loads(events.strip().splitlines()[-1])["result"]


def tools(ask: Ask) -> str:
    """It reads a file that is not there, and hears so."""
    return ask()


if __name__ == "__main__":
    serve(connect, plain, stream, tools)
