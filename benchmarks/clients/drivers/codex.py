"""npm `@openai/codex`, without a terminal and without a login."""

from collections.abc import Callable

from command import run
from desk import QUESTION, serve

Ask = Callable[..., str]


def connect(base_url: str, key: str) -> Ask:
    provider = f'{{name="Tokonomics", base_url="{base_url}/v1", env_key="TOKONOMICS_KEY", wire_api="responses"}}'

    def ask(*words: str) -> str:
        settings = ("-c", "model_provider=tokonomics", "-c", f"model_providers.tokonomics={provider}")
        return run("codex", "exec", "--skip-git-repo-check", *settings, *words, QUESTION, TOKONOMICS_KEY=key)

    return ask


def stream(ask: Ask) -> str:
    """It streams always. The model that it takes if nobody says which."""
    return ask()


def tools(ask: Ask) -> str:
    """It asks itself for its goal, and hears that there is none. This model's requests may search the web."""
    return ask("-m", "gpt-5-mini")


if __name__ == "__main__":
    serve(connect, stream, tools)
