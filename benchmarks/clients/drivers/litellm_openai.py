"""PyPI `litellm`, speaking OpenAI's formats."""

from typing import Any

import litellm
from desk import QUESTION, serve
from litellm_sdk import of, plain, stream, structured, tools


def embeddings(there: dict[str, Any]) -> int:
    model = "openai/text-embedding-3-small"
    return len(litellm.embedding(input=["One text", "and another"], **{**there, "model": model}).data[1]["embedding"])


def responses(there: dict[str, Any]) -> str:
    said = litellm.responses(input=QUESTION, **there).output[-1].content[0].text
    events = litellm.responses(input=QUESTION, stream=True, **there)
    return said + "".join(event.delta for event in events if event.type == "response.output_text.delta")


if __name__ == "__main__":
    serve(of("openai/gpt-4o-mini", "/v1"), plain, stream, tools, structured, embeddings, responses)
