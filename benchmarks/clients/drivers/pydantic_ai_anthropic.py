"""PyPI `pydantic-ai`, over `anthropic`."""

from desk import serve
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai_shared import plain, stream, structured, tools


def connect(base_url: str, key: str) -> AnthropicModel:
    return AnthropicModel("claude-haiku-4-5", provider=AnthropicProvider(base_url=base_url, api_key=key))


if __name__ == "__main__":
    serve(connect, plain, stream, tools, structured)
