"""`llm` at the command line; `MODEL` is set by who imports it."""

from collections.abc import Callable
from typing import Any

from command import run
from desk import QUESTION

WEATHER = """
def weather(city: str) -> str:
    "Tells the weather in a city."
    return f"Sunny in {city}."
"""
Ask = Callable[..., str]


def connected(model: str, where: Callable[[str, str], dict[str, str]]) -> Callable[[str, str], Ask]:
    """`where(base_url, key)`: the environment that points `llm` there."""

    def connect(base_url: str, key: str) -> Ask:
        def ask(*words: str, model: str = model) -> str:
            return run("llm", *words, "-m", model, **where(base_url, key))

        return ask

    return connect


def plain(ask: Ask) -> str:
    return ask("prompt", "--no-stream", QUESTION)


def stream(ask: Ask) -> str:
    return ask("prompt", QUESTION)


def tools(ask: Ask) -> str:
    return ask("prompt", "--functions", WEATHER, QUESTION)


def structured(ask: Ask) -> Any:
    return ask("prompt", "--schema", "city, inhabitants int", "Name a city.")
