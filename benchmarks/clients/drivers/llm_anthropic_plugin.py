"""PyPI `llm` with `llm-anthropic`."""

from desk import serve
from llm_shared import connected, plain, stream, structured, tools

if __name__ == "__main__":
    connect = connected("claude-haiku-4.5", lambda url, key: {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": key})
    serve(connect, plain, stream, tools, structured)
