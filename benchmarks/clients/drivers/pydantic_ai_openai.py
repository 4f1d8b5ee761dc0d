"""PyPI `pydantic-ai`, over `openai`."""

from desk import serve
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai_shared import plain, stream, structured, tools


def connect(base_url: str, key: str) -> OpenAIChatModel:
    return OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(base_url=f"{base_url}/v1", api_key=key))


def responses(model: OpenAIChatModel) -> str:
    there = {"base_url": str(model.client.base_url), "api_key": model.client.api_key}
    said = []
    for feature in (plain, stream, tools, structured):  # each has an event loop of its own, so a client of its own
        newer = OpenAIResponsesModel("gpt-5-mini", provider=OpenAIProvider(**there))
        said.append(str(feature(newer)))
    return " ".join(said)


if __name__ == "__main__":
    serve(connect, plain, stream, tools, structured, responses)
