"""PyPI `langchain-anthropic`."""

from desk import serve
from langchain_anthropic import ChatAnthropic
from langchain_shared import plain, stream, structured, tools


def connect(base_url: str, key: str) -> ChatAnthropic:
    return ChatAnthropic(model="claude-haiku-4-5", base_url=base_url, api_key=key)


if __name__ == "__main__":
    serve(connect, plain, stream, tools, structured)
