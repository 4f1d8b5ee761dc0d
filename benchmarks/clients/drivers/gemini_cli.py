"""npm `@google/gemini-cli`, without a terminal and without a login."""

import json
from collections.abc import Callable
from pathlib import Path

from command import run
from desk import QUESTION, serve

Ask = Callable[..., str]
# With another base URL it takes the key for a gateway's login, which it then refuses, unless it is told what it is.
SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "privacy": {"usageStatisticsEnabled": False},
    "general": {"enableAutoUpdate": False},
}


def connect(base_url: str, key: str) -> Ask:
    settings = Path.home() / ".gemini" / "settings.json"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(json.dumps(SETTINGS))

    def ask(*words: str) -> str:
        where = {"GOOGLE_GEMINI_BASE_URL": base_url, "GEMINI_API_KEY": key, "GEMINI_CLI_TRUST_WORKSPACE": "true"}
        return run("gemini", "-p", QUESTION, *words, **where)

    return ask


def stream(ask: Ask) -> str:
    """It streams always."""
    return ask("-m", "gemini-2.5-flash")


def tools(ask: Ask) -> str:
    """It reads a file that is not there, and hears so. The model that it takes if nobody says which."""
    return ask()


if __name__ == "__main__":
    serve(connect, stream, tools)
