"""PyPI `llama-index-llms-anthropic`."""

from desk import serve
from llama_index.llms.anthropic import Anthropic
from llamaindex_shared import plain, stream, structured, tools


def connect(base_url: str, key: str) -> Anthropic:
    return Anthropic(model="claude-haiku-4-5", base_url=base_url, api_key=key)


if __name__ == "__main__":
    serve(connect, plain, stream, tools, structured)
