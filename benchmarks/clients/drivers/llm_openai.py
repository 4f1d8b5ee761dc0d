"""PyPI `llm`."""

import json

from desk import QUESTION, serve
from llm_shared import Ask, connected, plain, stream, structured, tools


def embeddings(ask: Ask) -> int:
    return len(json.loads(ask("embed", "-c", "One text", model="3-small")))


def responses(ask: Ask) -> str:
    """Its newer models speak this format."""
    return ask("prompt", QUESTION, model="gpt-5-mini")


if __name__ == "__main__":
    connect = connected("gpt-4o-mini", lambda url, key: {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": key})
    serve(connect, plain, stream, tools, structured, embeddings, responses)
